/* A PAM application that gets itself into whatever state a test wants, one command after the other.
 *
 * Reads commands from what was its stdin, a line each, and answers each on what was its stdout: a line for each message
 * to the person, and then "done" and what libpam returned. Both are out of the way, so that 0 to 2 can be closed, and no
 * limit on descriptors or on the size of files matters to them.
 *
 *   start HANDLE SERVICE USER [RHOST]     auth|acct|cred|open|close|end HANDLE     threaded auth|... HANDLE
 *   limit nofile|as|fsize|nproc|stack|cpu NUMBER     sigchld ignore|reap     reaped     closed DESCRIPTOR     umask OCTAL
 *   folder gone     locale NAME     chroot PATH     clock SECONDS
 *
 * A handle is a letter. `clock` sets this process's own wall clock forward or back.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <security/pam_appl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { COMMANDS = 900, ANSWERS = 901 };

static pam_handle_t *handles[26];
static volatile sig_atomic_t reaped;
static long clock_offset;

/* In front of libc's own, for every module: the wall clock as this process has it. */
int clock_gettime(clockid_t which, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        real = (int (*)(clockid_t, struct timespec *)) dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(which, now);
    if (status == 0 && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
        now->tv_sec += clock_offset;
    return status;
}

time_t time(time_t *place)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (place)
        *place = now.tv_sec;
    return now.tv_sec;
}

static void answer(const char *format, ...)
{
    char line[4096];
    va_list more;
    va_start(more, format);
    int length = vsnprintf(line, sizeof line, format, more);
    va_end(more);
    if (writev(ANSWERS, &(struct iovec){line, length}, 1) != length)
        _exit(3);
}

static int talk(int count, const struct pam_message **messages, struct pam_response **responses, void *data)
{
    (void) data;
    *responses = calloc(count, sizeof **responses);
    if (!*responses)
        return PAM_BUF_ERR;
    for (int i = 0; i < count; i++)
        answer("message %s\n", messages[i]->msg);
    return PAM_SUCCESS;
}

static void without_delay(int status, unsigned usec, void *data)
{
    (void) status, (void) usec, (void) data;
}

static int operate(const char *operation, const char *handle)
{
    pam_handle_t **pamh = &handles[(handle[0] - 'A') % 26];
    int status;
    if (strcmp(operation, "auth") == 0)
        return pam_authenticate(*pamh, 0);
    if (strcmp(operation, "acct") == 0)
        return pam_acct_mgmt(*pamh, 0);
    if (strcmp(operation, "cred") == 0)
        return pam_setcred(*pamh, PAM_ESTABLISH_CRED);
    if (strcmp(operation, "open") == 0)
        return pam_open_session(*pamh, 0);
    if (strcmp(operation, "close") == 0)
        return pam_close_session(*pamh, 0);
    status = pam_end(*pamh, PAM_SUCCESS);
    *pamh = NULL;
    return status;
}

struct job {
    const char *operation, *handle;
    int status;
};

static void *work(void *data)
{
    struct job *job = data;
    job->status = operate(job->operation, job->handle);
    return NULL;
}

static int operate_in_a_thread(const char *operation, const char *handle)
{
    struct job job = {operation, handle, -1};
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, &job) != 0)
        return -1;
    pthread_join(thread, NULL);
    return job.status;
}

static int limit(const char *name, const char *number)
{
    static const struct { const char *name; int resource; } all[] = {
        {"nofile", RLIMIT_NOFILE}, {"as", RLIMIT_AS}, {"fsize", RLIMIT_FSIZE}, {"nproc", RLIMIT_NPROC},
        {"stack", RLIMIT_STACK}, {"cpu", RLIMIT_CPU}};
    struct rlimit value;
    value.rlim_cur = value.rlim_max = strtoul(number, NULL, 10);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(name, all[i].name) == 0)
            return setrlimit(all[i].resource, &value);
    return -1;
}

static void reap(int number)
{
    (void) number;
    int before = errno;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        reaped++;
    errno = before;
}

static int start(const char *handle, const char *service, const char *user, const char *rhost)
{
    static const struct pam_conv conversation = {talk, NULL};
    pam_handle_t **pamh = &handles[(handle[0] - 'A') % 26];
    int status = pam_start(service, user, &conversation, pamh);
    if (status == PAM_SUCCESS)
        status = pam_set_item(*pamh, PAM_FAIL_DELAY, (const void *) without_delay);
    if (status == PAM_SUCCESS && *rhost)
        status = pam_set_item(*pamh, PAM_RHOST, rhost);
    return status;
}

static int leave_folder(void)
{
    char folder[] = "/tmp/gone-XXXXXX";
    return mkdtemp(folder) && chdir(folder) == 0 ? rmdir(folder) : -1;
}

static int obey(char *line)
{
    char *words[8] = {NULL};
    for (int i = 0; i < 7; i++)
        words[i] = strtok(i ? NULL : line, " ");
    const char *first = words[1] ? words[1] : "", *second = words[2] ? words[2] : "";
    const char *what = words[0] ? words[0] : "";
    if (strcmp(what, "start") == 0)
        return start(first, second, words[3], words[4] ? words[4] : "");
    if (strcmp(what, "threaded") == 0)
        return operate_in_a_thread(first, second);
    if (strcmp(what, "limit") == 0)
        return limit(first, second);
    if (strcmp(what, "sigchld") == 0)
        return signal(SIGCHLD, strcmp(first, "reap") == 0 ? reap : SIG_IGN) == SIG_ERR;
    if (strcmp(what, "closed") == 0)
        return close(atoi(first));
    if (strcmp(what, "umask") == 0)
        return umask(strtoul(first, NULL, 8)) * 0;
    if (strcmp(what, "folder") == 0)
        return leave_folder();
    if (strcmp(what, "locale") == 0)
        return setlocale(LC_ALL, first) ? 0 : -1;
    if (strcmp(what, "chroot") == 0)
        return chroot(first) == 0 ? chdir("/") : -1;
    if (strcmp(what, "clock") == 0)
        return (clock_offset = atol(first)) * 0;
    if (strcmp(what, "reaped") == 0)
        return reaped;
    if (*first)
        return operate(what, first);
    _exit(4);
}

int main(void)
{
    if (dup3(0, COMMANDS, O_CLOEXEC) < 0 || dup3(1, ANSWERS, O_CLOEXEC) < 0)
        return 2;
    static char line[4096];
    size_t length = 0;
    while (length < sizeof line - 1 && readv(COMMANDS, &(struct iovec){line + length, 1}, 1) == 1) {
        if (line[length++] != '\n')
            continue;
        line[length - 1] = 0;
        length = 0;
        answer("done %d\n", obey(line));
    }
    return 0;
}
