"""Nobody is asked twice: not while who was let in is there, nor for REMEMBER seconds more, nor soon after a Deny."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop import (
    BY_IPV6,
    NEIGHBOUR,
    NOT_ALLOWED,
    Desktop,
    hold_runs_out,
    logins_under_way,
    waiting_for_an_answer,
    window_processes,
)
from machine import KEYS, run, wait_for

pytest_plugins = ["desktop_fixtures"]


@pytest.fixture(autouse=True)
def _remember(rules) -> None:
    remember(rules, 0)


def remember(rules, seconds: int) -> None:
    rules(f"SSH ASK USER bob,carol\nDEFAULT:OPEN\nREMEMBER:{seconds}\n")


@pytest.mark.parametrize("button", ["Allow", "Deny"])
def test_all_who_come_at_once_share_one_dialog_and_one_answer(desktop: Desktop, button: str) -> None:
    bobs = [desktop.knock("bob") for _ in range(4)]
    window = desktop.question()
    wait_for(lambda: waiting_for_an_answer() == 4, "all four wait")
    assert window_processes() == [window.pid]
    with desktop.watched() as history:
        window.click(button)
        assert [bob.is_let_in() for bob in bobs] == [button == "Allow"] * 4
    assert len(set().union(*history)) <= 1


def test_no_question_while_a_session_lives(desktop: Desktop) -> None:
    first = desktop.knock("bob", stay=True)
    desktop.answer("Allow")
    first.comes_in()
    second = desktop.knock("bob", stay=True).comes_in()
    first.leave()
    assert desktop.knock("bob").is_let_in()
    second.leave()
    wait_for_everybody_to_leave()
    bob = desktop.knock("bob")  # but nothing is remembered beyond the last of them
    desktop.answer("Deny")
    assert bob.refusal() == NOT_ALLOWED


def wait_for_everybody_to_leave() -> None:
    wait_for(lambda: waiting_for_an_answer() == 0 and not logins_under_way(), "everybody has left")


def test_no_question_for_remember_seconds_after_the_last_session(desktop: Desktop, rules) -> None:
    remember(rules, 2)
    first = desktop.knock("bob", stay=True)
    desktop.answer("Allow")
    first.comes_in()
    time.sleep(2.1)  # the seconds do not run as long as he is in
    first.leave()
    assert desktop.knock("bob").is_let_in()
    wait_for_everybody_to_leave()
    time.sleep(2.1)
    bob = desktop.knock("bob")
    desktop.answer("Deny")
    assert bob.refusal() == NOT_ALLOWED


def test_a_deny_is_remembered_as_long(desktop: Desktop, rules, journal) -> None:
    remember(rules, 2)
    bob = desktop.knock("bob")
    desktop.answer("Deny")
    assert bob.refusal() == desktop.knock("bob").refusal() == NOT_ALLOWED
    told = [line.rpartition(": ")[2] for line in journal() if ", refused" in line]
    assert told == ["denied by alice", "earlier Deny by alice"]
    time.sleep(2.1)
    bob = desktop.knock("bob")
    desktop.answer("Allow")
    assert bob.is_let_in()


def test_a_deny_is_not_remembered_where_nothing_is(desktop: Desktop) -> None:
    bob = desktop.knock("bob")
    desktop.answer("Deny")
    assert bob.refusal() == NOT_ALLOWED
    bob = desktop.knock("bob")
    desktop.answer("Allow")
    assert bob.is_let_in()


SOMEBODY_ELSE = {
    "another host": ("bob", {"source": NEIGHBOUR}),
    "an address of another kind": ("bob", {"source": BY_IPV6}),
    "a password": ("bob", {"password": "bob-pw"}),
    "another key": ("bob", {"key": KEYS / "bob-2"}),
    "another user": ("carol", {}),
}


def test_an_answer_is_for_one_person_one_host_and_one_proof(desktop: Desktop, rules, second_key) -> None:
    remember(rules, 60)
    bob = desktop.knock("bob", stay=True)
    desktop.answer("Allow")
    bob.comes_in()
    for user, how in SOMEBODY_ELSE.values():
        other = desktop.knock(user, **how)
        desktop.answer("Allow")
        assert other.is_let_in()
    assert desktop.knock("bob").is_let_in()
    assert not desktop.questions()


def test_a_deny_ends_every_allow_of_the_person(desktop: Desktop, rules) -> None:
    remember(rules, 60)
    bob = desktop.knock("bob", stay=True)
    desktop.answer("Allow")
    bob.comes_in()
    carol = desktop.knock("carol", stay=True)
    desktop.answer("Allow")
    carol.comes_in()
    by_password = desktop.knock("bob", password="bob-pw")
    desktop.answer("Deny")
    assert by_password.refusal() == desktop.knock("bob").refusal() == NOT_ALLOWED
    hold_runs_out("bob")
    again = desktop.knock("bob")
    desktop.answer("Deny")
    assert again.refusal() == NOT_ALLOWED
    assert desktop.knock("carol").is_let_in()


@pytest.fixture
def second_key() -> Iterator[None]:
    """bob has a second key, for this test."""
    key, authorized = KEYS / "bob-2", Path("/home/bob/.ssh/authorized_keys")
    before = authorized.read_text()
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    authorized.write_text(before + key.with_suffix(".pub").read_text())
    yield
    authorized.write_text(before)
    for path in (key, key.with_suffix(".pub")):
        path.unlink()
