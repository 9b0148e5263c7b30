"""A greeter is nobody who logs in: no rule keeps it from asking who does, though it may include the file of login."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from host import PASSING
from hosts import files
from machine import pam

GREETERS = ["lightdm-greeter", "sddm-greeter", "greetd-greeter", "gdm-launch-environment", "plasmalogin-greeter"]


@pytest.fixture(autouse=True)
def closed(rules) -> None:
    rules("DEFAULT:CLOSE\n")


@pytest.fixture
def passing(request: pytest.FixtureRequest) -> Iterator[str]:
    """A service of this name in which everything but the plugin passes, in the place of a package's."""
    with files({f"/etc/pam.d/{request.param}": PASSING}):
        yield str(request.param)


def passes(service: str) -> bool:
    return pam(service, "bob", "authenticate", "acct_mgmt", "open_session", "close_session").returncode == 0


@pytest.mark.parametrize("passing", GREETERS, indirect=True)
def test_a_greeter_starts_whatever_the_rules_say(passing: str) -> None:
    assert passes(passing)


@pytest.mark.parametrize(
    "passing",
    ["greetd", "greeter", "greeter-of-mine", "-greeter", "lightdm-greeter-test-greeter"],
    indirect=True,
)
def test_what_only_sounds_like_one_does_not(passing: str) -> None:
    assert not passes(passing)


@pytest.mark.parametrize("passing", ["lightdm-greeter"], indirect=True)
def test_in_capitals_it_is_the_same_since_libpam_makes_small_letters_of_them(passing: str) -> None:
    assert passes(passing.upper())


@pytest.mark.parametrize("passing", ["cosmic-greeter", "nodm", "emptty", "lemurs"], indirect=True)
def test_people_log_in_at_cosmic_greeter_and_the_like(passing: str, rules) -> None:
    assert not passes(passing)
    rules("DEFAULT:CLOSE\nXDM OPEN USER bob\n")
    assert passes(passing)
    rules("DEFAULT:OPEN\nXDM CLOSE USER bob\n")
    assert not passes(passing)
