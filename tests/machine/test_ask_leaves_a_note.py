"""A question that nobody answers turns into a note, which stays until it is closed; many of them are one list."""

from __future__ import annotations

import re
import time

import pytest

from desktop import Desktop, Window, askers, logins_under_way, window_processes
from host import PASSING
from machine import pam, wait_for

pytest_plugins = ["desktop_fixtures"]

NOT_IN_TIME = "Access denied: the person at the desktop did not answer in time."
TEN = ["daemon", "bin", "sys", "games", "man", "lp", "mail", "news", "uucp", "proxy"]  # whom every machine has


@pytest.fixture(autouse=True)
def _rules(rules, service) -> None:
    rules("SSH ASK USER bob\nSCRATCH ASK USER ALL\nDEFAULT:OPEN\nREMEMBER:600\nTIMEOUT:1\n")
    service("scratch", PASSING)


def is_missed(desktop: Desktop, user: str, rhost: str = "192.0.2.9") -> Window:
    """Nobody answers when somebody wants in; returns the note."""
    before = window_processes()
    assert NOT_IN_TIME in pam("scratch", user, "acct_mgmt", "open_session", rhost=rhost).stderr
    return desktop.note(*[Window(desktop, pid) for pid in before])


def rows(window: Window) -> list[str]:
    """The table of a note, a row a text: what stands before it and what it says."""
    texts = window.look()["texts"][1:-1]
    return [f"{name}: {fact}" for name, fact in zip(texts[::2], texts[1::2])]


def test_it_says_who_from_where_when_and_that_nobody_answered(desktop: Desktop) -> None:
    bob = desktop.knock("bob")
    question = desktop.question()
    since = question.fact("Waiting since")
    assert bob.refusal() == NOT_IN_TIME
    note = desktop.note()
    assert note.pid == question.pid, "it is the window that has asked"
    seen = note.look()
    assert seen["title"] == "SSH login denied: bob"
    assert seen["texts"][0] == "bob wanted to log in"
    assert rows(note) == ["From: 10.1.2.3", "Over: SSH", f"At: {since}"]
    assert seen["texts"][-1] == "Nobody answered, so it was denied."
    assert list(seen["buttons"]) == ["Close"]


def test_nobody_waits_for_it(desktop: Desktop) -> None:
    bob = desktop.knock("bob")
    desktop.question()
    assert bob.refusal() == NOT_IN_TIME
    wait_for(lambda: not logins_under_way(), "sshd's process has ended")
    assert askers() == []
    assert desktop.note().is_there()


@pytest.mark.parametrize("way", ["a click on Close", "Escape", "Return", "alt+F4"])
def test_it_stays_until_it_is_closed(desktop: Desktop, way: str) -> None:
    note = is_missed(desktop, "bob")
    if way == "a click on Close":
        note.click("Close")
    else:
        note.activate()
        note.until(lambda seen: seen["buttons"]["Close"].enabled, "it can be closed")
        time.sleep(1.1)  # in which no key counts
        desktop.x("key", way)
    note.wait_until_gone()


def test_a_click_that_was_meant_for_the_question_does_not_close_it(desktop: Desktop) -> None:
    note = is_missed(desktop, "bob")
    for _ in range(5):
        if not note.look()["buttons"]["Close"].enabled:
            break
        note.click("Close")  # too late, on a machine that is too slow today
        note = is_missed(desktop, "daemon")
    note.click_at_once("Close")
    note.until(lambda seen: seen["buttons"]["Close"].enabled, "clicks count")
    assert note.is_there()


def test_it_takes_no_keyboard_from_a_window_in_use(desktop: Desktop) -> None:
    with desktop.someone_at_work() as work:
        focus = desktop.x("getwindowfocus")
        note = is_missed(desktop, "bob")
        note.until(lambda seen: seen["buttons"]["Close"].enabled, "keys would count")
        assert desktop.x("getwindowfocus") == focus
        desktop.x("key", "Return", "space", "Escape", "q")
        assert work.stdout is not None
        assert any("keysym 0x71, q" in line for line in iter(work.stdout.readline, ""))
        assert note.look()


def test_ten_are_one_list_the_last_one_first(desktop: Desktop) -> None:
    for number, user in enumerate(TEN, 1):
        note = is_missed(desktop, user, f"192.0.2.{number}")
    wait_for(lambda: window_processes() == [note.pid], "the earlier notes have gone")
    seen = note.look()
    assert seen["title"] == "10 logins denied"
    said = [re.sub(r"^\d\d:\d\d:\d\d: ", "", row) for row in rows(note)]
    assert said == [f"{user} from 192.0.2.{number} over SCRATCH" for number, user in reversed([*enumerate(TEN, 1)])]
    x, y, width, height = seen["frame"]
    assert x >= 0 and y >= 0 and x + width <= 1024 and y + height <= 768, "it fits on a small screen"


def test_of_more_than_ten_it_counts_the_rest(desktop: Desktop) -> None:
    for user in [*TEN, "bob", "carol"]:
        note = is_missed(desktop, user)
    seen = note.look()
    assert seen["title"] == "12 logins denied"
    assert len(rows(note)) == 11
    assert rows(note)[0].endswith(": carol from 192.0.2.9 over SCRATCH")
    assert rows(note)[-1] == "earlier: 2 more"


def test_a_closed_note_is_not_told_of_again(desktop: Desktop) -> None:
    first = is_missed(desktop, "daemon")
    first.click("Close")
    first.wait_until_gone()
    second = is_missed(desktop, "games")
    assert second.look()["texts"][0] == "games wanted to log in"


def test_it_stays_while_somebody_else_is_asked_about_and_allowed(desktop: Desktop, rules) -> None:
    note = is_missed(desktop, "daemon")
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:600\n")
    bob = desktop.knock("bob")
    desktop.question().click("Allow")
    assert bob.is_let_in()
    assert note.look()["texts"][0] == "daemon wanted to log in"


def test_the_same_person_twice_is_not_called_two_people(desktop: Desktop, rules) -> None:
    rules("SCRATCH ASK USER ALL\nDEFAULT:OPEN\nREMEMBER:0\nTIMEOUT:1\n")
    is_missed(desktop, "bob")
    note = is_missed(desktop, "bob")
    assert note.look()["title"] == "2 logins denied"
    assert "people" not in note.look()["texts"][0]


@pytest.mark.parametrize("user", ["jürgen", "bob@example.org", "EXAMPLE\\bob", "a b"])
def test_a_name_is_not_escaped_in_it_that_is_not_in_the_question(desktop: Desktop, user: str) -> None:
    is_missed(desktop, user)
    note = is_missed(desktop, "daemon")
    assert rows(note)[1].endswith(f": {user} from 192.0.2.9 over SCRATCH")
