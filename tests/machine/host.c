/* A PAM application that tells what is done to it.
 *
 * host SERVICE OPERATION... <USER PASSWORD [RHOST], each with a NUL behind it
 *
 * Writes a line for each thing that happens: the state of the process before and after, each message to the person,
 * each delay that a module asks for, each delay that libpam would make, and what each operation returned.
 */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <locale.h>
#include <sched.h>
#include <security/pam_appl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

extern char **environ;

static const char *password;
static pid_t child; /* has ended, and is ours to wait for */

static int talk(int count, const struct pam_message **messages, struct pam_response **responses, void *data)
{
    (void) data;
    *responses = calloc(count, sizeof **responses);
    for (int i = 0; i < count; i++) {
        int style = messages[i]->msg_style;
        if (style == PAM_ERROR_MSG || style == PAM_TEXT_INFO)
            printf("message %s\n", messages[i]->msg);
        else
            (*responses)[i].resp = strdup(password);
    }
    return PAM_SUCCESS;
}

static void would_delay(int status, unsigned usec, void *data)
{
    (void) data;
    printf("delayed %s %u\n", status == PAM_SUCCESS ? "success" : "failure", usec);
}

/* In front of libpam's own, for every module: what it asks for is made known, and then passed on. */
int pam_fail_delay(pam_handle_t *pamh, unsigned usec)
{
    int (*real)(pam_handle_t *, unsigned) = (int (*)(pam_handle_t *, unsigned)) dlsym(RTLD_NEXT, "pam_fail_delay");
    printf("asked %u\n", usec);
    return real(pamh, usec);
}

static void tell_descriptors(const char *when)
{
    DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;
    while ((entry = readdir(folder))) {
        int descriptor = atoi(entry->d_name);
        if (entry->d_name[0] != '.' && descriptor != dirfd(folder)) {
            int flags = fcntl(descriptor, F_GETFD);
            if (!(flags & FD_CLOEXEC))
                printf("state %s descriptor-%d\n", when, descriptor);
        }
    }
    closedir(folder);
}

static void tell_status(const char *when)
{
    char line[256];
    FILE *status = fopen("/proc/self/status", "re");
    while (fgets(line, sizeof line, status)) {
        static const char *names[] = {"Umask", "Uid", "Gid", "Groups", "Threads", "Cap", "NoNewPrivs", "SigBlk"};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (strncmp(line, names[i], strlen(names[i])) == 0)
                printf("state %s %s", when, line);
    }
    fclose(status);
}

static void tell_state(const char *when)
{
    char *folder = getcwd(NULL, 0);
    printf("state %s cwd %s\n", when, folder);
    free(folder);
    tell_status(when);
    for (char **variable = environ; *variable; variable++)
        printf("state %s environment %s\n", when, *variable);
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) == 0)
            printf("state %s signal %d %p %x\n", when, number, (void *) action.sa_handler, action.sa_flags);
    }
    printf("state %s locale %s\n", when, setlocale(LC_ALL, NULL));
    printf("state %s nice %d policy %d\n", when, getpriority(PRIO_PROCESS, 0), sched_getscheduler(0));
    for (int resource = 0; resource < RLIMIT_NLIMITS; resource++) {
        struct rlimit limit;
        getrlimit(resource, &limit);
        printf("state %s limit %d %lu %lu\n", when, resource, (unsigned long) limit.rlim_cur, (unsigned long) limit.rlim_max);
    }
    tell_descriptors(when);
    /* Children, ended or not: /proc knows them all. */
    char line[4096] = "";
    FILE *children = fopen("/proc/thread-self/children", "re");
    if (children) {
        if (!fgets(line, sizeof line, children))
            line[0] = 0;
        fclose(children);
    }
    printf("state %s children %s\n", when, line);
}

static void on_hangup(int number)
{
    (void) number;
}

static int operate(pam_handle_t *pamh, const char *operation)
{
    int flags = strchr(operation, ':') ? PAM_SILENT : 0;
    if (strncmp(operation, "auth", 4) == 0)
        return pam_authenticate(pamh, flags);
    if (strncmp(operation, "acct", 4) == 0)
        return pam_acct_mgmt(pamh, flags);
    if (strncmp(operation, "cred", 4) == 0)
        return pam_setcred(pamh, flags | PAM_ESTABLISH_CRED);
    if (strncmp(operation, "open", 4) == 0)
        return pam_open_session(pamh, flags);
    return pam_close_session(pamh, flags);
}

int main(int argc, char **argv)
{
    struct pam_conv conversation = {talk, NULL};
    pam_handle_t *pamh;

    char *given[3] = {NULL, NULL, NULL};
    size_t sizes[3] = {0, 0, 0};
    for (int i = 0; i < 3; i++)
        if (getdelim(&given[i], &sizes[i], 0, stdin) <= 0)
            given[i] = NULL;
    if (argc < 3 || !given[1])
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    setlocale(LC_ALL, "C");
    openlog("tests-host", LOG_PID, LOG_DAEMON);
    signal(SIGHUP, on_hangup);
    signal(SIGPIPE, SIG_DFL);
    child = fork();
    if (child == 0)
        _exit(42);
    siginfo_t ended;
    waitid(P_PID, child, &ended, WEXITED | WNOWAIT);

    password = given[1];
    pam_start(argv[1], given[0], &conversation, &pamh);
    if (given[2])
        pam_set_item(pamh, PAM_RHOST, given[2]);
    pam_set_item(pamh, PAM_FAIL_DELAY, (const void *) would_delay);
    tell_state("before");
    int status = PAM_SUCCESS;
    for (int i = 2; i < argc; i++) {
        status = operate(pamh, argv[i]);
        printf("returned %s %d\n", argv[i], status);
    }
    tell_state("after");
    pam_end(pamh, status);
    syslog(LOG_INFO, "the host's own words");
    int code = 0;
    printf("child %d\n", waitpid(child, &code, WNOHANG) == child ? WEXITSTATUS(code) : -1);
    return 0;
}
