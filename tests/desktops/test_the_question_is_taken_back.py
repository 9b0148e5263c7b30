"""When the question goes, whatever the reason, the notification that tells of it goes as well."""

from __future__ import annotations

import os
import signal

from alice import Desktop
from machine import wait_for

NOT_ASKED = "Access denied: the person at the desktop could not be asked."


def is_told(desktop: Desktop) -> bool:
    return "wants to log in" in desktop.notification()


def test_when_whoever_wanted_in_has_gone(desktop: Desktop) -> None:
    bob = desktop.knock("bob")
    window = desktop.question()
    wait_for(lambda: is_told(desktop), "a notification tells of it")
    bob.client.kill()
    window.wait_until_gone()
    wait_for(lambda: not is_told(desktop), "the notification is withdrawn")


def test_when_its_process_is_told_to_end(desktop: Desktop) -> None:
    bob = desktop.knock("bob")
    window = desktop.question()
    wait_for(lambda: is_told(desktop), "a notification tells of it")
    os.kill(window.pid, signal.SIGTERM)
    window.wait_until_gone()
    wait_for(lambda: not is_told(desktop), "the notification is withdrawn")
    assert bob.refusal() == NOT_ASKED


def test_when_it_has_run_out(desktop: Desktop, rules) -> None:
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\nTIMEOUT:10\n")
    desktop.knock("bob")
    desktop.question()
    wait_for(lambda: is_told(desktop), "a notification tells of it")
    wait_for(lambda: "wanted to log in" in desktop.notification(), "another one tells that nobody answered")
    assert not is_told(desktop), "the first is withdrawn"
