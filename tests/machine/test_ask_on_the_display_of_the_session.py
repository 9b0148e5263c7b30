"""The question comes on the display that is the session's, whatever other display the owner's processes name."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from desktop import AUTOLOGIN, Desktop, active_session, alice_is_there, cgroup_of, comes_up, processes
from limits import kill_and_wait, needs_logind
from machine import run, wait_for
from wayland import Sway

pytest_plugins = ["desktop_fixtures", "wayland_fixtures"]
pytestmark = needs_logind

CGROUPS = [Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup/systemd")]
SERVER = ["Xvfb", ":99", "-screen", "0", "640x480x24", "-nolisten", "tcp", "-noreset"]


@pytest.fixture(autouse=True)
def _rules(rules) -> None:
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\nUNATTENDED:CLOSE\n")


@pytest.fixture
def other_display() -> Iterator[None]:
    """Beside her desktop, alice has an X server that nobody looks at."""
    with subprocess.Popen(as_alice(*SERVER), stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(lambda: run("xprop", "-display", ":99", "-root", check=False).returncode == 0, "it is there")
            yield
        finally:
            server.terminate()


def as_alice(*command: str, display: str = ":99") -> list[str]:
    ids = ["--reuid=alice", "--regid=alice", "--init-groups"]
    environment = [f"PATH={os.environ['PATH']}", f"DISPLAY={display}"]
    return ["setpriv", *ids, "env", "--ignore-environment", *environment, *command]


@contextmanager
def program(display: str = ":99") -> Iterator[int]:
    """Within the block, a program of alice's runs that has this display in its environment."""
    with subprocess.Popen(as_alice("sleep", "1000000", display=display)) as process:
        try:
            yield process.pid
        finally:
            kill_and_wait(process.pid)


def move_into_the_session_of(program: int, pid: int) -> None:
    """Puts a process where another one is, as the kernel knows it."""
    for folder in CGROUPS:
        place = folder / cgroup_of(program).lstrip("/") / "cgroup.procs"
        if place.exists():
            place.write_text(f"{pid}\n")
    assert cgroup_of(pid) == cgroup_of(program)
    assert f"/session-{active_session()['Id']}.scope" in cgroup_of(pid)


def window_manager() -> int:
    [pid] = processes(lambda words: words[:1] == ["/usr/bin/openbox"])
    return pid


def is_asked_there(desktop: Desktop) -> None:
    bob = desktop.knock("bob")
    window = desktop.question()
    assert run("xdotool", "search", "--name", "bob", env={**os.environ, "DISPLAY": ":99"}, check=False).stdout == ""
    window.press("alt+a")
    assert bob.is_let_in()


def test_a_program_with_another_display(desktop: Desktop, other_display: None) -> None:
    with program() as pid:
        move_into_the_session_of(window_manager(), pid)
        is_asked_there(desktop)


@pytest.mark.parametrize("display", [":99", "nonsense"])
def test_a_program_with_another_display_and_the_lowest_pid(lightdm, other_display: None, desktop, display: str) -> None:
    with program(display) as pid:
        comes_up(lambda: lightdm(AUTOLOGIN), alice_is_there, "alice is logged in")
        move_into_the_session_of(window_manager(), pid)
        assert pid < window_manager()
        is_asked_there(desktop)


def test_a_program_with_an_x_display_under_wayland(other_display: None, sway, rules, eye) -> None:
    with program() as pid, ExitStack() as stack:
        desktop: Sway = sway("disable")
        stack.callback(desktop.clear)
        move_into_the_session_of(desktop.pid, pid)
        assert pid < desktop.pid
        with desktop.a_program():
            is_asked_there(desktop)
