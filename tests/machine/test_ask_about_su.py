"""Whoever becomes somebody else by su is asked about, too: the dialog says who asked, and to become whom."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pexpect
import pytest

from desktop import NOT_ALLOWED, Desktop, askers, waiting_for_an_answer
from host import PLUGIN
from limits import await_end, descendant
from machine import password_of, wait_for

pytest_plugins = ["desktop_fixtures"]

SERVICES = [Path("/etc/pam.d/su"), Path("/etc/pam.d/su-l")]
GUARD = f"account requisite {PLUGIN}\nsession requisite {PLUGIN}\n"


@pytest.fixture(autouse=True)
def _rules(rules) -> Iterator[None]:
    rules("SU ASK USER bob,carol\nSSH ASK USER carol,dave\nDEFAULT:OPEN\nREMEMBER:600\nTIMEOUT:3600\n")
    kept = {path: path.read_text() for path in SERVICES}
    path = SERVICES[0]
    path.write_text(GUARD + kept[path])  # su-l includes it
    yield
    for path, text in kept.items():
        path.write_text(text)


def su(user: str, *how: str, caller: str = "erin") -> pexpect.spawn:
    """Somebody becomes somebody else, up to where the password is typed in."""
    line = ["-u", caller, "--", "su", *how, user, "-c", "echo i am $(id -un)"]
    child = pexpect.spawn("runuser", line, encoding="utf-8", timeout=30, env={"PATH": os.environ["PATH"]})
    child.expect("Password: ")
    child.sendline(password_of(user))
    return child


@pytest.mark.parametrize("how", [[], ["-"]], ids=["su", "su -"])
def test_the_dialog_says_who_asked_and_to_become_whom(desktop: Desktop, how: list[str], journal) -> None:
    erin = su("bob", *how)
    window = desktop.question()
    assert window.title == "SU login: bob on this computer"
    assert window.look()["texts"][0] == "erin wants to become bob"
    assert window.fact("Asked by") == "erin"
    assert window.fact("From") == "this computer"
    window.click("Allow")
    erin.expect("i am bob")
    erin.expect(pexpect.EOF)
    assert any(re.search(r"SU session bob@localhost: ASK, .*: allowed by alice", line) for line in journal())


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


# ---------------------------------------------------------------- whoever asks may stop the process that asks for them


@contextmanager
def su_of_erin(user: str = "bob") -> Iterator[int]:
    """Within the block, erin is asked about; the pid of her su."""
    child = su(user)
    try:
        yield descendant(child.pid, "su")
    finally:
        child.close(force=True)


def stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Within the block, a process does not get to do anything, for its cgroup is frozen; see cgroups(7)."""
    hybrid = Path("/sys/fs/cgroup/unified")
    group = (hybrid if hybrid.exists() else hybrid.parent) / "tests-frozen"
    group.mkdir(exist_ok=True)
    (group / "cgroup.procs").write_text(f"{pid}\n")
    (group / "cgroup.freeze").write_text("1\n")
    wait_for(lambda: "frozen 1" in (group / "cgroup.events").read_text(), "it is frozen")
    try:
        yield
    finally:
        (group / "cgroup.freeze").write_text("0\n")
        with suppress(OSError):
            group.rmdir()


def carol_is_asked_about(desktop: Desktop, *after: object) -> None:
    carol = desktop.knock("carol")
    desktop.question(*after).click("Allow")
    assert carol.is_let_in()


@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_one_that_is_held_up_while_its_question_is_open_holds_up_nobody_else(desktop, journal, how: str) -> None:
    with su_of_erin() as pid, ExitStack() as stack:
        window = desktop.question()
        stack.enter_context(await_end(pid))
        if how == "stopped":
            stop(pid)
        else:
            stack.enter_context(frozen(pid))
        carol_is_asked_about(desktop, window)
        window.wait_until_gone()
    assert any(f"process {pid} " in line and line.endswith("and was ended") for line in journal())


def test_one_that_is_stopped_in_the_queue_holds_up_nobody_else(desktop: Desktop) -> None:
    dave = desktop.knock("dave")
    window = desktop.question()
    with su_of_erin() as pid:
        wait_for(lambda: waiting_for_an_answer() == 2, "erin waits behind dave")
        stop(pid)
        carol = desktop.knock("carol")
        wait_for(lambda: waiting_for_an_answer() == 2 and pid not in askers(), "erin has lost her place to carol")
        window.click("Allow")
        assert dave.is_let_in()
        desktop.question(window).click("Allow")
        assert carol.is_let_in()


def test_some_that_are_stopped_at_any_moment_hold_up_nobody_else(desktop: Desktop) -> None:
    with ExitStack() as stack:
        for number in range(8):
            child = su("bob")
            stack.callback(child.close, force=True)
            time.sleep(number * 0.03)  # from before the plugin has been loaded to where the question is open
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
    return False
