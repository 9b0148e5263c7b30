"""Pictures of the question and of what comes after it, for people to look at: tests/run --desktops --pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alice import Desktop
from desktop import window_processes
from gnome import Gnome
from kde import Kde
from machine import run, wait_for

PICTURES = Path(__file__).parents[1] / "pictures"
FROM = "192.0.2.7"


@pytest.fixture(params=[(Gnome, 1), (Gnome, 2), (Kde, 1), (Kde, 2)], ids=["gnome", "gnome-2", "plasma", "plasma-2"])
def scaled(request: pytest.FixtureRequest, _eye, rules) -> Iterator[tuple[Desktop, str, int]]:
    """A desktop on a screen of its own, at this scale."""
    kind, scale = request.param
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\nTIMEOUT:20\n")
    run("usermod", "--comment", "Bob Example", "bob")
    desktop = kind()
    desktop.clear()
    desktop.stop()
    desktop.start(scale)
    yield desktop, request.node.callspec.id.partition("-")[0], scale
    desktop.clear()
    desktop.stop()
    run("usermod", "--comment", "", "bob")


def test_the_question_and_its_note(scaled: tuple[Desktop, str, int], rules) -> None:
    desktop, name, scale = scaled
    PICTURES.mkdir(exist_ok=True)
    for look in ("light", "dark") if scale == 1 else ("scale-2",):
        desktop.set_dark(look == "dark")
        desktop.knock("bob", source=FROM)
        window = desktop.question()
        window.until(lambda seen: seen["buttons"]["Allow"]["enabled"], "clicks count")
        wait_for(lambda: "wants to log in" in desktop.notification(), "a notification tells of it")
        begin = window.last_seen()["at"]
        window.until(lambda seen, begin=begin: seen["at"] > begin + 2, "what moves has come to rest")
        x, y, width, height = (window.place() or {})["rect"]
        assert abs(x + width / 2 - 640) < 20 and abs(y + height / 2 - 400) < 40, "it is in the middle of the screen"
        assert width > 500 and height > 200, "it is of full size"
        window.picture(PICTURES / f"{name}-question-{look}.png", scale)
        desktop.clear()
    desktop.set_dark(False)
    if scale == 1:
        rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\nTIMEOUT:1\n")
        desktop.knock("bob", source=FROM)
        wait_for(lambda: "wanted to log in" in desktop.notification(), "a notification tells of it")
        wait_for(lambda: not window_processes(), "its process ends")
        desktop.picture_of_notification(PICTURES / f"{name}-note.png")
