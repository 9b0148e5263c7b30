"""On a Wayland desktop that has no X, the question is shown, and answered, as on any other."""

from __future__ import annotations

import os
import pwd
import re
from pathlib import Path

import pytest

from desktop import held_by, parent_of
from machine import run
from wayland import Sway

pytest_plugins = ["desktop_fixtures", "wayland_fixtures"]


@pytest.fixture(autouse=True)
def _rules(rules) -> None:
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\nUNATTENDED:CLOSE\n")


def clients_of(sway: Sway) -> set[str]:
    """The sockets at the other end of sway's, as /proc/PID/fd has them."""
    rows = [row.split() for row in run("ss", "--unix", "--no-header", "--all").stdout.splitlines()]
    return {f"socket:[{row[7]}]" for row in rows if row[4] == str(sway.socket()) and row[1] == "ESTAB"}


def test_only_the_owner_connects_to_the_compositor(wayland_desktop: Sway) -> None:
    wayland_desktop.knock("bob")
    window = wayland_desktop.question()
    asker = parent_of(window.pid)
    assert "libQt5WaylandClient" in Path(f"/proc/{window.pid}/maps").read_text()
    assert os.stat(f"/proc/{window.pid}").st_uid == pwd.getpwnam("alice").pw_uid
    assert os.stat(f"/proc/{asker}").st_uid == 0
    assert clients_of(wayland_desktop) & held_by(window.pid)
    assert not clients_of(wayland_desktop) & held_by(asker)
    assert not re.search("(?i)qt5|wayland", Path(f"/proc/{asker}/maps").read_text())
