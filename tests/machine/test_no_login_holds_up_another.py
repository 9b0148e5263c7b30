"""A login that is stopped or frozen with the lock of who is in in its hand keeps nobody: all others go on.

Whoever runs a guarded su can freeze what it starts, by their cgroup. Whoever waits for such a holder ends it after a
quarter of a second. Nobody is refused for it, whether a limit counts them or not.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest

from host import PASSING
from hosts import guarded
from limits import (
    as_user,
    frozen,
    refusal,
    start_of,
    stopped_with_the_lock,
    wait_until_gone,
)
from machine import KEYS, pam, password_of, run, ssh, ssh_session, terminal_of, wait_for

pytest_plugins = ["limits_fixtures"]

RULES = "DEFAULT:OPEN\nSSH NUMBER GROUP ALL:50\nSSH NUMBER USER bob:50\n"
SU_ERIN = [*as_user("erin"), "su", "erin", "-c", "true"]
HOW = ["stopped", "frozen"]


@pytest.fixture(autouse=True)
def _guarded(rules, service, nobody) -> Iterator[None]:
    rules(RULES)
    service("guarded", PASSING)
    assert pam("guarded", "bob", "open_session", "close_session").returncode == 0  # so that there is a registry
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


@contextmanager
def erin_holds_the_lock(how: str) -> Iterator[int]:
    with stopped_with_the_lock(*SU_ERIN, input=password_of("erin") + "\n") as pid:
        if how == "stopped":
            yield pid
        else:
            with frozen(pid):
                yield pid


def test_one_that_is_frozen_is_told_from_one_that_is_slow() -> None:
    """Or 40 su of one user's, each frozen while it holds the lock, would keep all others for as many patiences."""
    ask = "import sys; sys.path.insert(0, '/usr/lib/pam-accesscontrol'); import accesscontrol as it"
    told = ["/usr/bin/python3", "-I", "-c", f"{ask}; print(it.is_frozen(int(sys.argv[1])))"]
    with subprocess.Popen(["sleep", "1000"]) as sleeping:
        assert run(*told, str(sleeping.pid)).stdout == "False\n"
        with frozen(sleeping.pid):
            assert run(*told, str(sleeping.pid)).stdout == "True\n"


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


@pytest.mark.usefixtures("_roots_key")
@pytest.mark.parametrize("who", OTHERS)
@pytest.mark.parametrize("how", HOW)
def test_who_logs_in_gets_in(how: str, who: str, journal) -> None:
    with erin_holds_the_lock(how) as holder:
        start = start_of(holder)
        assert OTHERS[who]()
        assert start_of(holder) != start
    assert not [line for line in journal() if "refused" in line or "not written down" in line]


@pytest.mark.parametrize("how", HOW)
def test_who_logs_out_gives_the_place_back(how: str, rules, journal) -> None:
    rules("DEFAULT:OPEN\nSSH NUMBER GROUP users:1\n")
    with ssh_session("bob") as bob:
        with erin_holds_the_lock(how) as holder:
            bob.stdin.close()
            wait_for(lambda: start_of(holder) < 0, "whoever holds the lock is ended")
        wait_until_gone(["bob"])
        assert refusal(ssh("carol")) == ""
    assert not [line for line in journal() if "refused" in line or "given back" in line]


@pytest.mark.parametrize("how", HOW)
def test_the_log_tells_who_was_ended(how: str, journal) -> None:
    with erin_holds_the_lock(how) as holder:
        assert refusal(ssh("bob")) == ""
    assert [line for line in journal() if str(holder) in line and "lock" in line]


@pytest.mark.parametrize("how", HOW)
def test_who_is_counted_is_counted_right(how: str, rules) -> None:
    rules("DEFAULT:OPEN\nSSH NUMBER GROUP users:1\n")
    with ssh_session("bob"), erin_holds_the_lock(how):
        assert refusal(ssh("carol")) == "Access denied: users: 1 of 1 are logged in."
        assert refusal(ssh("bob")) == ""
    with ssh_session("carol"):
        assert refusal(ssh("bob")) == "Access denied: users: 1 of 1 are logged in."


def test_a_holder_runs_before_others() -> None:
    """Or it would have the lock for as long as somebody's own programs keep it from the CPU, at the lowest priority."""
    lowest = ["chrt", "--idle", "0", "nice", "-n", "19"]
    with stopped_with_the_lock(*lowest, *SU_ERIN, input=password_of("erin") + "\n") as holder:
        assert (os.sched_getscheduler(holder), os.getpriority(os.PRIO_PROCESS, holder)) == (os.SCHED_OTHER, -20)


def test_a_holder_that_goes_on_in_time_is_let_alone(tmp_path: Path) -> None:
    went_on = tmp_path / "went-on"
    with stopped_with_the_lock("su", "root", "-c", f"touch {went_on}") as holder:
        with subprocess.Popen(["pamtester", "guarded", "bob", "open_session"], stdout=subprocess.DEVNULL) as bob:
            os.kill(holder, signal.SIGCONT)
            assert bob.wait(60) == 0
        wait_for(went_on.exists, "it goes on")


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
    refused = [line for line in journal() if "refused" in line and "erin@" not in line]
    assert not refused, f"{refused}, with the seed {seed}"
