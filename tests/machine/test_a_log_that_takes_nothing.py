"""A log that takes nothing, or not everything, decides no login, holds none up, and has no half lines."""

from __future__ import annotations

from faults import World
from host import PERM_DENIED, SUCCESS
from machine import run

pytest_plugins = ["faults_fixtures"]


def test_a_full_disk_takes_no_half_line(world: World, rules) -> None:
    """Of what does not fit, a disk takes as much as fits."""
    rules("ALL OPEN USER bob\n")
    with world.host("start C scratch carol", "start B scratch bob") as host:
        assert host.do("acct C") == PERM_DENIED
        [log] = (world.root / "var/log").iterdir()
        log.write_text(f"{'x' * (4096 - 51)}\n")
        run(*world.inside, "mount", "-o", "remount,size=4k", "/var/log")
        full = log.read_text()
        assert (host.do("acct C"), host.do("open B"), host.do("close B")) == (PERM_DENIED, SUCCESS, SUCCESS)
        assert log.read_text() == full
        assert len([line for line in world.syslog() if "cannot be written: No space left on device" in line]) == 3
        run(*world.inside, "mount", "-o", "remount,size=1m", "/var/log")
        assert host.do("acct C") == PERM_DENIED
        [line] = log.read_text().removeprefix(full).splitlines()
        assert line.split()[2:6] == ["SCRATCH", "CLOSE", "carol@LOCAL", "denied"]


def test_a_syslog_that_does_not_listen_is_not_waited_for_again_and_again(world: World, rules) -> None:
    """Each line would be two seconds of everybody's login."""
    rules("DEBUG:True\n" + "ALL OPEN USER nobody\n" * 300 + "ALL OPEN USER bob\n")
    with world.host("start C scratch carol", "start B scratch bob") as host:
        host.tell("acct C")
        host.tell("acct B")
        assert (host.answer(), host.answer()) == (PERM_DENIED, SUCCESS)
    assert 0 < len(world.syslog()) < 600
