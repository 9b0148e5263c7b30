"""A question that ran out while the screen was locked is no answer: it is asked again. But it counts for the hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from desktop import NOT_ALLOWED, Desktop, active_session, hold_of
from limits import needs_logind
from machine import run

pytest_plugins = ["desktop_fixtures"]
pytestmark = needs_logind

NOT_IN_TIME = "Access denied: the person at the desktop did not answer in time."
LOGIN1 = "org.freedesktop.login1"


@pytest.fixture(autouse=True)
def _rules(rules) -> None:
    with_timeout(rules, 2)


def with_timeout(rules, seconds: int) -> None:
    rules(f"SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:600\nTIMEOUT:{seconds}\n")


def locked_hint(value: str) -> None:
    """Tells logind whether the screen is locked, as alice's screen locker does."""
    session = active_session()["Id"]
    path = run("busctl", "call", LOGIN1, "/org/freedesktop/login1", f"{LOGIN1}.Manager", "GetSession", "s", session)
    told = [path.stdout.split('"')[1], f"{LOGIN1}.Session", "SetLockedHint", "b", value]
    run("runuser", "-u", "alice", "--", "busctl", "call", LOGIN1, *told)
    assert active_session()["LockedHint"] == {"true": "yes", "false": "no"}[value]


@contextmanager
def locked_screen() -> Iterator[None]:
    locked_hint("true")
    try:
        yield
    finally:
        locked_hint("false")


def test_who_came_meanwhile_is_asked_about_when_the_owner_is_back(desktop: Desktop, rules, journal) -> None:
    with locked_screen():
        assert desktop.knock("bob").refusal() == NOT_IN_TIME
        assert "no answer in 2 s, the screen was locked" in journal()[-1]
    with_timeout(rules, 60)
    bob = desktop.knock("bob")
    desktop.answer("Allow")
    assert bob.is_let_in()


def test_the_owner_finds_a_note(desktop: Desktop) -> None:
    with locked_screen():
        assert desktop.knock("bob").refusal() == NOT_IN_TIME
    assert desktop.note().look()["texts"][0] == "bob wanted to log in"


def test_each_time_makes_the_next_deny_hold_longer(desktop: Desktop, rules) -> None:
    with locked_screen():
        for _ in range(2):
            assert desktop.knock("bob").refusal() == NOT_IN_TIME
            assert hold_of("bob") == 0
    with_timeout(rules, 60)
    bob = desktop.knock("bob")
    desktop.answer("Deny")
    assert bob.refusal() == NOT_ALLOWED
    assert hold_of("bob") == 2400


def test_a_screen_that_is_not_locked_any_more_when_time_is_up_was_seen(desktop: Desktop) -> None:
    with locked_screen():
        bob = desktop.knock("bob")
        desktop.question()
    assert bob.refusal() == NOT_IN_TIME
    assert hold_of("bob") == 600


def test_all_who_wait_share_the_end_of_it(desktop: Desktop) -> None:
    with locked_screen():
        bobs = [desktop.knock("bob") for _ in range(3)]
        assert [bob.refusal() for bob in bobs] == [NOT_IN_TIME] * 3
