"""Whoever becomes somebody else by su is asked about, too: the dialog says who asked, and to become whom."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pexpect
import pytest

from desktop import NOT_ALLOWED, Desktop, askers, waiting_for_an_answer
from hosts import guarded
from limits import await_end, descendant, frozen, kill_and_wait, parent_of
from machine import wait_for
from su import su, su_of_erin

pytest_plugins = ["desktop_fixtures"]


@pytest.fixture(autouse=True)
def _rules(rules) -> Iterator[None]:
    rules("SU ASK USER bob,carol\nSSH ASK USER carol,dave\nDEFAULT:OPEN\nREMEMBER:600\nTIMEOUT:3600\n")
    with guarded("su"):  # su-l includes it
        yield


@pytest.mark.parametrize("how", [[], ["-"]], ids=["su", "su -"])
def test_the_dialog_says_who_asked_and_to_become_whom(desktop: Desktop, how: list[str], journal) -> None:
    erin = su("bob", *how)
    window = desktop.question()
    assert window.title == "SU login: bob from LOCAL"
    assert window.look()["texts"][0] == "erin wants to become bob"
    assert window.fact("Asked by") == "erin"
    assert window.fact("From") == "LOCAL, which is this computer"
    window.click("Allow")
    erin.expect("i am bob")
    erin.expect(pexpect.EOF)
    told = r"SU account bob@LOCAL, asked by erin: ASK, .*: allowed by alice"
    assert any(re.fullmatch(told, line) for line in journal())


def test_who_is_denied_does_not_become_anybody(desktop: Desktop) -> None:
    erin = su("bob")
    desktop.answer("Deny")
    erin.expect_exact(NOT_ALLOWED)
    erin.expect(pexpect.EOF)
    erin.close()
    assert "i am bob" not in str(erin.before) and erin.exitstatus == 1


def test_an_allow_is_for_the_one_who_asked(desktop: Desktop) -> None:
    carol = su("bob", caller="carol")
    window = desktop.answer("Allow")
    carol.expect("i am bob")
    erin = su("bob", caller="erin")
    other = desktop.question(window)
    assert other.look()["texts"][0] == "erin wants to become bob"
    other.click("Deny")
    erin.expect_exact(NOT_ALLOWED)


def test_over_ssh_nobody_asks_for_somebody_else(desktop: Desktop) -> None:
    carol = desktop.knock("carol")
    window = desktop.question()
    assert "Asked by" not in window.look()["texts"]
    window.click("Deny")
    assert carol.refusal() == NOT_ALLOWED


def test_who_is_killed_again_and_again_is_no_longer_asked_about(desktop: Desktop) -> None:
    for _ in range(3):
        with su_of_erin() as pid:
            window = desktop.question()
            with await_end(pid):
                os.kill(pid, signal.SIGKILL)
            window.wait_until_gone()
    erin = su("bob")
    erin.expect_exact("Access denied: too many questions were taken back, try again later.")


def test_the_question_goes_with_the_su_that_it_is_about(desktop: Desktop, journal) -> None:
    with su_of_erin() as pid:
        window = desktop.question()
        kill_and_wait(pid)
        window.wait_until_gone()
    said = r"SU account bob@LOCAL, asked by erin: ASK, refused: .*: the client has gone away"
    wait_for(lambda: any(re.fullmatch(said, line) for line in journal()), "it is refused")


def test_after_account_session_asks_nobody_again(desktop: Desktop, rules, monthly_log) -> None:
    rules("SU ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\n")
    erin = su("bob")
    desktop.answer("Allow")
    erin.expect("i am bob")
    erin.expect(pexpect.EOF)
    [line] = monthly_log().splitlines()
    told = r"SU +ASK +bob@LOCAL +granted  pam-accesscontrol\.conf:1: SU ASK USER bob: asked by erin, allowed by alice"
    assert re.fullmatch(told, line[21:])
    erin = su("bob")
    desktop.answer("Deny")
    erin.expect_exact(NOT_ALLOWED)


def test_a_session_without_an_account_before_it_is_asked_about(desktop: Desktop, rules, monthly_log) -> None:
    """As runuser has it."""
    rules("RUNUSER ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\n")
    with guarded("runuser"):
        for button, status in (("Allow", 0), ("Deny", 1)):
            asked = pexpect.spawn("runuser", ["-u", "bob", "true"], encoding="utf-8", timeout=30)
            desktop.answer(button)
            asked.expect(pexpect.EOF)
            asked.close()
            assert asked.exitstatus == status
    lines = [line.split()[2:6] for line in monthly_log().splitlines()]
    assert [line[0] + " " + line[3] for line in lines] == ["RUNUSER granted", "RUNUSER denied"]


# ---------------------------------------------------------------- whoever asks may stop the process that asks for them


def stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)


def asker_of(su: int) -> int:
    """The process that waits for an answer about an su."""
    return wait_for(lambda: next((pid for pid in askers() if parent_of(pid) == su), 0), "it waits for an answer")


def carol_is_asked_about(desktop: Desktop, *after: object) -> None:
    carol = desktop.knock("carol")
    desktop.question(*after).click("Allow")
    assert carol.is_let_in()


def test_one_whose_su_is_stopped_has_a_question_as_any_other(desktop: Desktop) -> None:
    with su_of_erin() as pid:
        window = desktop.question()
        stop(pid)
        carol = desktop.knock("carol")
        wait_for(lambda: waiting_for_an_answer() == 2, "carol waits behind erin")
        window.click("Deny")
        desktop.question(window).click("Allow")
        assert carol.is_let_in()


def test_one_that_is_frozen_while_its_question_is_open_holds_up_nobody_else(desktop: Desktop) -> None:
    with su_of_erin() as pid:
        window = desktop.question()
        with frozen(pid, asker_of(pid)):
            carol_is_asked_about(desktop, window)
            window.wait_until_gone()


def test_one_that_is_frozen_in_the_queue_holds_up_nobody_else(desktop: Desktop) -> None:
    dave = desktop.knock("dave")
    window = desktop.question()
    with su_of_erin() as pid:
        asker = asker_of(pid)
        with frozen(pid, asker):
            carol = desktop.knock("carol")
            wait_for(lambda: waiting_for_an_answer() == 3, "carol waits behind erin")
            window.click("Allow")
            assert dave.is_let_in()
            desktop.question(window).click("Allow")
            assert carol.is_let_in()


def test_some_that_are_stopped_at_any_moment_hold_up_nobody_else(desktop: Desktop) -> None:
    """Whatever moment it is, at most one question is open about bob, and carol is asked about after it."""
    with ExitStack() as stack:
        for number in range(8):
            child = su("bob")
            stack.callback(child.close, force=True)
            time.sleep(number * 0.03)  # from before the plugin has been started to where the question is open
            stop(descendant(child.pid, "su"))
        carol = desktop.knock("carol")
        wait_for(lambda: carol_can_be_answered(desktop), "carol is asked about")
        assert carol.is_let_in()


def carol_can_be_answered(desktop: Desktop) -> bool:
    for window in desktop.questions():
        with suppress(AssertionError):  # another one's, which has just gone
            if "carol" in window.title:
                window.click("Allow")
                return True
            window.click("Deny")
    return False
