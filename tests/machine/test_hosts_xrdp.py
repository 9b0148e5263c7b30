"""xrdp: who comes back to a desktop that is their own is no second session, and is let in; a second desktop is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from hosts import guarded
from limits import known_to_the_plugin
from machine import password_of, run, wait_for

Told = Callable[[], list[str]]


@pytest.fixture(autouse=True)
def _xrdp() -> Iterator[None]:
    with guarded("xrdp-sesman"):
        run("systemctl", "start", "xrdp")
        yield
        run("systemctl", "stop", "xrdp")
        wait_for(lambda: run("pkill", "-KILL", "-u", "bob", check=False).returncode == 1, "bob's desktops end")


@pytest.fixture
def outcomes(monthly_log: Callable[[], str]) -> Told:
    """What the month says of each login; the first of xrdp 0.9 is granted in account and in session."""
    return lambda: [line.split()[5] for line in monthly_log().splitlines()]


def ask_for_a_desktop(colors: int = 32) -> str:
    """Logs bob in, and returns what he is told. With another depth of colors it is another desktop."""
    how = ["-t", "Xvnc", "-g", "800x600", "-b", str(colors), "-F", "0"]
    return run("xrdp-sesrun", *how, "bob", input=f"{password_of('bob')}\n", check=False).stdout


def desktops() -> list[str]:
    """The desktops that run."""
    return run("pgrep", "-u", "bob", "-x", "Xvnc|Xtigervnc", check=False).stdout.split()


def test_a_limit_of_one_session_lets_somebody_come_back_to_their_desktop(rules, outcomes: Told) -> None:
    rules("DEFAULT:OPEN\nXRDP-SESMAN NUMBER USER ALL:1\n")
    ask_for_a_desktop()
    wait_for(lambda: known_to_the_plugin() == ["bob"], "bob has a desktop")
    wait_for(lambda: len(desktops()) == 1, "it runs")
    mine, begun = desktops(), len(outcomes())
    ask_for_a_desktop()
    wait_for(lambda: outcomes()[begun:] == ["granted"], "bob comes back to it")
    assert desktops() == mine
    ask_for_a_desktop(colors=24)  # that would be a second one
    wait_for(lambda: outcomes()[begun:] == ["granted", "granted", "denied"], "it is refused in session")
    assert known_to_the_plugin() == ["bob"]
    assert desktops() == mine


def test_the_place_is_free_when_the_desktop_has_ended(rules, outcomes: Told) -> None:
    rules("DEFAULT:OPEN\nXRDP-SESMAN NUMBER USER ALL:1\n")
    ask_for_a_desktop()
    wait_for(lambda: run("pkill", "-u", "bob", "openbox", check=False).returncode == 0, "bob's window manager is ended")
    wait_for(lambda: known_to_the_plugin() == [], "the session has ended")
    ask_for_a_desktop(colors=24)
    wait_for(lambda: known_to_the_plugin() == ["bob"], "bob has another desktop")


def test_a_limit_of_none_lets_nobody_begin(rules, outcomes: Told) -> None:
    rules("DEFAULT:OPEN\nXRDP-SESMAN NUMBER USER bob:0\n")
    ask_for_a_desktop()
    wait_for(lambda: outcomes() == ["granted", "denied"], "the session is refused")
    assert desktops() == []
