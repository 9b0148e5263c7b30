"""A greeter is nobody who logs in: no rule keeps it from asking who does, though it may include the file of login."""

from __future__ import annotations

import pytest

from host import PASSING
from machine import pam


@pytest.fixture(autouse=True)
def closed(rules) -> None:
    rules("DEFAULT:CLOSE\n")


def passes(service: str) -> bool:
    return pam(service, "bob", "authenticate", "acct_mgmt", "open_session", "close_session").returncode == 0


@pytest.mark.parametrize("name", ["greetd-greeter", "plasmalogin-greeter", "lightdm-greeter-test-greeter"])
def test_a_greeter_starts_whatever_the_rules_say(service, name: str) -> None:
    service(name, PASSING)
    assert passes(name)


@pytest.mark.parametrize("name", ["greetd", "greeter", "greeter-of-mine", "-greeter"])
def test_what_only_sounds_like_one_does_not(service, name: str) -> None:
    service(name, PASSING)
    assert not passes(name)
