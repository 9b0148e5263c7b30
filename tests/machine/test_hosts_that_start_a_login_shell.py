"""su -, sudo -i and runuser -l are PAM services of their own, and the rules of the short name hold for them, too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hosts import as_user, files, guarded, on_terminal
from machine import password_of

SUDOERS = {"/etc/sudoers.d/tests": "bob,carol ALL=(ALL:ALL) NOPASSWD: ALL\n"}


@pytest.fixture(scope="module", autouse=True)
def _guarded() -> Iterator[None]:
    """su-l and runuser-l include the file of the short name."""
    with guarded("su", "sudo", "sudo-i", "runuser"), files(SUDOERS, 0o440):
        yield


def su(user: str, *options: str) -> bool:
    """Whether carol becomes somebody, whose password she knows."""
    command = as_user("carol", "su", *options, user, "-c", "id -un")
    return on_terminal(command, password_of(user)) == (0, f"{user}\n")


def runuser(user: str, *options: str) -> bool:
    return on_terminal(["runuser", *options, user, "-c", "id -un"]) == (0, f"{user}\n")


def sudo(user: str, *options: str) -> bool:
    """Whether somebody becomes erin."""
    return on_terminal(as_user(user, "sudo", *options, "-u", "erin", "id", "-un")) == (0, "erin\n")


WAYS = {"SU": (su, "-"), "RUNUSER": (runuser, "-l"), "SUDO": (sudo, "-i")}


@pytest.mark.parametrize("name", WAYS)
def test_the_rules_of_the_short_name_hold_for_both(name: str, rules) -> None:
    way, option = WAYS[name]
    rules(f"{name} CLOSE USER bob\nDEFAULT:OPEN\n")
    assert [way("bob"), way("bob", option), way("carol"), way("carol", option)] == [False, False, True, True]
    rules(f"{name} OPEN USER bob\nDEFAULT:CLOSE\n")
    assert [way("bob"), way("bob", option), way("carol"), way("carol", option)] == [True, True, False, False]


@pytest.mark.parametrize("name", WAYS)
def test_the_rules_of_the_long_name_hold_for_it_alone(name: str, rules) -> None:
    way, option = WAYS[name]
    rules(f"{name}{'-I' if name == 'SUDO' else '-L'} CLOSE USER bob\nDEFAULT:OPEN\n")
    assert [way("bob"), way("bob", option), way("carol"), way("carol", option)] == [True, False, True, True]


@pytest.mark.parametrize("name", WAYS)
def test_so_do_limits(name: str, rules) -> None:
    way, option = WAYS[name]
    rules(f"{name} NUMBER USER bob:0\nDEFAULT:OPEN\n")
    assert [way("bob"), way("bob", option), way("carol", option)] == [False, False, True]
