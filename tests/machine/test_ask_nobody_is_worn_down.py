"""Whatever keys, passwords and hosts somebody comes by, there is one question about them, and a Deny is for the person.

It holds for REMEMBER seconds, and twice as long each time after, up to an hour, until an Allow. An Allow is for the
person, the proof and the host; an IPv6 host is its /64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from desktop import (
    BY_IPV6,
    HERE,
    NEIGHBOUR,
    NOT_ALLOWED,
    Desktop,
    Login,
    hold_of,
    hold_runs_out,
    waiting_for_an_answer,
    window_processes,
)
from machine import KEYS, run, wait_for

pytest_plugins = ["desktop_fixtures"]

SAME_NET, OTHER_NET = [f"2001:db8::{number}" for number in range(8, 12)], "2001:db8:0:1::7"
ADDRESSES = [*SAME_NET, OTHER_NET]


@pytest.fixture(autouse=True)
def _rules(rules) -> None:
    remember(rules, 600)


def remember(rules, seconds: int) -> None:
    rules(f"SSH ASK USER bob,carol\nDEFAULT:OPEN\nREMEMBER:{seconds}\n")


@pytest.fixture
def addresses() -> Iterator[None]:
    """More hosts to come from: some in the network of BY_IPV6, and one in another."""
    for address in ADDRESSES:
        run("ip", "address", "replace", f"{address}/128", "dev", "lo")
    yield
    for address in ADDRESSES:
        run("ip", "address", "delete", f"{address}/128", "dev", "lo")


@pytest.fixture
def keys() -> Iterator[list[Path]]:
    """Five more keys of bob's, for this test."""
    authorized = Path("/home/bob/.ssh/authorized_keys")
    before = authorized.read_text()
    made = [KEYS / f"bob-{number}" for number in range(5)]
    for key in made:
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    authorized.write_text(before + "".join(key.with_suffix(".pub").read_text() for key in made))
    yield made
    authorized.write_text(before)
    for key in made:
        key.unlink()
        key.with_suffix(".pub").unlink()


@pytest.fixture
def all_ways(keys: list[Path], addresses: None, desktop: Desktop) -> Callable[[], list[Login]]:
    """bob comes by each of his keys, by his password in two ways, and from six hosts, at once."""

    def come() -> list[Login]:
        by_key = [desktop.knock("bob", key=key) for key in keys]
        by_password = [desktop.knock("bob", password="bob-pw"), desktop.knock("bob", kbdint="bob-pw")]
        from_hosts = [desktop.knock("bob", source=source) for source in (NEIGHBOUR, BY_IPV6, *SAME_NET)]
        return by_key + by_password + from_hosts

    return come


def test_one_question_and_one_deny_for_all_ways_to_come(desktop: Desktop, all_ways) -> None:
    with desktop.watched() as history:
        bobs = all_ways()
        window = desktop.question()
        wait_for(lambda: waiting_for_an_answer() == len(bobs), "all of them wait")
        assert window_processes() == [window.pid]
        window.click("Deny")
        assert {bob.refusal() for bob in bobs} == {NOT_ALLOWED}
        assert {bob.refusal() for bob in all_ways()} == {NOT_ALLOWED}
    assert sum(bool(after) and not before for before, after in zip(history, history[1:])) == 1


def test_one_question_that_nobody_answers_for_all_ways_to_come(desktop: Desktop, all_ways, rules) -> None:
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:600\nTIMEOUT:5\n")
    bobs = all_ways()
    desktop.question()
    assert {bob.refusal() for bob in bobs} == {"Access denied: the person at the desktop did not answer in time."}
    assert {bob.refusal() for bob in all_ways()} == {"Access denied: the person at the desktop did not answer in time."}
    assert not desktop.questions()


def test_an_allow_is_not_for_those_who_came_another_way(desktop: Desktop, keys: list[Path]) -> None:
    first, second = desktop.knock("bob", key=keys[0]), None
    window = desktop.question()
    second = desktop.knock("bob", key=keys[1])
    wait_for(lambda: waiting_for_an_answer() == 2, "both wait")
    window.click("Allow")
    assert first.is_let_in()
    assert second.waits()
    desktop.question(window).click("Deny")
    assert second.refusal() == NOT_ALLOWED


def test_another_person_is_asked_about_all_the_same(desktop: Desktop) -> None:
    bob = desktop.knock("bob")
    window = desktop.answer("Deny")
    assert bob.refusal() == NOT_ALLOWED
    carol = desktop.knock("carol")
    desktop.question(window).click("Allow")
    assert carol.is_let_in()


# -------------------------------------------------------------------------------------------------- how long it holds


def is_denied(desktop: Desktop, **how: object) -> float:
    """bob is asked about and denied; returns for how many seconds that holds."""
    bob = desktop.knock("bob", **how)
    desktop.answer("Deny")
    assert bob.refusal() == NOT_ALLOWED
    return hold_of("bob")


def test_each_deny_holds_twice_as_long_until_an_allow(desktop: Desktop) -> None:
    held = []
    for source in (HERE, NEIGHBOUR, BY_IPV6, HERE):
        held.append(is_denied(desktop, source=source))
        hold_runs_out("bob")
    assert held == [600, 1200, 2400, 3600]
    assert is_denied(desktop) == 3600, "but never longer than an hour"
    hold_runs_out("bob")
    bob = desktop.knock("bob")
    desktop.answer("Allow")
    assert bob.is_let_in()
    assert is_denied(desktop, source=NEIGHBOUR) == 600


def test_an_attempt_meanwhile_makes_it_no_longer(desktop: Desktop) -> None:
    assert is_denied(desktop) == 600
    assert desktop.knock("bob", password="bob-pw").refusal() == NOT_ALLOWED
    assert hold_of("bob") == 600


def test_no_answer_holds_twice_as_long_each_time_too(desktop: Desktop, rules) -> None:
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:600\nTIMEOUT:2\n")
    held = []
    for _ in range(2):
        bob = desktop.knock("bob")
        assert "did not answer in time" in bob.refusal()
        held.append(hold_of("bob"))
        hold_runs_out("bob")
    assert held == [600, 1200]


def test_the_hold_of_one_person_is_not_that_of_another(desktop: Desktop) -> None:
    assert is_denied(desktop) == 600
    hold_runs_out("bob")
    assert is_denied(desktop) == 1200
    carol = desktop.knock("carol")
    desktop.answer("Deny")
    assert carol.refusal() == NOT_ALLOWED
    assert (hold_of("bob"), hold_of("carol")) == (1200, 600)


# ------------------------------------------------------------------------------------------------ a host is its network


def test_an_allow_for_an_ipv6_host_is_for_its_64(desktop: Desktop, addresses: None) -> None:
    bob = desktop.knock("bob", source=BY_IPV6)
    window = desktop.answer("Allow")
    assert bob.is_let_in()
    for source in SAME_NET:
        assert desktop.knock("bob", source=source).is_let_in()
    bob = desktop.knock("bob", source=OTHER_NET)
    desktop.question(window).click("Deny")
    assert bob.refusal() == NOT_ALLOWED


def test_an_allow_for_an_ipv4_host_is_for_that_host(desktop: Desktop) -> None:
    bob = desktop.knock("bob", source=HERE)
    window = desktop.answer("Allow")
    assert bob.is_let_in()
    bob = desktop.knock("bob", source=NEIGHBOUR)
    desktop.question(window).click("Deny")
    assert bob.refusal() == NOT_ALLOWED
