"""A login that is stopped or frozen, at whatever step, keeps nobody: all others get in and out, and are counted right.

Whoever runs a guarded su can stop what it starts, and freeze it by its cgroup; and by `loginctl kill-session` root's
own process behind their ssh session. What it keeps is a place for itself, where it has already taken one.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest

from faults import ALL, World
from host import PASSING, SUCCESS
from hosts import guarded
from limits import (
    LOGIND_SESSIONS,
    SESSIONS,
    as_user,
    frozen,
    known_to_the_plugin,
    needs_logind,
    read,
    refusal,
    start_of,
    state_of,
    stopped_at,
    wait_until_gone,
    write_entry,
)
from machine import KEYS, pam, password_of, run, ssh, ssh_command, ssh_session, terminal_of, wait_for

pytest_plugins = ["faults_fixtures", "limits_fixtures"]

RULES = "DEFAULT:OPEN\nSSH NUMBER GROUP ALL:50\nSSH NUMBER USER bob:50\n"
FULL = "Access denied: users: 1 of 1 are logged in."
SU_ERIN = [*as_user("erin"), "su", "erin", "-c", "true"]
HOW = ["stopped", "frozen"]


@pytest.fixture(autouse=True)
def _guarded(rules, service, nobody) -> Iterator[None]:
    rules(RULES)
    service("guarded", PASSING)
    assert pam("guarded", "bob", "open_session", "close_session").returncode == 0  # so that there is a ledger
    with guarded("su"):
        yield
    wait_until_gone(["bob", "carol", "erin", "root"])


@pytest.fixture
def _roots_key() -> Iterator[None]:
    """root gets in over ssh, by carol's key."""
    place = Path("/root/.ssh/authorized_keys")
    before = place.read_text() if place.exists() else None
    place.parent.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(KEYS / "carol.pub", place)
    yield
    place.unlink() if before is None else place.write_text(before)


def root_gets_in_at_the_console() -> bool:
    login = pexpect.spawn("login", ["-f", "root"], encoding="utf-8", timeout=60)
    held = os.open(terminal_of(login), os.O_RDWR | os.O_NOCTTY)  # or we read an end of file while login reopens it
    inside = login.expect([r"[#$] ", "Access denied", pexpect.EOF]) == 0
    os.close(held)
    login.close(force=True)
    return inside


OTHERS: dict[str, Callable[[], bool]] = {
    "bob, whom two limits count, over ssh": lambda: refusal(ssh("bob")) == "",
    "root over ssh": lambda: refusal(ssh("root", key=KEYS / "carol")) == "",
    "root at the console": root_gets_in_at_the_console,
    "carol by su": lambda: run(*as_user("root"), "su", "carol", "-c", "id -un", check=False).stdout == "carol\n",
}


# ------------------------------------------------------------------------------------- an su of erin's, where it stands


# What erin's su has done last, as a system call and, where that is told from others by it, a path.
MOMENTS: dict[str, tuple[str, str]] = {
    "has read the turn": ("getdents64", "turn"),
    "has listed the entries": ("getdents64", "."),
    "has read an entry": ("readlink", "living"),
    "has made its entry": ("symlink", ""),
    "has renamed the turn": ("rename", ""),
    "has removed the entry of somebody who is gone": ("unlink", "gone"),
}


def a_pid_of_nobody() -> int:
    with subprocess.Popen(["true"]) as process:
        return process.pid


@contextmanager
def erin_stands_still(how: str, moment: str) -> Iterator[int]:
    """Within the block, erin's su does, where it has come so far; alice's session is there, and what is left of one."""
    call, place = MOMENTS[moment]
    with subprocess.Popen(["sleep", "infinity"]) as living:
        paths = {
            "turn": SESSIONS / "turn",
            ".": SESSIONS,
            "living": write_entry("alice", living.pid, start_of(living.pid)),
            "gone": write_entry("alice", a_pid_of_nobody(), 1),
        }
        try:
            with stopped_at(call, paths.get(place), *SU_ERIN, input=password_of("erin") + "\n") as pid:
                if how == "stopped":
                    yield pid
                else:
                    with frozen(pid):
                        yield pid
        finally:
            living.kill()


@pytest.mark.usefixtures("_roots_key")
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("how", HOW)
def test_who_logs_in_gets_in_and_nobody_is_ended_for_it(how: str, moment: str, rules, journal) -> None:
    rules(f"{RULES}ALL NUMBER USER erin:50\n")
    with erin_stands_still(how, moment) as pid:
        start = start_of(pid)
        for who, gets_in in OTHERS.items():
            assert gets_in(), who
        assert start_of(pid) == start
    assert not [line for line in journal() if "refused" in line or "not written down" in line]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("how", HOW)
def test_who_logs_out_gives_the_place_back_and_who_is_counted_is_counted_right(
    how: str, moment: str, rules, journal
) -> None:
    """alice is in besides, and erin, who is in no group, may be."""
    rules("DEFAULT:OPEN\nSSH NUMBER GROUP users:2\nALL NUMBER USER erin:50\n")
    full = FULL.replace("1", "2")
    with ssh_session("bob") as bob, erin_stands_still(how, moment):
        assert refusal(ssh("carol")) == full
        assert refusal(ssh("bob")) == ""
        bob.stdin.close()
        wait_until_gone(["bob"])
        with ssh_session("carol"):
            assert refusal(ssh("bob")) == full
        wait_until_gone(["carol"])
        assert refusal(ssh("bob")) == ""
    assert not [line for line in journal() if "given back" in line or "not written down" in line]


# ---------------------------------------------------------------------------------------- a login, at each of its steps


LOGIN = ["start A scratch carol", "acct A", "open A", "close A", "end A"]
CALLS = {"getdents64", "readlink", "symlink", "rename", "unlink", "utimensat"}  # all but those that open and look
IN_THE_STATE_FOLDER = re.compile(r"/run/pam-accesscontrol")


def test_stopped_at_any_step_and_continued_all_are_counted_right(world: World, rules) -> None:
    """With two places, of which bob has one: whoever is faster has the other, carol, who is stopped, or alice."""
    rules("ALL OPEN USER ALL\nALL NUMBER GROUP users:2\n")

    def somebody_has_gone() -> None:
        for path in world.sessions.glob("*.*.*"):
            if path.name.endswith(".left") or " bob@" not in os.readlink(path):
                path.unlink()  # or there would be more to read than the last time
        write_entry("dave", a_pid_of_nobody(), 1, folder=world.sessions)

    def is_in(user: str, left: bool = False) -> bool:
        found = [path for path in world.sessions.glob("*.*.*") if path.name.endswith(".left") is left]
        return any(f" {user}@" in os.readlink(path) for path in found)

    with world.host("start B scratch bob", "open B"):
        steps = world.steps(LOGIN, IN_THE_STATE_FOLDER, afresh=somebody_has_gone)
        steps = [step for step in steps if IN_THE_STATE_FOLDER.search(step.text) and step.call in CALLS]
        assert {step.call for step in steps} == CALLS
        outcomes = set()
        for step in steps:
            somebody_has_gone()
            with world.stopped_at(LOGIN, step) as (_, go_on), world.host("start D scratch alice") as alice:
                with world.host("start C scratch bob", "acct C", "open C", "close C"):  # who is in already
                    pass
                with world.host("start E scratch erin", "acct E", "open E", "close E"):  # whom nothing limits
                    pass
                carol_is_in, carol_has_left = is_in("carol"), is_in("carol", left=True)
                assert (alice.do("open D") == SUCCESS) is not carol_is_in, step
                assert is_in("alice") is not carol_is_in, step
                carol_was_let_in = go_on()[2] == SUCCESS
                assert carol_was_let_in is (carol_is_in or carol_has_left), step
                if carol_is_in:
                    assert alice.do("open D") == SUCCESS, step  # carol has gone
                outcomes.add((carol_is_in, carol_was_let_in))
        assert outcomes == {(False, False), (True, True), (False, True)}
    assert not [line for line in world.syslog() if "not written down" in line or "given back" in line]


# -------------------------------------------------------------------------------------- an ssh session, by its own user


def session_of(user: str) -> tuple[str, int] | None:
    """The name and the leader of the one session of a user that is open, in logind's eyes."""
    for path in LOGIND_SESSIONS.glob("*[!f]"):
        facts = dict(line.partition("=")[::2] for line in read(path).splitlines())
        if (facts.get("USER"), facts.get("CLASS")) == (user, "user") and facts.get("STATE") != "closing":
            return path.name, int(facts["LEADER"])
    return None


def others_come_and_go() -> None:
    for who, gets_in in OTHERS.items():
        if who != "bob, whom two limits count, over ssh":
            assert gets_in(), who


@needs_logind
@pytest.mark.usefixtures("_roots_key")
@pytest.mark.parametrize("when", ["begins", "ends"])
@pytest.mark.parametrize("name", ["STOP", "KILL"])
def test_an_ssh_session_whose_processes_its_user_stops_or_kills(name: str, when: str, rules, journal) -> None:
    """At random moments in which it begins or ends; root's own process behind it is one of them."""
    rules("DEFAULT:OPEN\nALL NUMBER GROUP users:2\n")
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    line, environment = ssh_command("bob", "echo in; cat")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    reached_roots = 0
    for _ in range(60 if ALL else 8):
        with subprocess.Popen(line, env=environment, **pipes) as client:
            assert client.stdin and client.stdout
            session, opener = wait_for(lambda: session_of("bob"), "logind knows bob's session")
            if when == "ends":
                client.stdout.readline()
            signaller = subprocess.Popen([*as_user("bob"), "loginctl", "kill-session", session, f"--signal={name}"])
            time.sleep(chance.uniform(0, 0.1))  # not for an event: it is the moment of the signal that is at random
            if when == "ends":
                client.stdin.close()
            signaller.wait()
            others_come_and_go()
            # D: waits for a child that was stopped between vfork(2) and execve(2): one of pam_motd (measured).
            reached_roots += state_of(opener) in ("T", "D")
            run("loginctl", "kill-session", session, "--signal=CONT", check=False)
            client.kill()
        wait_for(lambda: "bob" not in known_to_the_plugin(), "bob has gone")
        run("loginctl", "terminate-session", session, check=False)  # which logind may take for open for ever (measured)
        wait_until_gone(["bob"])
        with ssh_session("carol"), ssh_session("alice"):
            assert refusal(ssh("bob")) == FULL.replace("1", "2"), f"with the seed {seed}"
        wait_until_gone(["alice", "carol"])
        assert refusal(ssh("bob")) == "", f"with the seed {seed}"
        wait_until_gone(["bob"])
    assert name == "KILL" or reached_roots, f"with the seed {seed}"
    assert not [line for line in journal() if "not written down" in line or "cannot be counted" in line]


# ---------------------------------------------------------------------------------------------------- erin, without end


# Eight su at a time, each stopped at a moment at random for ever, until nobody reads what this says any more.
ERIN = """
import os, random, signal, subprocess, sys, time
chance = random.Random(int(sys.argv[1]))
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
while True:
    eight = []
    for _ in range(8):
        su = subprocess.Popen(["su", "erin", "-c", "true"], stdin=subprocess.PIPE, **quiet)
        su.stdin.write(b"erin-pw\\n")
        su.stdin.flush()
        eight.append(su)
    begun = time.monotonic()
    for when, su in sorted((chance.uniform(0, 0.6), number) for number in range(8)):
        time.sleep(max(0, begun + when - time.monotonic()))
        try:
            os.kill(eight[su].pid, signal.SIGSTOP)
        except (PermissionError, ProcessLookupError):
            pass
    print(len(eight), flush=True)
"""


@pytest.mark.usefixtures("_roots_key")
def test_erin_who_stops_one_su_after_the_other_keeps_nobody_out(journal) -> None:
    seed = random.randrange(1 << 30)
    line = [*as_user("erin"), "python3", "-c", ERIN, str(seed)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, start_new_session=True) as erin:
        assert erin.stdout
        try:
            for _ in range(5):
                erin.stdout.readline()
                for who, gets_in in OTHERS.items():
                    assert gets_in(), f"{who} did not get in, with the seed {seed}"
        finally:
            erin.kill()
            for pid in map(int, run("pgrep", "--full", "^su erin -c true", check=False).stdout.split()):
                os.kill(pid, signal.SIGKILL)
    erins = "erin@", "the program that called PAM has ended"  # a su of hers, which was killed
    refused = [line for line in journal() if "refused" in line and not any(it in line for it in erins)]
    assert not refused, f"{refused}, with the seed {seed}"
