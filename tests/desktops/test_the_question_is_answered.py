"""The question is answered by click and by key."""

from __future__ import annotations

import pytest

from alice import Desktop
from machine import wait_for


@pytest.mark.parametrize(("button", "lets_in"), [("Allow", True), ("Deny", False)])
def test_by_a_click(desktop: Desktop, button: str, lets_in: bool) -> None:
    desktop.work()
    bob = desktop.knock("bob")
    desktop.question().click(button)
    assert bob.is_let_in() == lets_in


@pytest.mark.parametrize(("key", "lets_in"), [("alt+a", True), ("Escape", False)])
def test_by_a_key(desktop: Desktop, key: str, lets_in: bool) -> None:
    desktop.work()
    bob = desktop.knock("bob")
    desktop.question().go_there()
    desktop.press(key)
    assert bob.is_let_in() == lets_in


def test_a_click_on_the_notification_shows_the_question_and_lets_nobody_in(desktop: Desktop) -> None:
    desktop.work()
    bob = desktop.knock("bob")
    window = desktop.question()
    wait_for(lambda: "wants to log in" in desktop.notification(), "a notification tells of it")
    desktop.click(*desktop.notification_at())
    window.until(lambda seen: seen["active"], "it has come forward")
    assert bob.waits()
