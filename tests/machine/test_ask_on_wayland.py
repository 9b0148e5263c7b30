"""On a Wayland desktop that has no X, the question is shown, and answered, as on any other."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from desktop import NOT_ALLOWED, askers, held_by
from machine import run
from wayland import Sway, SwayWindow

pytest_plugins = ["desktop_fixtures", "wayland_fixtures"]

COMMAND = "/usr/bin/pam-accesscontrol"
DECIDED = "pam-accesscontrol.conf:1: SSH ASK USER bob"


@pytest.fixture(autouse=True)
def _rules(rules) -> None:
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\nUNATTENDED:CLOSE\n")


def by_key(key: str) -> Callable[[SwayWindow], None]:
    return lambda window: window.press(key)


def by_mouse(button: str) -> Callable[[SwayWindow], None]:
    return lambda window: window.click(button)


def by_wtype(window: SwayWindow) -> None:
    """A keyboard that is there for no longer than it types."""
    window.press()
    run(*window.desktop.as_alice("wtype", "-M", "alt", "-k", "a", "-m", "alt"))


def by_sway(window: SwayWindow) -> None:
    window.until(lambda seen: seen["buttons"]["Deny"].enabled, "closing it counts")
    window.close()


ALLOWING = {"Alt+A": by_key("alt+a"), "Alt+A by wtype": by_wtype, "click on Allow": by_mouse("Allow")}
DENYING = {"Alt+D": by_key("alt+d"), "Escape": by_key("Escape"), "Enter": by_key("Return")}
DENYING |= {"click on Deny": by_mouse("Deny"), "closed by sway": by_sway}


@pytest.mark.parametrize("way", ALLOWING.values(), ids=ALLOWING)
def test_who_is_allowed_gets_in(wayland_desktop: Sway, way: Callable[[SwayWindow], None], journal) -> None:
    bob = wayland_desktop.knock("bob")
    window = wayland_desktop.question()
    assert window.title == "SSH login: bob from 10.1.2.3"
    assert window.program == "pam-accesscontrol"
    way(window)
    assert bob.is_let_in()
    assert f"SSH session bob@10.1.2.3: ASK, {DECIDED}: allowed by alice" in journal()


@pytest.mark.parametrize("way", DENYING.values(), ids=DENYING)
def test_who_is_denied_is_told_so(wayland_desktop: Sway, way: Callable[[SwayWindow], None], journal) -> None:
    bob = wayland_desktop.knock("bob")
    way(wayland_desktop.question())
    assert bob.refusal() == NOT_ALLOWED
    assert f"SSH session bob@10.1.2.3: ASK, refused: {DECIDED}: denied by alice" in journal()


def test_the_notice_tells_who_is_gone(wayland_desktop: Sway) -> None:
    bob = wayland_desktop.knock("bob", stay=True)
    wayland_desktop.question().press("alt+a")
    bob.comes_in().leave()
    notice = wayland_desktop.notice()
    assert notice.title == "SSH logout: bob from 10.1.2.3"
    headline, rest = notice.look()["texts"]
    assert headline == "bob has logged out"
    assert re.fullmatch(r"from 10\.1\.2\.3 over SSH, for \d+ s", rest)
    notice.close()
    notice.wait_until_gone()


def test_by_hand_it_prints_the_answer(wayland_desktop: Sway) -> None:
    pipe = subprocess.PIPE
    asking = subprocess.Popen(wayland_desktop.as_alice(COMMAND, "ask"), stdout=pipe, stderr=pipe, text=True)
    wayland_desktop.question().press("alt+a")
    said, complained = asking.communicate(timeout=20)
    assert (said, asking.returncode) == ("allow\n", 0)
    assert re.sub(r"(?m)^(libEGL warning: .*|MESA: .*)?\n", "", complained) == ""  # there is no graphics card


def test_of_a_dozen_that_are_closed_none_hangs(wayland_desktop: Sway) -> None:
    """Taking down Qt does, in one of six."""
    command = wayland_desktop.as_alice(COMMAND, "ask")
    asking = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(12)]
    windows: list[SwayWindow] = []
    for _ in asking:
        windows.append(wayland_desktop.question(*windows))
    for window in windows:
        by_sway(window)
    assert [(one.communicate(timeout=20)[0], one.returncode) for one in asking] == [("deny\n", 0)] * 12


def clients_of(sway: Sway) -> set[str]:
    """The sockets at the other end of sway's, as /proc/PID/fd has them."""
    rows = [row.split() for row in run("ss", "--unix", "--no-header", "--all").stdout.splitlines()]
    return {f"socket:[{row[7]}]" for row in rows if row[4] == str(sway.socket()) and row[1] == "ESTAB"}


def test_only_the_owner_connects_to_the_compositor(wayland_desktop: Sway) -> None:
    wayland_desktop.knock("bob")
    window = wayland_desktop.question()
    [asker] = askers()
    assert "libQt5WaylandClient" in Path(f"/proc/{window.pid}/maps").read_text()
    assert os.stat(f"/proc/{window.pid}").st_uid == pwd.getpwnam("alice").pw_uid
    assert os.stat(f"/proc/{asker}").st_uid == 0
    assert clients_of(wayland_desktop) & held_by(window.pid)
    assert not clients_of(wayland_desktop) & held_by(asker)
    assert not re.search("(?i)qt5|wayland", Path(f"/proc/{asker}/maps").read_text())
