"""Whatever system call of a login fails, at whatever step: it is refused, or gets the right verdict; the log tells.

A refusal that the faults bring about is told in syslog or, where that is what failed, in the monthly log. FAULTS=all in
the environment has each system call fail; otherwise those that have to do with the plugin's own work, and some others.
"""

from __future__ import annotations

from collections.abc import Sequence

from faults import Attempt, World
from host import SUCCESS
from limits import UNGUARDED, held_session

pytest_plugins = ["faults_fixtures", "limits_fixtures"]

ONE_PLACE = "ALL OPEN USER ALL\nALL NUMBER GROUP users:1\n"
CAROL = ["start A scratch carol", "open A"]


def with_each_error(world: World, commands: Sequence[str]) -> list[tuple[str, Attempt]]:
    """What became of each attempt; none of them was the end of its host."""
    found = []
    for step, error in world.errors(commands):
        attempt = world.attempt(commands, step.fails(error))
        met = f"{error} at {step}: {attempt}"
        assert attempt.code == 0, met
        assert len(attempt.returned) == len(commands), met
        found.append((met, attempt))
    assert sum(attempt.met for _, attempt in found) > max(20, len(found) / 2)
    return found


def nobody_gets_in(world: World, commands: Sequence[str] = CAROL) -> None:
    for met, attempt in with_each_error(world, commands):
        assert attempt.returned[-1] != SUCCESS, met
        assert attempt.tells_of_a_refusal, met


def test_where_a_rule_closes(world: World, rules) -> None:
    rules("ALL CLOSE GROUP lp\nALL OPEN USER ALL\nDEFAULT:OPEN\n")
    nobody_gets_in(world, ["start A scratch bob", "acct A"])


def test_where_somebody_has_the_last_place(world: World, rules) -> None:
    rules(ONE_PLACE)
    with world.host("start A scratch bob", "open A"):
        world.syslog()
        world.monthly()
        nobody_gets_in(world)


def test_where_somebody_has_the_last_place_whom_logind_alone_knows(world: World, rules, service, nobody) -> None:
    rules(ONE_PLACE)
    service("unguarded", UNGUARDED)
    world.shows_logind()
    with held_session("unguarded", "bob"):
        nobody_gets_in(world)


def test_where_there_is_a_place_it_is_taken_or_refused_and_given_back(world: World, rules) -> None:
    rules(ONE_PLACE)
    commands = [*CAROL, "close A"]
    outcomes = set()
    for met, attempt in with_each_error(world, commands):
        let_in = attempt.returned[1] == SUCCESS
        assert let_in or attempt.tells_of_a_refusal, met
        outcomes.add(let_in)
    assert outcomes == {True, False}
    with world.host("start B scratch bob", "open B"):
        pass
