"""`status` tells who waits and which answers hold, and for how long; `forget` lifts them, and says what that was."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from desktop import NOT_ALLOWED, Desktop, waiting_for_an_answer
from hosts import guarded
from limits import kill_and_wait
from machine import run, wait_for
from su import su, su_of_erin

pytest_plugins = ["desktop_fixtures", "limits_fixtures"]

FORGET = ("pam-accesscontrol", "forget")


@pytest.fixture(autouse=True)
def _rules(rules) -> Iterator[None]:
    rules("SSH ASK USER bob,carol\nSU ASK USER bob\nDEFAULT:OPEN\nREMEMBER:600\n")
    with guarded("su"):
        yield


def status(word: str) -> list[str]:
    """The lines of status that begin with a word, without it."""
    lines = run("pam-accesscontrol", "status").stdout.splitlines()
    assert all(len(line) <= 80 for line in lines if line.startswith(word)), lines
    return [line.removeprefix(word).lstrip() for line in lines if line.startswith(word)]


def told(what: str) -> list[dict[str, object]]:
    """A list that status tells to scripts."""
    found: list[dict[str, object]] = json.loads(run("pam-accesscontrol", "status", "--json").stdout)[what]
    return found


def test_who_waits_and_who_is_on_the_screen(desktop: Desktop) -> None:
    assert status("waits") == []
    bob = desktop.knock("bob")
    window = desktop.question()
    with su_of_erin():
        wait_for(lambda: waiting_for_an_answer() == 2, "erin waits behind bob")
        shown, waits = status("waits")
        assert re.fullmatch(r"bob@10\.1\.2\.3  SSH  for \d+ s, on the screen", shown)
        assert re.fullmatch(r"bob@LOCAL  SU, asked by erin  for \d+ s", waits)
        waiting = [(it["who"], it["asked_by"]) for it in told("waiting")]
        assert waiting == [("bob@10.1.2.3", ""), ("bob@LOCAL", "erin")]
        window.click("Allow")
        assert bob.is_let_in()
        desktop.question(window)


def test_an_allow_for_as_long_as_it_holds(desktop: Desktop) -> None:
    bob = desktop.knock("bob", stay=True)
    desktop.answer("Allow")
    bob.comes_in()
    assert status("answer") == ["bob@10.1.2.3  SSH  Allow by alice, while a session lives"]
    assert [it["seconds"] for it in told("answers")] == [None]
    bob.leave()
    wait_for(lambda: told("answers")[0]["seconds"] is not None, "the session has ended")
    assert re.fullmatch(r"bob@10\.1\.2\.3  SSH  Allow by alice, for (9 min \d+|10 min 0) s more", status("answer")[0])


def test_a_deny_of_su_for_whoever_asked(desktop: Desktop) -> None:
    erin = su("bob")
    desktop.answer("Deny")
    erin.expect_exact(NOT_ALLOWED)
    assert re.fullmatch(r"erin  any service  Deny by alice, for (9 min \d+|10 min 0) s more", status("answer")[0])


def test_a_deny_by_mistake_is_lifted(desktop: Desktop) -> None:
    bob = desktop.knock("bob")
    window = desktop.answer("Deny")
    assert bob.refusal() == NOT_ALLOWED
    lifted = run(*FORGET, "bob")
    assert (lifted.stdout, lifted.returncode) == ("bob: lifted: Deny by alice\n", 0)
    assert status("answer") == []
    again = desktop.knock("bob")
    desktop.question(window).click("Allow")
    assert again.is_let_in()


def test_an_allow_is_lifted_and_who_is_in_stays(desktop: Desktop) -> None:
    bob = desktop.knock("bob", stay=True)
    window = desktop.answer("Allow")
    bob.comes_in()
    assert run(*FORGET, "bob").stdout == "bob: lifted: Allow by alice\n"
    again = desktop.knock("bob")
    desktop.question(window).click("Deny")
    assert again.refusal() == NOT_ALLOWED
    assert "bob@10.1.2.3" in [it["who"] for it in told("in")]
    bob.leave()


def test_questions_that_were_taken_back_are_lifted(desktop: Desktop) -> None:
    for _ in range(3):
        with su_of_erin() as pid:
            window = desktop.question()
            kill_and_wait(pid)
            window.wait_until_gone()
    assert run(*FORGET, "bob", check=False).returncode == 1
    assert run(*FORGET, "erin").stdout == "erin: lifted: 3 questions taken back\n"
    erin = su("bob")
    desktop.question(window).click("Allow")
    erin.expect("i am bob")


def test_the_answers_about_somebody_else_stay(desktop: Desktop) -> None:
    carol = desktop.knock("carol")
    desktop.answer("Deny")
    assert carol.refusal() == NOT_ALLOWED
    nothing = run(*FORGET, "bob", check=False)
    assert (nothing.stdout, nothing.returncode) == ("bob: there is no answer to lift\n", 1)
    assert desktop.knock("carol").refusal() == NOT_ALLOWED


def test_the_log_tells_what_was_lifted(desktop: Desktop, journal) -> None:
    bob = desktop.knock("bob")
    desktop.answer("Deny")
    assert bob.refusal() == NOT_ALLOWED
    run(*FORGET, "bob")
    assert journal()[-1] == "forget bob: lifted: Deny by alice"


def test_only_root_may_lift_an_answer() -> None:
    refused = run("runuser", "-u", "bob", "--", *FORGET, "bob", check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "pam-accesscontrol: only root can lift an answer\n"
