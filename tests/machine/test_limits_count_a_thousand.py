"""NUMBER with a thousand sessions known: counted right, to the last one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from host import PASSING
from limits import SESSIONS, make_ledger, start_of, write_entry
from machine import pam, run, wait_for

pytest_plugins = ["limits_fixtures"]
pytestmark = pytest.mark.usefixtures("nobody")

Write = Callable[..., list[Path]]
MANY = 1000
SLEEPERS = f"""
import os, signal
for _ in range({MANY}):
    pid = os.fork()
    if not pid:
        signal.pause()
    print(pid, flush=True)
signal.pause()
"""


@contextmanager
def a_thousand_processes() -> Iterator[list[int]]:
    """Within the block, these live; behind it, they have all ended."""
    line = [sys.executable, "-c", SLEEPERS]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, start_new_session=True) as parent:
        assert parent.stdout
        pids = [int(parent.stdout.readline()) for _ in range(MANY)]
        yield pids
        os.killpg(parent.pid, signal.SIGKILL)
    wait_for(lambda: not any(start_of(pid) > 0 for pid in pids), "they have ended")


@pytest.fixture(scope="module")
def sleepers() -> Iterator[list[int]]:
    with a_thousand_processes() as pids:
        yield pids


@pytest.fixture
def write(service) -> Iterator[Write]:
    """write(pids, uid): each of these processes has let in a user of their own or, with step 0, all the same one."""
    service("guarded", PASSING)
    clear()

    def let_in(pids: list[int], uid: int, step: int = 1, older: int = 0) -> list[Path]:
        who = [(pid, start_of(pid) - older, number, uid + step * number) for number, pid in enumerate(pids)]
        return [write_entry("bob", pid, start, turn=turn, uid=of) for pid, start, turn, of in who]

    yield let_in
    clear()


def clear() -> None:
    """Nobody is in, and there is a ledger."""
    shutil.rmtree(SESSIONS, ignore_errors=True)
    make_ledger(SESSIONS)


def is_let_in(user: str, *phases: str) -> bool:
    return pam("guarded", user, *(phases or ("acct_mgmt", "open_session", "close_session"))).returncode == 0


@pytest.mark.parametrize(("limit", "free"), [(MANY + 1, True), (MANY, False), (MANY - 1, False)])
def test_a_thousand_people(rules, sleepers, write: Write, limit: int, free: bool) -> None:
    rules(f"ALL OPEN USER ALL\nALL NUMBER GROUP users:{limit}\n")
    written = write(sleepers, 20_000)
    assert is_let_in("carol") is free
    assert is_let_in("erin")
    assert all(entry.is_symlink() for entry in written)


def test_a_thousand_people_of_whom_one_leaves(rules, sleepers, write: Write) -> None:
    rules(f"ALL OPEN USER ALL\nALL NUMBER GROUP users:{MANY}\n")
    with subprocess.Popen(["sleep", "infinity"]) as leaving:
        write([leaving.pid, *sleepers[1:]], 20_000)
        assert not is_let_in("carol")
        leaving.kill()
    assert is_let_in("carol")


def test_a_thousand_sessions_of_one_person_are_one_person(rules, sleepers, write: Write) -> None:
    rules("ALL OPEN USER ALL\nALL NUMBER GROUP users:2\n")
    write(sleepers, 20_000, step=0)
    assert is_let_in("carol")
    rules("ALL OPEN USER ALL\nALL NUMBER GROUP users:1\n")
    assert not is_let_in("carol")


@pytest.mark.parametrize(("limit", "free"), [(MANY + 1, True), (MANY, False)])
def test_a_thousand_sessions_of_one_user(rules, sleepers, write: Write, limit: int, free: bool) -> None:
    rules(f"ALL OPEN USER ALL\nALL NUMBER USER carol:{limit}\n")
    write(sleepers, int(run("id", "-u", "carol").stdout), step=0)
    assert is_let_in("carol") is free


def test_a_thousand_whose_pids_others_have_now_fill_no_place(rules, sleepers, write: Write) -> None:
    rules("ALL OPEN USER ALL\nALL NUMBER GROUP users:1\n")
    write(sleepers, 20_000, older=1)
    assert is_let_in("carol")
    assert len(os.listdir(SESSIONS)) < 10


def test_a_thousand_who_were_killed_fill_no_place_and_are_swept_by_the_next_one(rules, write: Write) -> None:
    rules("ALL OPEN USER ALL\nALL NUMBER GROUP users:1\n")
    with a_thousand_processes() as pids:
        write(pids, 20_000)
        assert not is_let_in("carol")
    assert is_let_in("carol")
    assert len(os.listdir(SESSIONS)) < 10
