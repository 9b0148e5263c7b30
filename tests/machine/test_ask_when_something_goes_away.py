"""Whatever goes away in the middle of a question, nobody is let in by that, and nobody else is held up."""

from __future__ import annotations

import pytest

from desktop import Desktop, active_session, askers, processes, unit_of, waiting_for_an_answer
from limits import kill_and_wait, needs_logind
from machine import run, wait_for

pytest_plugins = ["desktop_fixtures"]

COULD_NOT_BE_ASKED = "Access denied: the person at the desktop could not be asked."


@pytest.fixture(autouse=True)
def _rules(rules) -> None:
    rules("SSH ASK USER bob,carol,dave\nDEFAULT:OPEN\nREMEMBER:60\n")


def bob_is_asked_about_as_if_nothing_had_been(desktop: Desktop) -> bool:
    bob = desktop.knock("bob")
    desktop.answer("Allow")
    return bob.is_let_in()


def test_the_dialog(desktop: Desktop, journal) -> None:
    bob = desktop.knock("bob")
    window = desktop.question()
    unit = unit_of(window.pid)
    kill_and_wait(window.pid)
    assert bob.refusal() == COULD_NOT_BE_ASKED
    assert journal()[-1].endswith(f": alice could not be asked: journalctl -u {unit} tells why")
    assert bob_is_asked_about_as_if_nothing_had_been(desktop)


def test_the_dialog_when_it_is_asked_to_end(desktop: Desktop) -> None:
    bob = desktop.knock("bob")
    run("kill", "-TERM", str(desktop.question().pid))
    assert bob.refusal() == COULD_NOT_BE_ASKED


def test_sshd(desktop: Desktop) -> None:
    bob = desktop.knock("bob")
    window = desktop.question()
    kill_and_wait(askers()[0])
    window.wait_until_gone()
    assert bob.result().returncode == 255
    assert bob_is_asked_about_as_if_nothing_had_been(desktop)


def test_the_sshd_that_others_wait_for(desktop: Desktop) -> None:
    bob = desktop.knock("bob")
    window = desktop.question()
    waiting = [desktop.knock("bob"), desktop.knock("carol")]
    wait_for(lambda: waiting_for_an_answer() == 3, "all of them wait")
    kill_and_wait(askers()[0])
    assert bob.result().returncode == 255
    for _ in range(2):
        next_window = desktop.question(window)
        next_window.click("Allow" if "bob" in next_window.title else "Deny")
        next_window.wait_until_gone()
    assert [login.is_let_in() for login in waiting] == [True, False]


def test_the_x_server(desktop: Desktop) -> None:
    bob = desktop.knock("bob")
    window = desktop.question()
    [server] = processes(lambda words: words[:2] == ["Xvfb", ":0"])
    kill_and_wait(server)
    assert bob.refusal() == COULD_NOT_BE_ASKED
    window.wait_until_gone()


@needs_logind
def test_the_owner(desktop: Desktop) -> None:
    bob = desktop.knock("bob")
    window = desktop.question()
    run("loginctl", "terminate-session", active_session()["Id"])
    assert bob.refusal() == COULD_NOT_BE_ASKED
    window.wait_until_gone()
