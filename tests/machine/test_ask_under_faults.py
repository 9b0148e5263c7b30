"""A question is asked, and its answer comes through, whatever way the host is in; a fault is never taken for an Allow.

Where only what the host does is at issue, the dialog is one that answers at once: see `answers`.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from desktop import Desktop
from faults import World
from host import PASSING, PERM_DENIED, SUCCESS
from limits import LOGIND
from machine import run
from odd_host import OddHost

pytest_plugins = ["faults_fixtures", "desktop_fixtures"]

ASK = "ALL ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\nUNATTENDED:OPEN\n"
ALONE = "ALL ASK USER bob\nALL OPEN USER carol\nALL NUMBER GROUP ALL:2\nREMEMBER:0\nUNATTENDED:OPEN\n"
LOGIN = ["start A scratch bob", "open A"]
STATE = Path("/run/pam-accesscontrol")
COULD_NOT_BE_ASKED = "Access denied: the person at the desktop could not be asked."
# Of what a question does, the steps that decide; not each look at each process.
DECIDING = re.compile(r"/run/(pam-acc|systemd)|/sys/fs|/proc/\d+/(stat|cgroup)|pipe2|vfork")
WRITING = re.compile(r"symlink|utimensat|rename|unlink|vfork")


@pytest.fixture(autouse=True)
def _rules(rules, service) -> None:
    rules(ASK)
    service("scratch", PASSING)


# ----------------------------------------------------------------------------------------------------- a real dialog

BAD_WAYS = {
    "descriptors 0 to 2 closed": ["closed 0", "closed 1", "closed 2"],
    "SIGCHLD ignored": ["sigchld ignore"],
    "SIGCHLD handled, and every child reaped": ["sigchld reap"],
    "less memory than Qt needs": ["limit as 134217728"],
    "no more processes": ["limit nproc 0"],
    "16 descriptors, umask 0777, no working directory": ["limit nofile 16", "umask 0777", "folder gone"],
}


@pytest.mark.parametrize("way", BAD_WAYS)
def test_the_answer_comes_through(way: str, desktop: Desktop) -> None:
    with OddHost(*BAD_WAYS[way]) as host:
        for handle, button, outcome in (("A", "Allow", SUCCESS), ("B", "Deny", PERM_DENIED)):
            assert host.do(f"start {handle} scratch bob 10.1.2.3") == SUCCESS
            host.tell(f"open {handle}")
            desktop.answer(button)
            assert host.answer() == outcome
            assert host.do(f"close {handle}") in (SUCCESS, PERM_DENIED)
            assert host.do(f"end {handle}") == SUCCESS


@contextmanager
def stopped(*services: str) -> Iterator[None]:
    """Within the block, these services are there, but do not get to do anything."""
    with ExitStack() as stack:
        for service in services:
            pid = int(run("systemctl", "show", service, "--property=MainPID", "--value").stdout)
            os.kill(pid, signal.SIGSTOP)
            stack.callback(os.kill, pid, signal.SIGCONT)
        yield


def test_while_logind_does_not_answer(desktop: Desktop, rules) -> None:
    rules(ASK + "ALL NUMBER GROUP users:2\n")  # alice is one of them
    with stopped(LOGIND), OddHost("start A scratch bob 10.1.2.3", "start C scratch carol") as host:
        host.tell("open A")
        desktop.answer("Allow")
        assert host.answer() == SUCCESS
        assert host.do("open C") == PERM_DENIED
        assert host.messages == ["Access denied: users: 2 of 2 are logged in."]
        assert host.do("close A") == SUCCESS


def test_while_the_bus_does_not_answer_nobody_is_asked_and_others_get_in(desktop: Desktop, journal) -> None:
    with stopped("dbus.service"), OddHost("start A scratch bob 10.1.2.3", "start C scratch carol") as host:
        assert host.do("open A") == PERM_DENIED
        assert host.messages == [COULD_NOT_BE_ASKED]
        assert host.do("open C") == SUCCESS
    assert journal()[0].endswith("could not be asked: systemd-run: systemd does not answer")


# --------------------------------------------------------------------------------- a dialog that answers at once


@pytest.fixture
def answers(desktop: Desktop, tmp_path: Path) -> Iterator[Callable[[str], World]]:
    """answers("allow"): a world in which alice sits at her desktop, and her dialog has this to say, at once."""
    made: list[World] = []

    def make(word: str) -> World:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        tmp_path.chmod(0o755)
        stub = folder / "systemd-run"
        stub.write_text(f"#!/bin/sh\necho {word}\necho Running as unit: stub.service >&2\n")  # it is killed then
        stub.chmod(0o755)
        made.append(World(folder, f"mount --bind {stub} /usr/bin/systemd-run"))
        return made[-1]

    yield make
    for world in made:
        world.close()


def test_no_error_at_any_step_is_taken_for_nobody_at_the_desktop(answers, rules) -> None:
    world = answers("nonsense")
    assert "alice could not be asked" in " ".join(world.attempt(LOGIN).syslog)
    met = 0
    for step, error in world.errors(LOGIN, DECIDING):
        attempt = world.attempt(LOGIN, step.fails(error))
        told = f"{error} at {step}: {attempt}"
        assert attempt.code == 0, told
        assert attempt.returned == [SUCCESS, PERM_DENIED], told
        assert attempt.tells_of_a_refusal, told
        met += attempt.met
    assert met > 40


def test_killed_at_any_step_it_leaves_nobody_waiting(answers, rules) -> None:
    rules(ALONE)
    world = answers("allow")
    login = [*LOGIN, "close A", "end A"]
    killed = 0
    for step in world.steps(login, WRITING):
        killed += world.attempt(login, step.kills()).code == -signal.SIGKILL
        with world.host("start B scratch carol", "open B"):
            pass
    assert killed > 12
    assert "allowed by alice" in " ".join(world.attempt(login).syslog)


def test_an_answer_is_remembered_whatever_becomes_of_the_clock(answers, rules) -> None:
    rules(ASK.replace("REMEMBER:0", "REMEMBER:600"))
    world = answers("allow")
    with world.host("start A scratch bob", "open A", "close A"):
        pass
    run(*world.inside, "umount", "/usr/bin/systemd-run")
    run(*world.inside, "mount", "--bind", "/bin/false", "/usr/bin/systemd-run")
    for offset in (-1_000_000_000, -3600, 3600, 1_000_000_000):
        with world.host(f"clock {offset}", "start A scratch bob", "open A"):
            pass
    assert "could not be asked" not in " ".join(world.syslog())
