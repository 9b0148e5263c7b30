"""A line's time in the log is the system's, whatever the host has in TZ: su keeps the environment of its caller."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults import World
from host import WAYS, passing
from hosts import as_user, guarded
from machine import password_of, run
from odd_host import OddHost

pytest_plugins = ["faults_fixtures"]

LOCALTIME = Path("/etc/localtime")
HERE = ["Etc/UTC", "Asia/Tokyo", "America/Caracas"]
TOLD = ["ABC+167", "ABC-167", "", "Asia/Kathmandu", ":America/New_York", "rubbish"]
TOLD += ["/usr/share/zoneinfo/Asia/Tokyo", "/etc/passwd", "/nowhere"]
YEAR_AND_MORE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


@pytest.fixture(params=HERE)
def _here(request: pytest.FixtureRequest) -> Iterator[None]:
    """The machine is there."""
    before = os.readlink(LOCALTIME) if LOCALTIME.is_symlink() else None
    LOCALTIME.unlink(missing_ok=True)
    LOCALTIME.symlink_to(f"/usr/share/zoneinfo/{request.param}")
    yield
    LOCALTIME.unlink()
    if before is not None:
        LOCALTIME.symlink_to(before)


def now() -> str:
    """The system's time, as the monthly log has it."""
    return run("env", "--unset=TZ", "date", "+%Y-%m-%d %H:%M:%S").stdout.strip()


@pytest.mark.usefixtures("_here")
def test_it_is_so_in_su_by_anybody(rules, monthly_log) -> None:
    rules("DEFAULT:OPEN\n")
    with guarded("su"):
        for zone in TOLD:
            before, begin = now(), len(monthly_log().splitlines())
            line = as_user("erin", "env", f"TZ={zone}", "su", "carol", "-c", "true")
            run(*line, input=password_of("carol") + "\n")
            times = [YEAR_AND_MORE.match(line)[0] for line in monthly_log().splitlines()[begin:]]
            assert times
            assert before <= min(times) and max(times) <= now(), zone


def seconds_to_the_next_month() -> int:
    here = time.localtime()
    return int(time.mktime((here.tm_year, here.tm_mon + 1, 1, 0, 0, 0, 0, 0, -1)) - time.time())


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_at_the_edge_of_a_month_it_is_the_right_file(seconds: int, world: World, rules) -> None:
    """An hour into the next month, or an hour before it."""
    rules("DEFAULT:OPEN\n")
    clock = f"clock {seconds_to_the_next_month() + seconds}"
    with world.host(clock, "start B scratch bob", "open B"):
        pass
    here = time.localtime()
    month = time.localtime(time.mktime((here.tm_year, here.tm_mon + (seconds > 0), 1, 12, 0, 0, 0, 0, -1)))
    names = [path.name for path in (world.root / "var/log").iterdir()]
    assert names == [time.strftime("pam-accesscontrol-%Y-%m.log", month)]


@pytest.mark.usefixtures("_here")
def test_it_is_so_for_syslog(world: World, rules, service) -> None:
    """rsyslog and journald take the time at which a line comes; others believe what it says."""
    rules("DEFAULT:OPEN\n")
    service("scratch", passing(WAYS[1]))
    before = run("env", "--unset=TZ", "date", "+%b %e %H:%M").stdout.strip()
    with OddHost("start B scratch bob", "acct B", under=[*world.inside, "env", "TZ=ABC+167"]):
        pass
    line = world.log.recv(65536).decode()
    after = run("env", "--unset=TZ", "date", "+%b %e %H:%M").stdout.strip()
    assert re.match(r"<\d+>(\w{3} [ \d]\d \d\d:\d\d):\d\d pam-accesscontrol\[", line)[1] in (before, after)
