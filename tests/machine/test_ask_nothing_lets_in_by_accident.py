"""The dialog comes while people work: what was meant for another window, or for none, is no answer."""

from __future__ import annotations

import pytest

from desktop import HANDLED_LATE, NOT_ALLOWED, Desktop, Window, a_late_click_does_not_count, keys_count

pytest_plugins = ["desktop_fixtures"]


@pytest.fixture(autouse=True)
def _rules(rules) -> None:
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\n")


def in_the_first_second(desktop: Desktop, act) -> Window:
    """Does it to a dialog that was on the screen for less than a second, at a moment when nothing counts."""
    for _ in range(5):
        login = desktop.knock("bob")
        window = desktop.question()
        act(window)
        seen = window.look()
        if not seen["buttons"]["Allow"].enabled and not keys_count(seen):
            return window
        window.click("Deny")  # too late, on a machine that is too slow today
        login.result()
    raise AssertionError("the window was never seen in its first second")


@pytest.mark.parametrize(("button", "lets_in"), [("Allow", True), ("Deny", False)])
def test_a_click_in_the_first_second_does_not_count_and_the_same_click_later_does(desktop, button, lets_in) -> None:
    window = in_the_first_second(desktop, lambda window: window.click_at_once(button))
    window.until(lambda seen: seen["buttons"][button].enabled, "clicks count")
    assert desktop.logins[-1].waits()
    window.click(button)
    assert desktop.logins[-1].is_let_in() == lets_in


@pytest.mark.parametrize(("before", "behind"), HANDLED_LATE)
def test_a_click_in_the_first_second_that_is_handled_late_does_not_count(desktop: Desktop, before, behind) -> None:
    a_late_click_does_not_count(desktop, before, behind)


def test_a_click_while_the_window_stood_still_later_does_not_count_either(desktop: Desktop) -> None:
    bob = desktop.knock("bob")
    window = desktop.question()
    window.until(lambda seen: seen["buttons"]["Allow"].enabled, "clicks count")
    window.click_late("Allow", before=0, behind=1)
    window.until(lambda seen: not seen["buttons"]["Allow"].enabled, "the first second begins anew")
    window.until(lambda seen: seen["buttons"]["Allow"].enabled, "clicks count again")
    assert bob.waits()
    window.click("Allow")
    assert bob.is_let_in()


@pytest.mark.parametrize("keys", [["alt+a"], ["Return", "space", "Tab", "space"], ["alt+d", "Escape", "alt+F4"]])
def test_no_key_counts_in_the_first_second(desktop: Desktop, keys: list[str]) -> None:
    def act(window: Window) -> None:
        desktop.x("windowactivate", window.last_seen()["id"], "key", *keys)

    window = in_the_first_second(desktop, act)
    seen = window.until(lambda seen: seen["active"] and keys_count(seen), "keys count")
    assert seen["focus"] == "Deny"
    assert desktop.logins[-1].waits()
    desktop.x("key", "alt+a")  # and now it does
    assert desktop.logins[-1].is_let_in()


def test_the_window_says_so_when_nothing_counts_yet(desktop: Desktop) -> None:
    desktop.knock("bob")
    seen = desktop.question().last_seen()
    assert seen["texts"][-1] == "One moment…"
    assert not any(button["enabled"] for button in seen["buttons"].values())


LINE = [*"aAyY", "space", "Tab", "a", "Return", "Tab", "space"]  # it may be a form that is being filled in


def test_typing_on_never_lets_in_nor_reaches_allow(desktop: Desktop) -> None:
    bob = desktop.knock("bob")
    window = desktop.question()
    window.activate()
    while not window.look()["buttons"]["Allow"].enabled:
        desktop.x("key", "--delay", 40, *LINE)
    desktop.x("key", "--delay", 40, *LINE, *LINE)
    seen = window.look()
    assert not keys_count(seen) and seen["focus"] == "Deny" and bob.waits()
    window.until(keys_count, "nobody types any more")
    desktop.x("key", "--delay", 40, "Return", *LINE)  # the first key after a rest is an answer, but that is Deny
    assert bob.refusal() == NOT_ALLOWED


def test_no_other_key_answers(desktop: Desktop) -> None:
    bob = desktop.knock("bob")
    window = desktop.question()
    for key in ("a", "A", "y", "ctrl+a"):
        window.press(key)
    window.until(keys_count, "the last of them has been seen, and another would count")
    assert bob.waits()


def test_it_does_not_take_the_keyboard_from_a_window_in_use(desktop: Desktop) -> None:
    with desktop.someone_at_work() as work:
        focus = desktop.x("getwindowfocus")
        bob = desktop.knock("bob")
        window = desktop.question()
        window.until(keys_count, "keys would count")
        assert desktop.x("getwindowfocus") == focus
        desktop.x("key", "alt+a", "Return", "space", "q")
        assert work.stdout is not None
        assert any("keysym 0x71, q" in line for line in iter(work.stdout.readline, ""))
        assert window.look() and bob.waits()
