"""NUMBER: what counts, and against which limits. People of a group, sessions of a user, and everybody together."""

from __future__ import annotations

import pytest

from limits import gets_in, inside, inside_at_a_console, refusal
from machine import console, ssh

pytest_plugins = ["limits_fixtures"]
pytestmark = pytest.mark.usefixtures("nobody")

OPEN = "SSH OPEN USER ALL\nTTY OPEN USER ALL\n"


def test_there_is_never_a_third_of_two_and_never_a_refusal_while_a_place_is_free(rules) -> None:
    rules(OPEN + "SSH NUMBER GROUP users:2\n")
    with inside("alice"):
        assert gets_in("carol")
        with inside("bob"):
            assert not gets_in("carol")
        assert gets_in("carol")
    with inside("carol", "bob"):
        assert not gets_in("alice")


def test_who_is_in_already_does_not_count_again(rules) -> None:
    rules(OPEN + "SSH NUMBER GROUP users:2\n")
    with inside("alice", "bob", "bob"):
        assert gets_in("bob")
        assert gets_in("alice")
        assert not gets_in("carol")
    with inside("bob", "bob", "bob"):
        assert gets_in("carol")


def test_a_place_is_free_only_when_the_last_session_of_its_holder_has_ended(rules) -> None:
    rules(OPEN + "SSH NUMBER GROUP users:1\n")
    with inside("bob"):
        assert gets_in("bob")
        assert not gets_in("carol")
    assert gets_in("carol")


def test_who_is_not_in_the_group_neither_counts_nor_is_refused(rules) -> None:
    rules(OPEN + "SSH NUMBER GROUP users:1\n")
    with inside("erin", "dave"), inside("bob"):
        assert gets_in("erin")
        assert not gets_in("alice")


def test_group_all_is_everybody_together(rules) -> None:
    rules(OPEN + "SSH NUMBER GROUP ALL:2\n")
    with inside("erin", "dave"):
        assert refusal(ssh("bob")) == "Access denied: everybody: 2 of 2 are logged in."
        assert gets_in("erin")
    with inside("erin", "erin"):
        assert gets_in("bob")


def test_a_number_behind_a_user_is_how_many_sessions_he_may_have(rules) -> None:
    rules(OPEN + "SSH NUMBER USER bob:2\n")
    with inside("alice", "alice", "alice"), inside("bob"):
        assert gets_in("bob")
        with inside("bob"):
            assert refusal(ssh("bob")) == "Access denied: bob: 2 of 2 sessions are open."
        assert gets_in("bob")


def test_a_number_behind_user_all_is_how_many_sessions_each_may_have(rules) -> None:
    rules(OPEN + "SSH NUMBER USER ALL:1\n")
    with inside("alice", "bob"):
        assert not gets_in("bob")
        assert not gets_in("alice")
        assert gets_in("carol")


@pytest.mark.parametrize(
    "limits",
    ["SSH NUMBER GROUP users:2,lp:1", "SSH NUMBER GROUP lp:1\nALL NUMBER GROUP users:2"],
)
def test_a_user_in_two_limited_groups_needs_room_in_both(rules, groups, limits: str) -> None:
    groups("erin", "lp")
    rules(f"{OPEN}{limits}\n")  # bob is in users and lp
    with inside("erin"):
        assert refusal(ssh("bob")) == "Access denied: lp: 1 of 1 are logged in."
        assert gets_in("carol")
    with inside("alice", "carol"):
        assert refusal(ssh("bob")) == "Access denied: users: 2 of 2 are logged in."
        assert gets_in("erin")
    with inside("alice"):
        assert gets_in("bob")
    with inside("bob"):
        assert not gets_in("erin")
        with inside("alice"):
            assert not gets_in("carol")


def test_a_limit_of_a_group_and_one_of_a_user_hold_together(rules) -> None:
    rules(OPEN + "SSH NUMBER GROUP users:2\nSSH NUMBER USER bob:1\n")
    with inside("bob"):
        assert refusal(ssh("bob")) == "Access denied: bob: 1 of 1 sessions are open."
        with inside("carol"):
            assert refusal(ssh("alice")) == "Access denied: users: 2 of 2 are logged in."


def test_two_services_fill_one_limit(rules) -> None:
    rules(OPEN + "ALL NUMBER GROUP users:2\n")
    with inside("alice"):
        with inside_at_a_console("bob"):
            assert not gets_in("carol")
        with inside("bob"):
            carol = console("carol")
            carol.expect("Access denied: users: 2 of 2 are logged in.")
            carol.close(force=True)
        with inside_at_a_console("carol"):
            assert not gets_in("bob")


def test_a_limit_on_one_service_counts_who_came_in_over_another_and_leaves_that_open(rules) -> None:
    rules(OPEN + "SSH NUMBER GROUP users:1\n")
    with inside("carol"), inside_at_a_console("bob"):
        assert not gets_in("alice")
    with inside_at_a_console("bob"):
        assert not gets_in("carol")
        assert gets_in("bob")


@pytest.mark.parametrize("order", ["before", "after"])
def test_a_limit_holds_before_and_behind_the_rule_that_opens(rules, order: str) -> None:
    lines = ["SSH NUMBER GROUP lp:0", "SSH OPEN GROUP users"]
    rules("\n".join(lines if order == "before" else reversed(lines)) + "\n")
    assert refusal(ssh("bob")) == "Access denied: lp: 0 of 0 are logged in."
    assert gets_in("carol")


def test_a_limit_of_nought_is_nobody(rules) -> None:
    with inside("bob"):  # not even who is in already
        rules(OPEN + "SSH NUMBER GROUP users:0\n")
        assert not gets_in("bob")
        assert not gets_in("alice")
        assert gets_in("erin")
        rules(OPEN + "SSH NUMBER USER bob:0\n")
        assert not gets_in("bob")
        assert gets_in("alice")


@pytest.mark.parametrize("address", ["10.1.2.3", "10.1.0.0/16", "2001:db8::7"])
def test_a_limit_with_an_address_holds_for_those_who_come_from_there(rules, address: str) -> None:
    rules(f"{OPEN}SSH NUMBER GROUP users@{address}:1\n")
    there = "2001:db8::7" if ":" in address else "10.1.2.3"
    with inside("bob", source="192.0.2.7"):
        assert gets_in("alice", source="192.0.2.7")
        assert not gets_in("alice", source=there)  # bob is in, from wherever he came
        assert gets_in("bob", source=there)


def test_a_limit_never_opens(rules) -> None:
    for text in ("DEFAULT:CLOSE\nSSH NUMBER GROUP users:2\n", "SSH NUMBER USER bob:2\nSSH CLOSE USER ALL\n"):
        rules(text)
        assert refusal(ssh("bob")) == "Access denied: bob may not log in over SSH."


def test_a_limit_of_one_that_is_lowered_sends_nobody_away(rules) -> None:
    with inside("alice", "bob"):
        rules(OPEN + "SSH NUMBER GROUP users:1\n")
        assert gets_in("bob")
        assert not gets_in("carol")
        assert gets_in("alice")
