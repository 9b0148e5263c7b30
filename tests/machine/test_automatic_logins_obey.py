"""Somebody whom lightdm or sddm logs in without asking obeys the rules like anybody else."""

from __future__ import annotations

import pytest

from desktop import active_session
from greeters import Lightdm, Sddm, version_of
from limits import known_to_logind
from machine import wait_for

pytest_plugins = ["desktop_fixtures", "greeters_fixtures"]
pytestmark = pytest.mark.parametrize("managed", [Lightdm, Sddm], ids=lambda kind: kind.name, indirect=True)


def test_who_may_is_logged_in_and_gives_the_place_back_at_logout(managed, rules, monthly_log) -> None:
    greeter, start = managed
    rules("XDM OPEN USER bob\n")
    start("bob")
    wait_for(lambda: greeter.is_in("bob"), "bob is logged in")
    assert active_session()["Service"] == f"{greeter.name}-autologin"
    greeter.log_out("bob")
    told = [line.split()[2:6] for line in monthly_log().splitlines()]
    assert told == [["XDM", "OPEN", "bob@LOCAL", outcome] for outcome in ("granted", "closed")]


def test_who_may_not_is_not_logged_in(managed, rules, monthly_log) -> None:
    greeter, start = managed
    rules("XDM CLOSE USER bob\nDEFAULT:OPEN\n")
    start("bob")
    wait_for(lambda: "XDM       CLOSE   bob@LOCAL" in monthly_log(), "bob is refused")
    if not version_of(greeter.name).startswith("0.19"):  # that sddm shows nothing when an automatic login has failed
        wait_for(greeter.is_there, "the greeter is there")
    assert "bob" not in known_to_logind()
    assert "granted" not in monthly_log()
