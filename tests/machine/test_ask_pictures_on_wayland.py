"""Pictures of the dialog and of the notice on a Wayland desktop, for people to look at."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from desktop import keys_count
from machine import wait_for
from test_ask_pictures import COMMAND, NOTICE, PICTURES, QUESTION, session
from wayland import SCREEN, Sway, SwayWindow

pytest_plugins = ["desktop_fixtures", "wayland_fixtures"]

MARGIN = 12


@pytest.fixture
def sway_in_blue(wayland_desktop: Sway) -> Iterator[Sway]:
    with wayland_desktop.beside("swaybg", "--color", "#557799"):
        wait_for(lambda: photograph(wayland_desktop, "0,0 1x1", "ppm").endswith(b"\x55\x77\x99"), "it is blue")
        yield wayland_desktop


def photograph(desktop: Sway, part: str, kind: str) -> bytes:
    """A part of the screen, in a file of this kind."""
    return subprocess.run(desktop.as_alice("grim", "-t", kind, "-g", part, "-"), check=True, capture_output=True).stdout


@contextmanager
def shown(desktop: Sway, about: dict[str, Any]) -> Iterator[SwayWindow]:
    """Within the block, this is on the desktop."""
    command = desktop.as_alice(COMMAND, "--window")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps({**about, "since": time.time(), "session": session()}) + "\n")
        process.stdin.flush()
        try:
            yield desktop.notice() if about["kind"] == "ended" else desktop.question()
        finally:
            process.terminate()


def take(desktop: Sway, name: str, window: SwayWindow) -> None:
    """A picture of a window, with a little of the desktop around it."""
    PICTURES.mkdir(exist_ok=True)
    node = desktop.windows()[window.pid]
    title, rest = node["deco_rect"], node["rect"]
    x, y, width, height = rest["x"], title["y"], rest["width"], title["height"] + rest["height"]
    assert x >= 0 and y >= 0 and x + width <= SCREEN[0] and y + height <= SCREEN[1], "it fits on a small screen"
    part = f"{x - MARGIN},{y - MARGIN} {width + 2 * MARGIN}x{height + 2 * MARGIN}"
    how = ["-strip", "+dither", "-colors", "48"]
    picture = photograph(desktop, part, "png")
    subprocess.run(["convert", "-", *how, str(PICTURES / f"{name}.png")], check=True, input=picture)


def test_the_question(sway_in_blue: Sway) -> None:
    with shown(sway_in_blue, QUESTION) as window:
        window.until(lambda seen: seen["active"] and keys_count(seen), "everything counts")
        take(sway_in_blue, "question-wayland", window)


def test_the_notice(sway_in_blue: Sway) -> None:
    with shown(sway_in_blue, NOTICE) as window:
        window.look()
        take(sway_in_blue, "notice-wayland", window)
