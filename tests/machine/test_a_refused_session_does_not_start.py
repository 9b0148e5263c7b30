"""Some display managers do not heed that PAM refuses a session: there, the refusal ends the process of that login."""

from __future__ import annotations

import pytest

from host import PASSING, PERM_DENIED, SUCCESS, WAYS, host
from host import passing as passing_by


@pytest.fixture(autouse=True)
def _refused(rules) -> None:
    rules("XDM CLOSE USER bob\nDEFAULT:OPEN\n")


@pytest.fixture
def passing(service, request: pytest.FixtureRequest) -> str:
    """A service of this name, in which everything but the plugin passes."""
    service(request.param, PASSING)
    return str(request.param)


def test_one_that_calls_the_plugin_by_pam_exec_is_stopped_too(service) -> None:
    service("lxdm", passing_by(WAYS[1]))
    assert host("lxdm", "bob", "open", "close", check=False).returned == {}
    assert host("lxdm", "carol", "open", "close").returned == {"open": SUCCESS, "close": SUCCESS}


@pytest.mark.parametrize("passing", ["wdm", "lxdm"], indirect=True)
def test_who_does_not_heed_a_refusal_is_stopped(passing: str) -> None:
    told = host(passing, "bob", "open", "close", check=False)
    assert told.messages == ["Access denied: bob may not log in at the desktop."]
    assert told.returned == {}
    assert host(passing, "carol", "open", "close").returned == {"open": SUCCESS, "close": SUCCESS}


@pytest.mark.parametrize("passing", ["slim", "kdm", "su-of-mine"], indirect=True)
def test_who_heeds_it_goes_on(passing: str, rules) -> None:
    rules("ALL CLOSE USER bob\n")
    assert host(passing, "bob", "open").returned == {"open": PERM_DENIED}
