"""A desktop is a session like any other: it fills a limit, is kept out by one, and gives its place back at logout."""

from __future__ import annotations

from collections.abc import Callable

from desktop import AUTOLOGIN, Desktop, active_session, alice_is_there, comes_up, greeter_is_there, stop
from limits import gets_in, inside, refusal
from machine import ssh, wait_for

pytest_plugins = ["desktop_fixtures"]

ONE_OF_USERS = "DEFAULT:OPEN\nALL NUMBER GROUP users:1\n"


def test_who_is_at_the_desktop_fills_the_place_until_logout(rules, desktop: Desktop, journal) -> None:
    rules(ONE_OF_USERS)
    assert refusal(ssh("bob")) == "Access denied: users: 1 of 1 are logged in."
    assert any("alice@LOCAL XDM" in line for line in journal())
    stop("lightdm")
    wait_for(lambda: active_session() == {}, "alice has left")
    assert gets_in("bob")


def test_the_same_person_comes_in_beside_it(rules, desktop: Desktop) -> None:
    rules(ONE_OF_USERS)
    assert gets_in("alice")


def test_who_is_in_over_ssh_keeps_others_from_the_desktop(
    rules, nobody_there: Desktop, lightdm: Callable[[str], None], monthly_log
) -> None:
    rules(ONE_OF_USERS)
    with inside("bob"):
        lightdm(AUTOLOGIN)
        wait_for(lambda: "alice@LOCAL" in monthly_log(), "alice has been at the door")
        assert "XDM       NUMBER  alice@LOCAL" in monthly_log()
        assert "granted" not in monthly_log().partition("alice@LOCAL")[2]
        assert not alice_is_there()
    lightdm(AUTOLOGIN)
    wait_for(alice_is_there, "alice is logged in, now that there is a place")


def test_the_greeter_is_nobody(rules, nobody_there: Desktop, lightdm: Callable[[str], None]) -> None:
    rules("DEFAULT:OPEN\nALL NUMBER GROUP ALL:1\n")
    comes_up(lambda: lightdm(""), greeter_is_there, "the greeter is on the screen")
    assert gets_in("bob")
