"""lightdm, sddm and xdm, each with its greeter: the rules decide who gets a desktop, and logging out gives it back."""

from __future__ import annotations

from desktop import Desktop, active_session
from greeters import Greeter
from limits import gets_in, inside, known_to_logind, refusal
from machine import ssh, wait_for

pytest_plugins = ["desktop_fixtures", "greeters_fixtures"]


def test_who_may_comes_in_as_soon_as_there_is_a_place_and_gives_it_back(greeter: Greeter, rules, monthly_log) -> None:
    rules("XDM OPEN USER bob\nSSH OPEN USER erin\nALL NUMBER GROUP ALL:1\n")
    with inside("erin"):
        assert greeter.is_refused("bob") == ("Access denied" if greeter.tells_why else greeter.wrong)
    greeter.lets_in("bob")
    session = active_session()
    assert (session["Name"], session["Class"], session["Type"]) == ("bob", "user", "x11")
    assert session["Service"] == greeter.services[0]
    assert refusal(ssh("erin")) == "Access denied: everybody: 1 of 1 are logged in."
    greeter.log_out("bob")
    assert gets_in("erin")
    told = [line.split()[2:6] for line in monthly_log().splitlines() if "bob@LOCAL" in line]
    assert told == [
        ["XDM", "NUMBER", "bob@LOCAL", "denied"],
        ["XDM", "OPEN", "bob@LOCAL", "granted"],
        ["XDM", "OPEN", "bob@LOCAL", "closed"],
    ]


def test_who_has_logged_in_is_asked_about_others(greeter: Greeter, eye, rules) -> None:
    rules("XDM OPEN USER alice\nSSH ASK USER bob\nREMEMBER:0\n")
    greeter.lets_in("alice")
    desktop = Desktop(greeter.display, greeter.authority())
    desktop.clear()
    for button in ("Deny", "Allow"):
        bob = desktop.knock("bob")
        desktop.answer(button)
        assert bob.is_let_in() == (button == "Allow")
    desktop.clear()
    greeter.log_out("alice")


def test_who_is_not_let_in_after_a_question_gets_no_desktop(greeter: Greeter, rules, monthly_log) -> None:
    rules("XDM ASK USER bob\nUNATTENDED:CLOSE\n")
    greeter.type_in("bob")
    wait_for(lambda: "denied" in monthly_log(), "bob is refused")
    wait_for(greeter.is_there, "the greeter is there again")
    assert known_to_logind() == []
    assert not greeter.has_crashed()


def test_who_may_not_is_told_what_a_wrong_password_is_told(greeter: Greeter, rules, monthly_log) -> None:
    rules("XDM OPEN USER bob\n")
    assert greeter.is_refused("carol") == greeter.wrong
    assert "XDM       CLOSE   carol@LOCAL" in monthly_log()
    greeter.take("refused")
    assert greeter.is_refused("bob", "wrong") == greeter.wrong
    assert "bob@LOCAL" not in monthly_log()
