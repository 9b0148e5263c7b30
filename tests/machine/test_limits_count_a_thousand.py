"""NUMBER with a thousand sessions known: counted right, to the last one."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from host import PASSING
from limits import REGISTRY, known_to_the_plugin, start_of
from machine import pam, run, ssh_session, wait_for

pytest_plugins = ["limits_fixtures"]
pytestmark = pytest.mark.usefixtures("nobody")

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


@pytest.fixture(scope="module")
def sleepers() -> Iterator[list[int]]:
    """A thousand processes."""
    line = [sys.executable, "-c", SLEEPERS]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, start_new_session=True) as parent:
        assert parent.stdout
        yield [int(parent.stdout.readline()) for _ in range(MANY)]
        os.killpg(parent.pid, signal.SIGKILL)


@pytest.fixture
def write(service) -> Iterator[None]:
    service("guarded", PASSING)
    yield
    REGISTRY.unlink(missing_ok=True)


@functools.cache
def columns() -> list[str]:
    """What the registry says of one of `users`, taken from a line of the plugin's own."""
    with ssh_session("bob"):
        [line] = [line for line in REGISTRY.read_text().splitlines() if "\tbob@" in line]
    wait_for(lambda: not known_to_the_plugin(), "bob leaves")
    return line.split("\t")


def lines(pids: list[int], uid: int, step: int = 1) -> str:
    """What the registry has when each of these processes has let in a user of his own or, with step 0, all the same."""
    rows = []
    for number, pid in enumerate(pids):
        rows.append([str(pid), str(start_of(pid)), columns()[2], str(uid + step * number), *columns()[4:]])
    return "".join("\t".join(row) + "\n" for row in rows)


def is_let_in(user: str, *phases: str) -> bool:
    return pam("guarded", user, *(phases or ("acct_mgmt", "open_session", "close_session"))).returncode == 0


@pytest.mark.parametrize(("limit", "free"), [(MANY + 1, True), (MANY, False), (MANY - 1, False)])
def test_a_thousand_people(rules, sleepers, write, limit: int, free: bool) -> None:
    rules(f"ALL OPEN USER ALL\nALL NUMBER GROUP users:{limit}\n")
    text = lines(sleepers, 20_000)
    REGISTRY.write_text(text)
    assert is_let_in("carol") is free
    assert is_let_in("erin")
    assert all(line in REGISTRY.read_text() for line in text.splitlines())


def test_a_thousand_people_of_whom_one_leaves(rules, sleepers, write) -> None:
    rules(f"ALL OPEN USER ALL\nALL NUMBER GROUP users:{MANY}\n")
    REGISTRY.write_text(lines(sleepers, 20_000))
    assert not is_let_in("carol")
    text = lines(sleepers[1:], 20_001)
    with subprocess.Popen(["sleep", "infinity"]) as leaving:
        start = start_of(leaving.pid)
        row = text.splitlines()[0].split("\t")
        REGISTRY.write_text("\t".join([str(leaving.pid), str(start), row[2], "20000", *row[4:]]) + "\n" + text)
        assert not is_let_in("carol")
        leaving.kill()
    assert is_let_in("carol")


def test_a_thousand_sessions_of_one_person_are_one_person(rules, sleepers, write) -> None:
    rules("ALL OPEN USER ALL\nALL NUMBER GROUP users:2\n")
    REGISTRY.write_text(lines(sleepers, 20_000, step=0))
    assert is_let_in("carol")
    rules("ALL OPEN USER ALL\nALL NUMBER GROUP users:1\n")
    assert not is_let_in("carol")


@pytest.mark.parametrize(("limit", "free"), [(MANY + 1, True), (MANY, False)])
def test_a_thousand_sessions_of_one_user(rules, sleepers, write, limit: int, free: bool) -> None:
    rules(f"ALL OPEN USER ALL\nALL NUMBER USER carol:{limit}\n")
    REGISTRY.write_text(lines(sleepers, int(run("id", "-u", "carol").stdout), step=0))
    assert is_let_in("carol") is free


def test_a_thousand_whose_pids_others_have_now_fill_no_place(rules, sleepers, write) -> None:
    rules("ALL OPEN USER ALL\nALL NUMBER GROUP users:1\n")
    rows = [line.split("\t") for line in lines(sleepers, 20_000).splitlines(True)]
    REGISTRY.write_text("".join("\t".join([row[0], str(int(row[1]) - 1), *row[2:]]) for row in rows))
    assert is_let_in("carol")
    assert len(REGISTRY.read_text().splitlines()) < 10
