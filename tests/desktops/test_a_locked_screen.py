"""Over a locked screen, nobody reads the question or answers it, and what runs out there is no answer of alice's."""

from __future__ import annotations

from alice import Desktop
from machine import wait_for


def test_it_is_neither_seen_nor_answered(desktop: Desktop, rules, journal) -> None:
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\nTIMEOUT:6\n")
    desktop.work()
    desktop.lock()
    bob = desktop.knock("bob")
    window = desktop.question()
    allow = window.until(lambda seen: seen["buttons"]["Allow"]["enabled"], "clicks count")["buttons"]["Allow"]["at"]
    try:
        read = desktop.text()
        assert "bob" not in read and "203" not in read
        desktop.click(*allow)
        desktop.press("alt+a")
        assert not bob.is_let_in()
        assert "allowed" not in " ".join(journal())
        read = desktop.text()
        assert "bob" not in read
    finally:
        desktop.unlock()
    wait_for(lambda: "wanted to log in" in desktop.notifications(), "she is told when she is back")
