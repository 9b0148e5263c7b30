"""A directory that does not answer, or not for everything: no rule takes that for an answer, and nobody else waits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults import World, odd_directory
from host import PASSING, PERM_DENIED, SUCCESS
from machine import run, wait_for

pytest_plugins = ["faults_fixtures"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a question for slowgroup waits at the door."""
    return tmp_path


@pytest.fixture
def world(tmp_path: Path, service) -> Iterator[World]:
    """A world that asks nss_odd.c for groups, too."""
    service("scratch", PASSING)
    service("elsewhere", PASSING)
    with odd_directory(tmp_path) as found:
        yield found


RULES = {
    "closed": "ALL CLOSE GROUP shygroup\nDEFAULT:OPEN\n",
    "full": "ALL NUMBER GROUP shygroup:0\nDEFAULT:OPEN\n",
    "not opened": "ALL OPEN GROUP shygroup\n",
}


@pytest.mark.parametrize("what", RULES)
def test_groups_that_the_directory_keeps_silent_about_open_nothing(what: str, world: World, rules) -> None:
    """getgrouplist(3) leaves out a source that fails, without a word; the group itself tells who is in it."""
    rules(RULES[what])
    with world.host("start B scratch bob", "start C scratch carol") as host:
        assert (host.do("acct B"), host.do("open B")) == (PERM_DENIED, PERM_DENIED)
        if what != "not opened":
            assert (host.do("acct C"), host.do("open C")) == (SUCCESS, SUCCESS)


def test_one_in_such_a_group_takes_a_place_of_it(world: World, rules) -> None:
    rules("ALL NUMBER GROUP shygroup:1\nDEFAULT:OPEN\n")
    with world.host("start B scratch bob", "start C scratch bob", "open B") as host:
        [bobs] = world.sessions.glob("*.*.*")
        assert ",7001," in os.readlink(bobs)
        rules("ALL NUMBER GROUP shygroup:0\nDEFAULT:OPEN\n")
        assert host.do("open C") == PERM_DENIED
        assert "shygroup: 1 of 0 are logged in: bob@" in world.syslog()[-1]


def test_who_waits_for_the_directory_holds_up_nobody_else(world: World, rules, folder: Path) -> None:
    door = folder / "door"
    run("mkfifo", str(door))
    rules("ELSEWHERE CLOSE GROUP slowgroup\nALL OPEN USER ALL\nALL NUMBER GROUP users:5\n")
    with world.host("start B elsewhere bob", "start A elsewhere alice") as host:
        for handle, phase, outcome in (("B", "acct", PERM_DENIED), ("A", "open", SUCCESS)):
            host.tell(f"{phase} {handle}")
            wait_for((folder / "asked").exists, "the directory is asked")
            with world.host("start C scratch carol", "open C", "close C"):
                pass
            door.open("w").close()
            assert host.answer() == outcome
            (folder / "asked").unlink()


def test_who_is_killed_while_the_directory_is_asked_leaves_nothing_behind(world: World, rules, folder: Path) -> None:
    run("mkfifo", str(folder / "door"))
    rules("ELSEWHERE CLOSE GROUP slowgroup\nALL OPEN USER ALL\nALL NUMBER GROUP users:1\n")
    with world.host("start A elsewhere alice") as host:
        host.tell("open A")
        wait_for((folder / "asked").exists, "the directory is asked")
    with world.host("start C scratch carol", "open C"):
        pass
