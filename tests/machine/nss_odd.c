/* A source of groups, for nsswitch.conf, that behaves as a directory does that is in trouble.
 *
 * slowgroup   is told of only when somebody has opened FOLDER/door, a FIFO, for writing; FOLDER/asked says that it waits
 * shygroup    has bob, and getgrnam tells so; but who asks for bob's groups is told that nobody answers
 * lategroup   has bob; with LATE defined, each answer, about whatever, takes so many milliseconds
 *
 * With LATE defined, each question opens FOLDER/question, so that strace shows it.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

static void take_time(void)
{
#ifdef LATE
    close(open(FOLDER "/question", O_RDONLY | O_CLOEXEC));
    usleep(1000 * LATE);
#endif
}

static enum nss_status tell(const char *name, gid_t gid, struct group *group, char *buffer, size_t size, int *error)
{
    static const char member[] = "bob";
    size_t longest = sizeof(char *) * 4 + strlen(name) + 1 + sizeof member;
    if (size < longest) {
        *error = ERANGE;
        return NSS_STATUS_TRYAGAIN;
    }
    char **members = (char **) buffer, *text = buffer + sizeof(char *) * 2;
    group->gr_mem = members;
    members[0] = strcpy(text, member);
    members[1] = NULL;
    group->gr_name = strcpy(text + sizeof member, name);
    group->gr_passwd = members[0] + strlen(member);
    group->gr_gid = gid;
    return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_odd_getgrnam_r(const char *name, struct group *group, char *buffer, size_t size, int *error)
{
    take_time();
    if (strcmp(name, "shygroup") == 0)
        return tell(name, 7001, group, buffer, size, error);
    if (strcmp(name, "lategroup") == 0)
        return tell(name, 7003, group, buffer, size, error);
    if (strcmp(name, "slowgroup") == 0) {
        close(open(FOLDER "/asked", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        close(open(FOLDER "/door", O_RDONLY | O_CLOEXEC));
        return tell(name, 7002, group, buffer, size, error);
    }
    return NSS_STATUS_NOTFOUND;
}

enum nss_status _nss_odd_getgrgid_r(gid_t gid, struct group *group, char *buffer, size_t size, int *error)
{
    take_time();
    return gid == 7003 ? tell("lategroup", gid, group, buffer, size, error) : NSS_STATUS_NOTFOUND;
}

enum nss_status _nss_odd_getpwnam_r(const char *name, struct passwd *person, char *buffer, size_t size, int *error)
{
    (void) name, (void) person, (void) buffer, (void) size, (void) error;
    take_time();
    return NSS_STATUS_NOTFOUND;
}

enum nss_status _nss_odd_getpwuid_r(uid_t uid, struct passwd *person, char *buffer, size_t size, int *error)
{
    (void) uid, (void) person, (void) buffer, (void) size, (void) error;
    take_time();
    return NSS_STATUS_NOTFOUND;
}

enum nss_status _nss_odd_initgroups_dyn(const char *user, gid_t gid, long *start, long *size, gid_t **gids, long limit,
                                        int *error)
{
    (void) user, (void) gid, (void) start, (void) size, (void) gids, (void) limit;
    take_time();
#ifdef LATE
    return NSS_STATUS_NOTFOUND; /* the group itself tells of its members */
#endif
    *error = EAGAIN;
    return NSS_STATUS_UNAVAIL;
}
