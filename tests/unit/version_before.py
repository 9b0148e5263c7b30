"""What version 2.0 did with the state folder before there were ledgers: the tests on machines have it, too.

An sshd that was started by it runs it still when its session ends, after an upgrade.
"""

import importlib.util
import os
from pathlib import Path

import accesscontrol

spec = importlib.util.spec_from_file_location("machines", Path(__file__).parents[1] / "machine/version_2_0.py")
machines = importlib.util.module_from_spec(spec)
spec.loader.exec_module(machines)
STATE_FILES, CLOSED = machines.STATE_FILES, machines.CLOSED


def session_line(pid, start, began, uid, gids, since, name, who, action, where, answer):
    """SessionRecord.line()."""
    return "\t".join(map(str, (pid, start, began, uid, gids, since, name, who, action, where, answer))) + "\n"


def prepare_state_folder():
    """The first thing that it does, for a login and for the end of a session."""
    machines.STATE = accesscontrol.STATE
    machines.prepare_state_folder()


def close_session(lines):
    """What was left of it when PAM closed a session: the file is written again, with these lines."""
    prepare_state_folder()
    with open(f"{accesscontrol.STATE}/sessions.new", "w", encoding="utf-8") as file:
        file.writelines(lines)
    os.rename(f"{accesscontrol.STATE}/sessions.new", f"{accesscontrol.STATE}/sessions")
