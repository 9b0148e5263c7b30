"""Pictures of the dialog and of the notice, for people to look at: tests/run --pictures brings them out."""

from __future__ import annotations

import json
import pwd
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from desktop import Desktop, Window, active_session, keys_count
from machine import run

pytest_plugins = ["desktop_fixtures"]

PICTURES = Path(__file__).parents[1] / "pictures"
COMMAND = "/usr/bin/pam-accesscontrol"

QUESTION = {
    "kind": "question",
    "service": "SSH",
    "user": "bob",
    "requester": "",
    "full_name": "Bob Example",
    "rhost": "203.0.113.7",
    "proof": "key SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU\n(bob@laptop)",
    "timeout": 60,
}
LONG = {
    "user": "maximiliane-henriette",
    "full_name": "Maximiliane Henriette <b>von und zu</b> Hohenstein-Burgscheidungen &amp; Söhne",
    "rhost": "2001:db8:85a3:1234:5678:8a2e:370:7334",
    "proof": "key SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU\n"
    "(Maximiliane's <i>other</i> laptop, the grey one)",
}
TWO_PROOFS = {
    "proof": "certificate SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU\nID bob's laptop\n"
    "CA SHA256:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ\nthen keyboard-interactive",
}
SU = {"service": "SU", "user": "root", "requester": "erin", "full_name": "root", "rhost": "", "proof": ""}
MISSED = {**QUESTION, "kind": "missed"}
NOTICE = {**QUESTION, "kind": "ended", "seconds": 8130, "logins": 12, "delay": 0}

# How a KDE desktop says that it is dark.
DARK = """\
[Colors:Button]
BackgroundNormal=49,54,59
ForegroundNormal=252,252,252
[Colors:Selection]
BackgroundNormal=61,174,233
ForegroundNormal=252,252,252
[Colors:View]
BackgroundNormal=27,30,32
ForegroundNormal=252,252,252
[Colors:Window]
BackgroundNormal=42,46,50
ForegroundNormal=252,252,252
"""


@pytest.fixture
def styles() -> Iterator[dict[str, dict[str, str]]]:
    """What a light and a dark desktop have in their environment."""
    folder = Path("/home/alice/dark")
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "kdeglobals").write_text(DARK)
    kde = {"XDG_CURRENT_DESKTOP": "KDE", "KDE_FULL_SESSION": "true", "KDE_SESSION_VERSION": "5"}
    fusion = {"QT_STYLE_OVERRIDE": "fusion"}
    yield {"light": fusion, "dark": {**fusion, **kde, "XDG_CONFIG_HOME": str(folder)}}
    (folder / "kdeglobals").unlink()
    folder.rmdir()


def session() -> dict[str, Any]:
    """What a window is told of the session on whose display it is."""
    facts = active_session()
    names = {"id": "Id", "type": "Type", "display": "Display", "leader": "Leader", "scope": "Scope"}
    return {name: facts.get(names[name], "") for name in names}


@contextmanager
def shown(desktop: Desktop, about: dict[str, Any], style: dict[str, str]) -> Iterator[Window]:
    """Within the block, this is on the desktop, in this style."""
    alice = pwd.getpwnam("alice")
    place = {"HOME": alice.pw_dir, "DISPLAY": ":0", "XAUTHORITY": f"{alice.pw_dir}/.Xauthority"}
    settings = [f"{name}={value}" for name, value in {**place, **style}.items()]
    command = ["runuser", "-u", "alice", "--", "env", "--ignore-environment", *settings, COMMAND, "--window"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps({**about, "since": time.time(), "session": session()}) + "\n")
        process.stdin.flush()
        comes = {"question": desktop.question, "missed": desktop.note, "ended": desktop.notice}
        window = comes[about["kind"]]()
        try:
            yield window
        finally:
            process.terminate()


def frame_of(desktop: Desktop, window: Window) -> tuple[int, ...]:
    """Where a window is, with the frame that the window manager has drawn around it: x, y, width and height."""
    about = ("-id", str(window.look()["id"]))
    told = run("xwininfo", *about, env=desktop.environment).stdout
    wanted = ("Absolute upper-left X", "Absolute upper-left Y", "Width", "Height")
    x, y, width, height = (int(re.search(rf"{name}: +(-?\d+)", told)[1]) for name in wanted)
    extents = run("xprop", *about, "_NET_FRAME_EXTENTS", env=desktop.environment).stdout
    left, right, top, bottom = map(int, re.findall(r"\d+", extents.partition("=")[2]))
    assert top > bottom, "there is a title above it"
    return x - left, y - top, left + width + right, top + height + bottom


def take(desktop: Desktop, name: str, window: Window, margin: int = 12) -> None:
    """A picture of a window, with a little of the desktop around it."""
    PICTURES.mkdir(exist_ok=True)
    x, y, width, height = frame_of(desktop, window)
    left, top = max(x - margin, 0), max(y - margin, 0)
    part = f"{x + width + margin - left}x{y + height + margin - top}+{left}+{top}"
    how = ["-window", "root", "-crop", part, "+repage", "-strip", "+dither", "-colors", "48"]
    run("import", *how, str(PICTURES / f"{name}.png"), env=desktop.environment)


@pytest.mark.parametrize(
    ("name", "style", "more"),
    [
        ("question-light", "light", {}),
        ("question-dark", "dark", {}),
        ("question-long", "light", LONG),
        ("question-two-proofs", "light", TWO_PROOFS),
        ("question-su", "light", SU),
    ],
)
def test_the_question(desktop: Desktop, styles, name: str, style: str, more: dict[str, str]) -> None:
    run("xsetroot", "-solid", "#557799", env=desktop.environment)
    with shown(desktop, {**QUESTION, **more}, styles[style]) as window:
        window.activate()
        seen = window.until(lambda seen: seen["active"] and keys_count(seen), "everything counts")
        assert not seen["markup"]
        x, y, width, height = frame_of(desktop, window)
        assert x >= 0 and y >= 0 and x + width <= 1024 and y + height <= 768, "it fits on a small screen"
        take(desktop, name, window)


@pytest.mark.parametrize("style", ["light", "dark"])
def test_the_note(desktop: Desktop, styles, style: str) -> None:
    run("xsetroot", "-solid", "#557799", env=desktop.environment)
    with shown(desktop, MISSED, styles[style]) as window:
        take(desktop, f"note-{style}", window)


@pytest.mark.parametrize("style", ["light", "dark"])
def test_the_notice(desktop: Desktop, styles, style: str) -> None:
    run("xsetroot", "-solid", "#557799", env=desktop.environment)
    with shown(desktop, NOTICE, styles[style]) as window:
        take(desktop, f"notice-{style}", window)
