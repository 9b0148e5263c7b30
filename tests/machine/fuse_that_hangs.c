/* A file system of an ordinary user's that never answers when its file named flush is closed; nor when the one named
 * later is, once its mode was set.
 *
 * A process that has that file open, close-on-exec, never gets to the end of an execve(2). For so long the kernel lets
 * nobody, root included, read its environ, stat and others in /proc: whoever tries waits, and can only be killed.
 */

#define FUSE_USE_VERSION 31
#define _FILE_OFFSET_BITS 64
#include <fuse.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static volatile int it_is_later;

static int get_attributes(const char *path, struct stat *about, struct fuse_file_info *file)
{
    (void) file;
    memset(about, 0, sizeof *about);
    about->st_mode = strcmp(path, "/") == 0 ? S_IFDIR | 0755 : S_IFREG | 0644;
    about->st_nlink = 1;
    return 0;
}

static int open_file(const char *path, struct fuse_file_info *file)
{
    (void) path, (void) file;
    return 0;
}

static int set_mode(const char *path, mode_t mode, struct fuse_file_info *file)
{
    (void) mode, (void) file;
    if (strcmp(path, "/later") == 0)
        it_is_later = 1;
    return 0;
}

static int flush_file(const char *path, struct fuse_file_info *file)
{
    (void) file;
    while (strcmp(path, "/flush") == 0 || (it_is_later && strcmp(path, "/later") == 0))
        pause();
    return 0;
}

int main(int argc, char **argv)
{
    static const struct fuse_operations operations = {
        .getattr = get_attributes, .chmod = set_mode, .open = open_file, .flush = flush_file};
    return fuse_main(argc, argv, &operations, NULL);
}
