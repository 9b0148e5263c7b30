"""A question that nobody answered is told of by a notification, which stays until it is dismissed."""

from __future__ import annotations

import re

from alice import Desktop
from desktop import window_processes
from machine import wait_for

UNANSWERED = "wanted to log in"


def test_it_is_a_notification_that_takes_no_key_and_outlives_its_process(desktop: Desktop, rules) -> None:
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\nTIMEOUT:2\n")
    desktop.work()
    bob = desktop.knock("bob")
    desktop.question()
    assert bob.refusal() == "Access denied: the person at the desktop did not answer in time."
    told = wait_for(lambda: UNANSWERED in (text := desktop.notification()) and text, "a notification tells of it")
    assert re.search(r"from 10\.1\.2\.3 over SSH", str(told))
    wait_for(lambda: not window_processes(), "the process that has sent it ends")
    desktop.press("q")
    wait_for(lambda: desktop.typed().endswith("q"), "the terminal has the keyboard")
    assert UNANSWERED in desktop.notification()
    desktop.dismiss()
    wait_for(lambda: UNANSWERED not in desktop.notification(), "it is gone")
