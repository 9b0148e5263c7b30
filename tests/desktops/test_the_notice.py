"""Who was asked about has logged out: that is told as desktops tell such things."""

from __future__ import annotations

import re

from alice import Desktop
from desktop import window_processes
from machine import wait_for


def test_it_is_a_notification_and_takes_no_key(desktop: Desktop) -> None:
    desktop.work()
    bob = desktop.knock("bob", stay=True)
    desktop.question().click("Allow")
    bob.comes_in()
    desktop.click(100, 600)
    bob.leave()
    told = wait_for(lambda: "has logged out" in (text := desktop.notification()) and text, "a notification tells of it")
    assert re.search(r"from 10\.1\.2\.3 over SSH", str(told))
    desktop.press("q")
    wait_for(lambda: desktop.typed().endswith("q"), "the terminal has the keyboard")
    wait_for(lambda: not window_processes(), "no window is left")
