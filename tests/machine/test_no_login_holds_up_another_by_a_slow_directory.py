"""A directory that takes its time keeps nobody out but for who asks it, and everybody is counted right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from faults import World, odd_directory
from host import PASSING, SUCCESS
from odd_host import OddHost

pytest_plugins = ["faults_fixtures", "limits_fixtures"]

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
