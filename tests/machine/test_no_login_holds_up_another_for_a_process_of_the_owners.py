"""The desktop's owner can have whoever looks at a process of theirs in /proc wait for ever, root included.

No login does: one that asks ends, with an answer or without, and all others go on.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from desktop import AUTOLOGIN, Desktop, active_session, alice_is_there, askers
from fuse import file_system_that_hangs
from limits import as_user, gets_in
from machine import run, wait_for

pytest_plugins = ["desktop_fixtures"]

COULD_NOT_BE_ASKED = "Access denied: the person at the desktop could not be asked."
PLACE = Path("/home/alice/hangs")
AS_ALICE = as_user("alice")

# Never gets to the end of execve(2), once it is told to begin with it.
HANGS = f"""
import os, sys
os.open("{PLACE}/flush", os.O_RDONLY)
print("ready", flush=True)
sys.stdin.readline()
os.execv("/bin/sleep", ["sleep", "infinity"])
"""

# In each window, before anything of the plugin: where a file says so, the same.
DEED = f"""
import os, sys
if sys.argv[1:] == ["--window"] and os.path.exists("/run/tests-deed"):
    os.open("{PLACE}/flush", os.O_RDONLY)
    os.execv("/bin/sleep", ["sleep", "infinity"])
"""
DEED_FILES = [Path("/usr/lib/python3/dist-packages", name) for name in ("tests_deed.py", "tests_deed.pth")]


@pytest.fixture
def hanging() -> Iterator[subprocess.Popen[bytes]]:
    """alice has such a file system, of this process. When that ends, whoever waits for it goes on."""
    with file_system_that_hangs("alice", PLACE) as server:
        yield server


def hangs(pid: int) -> bool:
    """Whether somebody who looks at the process waits; cat is killed then."""
    return run("timeout", "--signal=KILL", "1", "cat", f"/proc/{pid}/environ", check=False).returncode in (137, -9)


@pytest.fixture
def process_that_hangs(hanging, desktop: Desktop, lightdm) -> Iterator[Callable[[], int]]:
    """process_that_hangs(): a process of alice's session's begins to hang, which is older than all others there."""
    pipe = subprocess.PIPE
    with subprocess.Popen([*AS_ALICE, "python3", "-c", HANGS], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin and process.stdout
        assert process.stdout.readline() == "ready\n"
        lightdm(AUTOLOGIN)
        wait_for(alice_is_there, "alice is logged in")
        scope = f"session-{active_session()['Id']}.scope"
        group = run("systemctl", "show", "--property=ControlGroup", "--value", scope).stdout.strip()
        folders = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
        folder = next(path for path in folders if Path(path, "cgroup.procs").exists())
        Path(f"{folder}{group}/cgroup.procs").write_text(str(process.pid))

        def begin() -> int:
            process.stdin.write("go\n")
            process.stdin.flush()
            wait_for(lambda: hangs(process.pid), "the process hangs")
            return process.pid

        yield begin
        hanging.kill()
        process.kill()


@pytest.fixture
def windows_that_hang(hanging) -> Iterator[Callable[[], None]]:
    """windows_that_hang(): each window of the plugin that is started from now on, in this test."""
    place = Path("/run/tests-deed")
    for path, text in zip(DEED_FILES, (DEED, "import tests_deed\n")):
        path.write_text(text)
    yield place.touch
    hanging.kill()
    place.unlink(missing_ok=True)
    for path in DEED_FILES:
        path.unlink()


def test_where_the_display_is_looked_for(desktop: Desktop, process_that_hangs, rules) -> None:
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\nSSH NUMBER GROUP ALL:50\n")
    process_that_hangs()
    bob = desktop.knock("bob")
    wait_for(askers, "bob is asked about")
    assert gets_in("carol")
    assert bob.refusal() == COULD_NOT_BE_ASKED
    assert gets_in("carol")


def test_where_the_window_itself_hangs(desktop: Desktop, windows_that_hang, rules) -> None:
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\n")
    windows_that_hang()
    bob = desktop.knock("bob")
    wait_for(askers, "bob is asked about")
    assert gets_in("carol")
    assert bob.refusal() == COULD_NOT_BE_ASKED


def test_where_the_notice_hangs_that_waits_for_the_end(desktop: Desktop, windows_that_hang, rules) -> None:
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:3600\n")
    bob = desktop.knock("bob")
    desktop.answer("Allow")
    assert bob.is_let_in()
    wait_for(notices, "the notice waits")
    windows_that_hang()
    assert desktop.knock("bob").is_let_in()  # this one's end makes a notice that hangs
    wait_for(lambda: any(map(hangs, notices())), "the notice hangs")
    for _ in range(2):
        assert desktop.knock("bob").is_let_in()
        assert gets_in("carol")


def notices() -> list[int]:
    """The processes of the units that wait to tell of an end."""
    shown = run("systemctl", "show", "--property=MainPID", "--value", "pam-accesscontrol-ended-*").stdout.split()
    return [int(pid) for pid in shown if pid != "0"]
