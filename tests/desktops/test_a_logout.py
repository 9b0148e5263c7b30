"""Who logs out while a question is open has not denied it."""

from __future__ import annotations

from alice import Desktop
from machine import wait_for


def test_a_logout_is_no_answer(desktop: Desktop, journal) -> None:
    bob = desktop.knock("bob")
    window = desktop.question()
    window.until(lambda seen: seen["buttons"]["Allow"]["enabled"], "closing it would count")
    desktop.log_out()
    assert bob.refusal() == "Access denied: the person at the desktop could not be asked."
    assert any("alice could not be asked" in line for line in journal()), journal()
    wait_for(lambda: not desktop.is_there(), "she has left")
