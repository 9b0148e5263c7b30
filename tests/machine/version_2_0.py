"""The version before the state became ledgers, as far as it wrote down who is in: a plugin by itself.

It does to the state folder what that version did: what was not its own went away from there, and a file of lines was
rewritten under a lock. An sshd that it has let in goes on with it after an upgrade.
"""

import fcntl
import os
import pwd
import shutil
import stat
import time

STATE = "/run/pam-accesscontrol"
STATE_FILES = ("lock", "sessions", "granted", "queue", "answers", "missed")
CLOSED = "left"


def open_private(path, flags):
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def remove_stranger(entry):
    try:
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
    except OSError:
        pass


def prepare_state_folder():
    try:
        about = os.lstat(STATE)
    except FileNotFoundError:
        os.makedirs(STATE, 0o700, exist_ok=True)
        about = os.lstat(STATE)
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid() or about.st_mode & 0o022:
        raise PermissionError(1, f"{STATE} is not a folder of root's alone")
    if about.st_mode & 0o7777 != 0o700:
        os.chmod(STATE, 0o700)
    for entry in os.scandir(STATE):
        if entry.name.removesuffix(".new") not in STATE_FILES or not entry.is_file(follow_symlinks=False):
            remove_stranger(entry)


def read_lines(name):
    with open(f"{STATE}/{name}", "a+", encoding="utf-8", errors="replace", opener=open_private) as file:
        file.seek(0)
        return [line for line in file if line.endswith("\n")]


def write_lines(name, lines):
    data = "".join(lines).encode("utf-8", "replace")
    with open(f"{STATE}/{name}.new", "wb", opener=open_private) as file:
        file.write(data)
    os.rename(f"{STATE}/{name}.new", f"{STATE}/{name}")


def pid_of(line):
    return int(line.partition("\t")[0])


def rewrite(change):
    """Under the lock, puts back what `change` makes of the lines of those who live."""
    prepare_state_folder()
    lock = open_private(f"{STATE}/lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        lines = [line for line in read_lines("sessions") if os.path.exists(f"/proc/{pid_of(line)}")]
        write_lines("sessions", change(lines))
    finally:
        os.close(lock)


def session_line(pamh, answer):
    with open("/proc/self/stat", encoding="ascii") as file:
        start = file.read().rpartition(")")[2].split()[19]
    user = pwd.getpwnam(pamh.user)
    gids = ",".join(map(str, sorted(os.getgrouplist(pamh.user, user.pw_gid))))
    began = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    fields = os.getpid(), start, began, user.pw_uid, f",{gids},", int(time.time()), "SSH", f"{pamh.user}@{pamh.rhost}"
    return "\t".join(map(str, (*fields, "OPEN", "pam-accesscontrol.conf:1", answer))) + "\n"


def pam_sm_authenticate(pamh, flags, argv):
    return pamh.PAM_IGNORE


def pam_sm_setcred(pamh, flags, argv):
    return pamh.PAM_IGNORE


def pam_sm_acct_mgmt(pamh, flags, argv):
    return pamh.PAM_IGNORE


def pam_sm_open_session(pamh, flags, argv):
    rewrite(lambda lines: [*lines, session_line(pamh, "-")])
    return pamh.PAM_IGNORE


def pam_sm_close_session(pamh, flags, argv):
    with open("/run/tests-closed", "w", encoding="utf-8") as told:
        try:
            rewrite(lambda lines: [*(it for it in lines if pid_of(it) != os.getpid()), session_line(pamh, CLOSED)])
            told.write("written down\n")
        except OSError as error:
            told.write(f"{error}\n")
    return pamh.PAM_IGNORE
