"""Asked is who sits at the desktop: whose session is the active one on the seat. Nobody there: UNATTENDED decides."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from desktop import (
    AUTOLOGIN,
    NOT_ALLOWED,
    XAUTHORITY,
    Desktop,
    active_session,
    comes_up,
    free_the_display,
    greeter_is_there,
    manages_windows,
    stop,
)
from limits import logind_masked, needs_logind
from machine import run, wait_for

pytest_plugins = ["desktop_fixtures"]

ASK_BOB = "SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\n"
NOBODY_THERE = "Access denied: there is nobody at the desktop who could allow it."
COULD_NOT_BE_ASKED = "Access denied: the person at the desktop could not be asked."

LOGIN1 = "org.freedesktop.login1"

# A session on the seat beside alice's.
ON_THE_SEAT = """\
account required pam_permit.so
session required pam_systemd.so
"""
SECOND_DESKTOP = """
Xvfb :1 -screen 0 1024x768x24 -nolisten tcp -noreset &
until xprop -root >/dev/null 2>&1; do sleep 0.1; done
exec openbox
"""


@contextmanager
def carol_on_the_seat(*what: str) -> Iterator[None]:
    """Within the block, carol has a session of type x11 on the seat, in which this runs."""
    facts = {"SEAT": "seat0", "VTNR": "0", "SESSION_TYPE": "x11", "SESSION_CLASS": "user"}
    settings = [f"--setenv=XDG_{name}={value}" for name, value in facts.items()]
    how = ["--property=PAMName=tests-desktop", "--property=User=carol", *settings]
    run("systemd-run", "--unit=tests-desktop", "--collect", *how, *what)
    try:
        yield
    finally:
        wait_for(carol_has_gone, "carol's desktop has gone")


def carol_has_gone() -> bool:
    """Kills all that is carol's, and looks whether it has gone; a session that has just begun may outlive the first."""
    run("loginctl", "kill-user", "--signal=KILL", "carol", check=False)
    return "carol" not in sessions_on_the_seat()


@pytest.fixture
def carols_desktop(service) -> Iterator[Desktop]:
    """carol has a session on the same seat, on display :1."""
    service("tests-desktop", ON_THE_SEAT)
    free_the_display(1)
    with carol_on_the_seat("env", "DISPLAY=:1", "sh", "-c", SECOND_DESKTOP):
        wait_for(lambda: manages_windows(":1", ""), "carol's desktop is there")
        yield Desktop(":1", "")


def sessions_on_the_seat() -> dict[str, str]:
    """The sessions, by the names of those whose they are."""
    sessions = run("loginctl", "show-seat", "seat0", "--property=Sessions", "--value").stdout.split()

    def whose(session: str) -> str:  # nobody's, if it has just ended
        return run("loginctl", "show-session", session, "--property=Name", "--value", check=False).stdout.strip()

    return {whose(session): session for session in sessions}


@needs_logind
def test_the_owner_of_the_active_session_and_not_one_in_the_background(desktop, rules, carols_desktop) -> None:
    rules(ASK_BOB)
    for owner, asked, other in (("alice", desktop, carols_desktop), ("carol", carols_desktop, desktop)):
        run("loginctl", "activate", sessions_on_the_seat()[owner])
        wait_for(lambda owner=owner: active_session()["Name"] == owner, "that session is active")
        bob = desktop.knock("bob")
        window = asked.question()
        assert window.title == "SSH login: bob from 10.1.2.3"
        assert run("xdotool", "search", "--name", " login: ", env=other.environment, check=False).stdout == ""
        window.click("Deny")
        assert bob.refusal() == NOT_ALLOWED


@needs_logind
def test_the_owner_of_a_locked_session(desktop: Desktop, rules) -> None:
    rules(ASK_BOB)
    session = active_session()["Id"]
    run("loginctl", "lock-session", session)
    path = run("busctl", "call", LOGIN1, "/org/freedesktop/login1", f"{LOGIN1}.Manager", "GetSession", "s", session)
    as_alice = ["runuser", "-u", "alice", "--"]  # as her screen locker tells it
    locked = [path.stdout.split('"')[1], f"{LOGIN1}.Session", "SetLockedHint", "b", "true"]
    run(*as_alice, "busctl", "call", LOGIN1, *locked)
    assert active_session()["LockedHint"] == "yes"
    bob = desktop.knock("bob")
    desktop.answer("Allow")
    assert bob.is_let_in()


@pytest.fixture
def greeter(nobody_there: Desktop, lightdm: Callable[[str], None]) -> Desktop:
    """The desktop where lightdm asks who wants to log in."""
    comes_up(lambda: lightdm(""), greeter_is_there, "the greeter is there")
    return nobody_there


def is_let_in_unattended(desktop: Desktop, rules, journal) -> None:
    rules(ASK_BOB + "UNATTENDED:OPEN\n")
    assert desktop.knock("bob").is_let_in()
    rules(ASK_BOB)
    assert desktop.knock("bob").is_let_in()
    because = "ASK, pam-accesscontrol.conf:1: SSH ASK USER bob: nobody to ask, UNATTENDED is OPEN"
    assert journal().count(f"SSH session bob@10.1.2.3: {because}") == 2


def is_refused_unattended(desktop: Desktop, rules, journal) -> None:
    rules(ASK_BOB + "UNATTENDED:CLOSE\n")
    assert desktop.knock("bob").refusal() == NOBODY_THERE
    because = "ASK, refused: pam-accesscontrol.conf:1: SSH ASK USER bob: nobody to ask"
    assert journal()[-1] == f"SSH session bob@10.1.2.3: {because}"


def test_nobody_while_the_greeter_is_there(greeter: Desktop, rules, journal) -> None:
    is_let_in_unattended(greeter, rules, journal)
    is_refused_unattended(greeter, rules, journal)


def test_nobody_while_no_desktop_runs(nobody_there: Desktop, rules, journal, monthly_log) -> None:
    is_let_in_unattended(nobody_there, rules, journal)
    is_refused_unattended(nobody_there, rules, journal)
    told = re.findall("(granted|denied) +pam-accesscontrol.conf:1: SSH ASK USER bob: (.*)", monthly_log())
    opened = ("granted", "nobody to ask, UNATTENDED is OPEN")
    assert told == [opened, opened, ("denied", "nobody to ask")]


@needs_logind
def test_who_is_there_and_has_no_display_that_could_be_found_is_not_nobody(
    nobody_there: Desktop, service, rules, journal
) -> None:
    service("tests-desktop", ON_THE_SEAT)
    rules(ASK_BOB + "UNATTENDED:OPEN\n")
    with carol_on_the_seat("sleep", "infinity"):
        wait_for(lambda: active_session().get("Name") == "carol", "carol is there")
        assert nobody_there.knock("bob").refusal() == COULD_NOT_BE_ASKED
        assert journal()[-1].endswith(": carol could not be asked: no display is to be found")
    assert nobody_there.knock("bob").is_let_in()


@needs_logind
def test_who_has_logged_out_is_nobody_though_a_program_of_theirs_goes_on(nobody_there: Desktop, service, rules) -> None:
    service("tests-desktop", ON_THE_SEAT)
    rules(ASK_BOB + "UNATTENDED:OPEN\n")
    with carol_on_the_seat("sh", "-c", "sleep infinity & sleep 1"):
        wait_for(lambda: active_session().get("State") == "closing", "carol has logged out")
        assert nobody_there.knock("bob").is_let_in()
        assert active_session().get("State") == "closing"


# ------------------------------------------------------------------------- somebody is there, and nobody can be asked


def is_refused_since_somebody_is_there(desktop: Desktop, rules) -> None:
    rules(ASK_BOB + "UNATTENDED:OPEN\n")
    with desktop.watched() as history:
        assert desktop.knock("bob").refusal() == COULD_NOT_BE_ASKED
    assert set().union(*history) == set()


@needs_logind
def test_whose_desktop_is_locked_by_a_greeter_is_not_nobody(desktop: Desktop, rules, journal) -> None:
    seat = "XDG_SEAT_PATH=/org/freedesktop/DisplayManager/Seat0"
    run("runuser", "-u", "alice", "--", "env", "DISPLAY=:0", seat, "dm-tool", "lock")
    wait_for(greeter_is_there, "the greeter has the seat")
    try:
        is_refused_since_somebody_is_there(desktop, rules)
        assert "could not be asked: the desktop of alice is not on the screen: it is locked, or " in journal()[-1]
    finally:
        run("loginctl", "activate", sessions_on_the_seat()["alice"])
    wait_for(lambda: active_session().get("Name") == "alice", "alice is back")
    rules(ASK_BOB)
    bob = desktop.knock("bob")
    desktop.answer("Allow")
    assert bob.is_let_in()


@needs_logind
def test_who_is_on_a_seat_of_which_no_session_is_active_is_not_nobody(desktop: Desktop, service, rules) -> None:
    service("tests-desktop", ON_THE_SEAT)
    with carol_on_the_seat("sleep", "infinity"):
        wait_for(lambda: active_session().get("Name") == "carol", "carol has the seat")
    wait_for(lambda: active_session() == {}, "the seat is nobody's")
    assert "alice" in sessions_on_the_seat()
    is_refused_since_somebody_is_there(desktop, rules)


def test_who_sits_there_while_logind_is_masked_is_asked(desktop: Desktop, rules) -> None:
    rules(ASK_BOB + "UNATTENDED:OPEN\n")
    with logind_masked():
        for button in ("Allow", "Deny"):
            bob = desktop.knock("bob")
            desktop.answer(button)
            assert bob.is_let_in() == (button == "Allow")
        stop("lightdm")
        assert not desktop.knock("bob").is_let_in()  # without logind, nobody at the desktop is not known


def test_who_has_logged_in_while_logind_is_masked_is_not_nobody(nobody_there: Desktop, lightdm, rules) -> None:
    with logind_masked():
        lightdm(AUTOLOGIN)
        wait_for(lambda: manages_windows(":0", XAUTHORITY), "alice is logged in")
        is_refused_since_somebody_is_there(nobody_there, rules)
        stop("lightdm")
