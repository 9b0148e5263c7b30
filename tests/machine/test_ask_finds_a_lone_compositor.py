"""A compositor has its own display not in its environment: where it is all of a session, it is found by its socket."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from wayland import Sway

pytest_plugins = ["desktop_fixtures", "wayland_fixtures"]


@pytest.fixture(autouse=True)
def _rules(rules) -> None:
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\nUNATTENDED:OPEN\n")


def answers_bob(desktop: Sway) -> None:
    bob = desktop.knock("bob")
    desktop.question().press("alt+a")
    assert bob.is_let_in()


def test_its_owner_is_asked(lone_compositor: Sway, journal) -> None:
    answers_bob(lone_compositor)
    assert any(line.endswith(": allowed by alice") for line in journal())


@pytest.fixture
def in_the_way(lone_compositor: Sway) -> Iterator[socket.socket]:
    """What is no display of alice's, and newer than hers: a socket of root's, a file, and a link."""
    names = "wayland-7", "wayland-8", "wayland-9", "more"
    link, file, roots, hers = (lone_compositor.folder / name for name in names)
    with closing(socket.socket(socket.AF_UNIX)) as trap, closing(socket.socket(socket.AF_UNIX)) as other:
        trap.bind(str(roots))
        trap.listen()
        trap.setblocking(False)
        other.bind(str(hers))
        file.touch()
        link.symlink_to(hers)
        for path in (hers, file, link):
            os.lchown(path, *lone_compositor.ids)
        yield trap
    for path in (link, file, roots, hers):
        path.unlink()


def test_what_is_not_hers_is_not_taken(lone_compositor: Sway, in_the_way: socket.socket) -> None:
    answers_bob(lone_compositor)
    with pytest.raises(BlockingIOError):
        in_the_way.accept()  # as nobody connects


def test_a_display_that_has_gone_is_not_taken(lone_compositor: Sway) -> None:
    left_over = lone_compositor.folder / "wayland-zzz"
    with closing(socket.socket(socket.AF_UNIX)) as display:
        display.bind(str(left_over))
    shutil.chown(left_over, "alice", "alice")
    os.utime(left_over, (time.time() - 3600,) * 2)
    try:
        answers_bob(lone_compositor)
    finally:
        left_over.unlink()
