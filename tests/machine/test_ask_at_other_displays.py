"""Whoever logged in at the display is asked about those who come later, by another display of the computer, too."""

from __future__ import annotations

from desktop import Desktop, active_session
from greeters import Greeter
from limits import known_to_logind
from machine import wait_for

pytest_plugins = ["desktop_fixtures", "greeters_fixtures"]


def test_the_owner_of_the_first_display_answers_for_the_second(
    desktop: Desktop, second_display: Greeter, rules, monthly_log
) -> None:
    rules("XDM ASK USER bob\nREMEMBER:0\nDEFAULT:OPEN\n")
    second_display.type_in("bob")
    window = desktop.question()
    assert window.title == "XDM login: bob from LOCAL"
    window.click("Deny")
    wait_for(lambda: "denied" in monthly_log(), "bob is refused")
    wait_for(second_display.is_there, "the greeter is there again")
    assert known_to_logind() == ["alice"]
    second_display.type_in("bob")
    desktop.question(window).click("Allow")
    wait_for(lambda: second_display.is_in("bob"), "bob is logged in")
    assert active_session()["Name"] == "alice"
    second_display.log_out("bob")
    assert known_to_logind() == ["alice"]
