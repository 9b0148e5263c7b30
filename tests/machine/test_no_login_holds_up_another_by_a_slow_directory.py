"""A directory that takes its time is asked before the lock is taken, never under it: nobody waits for others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from faults import World, odd_directory
from host import PASSING, SUCCESS
from limits import UNGUARDED, held_session
from odd_host import OddHost

pytest_plugins = ["faults_fixtures", "limits_fixtures"]

LOCKED = re.compile(r"(flock|fcntl)\(\d+</run/pam-accesscontrol/lock>, .*(LOCK_EX|F_WRLCK).* = 0$")
UNLOCKED = re.compile(r"(close\(\d+</run/pam-accesscontrol/lock>|fcntl\(\d+</run/pam-accesscontrol/lock>.*F_UNLCK)")
DIRECTORY = re.compile(r"connect\(|/etc/(passwd|group|shadow|nsswitch\.conf|ld\.so\.)|/var/lib/sss|libnss_|/question")
MANY = 25
USERS = ["alice", "bob", "carol", "dave", "erin"]


@pytest.fixture
def world(tmp_path: Path, service, nobody) -> Iterator[World]:
    """A world in which each answer of the directory takes a second."""
    service("scratch", PASSING)
    (tmp_path / "question").touch()
    with odd_directory(tmp_path, "LATE=1000", passwd="files odd") as found:
        yield found


def all_at_once(world: World, users: list[str]) -> list[int]:
    """What each of these is told whose sessions are opened at one time; all of them stay until the last one is told."""
    with ExitStack() as stack:
        hosts: list[OddHost] = [stack.enter_context(world.host(f"start A scratch {user}")) for user in users]
        for host in hosts:
            host.tell("open A")
        return [host.answer() for host in hosts]


def test_nobody_is_refused_while_there_is_room(world: World, rules) -> None:
    rules("ALL NUMBER GROUP lategroup:1,users:3,ALL:5\nDEFAULT:OPEN\n")
    assert all_at_once(world, USERS * (MANY // len(USERS))) == [SUCCESS] * MANY
    assert not [line for line in world.syslog() if "refused" in line or "not written down" in line]


def test_as_many_get_in_as_there_are_places(world: World, rules) -> None:
    rules("ALL NUMBER USER bob:7\nALL NUMBER GROUP lategroup:1\nDEFAULT:OPEN\n")
    assert all_at_once(world, ["bob"] * 20).count(SUCCESS) == 7
    refused = [line for line in world.syslog() if "refused" in line]
    assert len(refused) == 13
    assert all("bob: 7 of 7 sessions are open" in line for line in refused)


def test_who_is_refused_is_refused_for_the_limit_alone(world: World, rules) -> None:
    """A closer look at who is in asks no more of the directory than a look at a free place."""
    rules("ALL NUMBER GROUP users:1,lategroup:9\nDEFAULT:OPEN\n")
    with world.host("start A scratch alice", "open A"):
        world.syslog()
        assert SUCCESS not in all_at_once(world, ["bob", "carol"] * 10)
    assert all("users: 1 of 1 are logged in" in line for line in world.syslog() if "refused" in line)


CASES = {
    "who has room": ("ALL NUMBER GROUP lategroup:5,users:5,ALL:5\nALL NUMBER USER bob:5\nDEFAULT:OPEN\n", True),
    "who has no room in a group": ("ALL NUMBER GROUP users:5,lategroup:0\nDEFAULT:OPEN\n", False),
    "who has no room for a session": ("ALL NUMBER USER bob:0\nALL NUMBER GROUP lategroup:5\nDEFAULT:OPEN\n", False),
    "who has no room beside the others": ("ALL NUMBER GROUP ALL:2,lategroup:5\nDEFAULT:OPEN\n", False),
    "who is told of with DEBUG": ("DEBUG:True\nALL NUMBER GROUP lategroup:5,users:5\nDEFAULT:OPEN\n", True),
    "who is not counted": ("ALL OPEN GROUP lategroup\nALL NUMBER GROUP lp:0\nDEFAULT:OPEN\n", None),
}


@pytest.mark.parametrize("who", CASES)
def test_under_the_lock_no_directory_is_asked_for(who: str, world: World, rules, service) -> None:
    """alice and dave are in by services that are not guarded, so that logind alone knows them, and carol by ours."""
    text, gets_in = CASES[who]
    service("unguarded", UNGUARDED)
    rules("DEFAULT:OPEN\n")
    login = ["start B scratch bob", "acct B", "open B"]
    with world.host("start C scratch carol", "open C"), held_session("unguarded", "alice"):
        rules(text)
        attempt = world.attempt([*login, "close B"] if gets_in else login)
        if gets_in is not None:
            assert (attempt.returned[2] == SUCCESS) is gets_in, attempt
    trace = world.trace.read_text(errors="replace").splitlines()
    assert any("/question" in line for line in trace)
    spans = under_the_lock(trace)
    assert spans
    for span in spans:
        assert not [line for line in span if DIRECTORY.search(line)]


def under_the_lock(trace: list[str]) -> list[list[str]]:
    """The system calls between each taking of the lock and its end."""
    spans, held = [], False
    for line in trace:
        if LOCKED.match(line):
            spans.append([line])
            held = True
        elif held and UNLOCKED.match(line):
            held = False
        elif held:
            spans[-1].append(line)
    return spans
