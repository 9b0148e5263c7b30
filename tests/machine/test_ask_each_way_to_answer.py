"""Whoever sits at the desktop answers by mouse or by key; both sides learn of it, and the logs say who decided."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from desktop import NOT_ALLOWED, Desktop, Window

pytest_plugins = ["desktop_fixtures"]

ASK_BOB = "SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\n"
DECIDED = "pam-accesscontrol.conf:1: SSH ASK USER bob"  # the rule, as the journal names it


@pytest.fixture(autouse=True)
def _rules(rules) -> None:
    rules(ASK_BOB)


def by_mouse(button: str) -> Callable[[Window], None]:
    return lambda window: window.click(button)


def by_key(keys: str) -> Callable[[Window], None]:
    return lambda window: window.press(keys)


def in_the_month(outcome: str, why: str) -> str:
    """A line of the plugin's own log, as a pattern."""
    who = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  SSH       ASK     bob@10\.1\.2\.3 +"
    return who + f"{outcome:<7}  {DECIDED}: {why}\n"


ALLOWING = {"click on Allow": by_mouse("Allow"), "Alt+A": by_key("alt+a")}
DENYING = {"click on Deny": by_mouse("Deny"), "Alt+D": by_key("alt+d"), "Escape": by_key("Escape")}
DENYING |= {"closed by the window manager": by_key("alt+F4"), "Enter": by_key("Return"), "Space": by_key("space")}


@pytest.mark.parametrize("way", ALLOWING.values(), ids=ALLOWING)
def test_who_is_allowed_gets_in(desktop: Desktop, way, journal, monthly_log) -> None:
    bob = desktop.knock("bob")
    way(desktop.question())
    assert bob.is_let_in()
    assert f"SSH session bob@10.1.2.3: ASK, {DECIDED}: allowed by alice" in journal()
    assert re.match(in_the_month("granted", "allowed by alice"), monthly_log())


@pytest.mark.parametrize("way", DENYING.values(), ids=DENYING)
def test_who_is_denied_is_told_so(desktop: Desktop, way, journal, monthly_log) -> None:
    bob = desktop.knock("bob")
    way(desktop.question())
    assert bob.refusal() == NOT_ALLOWED
    assert f"SSH session bob@10.1.2.3: ASK, refused: {DECIDED}: denied by alice" in journal()
    assert re.fullmatch(in_the_month("denied", "denied by alice"), monthly_log())


def test_no_answer_is_a_denial(desktop: Desktop, rules, journal, monthly_log) -> None:
    rules(ASK_BOB + "TIMEOUT:2\n")
    bob = desktop.knock("bob")
    desktop.question()
    assert bob.refusal() == "Access denied: the person at the desktop did not answer in time."
    assert f"SSH session bob@10.1.2.3: ASK, refused: {DECIDED}: no answer in 2 s" in journal()
    assert re.fullmatch(in_the_month("denied", "no answer in 2 s"), monthly_log())


def test_reading_gets_more_time_but_not_more_than_twice(desktop: Desktop, rules) -> None:
    rules(ASK_BOB + "TIMEOUT:3\n")
    bob = desktop.knock("bob")
    window = desktop.question()
    x, y = window.look()["buttons"]["Deny"].at
    seconds = set()
    while bob.waits():
        desktop.x("mousemove", x, y - 60, "mousemove", x + 1, y - 61)
        seconds |= {int(left) for left in re.findall(r"^(\d+) s left", window.last_seen()["texts"][-1])}
    assert bob.refusal() == "Access denied: the person at the desktop did not answer in time."
    assert seconds in ({1, 2, 3}, {1, 2})
