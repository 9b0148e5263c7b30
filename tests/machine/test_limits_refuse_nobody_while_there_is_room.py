"""Many logins at once, under limits that have room for all of them: nobody is refused, and the next one is.

FLOOD=250 in the environment makes it 250 of them, instead of so many that it is soon over.
"""

from __future__ import annotations

import os
from contextlib import ExitStack

from faults import World
from host import SUCCESS

pytest_plugins = ["faults_fixtures", "limits_fixtures"]

MANY = int(os.environ.get("FLOOD") or 70)


def test_as_many_sessions_as_there_are_places(world: World, rules, nobody) -> None:
    rules(f"ALL NUMBER USER bob:{MANY}\nALL NUMBER GROUP ALL:3,users:2\nDEFAULT:OPEN\n")
    with ExitStack() as stack:
        hosts = [stack.enter_context(world.host("start A scratch bob")) for _ in range(MANY)]
        for host in hosts:
            host.tell("acct A")
            host.tell("open A")
        outcomes = [(host.answer(), host.answer()) for host in hosts]
        told = world.syslog()
        assert not [line for line in told if "refused" in line or "not written down" in line or "ended" in line]
        assert outcomes == [(SUCCESS, SUCCESS)] * MANY
        last = stack.enter_context(world.host("start A scratch bob"))
        assert last.do("open A") != SUCCESS
        assert f"bob: {MANY} of {MANY} sessions are open" in world.syslog()[-1]
        for host in hosts:
            host.tell("close A")
        assert [host.answer() for host in hosts] == [SUCCESS] * MANY
        assert last.do("open A") == SUCCESS
        assert not [line for line in world.syslog() if "given back" in line]
