"""What version 2.0 did with the state folder at its commit 5a06999, before there were ledgers: as it stood there.

An sshd that was started by it runs it still when its session ends, after an upgrade.
"""

import os
import shutil
import stat

import accesscontrol

STATE_FILES = ("lock", "sessions", "granted", "queue", "answers", "missed")
CLOSED = "left"


def session_line(pid, start, began, uid, gids, since, name, who, action, where, answer):
    """SessionRecord.line()."""
    return "\t".join(map(str, (pid, start, began, uid, gids, since, name, who, action, where, answer))) + "\n"


def prepare_state_folder():
    """The first thing that its SessionRegistry does, for a login and for the end of a session."""
    state = accesscontrol.STATE
    try:
        about = os.lstat(state)
    except FileNotFoundError:
        os.makedirs(state, 0o700, exist_ok=True)
        about = os.lstat(state)
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid() or about.st_mode & 0o022:
        raise PermissionError(1, f"{state} is not a folder of root's alone")
    if about.st_mode & 0o7777 != 0o700:
        os.chmod(state, 0o700)
    for entry in os.scandir(state):
        if entry.name.removesuffix(".new") not in STATE_FILES or not entry.is_file(follow_symlinks=False):
            remove_stranger(entry)


def remove_stranger(entry):
    try:
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
    except OSError:
        pass


def close_session(lines):
    """What was left of it when PAM closed a session: the file is written again, with these lines."""
    prepare_state_folder()
    with open(f"{accesscontrol.STATE}/sessions.new", "w", encoding="utf-8") as file:
        file.writelines(lines)
    os.rename(f"{accesscontrol.STATE}/sessions.new", f"{accesscontrol.STATE}/sessions")
