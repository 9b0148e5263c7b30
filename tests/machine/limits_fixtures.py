"""Fixtures of the tests of NUMBER, for a test module that says `pytest_plugins = ["limits_fixtures"]`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from limits import known_to_logind, known_to_the_plugin
from machine import run, wait_for


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
