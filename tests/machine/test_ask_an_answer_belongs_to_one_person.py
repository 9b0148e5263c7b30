"""An answer is for whoever was asked about, over that service, and who has a place in the queue when it is given."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pexpect
import pytest

from desktop import NOT_ALLOWED, Desktop, askers, hold_of, waiting_for_an_answer, words_of
from hosts import guarded
from limits import descendant, kill_and_wait, parent_of
from machine import password_of, run, wait_for
from su import su, su_of_erin

pytest_plugins = ["desktop_fixtures"]


@pytest.fixture(autouse=True)
def _guarded() -> Iterator[None]:
    with guarded("su"):  # su-l includes it
        yield


def test_a_deny_is_for_the_one_who_asked_and_not_for_whom_she_wants_to_become(desktop: Desktop, rules) -> None:
    rules("SU ASK USER bob,carol\nSSH ASK USER bob\nTTY ASK USER erin\nDEFAULT:OPEN\nREMEMBER:600\n")
    erin = su("bob")
    window = desktop.answer("Deny")
    erin.expect_exact(NOT_ALLOWED)
    bob = desktop.knock("bob")
    desktop.question(window).click("Allow")
    assert bob.is_let_in()
    again = su("carol")
    again.expect_exact(NOT_ALLOWED)
    assert hold_of("erin") == 600


def test_a_question_that_was_taken_back_counts_for_the_one_who_asked(desktop: Desktop, rules) -> None:
    rules("SU ASK USER bob\nSSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:600\n")
    for _ in range(3):
        with su_of_erin() as pid:
            window = desktop.question()
            kill_and_wait(pid)
            window.wait_until_gone()
    bob = desktop.knock("bob")
    desktop.question(window).click("Allow")
    assert bob.is_let_in()


def test_an_allow_is_for_one_service(desktop: Desktop, rules) -> None:
    """Or whoever was let in at the console could have root by sudo without a question."""
    rules("SU ASK USER erin\nSUDO ASK USER erin\nDEFAULT:OPEN\nREMEMBER:600\n")
    with guarded("sudo"), allowed_by_sudoers("erin"):
        erin = su("erin")
        window = desktop.answer("Allow")
        erin.expect("i am erin")
        sudo = pexpect.spawn("runuser", ["-u", "erin", "--", "sudo", "-n", "id", "-un"], encoding="utf-8", timeout=30)
        other = desktop.question(window)
        assert other.title.startswith("SUDO login: erin")
        other.click("Deny")
        sudo.expect_exact(NOT_ALLOWED)


@contextmanager
def allowed_by_sudoers(user: str) -> Iterator[None]:
    """Within the block, a user may do anything by sudo, without a password."""
    path = Path("/etc/sudoers.d/tests-ask")
    path.write_text(f"{user} ALL=(root) NOPASSWD: ALL\n")
    yield
    path.unlink()


def test_an_allow_counts_from_its_last_use_where_there_are_no_sessions(desktop: Desktop, rules) -> None:
    rules("SUDO ASK USER erin\nDEFAULT:OPEN\nREMEMBER:4\n")
    line = ["runuser", "-u", "erin", "--", "sudo", "-n", "id", "-un"]
    with guarded("sudo"), allowed_by_sudoers("erin"):
        first = pexpect.spawn(line[0], line[1:], encoding="utf-8", timeout=30)
        desktop.answer("Allow")
        first.expect("root")
        begun = time.monotonic()
        while time.monotonic() < begun + 8:  # twice as long as an answer holds
            assert run(*line).stdout.endswith("root\n")
            time.sleep(1)
        assert not desktop.questions()


def test_su_that_was_stopped_before_an_allow_does_not_use_it_long_after(desktop: Desktop, rules) -> None:
    """As erin did with 84 of them: three became bob after the Allow had ended, and after a Deny."""
    rules("SU ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\n")
    with ExitStack() as stack:
        first = su("bob")
        window = desktop.question()
        stopped = []
        for _ in range(6):
            child = su("bob")
            stack.callback(child.close, force=True)
            stopped.append((child, descendant(child.pid, "su")))
        wait_for(lambda: waiting_for_an_answer() == 7, "all of them wait")
        askers_of = [next(pid for pid in askers() if parent_of(pid) == su_pid) for _, su_pid in stopped]
        for pid in askers_of:
            os.kill(pid, signal.SIGSTOP)
        stack.callback(lambda: [os.kill(pid, signal.SIGKILL) for pid in askers_of if words_of(pid)])
        time.sleep(5.1)  # a place that is not renewed is lost
        window.click("Allow")
        first.expect("i am bob")
        first.expect(pexpect.EOF)
        for pid in askers_of:
            os.kill(pid, signal.SIGCONT)
        desktop.question(window).click("Deny")
        for child, _ in stopped:
            child.expect_exact(NOT_ALLOWED)
            child.expect(pexpect.EOF)
            assert "i am bob" not in str(child.before)


def su_by_uid(uid: int) -> pexpect.spawn:
    """Somebody without a passwd entry becomes bob: su names nobody to PAM then."""
    line = [f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "su", "bob", "-c", "echo i am $(id -un)"]
    child = pexpect.spawn("setpriv", line, encoding="utf-8", timeout=30)
    child.expect("Password: ")
    child.sendline(password_of("bob"))
    return child


def test_somebody_without_a_name_who_asks_by_su_is_the_uid(desktop: Desktop, rules) -> None:
    rules("SU ASK USER bob\nSSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:600\n")
    first = su_by_uid(4242)
    window = desktop.question()
    assert window.fact("Asked by") == "4242"
    window.click("Deny")
    first.expect_exact(NOT_ALLOWED)
    bob = desktop.knock("bob")
    window = desktop.question(window)
    window.click("Allow")
    assert bob.is_let_in()
    second = su_by_uid(4243)
    window = desktop.question(window)
    window.click("Allow")
    second.expect("i am bob")
    third = su_by_uid(4244)
    desktop.question(window).click("Deny")
    third.expect_exact(NOT_ALLOWED)


def test_the_question_of_one_that_is_stopped_goes_by_itself(desktop: Desktop, rules) -> None:
    """Or what is pressed there would be lost, and it would be on the screen beside the next one."""
    rules("SU ASK USER bob\nDEFAULT:OPEN\nREMEMBER:600\nTIMEOUT:3600\n")
    with su_of_erin():
        window = desktop.question()
        [asker] = askers()
        os.kill(asker, signal.SIGSTOP)
        window.wait_until_gone()
        os.kill(asker, signal.SIGCONT)
        desktop.question(window).click("Deny")
