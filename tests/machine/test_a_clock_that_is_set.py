"""The wall clock is set back and forward while somebody is in: how long they were in is told right all the same.

The machine of the tests may not set its clock, which is that of the computer that it runs on: it is the host's own view
of the clock that is set. For how long an answer is remembered, see test_ask_under_faults.py.
"""

from __future__ import annotations

import re

import pytest

from faults import World
from host import SUCCESS

pytest_plugins = ["faults_fixtures"]

DAY = 86400


@pytest.mark.parametrize("offset", [-20 * 365 * DAY, -3600, 3600, 50 * 365 * DAY])
def test_how_long_somebody_was_in_does_not_depend_on_it(offset: int, world: World, rules) -> None:
    rules("ALL OPEN USER ALL\nALL NUMBER GROUP users:1\n")
    with world.host("start B scratch bob", "open B", f"clock {offset}") as host:
        assert host.do("start C scratch carol") == SUCCESS
        assert host.do("open C") != SUCCESS
        assert host.do("close B") == SUCCESS
        assert host.do("open C") == SUCCESS
    assert [line for line in world.syslog() if re.search(r"bob@LOCAL: closed after \d+ s$", line)]
    assert re.search(r"bob@LOCAL +closed +after \d+ s$", world.monthly(), re.MULTILINE)
