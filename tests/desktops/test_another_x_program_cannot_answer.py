"""On Wayland, the question is an X window for the sake of the keyboard, but no other X program can press its buttons."""

from __future__ import annotations

import pytest

from alice import Desktop
from kde import KdeOnX11
from machine import wait_for


def test_neither_by_xtest_nor_by_xsendevent(desktop: Desktop) -> None:
    if isinstance(desktop, KdeOnX11):
        pytest.skip("on X11, every program can")
    desktop.work()
    bob = desktop.knock("bob")
    window = desktop.question()
    seen = window.until(lambda seen: seen["buttons"]["Allow"]["enabled"], "clicks count")
    x, y = seen["buttons"]["Allow"]["at"]

    def forge(*arguments: object) -> None:
        desktop.start_program("--wait", "xdotool", *map(str, arguments))

    forge("mousemove", x, y, "click", 1)
    forge("windowfocus", seen["id"])
    window.until(lambda seen: seen["active"] and seen["texts"][-1].endswith(" left, then denied"), "keys count")
    forge("key", "alt+a")
    forge("key", "--window", seen["id"], "alt+a")
    forge("click", "--window", seen["id"], 1)
    begin = window.last_seen()["at"]
    window.until(lambda seen: seen["at"] > begin + 1, "all of that has been seen")
    assert window.is_there() and bob.waits()
    wait_for(lambda: desktop.click(x, y) or not window.is_there(), "a click of hers counts")
    assert bob.is_let_in()
