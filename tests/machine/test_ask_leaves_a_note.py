"""A question that nobody answers is told of afterwards, until that is dismissed.

Here that is a window, since no server for notifications runs.
"""

from __future__ import annotations

import re

import pytest

from desktop import Desktop, Window, askers, logins_under_way, unit_of, window_processes
from host import PASSING
from machine import pam, wait_for

pytest_plugins = ["desktop_fixtures"]

NOT_IN_TIME = "Access denied: the person at the desktop did not answer in time."
SEVEN = ["daemon", "bin", "sys", "games", "man", "lp", "mail"]  # whom every machine has


@pytest.fixture(autouse=True)
def _rules(rules, service) -> None:
    rules("SSH ASK USER bob\nSCRATCH ASK USER ALL\nDEFAULT:OPEN\nREMEMBER:600\nTIMEOUT:1\n")
    service("scratch", PASSING)


def is_missed(desktop: Desktop, user: str, rhost: str = "192.0.2.9") -> Window:
    """Nobody answers when somebody wants in; returns the note."""
    before = window_processes()
    assert NOT_IN_TIME in pam("scratch", user, "acct_mgmt", "open_session", rhost=rhost).stderr
    return desktop.note(*[Window(desktop, pid) for pid in before])


def text_of(note: Window) -> list[str]:
    return note.look()["texts"]


def test_it_says_who_from_where_over_what_when_and_that_nobody_answered(desktop: Desktop) -> None:
    bob = desktop.knock("bob")
    question = desktop.question()
    since = question.fact("Waiting since")
    assert bob.refusal() == NOT_IN_TIME
    note = desktop.note()
    assert note.title == "SSH login denied: bob from 10.1.2.3"
    assert text_of(note) == [
        "bob wanted to log in",
        f"from 10.1.2.3 over SSH, at {since}.\nNobody answered, so it was denied.",
    ]
    assert list(note.look()["buttons"]) == ["Close"]


def test_it_is_a_unit_of_its_own_and_the_questions_has_gone(desktop: Desktop) -> None:
    bob = desktop.knock("bob")
    question = desktop.question()
    asking = unit_of(question.pid)
    assert bob.refusal() == NOT_IN_TIME
    note = desktop.note()
    question.wait_until_gone()
    assert asking.startswith("pam-accesscontrol-question-")
    assert unit_of(note.pid).startswith("pam-accesscontrol-missed-")


def test_nobody_waits_for_it(desktop: Desktop) -> None:
    bob = desktop.knock("bob")
    desktop.question()
    assert bob.refusal() == NOT_IN_TIME
    wait_for(lambda: not logins_under_way(), "sshd's process has ended")
    assert askers() == []
    assert desktop.note().is_there()


def test_it_stays_until_it_is_closed(desktop: Desktop) -> None:
    note = is_missed(desktop, "bob")
    assert note.last_seen()["timers"] == []  # the notice of an end has one
    note.click("Close")
    note.wait_until_gone()


def test_it_takes_no_keyboard_from_a_window_in_use(desktop: Desktop) -> None:
    with desktop.someone_at_work() as work:
        focus = desktop.x("getwindowfocus")
        note = is_missed(desktop, "bob")
        assert desktop.x("getwindowfocus") == focus
        desktop.x("key", "Return", "space", "Escape", "q")
        assert work.stdout is not None
        assert any("keysym 0x71, q" in line for line in iter(work.stdout.readline, ""))
        assert note.look()


def test_of_more_than_five_the_last_ones_are_there(desktop: Desktop) -> None:
    notes = [is_missed(desktop, user) for user in SEVEN]
    wait_for(lambda: len(window_processes()) == 5, "five are left")
    assert [note.is_there() for note in notes] == [False] * 2 + [True] * 5
    assert text_of(notes[-1])[0] == "mail wanted to log in"


def test_it_stays_while_somebody_else_is_asked_about_and_allowed(desktop: Desktop, rules) -> None:
    note = is_missed(desktop, "daemon")
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:600\n")
    bob = desktop.knock("bob")
    desktop.question().click("Allow")
    assert bob.is_let_in()
    assert text_of(note)[0] == "daemon wanted to log in"


@pytest.mark.parametrize("user", ["jürgen", "bob@example.org", "EXAMPLE\\bob", "a b"])
def test_a_name_is_not_escaped_in_it_that_is_not_in_the_question(desktop: Desktop, user: str) -> None:
    note = is_missed(desktop, user)
    assert text_of(note)[0] == f"{user} wanted to log in"
    assert re.match(r"from 192\.0\.2\.9 over SCRATCH, at ", text_of(note)[1])
