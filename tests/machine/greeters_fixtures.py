"""Fixtures of the tests of display managers, for a test module that says
`pytest_plugins = ["desktop_fixtures", "greeters_fixtures"]`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from desktop import Desktop, comes_up, free_the_seat, stop
from desktop_fixtures import NO_CONSOLE, XSERVER
from greeters import Greeter, Lightdm, Sddm, Xdm
from limits import LOGIND, nobody_is_in
from machine import run, wait_for

DEFAULT = Path("/etc/X11/default-display-manager")

# Whoever reads it takes /dev/null for a graphics card on seat0, since udev says so: without one, sddm starts nothing.
UDEV = Path("/run/udev")
CARD = "I:1\nG:seat\nG:master-of-seat\nQ:seat\nQ:master-of-seat\nV:1\n"

# There is no console here that a session could be on; xdm cannot say on which seat it is without one.
ON_THE_SEAT = "XDG_VTNR DEFAULT=0 OVERRIDE=0\nXDG_SEAT DEFAULT=seat0 OVERRIDE=seat0\n"
BESIDE_THE_SEAT = "XDG_VTNR DEFAULT=0 OVERRIDE=0\n"


class Files:
    """Files that are there for a while, and in whose place there is afterwards what was there before."""

    def __init__(self) -> None:
        self.before: dict[Path, bytes | None] = {}

    def put(self, path: Path, text: str, mode: int = 0o644) -> None:
        self.before.setdefault(path, path.read_bytes() if path.exists() else None)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def put_back(self) -> None:
        for path, before in self.before.items():
            if before is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(before)


@contextmanager
def display_manager(greeter: Greeter, place: str) -> Iterator[Callable[[str], None]]:
    """Within the block, this display manager can be started, anew each time, with somebody to log in at once."""
    files = Files()
    for name in greeter.services:
        text = Path("/etc/pam.d", name).read_text()
        placed = re.sub(r"(?m)^(?=-?session.*pam_systemd|@include +common-session)", NO_CONSOLE, text, count=1)
        assert placed != text
        files.put(Path("/etc/pam.d", name), placed)
    files.put(Path("/etc/security/no-console.conf"), place)
    files.put(Path("/usr/local/bin/xserver"), XSERVER, 0o755)
    files.put(DEFAULT, greeter.program + "\n")

    def start(autologin: str = "") -> None:
        stop(greeter.name)
        wait_for(lambda: not greeter.authority(), "its X server has ended")
        if place == ON_THE_SEAT:
            free_the_seat()
        for path, text in greeter.files(autologin).items():
            files.put(path, text)
        run("systemctl", "reset-failed", greeter.name, check=False)  # which counts anew how often it was started
        run("systemctl", "start", greeter.name)

    try:
        yield start
    finally:
        stop(greeter.name)
        files.put_back()
        if place == ON_THE_SEAT:
            free_the_seat()


@pytest.fixture(scope="module")
def graphics() -> Iterator[None]:
    """logind knows of a graphics card on the seat."""
    places = [UDEV / "data/c1:3", UDEV / "tags/master-of-seat/c1:3", UDEV / "tags/seat/c1:3"]
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(CARD)
    run("systemctl", "restart", LOGIND)
    wait_for(lambda: run("loginctl", "show-seat", "seat0", check=False).returncode == 0, "logind answers again")
    yield
    for place in places:
        place.unlink()
    run("systemctl", "restart", LOGIND)


@pytest.fixture(scope="module", params=[Lightdm, Sddm, Xdm], ids=lambda kind: kind.name)
def managed(request: pytest.FixtureRequest, graphics: None) -> Iterator[tuple[Greeter, Callable[[str], None]]]:
    """Each of the display managers in turn, with what starts it."""
    greeter: Greeter = request.param()
    with display_manager(greeter, ON_THE_SEAT) as start:
        yield greeter, start


@pytest.fixture
def greeter(managed: tuple[Greeter, Callable[[str], None]]) -> Greeter:
    """The greeter, which asks who wants to log in, and says nothing of somebody who did in vain; nobody is in."""
    greeter, start = managed
    with suppress(AssertionError):
        wait_for(nobody_is_in, "nobody is in", timeout=20)
    if not nobody_is_in() or not greeter.is_there() or greeter.says(greeter.wrong):
        comes_up(lambda: start(""), greeter.is_there, f"the greeter of {greeter.name}")
        wait_for(nobody_is_in, "nobody is in")
    return greeter


@pytest.fixture
def second_display(desktop: Desktop) -> Iterator[Greeter]:
    """xdm, which asks on display :1 who wants to log in there, while alice is at her desktop."""
    greeter = Xdm(":1")
    with display_manager(greeter, BESIDE_THE_SEAT) as start:
        comes_up(lambda: start(""), greeter.is_there, f"the greeter of {greeter.name}")
        yield greeter
