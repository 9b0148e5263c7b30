"""The question is light where the desktop is light, and dark where it is dark."""

from __future__ import annotations

from alice import Desktop, Question
from machine import run, wait_for


def lightness(window: Question) -> float:
    """That of a strip at its lower edge, in percent."""
    place = window.place()
    assert place is not None
    x, y, width, height = place["rect"]
    window.desktop.photograph("/tmp/whole.png")
    part = f"{width // 2}x6+{x + 10}+{y + height - 12}"
    told = run("convert", "/tmp/whole.png", "-alpha", "off", "-crop", part, "-format", "%[fx:mean]", "info:").stdout
    return 100 * float(told)


def test_it_follows_the_desktop(desktop: Desktop) -> None:
    desktop.knock("bob")
    window = desktop.question()
    wait_for(lambda: lightness(window) > 80, "it is light")
    desktop.clear()
    desktop.set_dark(True)
    try:
        desktop.knock("bob")
        window = desktop.question()
        wait_for(lambda: lightness(window) < 30, "it is dark")
    finally:
        desktop.set_dark(False)
