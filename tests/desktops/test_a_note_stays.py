"""A question that nobody answered is a note, which stays until it is closed."""

from __future__ import annotations

from alice import Desktop
from machine import wait_for


def test_it_tells_who_from_where_and_that_it_was_denied(desktop: Desktop, rules) -> None:
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\nTIMEOUT:2\n")
    desktop.work()
    bob = desktop.knock("bob")
    window = desktop.question()
    assert bob.refusal() == "Access denied: the person at the desktop did not answer in time."
    note = desktop.question(" login denied: ")
    assert note.pid == window.pid
    seen = note.last_seen()
    assert seen["texts"][0] == "bob wanted to log in" and "10.1.2.3" in seen["texts"]
    assert seen["texts"][-1] == "Nobody answered, so it was denied."
    assert note.is_on_top()
    desktop.press("q")
    wait_for(lambda: desktop.typed().endswith("q"), "the terminal has the keyboard")
    note.click("Close")
    note.wait_until_gone()
