"""On Wayland, too, what was meant for another window is no answer, though the dialog gets the keyboard when it comes.

Whether a new window gets it is for the compositor to say, and sway says that it does.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from desktop import HANDLED_LATE, NOT_ALLOWED, Login, a_late_click_does_not_count, keys_count
from machine import wait_for
from wayland import Sway, SwayWindow

pytest_plugins = ["desktop_fixtures", "wayland_fixtures"]

LINE = [*"aAyY", "space", "Tab", "a", "Return", "Tab", "space"]


@pytest.fixture(autouse=True)
def _rules(rules) -> None:
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\nUNATTENDED:CLOSE\n")


def in_the_first_second(desktop: Sway, act: Callable[[SwayWindow], None]) -> tuple[Login, SwayWindow]:
    """Does it to a dialog that has the keyboard, but for less than a second, so that nothing counts."""
    for _ in range(5):
        login = desktop.knock("bob")
        window = desktop.question()
        wait_for(lambda window=window: desktop.in_focus() == window.pid, "it has the keyboard")
        begin = window.last_seen()["at"]
        window.until(lambda seen, begin=begin: seen["at"] > begin + 0.4, "some of that second has gone by")
        act(window)
        if not window.last_seen()["buttons"]["Allow"]["enabled"]:
            assert window.is_there()
            return login, window
        desktop.clear()  # too late, on a machine that is too slow today
    raise AssertionError("the window was never seen in its first second")


@pytest.mark.parametrize("keys", [["alt+a"], ["Return", "space", "Tab", "space"], ["alt+d", "Escape"]])
def test_no_key_counts_in_the_first_second(wayland_desktop: Sway, keys: list[str]) -> None:
    login, window = in_the_first_second(wayland_desktop, lambda window: wayland_desktop.hands.press(*keys))
    seen = window.until(lambda seen: seen["active"] and keys_count(seen), "keys count")
    assert seen["focus"] == "Deny"
    assert login.waits()
    window.press("alt+a")  # and now it does
    assert login.is_let_in()


@pytest.mark.parametrize(("before", "behind"), HANDLED_LATE)
def test_a_click_in_the_first_second_that_is_handled_late_does_not_count(wayland_desktop: Sway, before, behind) -> None:
    a_late_click_does_not_count(wayland_desktop, before, behind)


def test_closing_it_does_not_count_in_the_first_second(wayland_desktop: Sway) -> None:
    login, window = in_the_first_second(wayland_desktop, lambda window: window.close())
    window.press("alt+a")
    assert login.is_let_in()


def test_typing_on_never_lets_in_nor_reaches_allow(wayland_desktop: Sway) -> None:
    bob = wayland_desktop.knock("bob")
    window = wayland_desktop.question()
    wait_for(lambda: wayland_desktop.in_focus() == window.pid, "it has the keyboard")
    while not window.look()["buttons"]["Allow"].enabled:
        wayland_desktop.hands.press(*LINE)
    wayland_desktop.hands.press(*LINE)
    wayland_desktop.hands.press(*LINE)
    seen = window.look()
    assert not keys_count(seen) and seen["focus"] == "Deny" and bob.waits()
    window.until(keys_count, "nobody types any more")
    wayland_desktop.hands.press("Return", *LINE)  # the first key after a rest is an answer, but that is Deny
    assert bob.refusal() == NOT_ALLOWED


def test_a_letter_alone_is_no_answer(wayland_desktop: Sway) -> None:
    bob = wayland_desktop.knock("bob")
    window = wayland_desktop.question()
    window.press("a", "A", "d", "y")
    window.until(keys_count, "they have been seen, and another would count")
    assert bob.waits()
    window.press("alt+a")
    assert bob.is_let_in()


def test_keys_for_another_window_are_no_answer(wayland_desktop: Sway) -> None:
    with wayland_desktop.someone_at_work() as work:
        bob = wayland_desktop.knock("bob")
        window = wayland_desktop.question()
        wayland_desktop.focus(work.pid)
        window.until(lambda seen: not seen["active"] and keys_count(seen), "alice is back at work")
        wayland_desktop.hands.press("alt+a", "Return", "space", "Escape", "q")
        assert work.stdout is not None
        assert any("sym: q" in line for line in iter(work.stdout.readline, ""))
        assert window.look() and bob.waits()
        window.press("alt+a")
        assert bob.is_let_in()


def test_no_key_counts_as_the_keyboard_comes_back(wayland_desktop: Sway) -> None:
    with wayland_desktop.someone_at_work() as work:
        for _ in range(5):
            bob = wayland_desktop.knock("bob")
            window = wayland_desktop.question()
            wayland_desktop.focus(work.pid)
            window.until(lambda seen: not seen["active"] and keys_count(seen), "alice is back at work")
            before = time.monotonic()
            window.activate()
            wayland_desktop.hands.press("alt+a")
            if time.monotonic() < before + 0.7:
                break
            wayland_desktop.clear()  # too late, on a machine that is too slow today
        window.until(lambda seen: seen["active"] and not keys_count(seen), "it asks for a moment")
        assert bob.waits()
        window.press("alt+a")
        assert bob.is_let_in()
