"""Fixtures of the tests of NUMBER, for a test module that says `pytest_plugins = ["limits_fixtures"]`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from limits import LOGIND, known_to_logind, known_to_the_plugin
from machine import run, wait_for

UTMP = Path("/run/utmp")


@pytest.fixture(params=["logind", "utmp"], scope="module")
def teller(request: pytest.FixtureRequest) -> Iterator[str]:
    """Who tells of sessions that the plugin did not let in: logind, and once more with logind stopped, utmp."""
    if request.param == "logind":
        yield "logind"
        return
    if not UTMP.exists():
        pytest.skip("there is no utmp from Debian 13 on")
    wait_for(lambda: not known_to_logind(), "everybody has left")
    run("systemctl", "mask", "--runtime", "--now", LOGIND)
    try:
        yield "utmp"
    finally:
        run("systemctl", "unmask", "--runtime", LOGIND)
        run("systemctl", "start", LOGIND)


@pytest.fixture
def nobody() -> Iterator[None]:
    """Nobody is in when the test begins, nor when it has ended."""
    wait_for(lambda: not [*known_to_logind(), *known_to_the_plugin()], "everybody has left")
    yield
    wait_for(lambda: not [*known_to_logind(), *known_to_the_plugin()], "everybody leaves")


@pytest.fixture
def groups() -> Iterator[Callable[[str, str], None]]:
    """groups("erin", "lp"): puts a user into a group, for this test."""
    put: list[tuple[str, str]] = []

    def add(user: str, group: str) -> None:
        run("gpasswd", "--add", user, group)
        put.append((user, group))

    yield add
    for user, group in put:
        run("gpasswd", "--delete", user, group)
