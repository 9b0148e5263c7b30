"""A full or read-only disk: the rules decide all the same, what cannot be counted is refused, and no PAM file is torn.

For a full /run see test_limits_trust_only_the_kernel.py, for a full /var/log test_a_log_that_takes_nothing.py.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from faults import World
from host import PERM_DENIED, SUCCESS
from machine import Result, run, ssh
from test_install import CHECKOUT, PAM, _put_back, _su_refuses_without_delay, left_over, picture, uninstall

pytest_plugins = ["faults_fixtures"]
__all__ = ["_put_back", "_su_refuses_without_delay"]  # fixtures

READ_ONLY = "mount --bind {0} {0} && mount -o remount,bind,ro {0}"


def test_where_nothing_can_be_written_the_rules_decide_and_no_limit_is_overrun(world: World, rules) -> None:
    rules("ALL CLOSE USER carol\nALL OPEN USER ALL\nALL NUMBER GROUP lp:1\n")
    for place in ("/run/pam-accesscontrol", "/var/log", "/etc"):
        run(*world.inside, "sh", "-c", READ_ONLY.format(place))
    with world.host("start A scratch alice", "start B scratch bob", "start C scratch carol") as host:
        assert (host.do("acct A"), host.do("open A"), host.do("close A")) == (SUCCESS, SUCCESS, SUCCESS)
        assert (host.do("acct C"), host.do("open C")) == (PERM_DENIED, PERM_DENIED)
        assert host.do("open B") == PERM_DENIED
        assert host.messages[-1] == "Access denied: it cannot be counted who is logged in."
    told = world.syslog()
    assert any("let in, but not written down: " in line and "Read-only file system" in line for line in told)
    assert any("it cannot be counted who is in: " in line and "Read-only file system" in line for line in told)
    assert any("/var/log/" in line and "cannot be written: Read-only file system" in line for line in told)


# --------------------------------------------------------------------------- install.sh and uninstall.sh on such disks


FULL = """\
cp -a /etc/pam.d {0} && mount -t tmpfs -o mode=755 tests /etc/pam.d && cp -a {0}/. /etc/pam.d &&
mount -o remount,size=$(du -s --block-size=1 /etc/pam.d | cut -f 1) /etc/pam.d &&
! dd if=/dev/zero of=/etc/pam.d/.full bs=4096 2>/dev/null"""
DISKS: dict[str, str] = {"read-only": READ_ONLY.format("/etc/pam.d"), "full": FULL}


@pytest.fixture(params=DISKS)
def on_that_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], tuple[Result, dict[str, object]]]:
    """on_that_disk("install.sh"): what a script says there, and the folder of PAM behind it."""

    def do(script: str) -> tuple[Result, dict[str, object]]:
        copy = tmp_path / "behind"
        line = f"{DISKS[request.param].format(tmp_path / 'copy')} || exit 9; '{CHECKOUT}/{script}'; s=$?; "
        line += f"rm -f /etc/pam.d/.full; cp -a /etc/pam.d {copy}; exit $s"
        said = run("unshare", "--mount", "sh", "-c", line, check=False)
        behind = {str(PAM / Path(name).name): what for name, what in picture(copy).items() if name != str(copy)}
        return said, behind

    return do


def of_files(found: dict[str, object]) -> dict[str, object]:
    return {name: what for name, what in found.items() if name != str(PAM)}


@pytest.mark.parametrize("script", ["install.sh", "uninstall.sh"])
def test_a_script_that_cannot_write_the_pam_files_says_so_and_leaves_them_whole(script: str, on_that_disk) -> None:
    if script == "install.sh":
        assert uninstall().returncode == 0
    before = of_files(picture(PAM))
    said, behind = on_that_disk(script)
    assert said.returncode == 1, said
    assert "cannot be written" in said.stderr, said
    assert behind == before
    assert left_over() == []
    if script == "uninstall.sh":
        assert "the plugin stays" in said.stderr
    assert ssh("bob").returncode == 0
