"""root gets in while a directory (LDAP) is away, whatever group a limit names: somebody must be able to mend it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from directory import Directory
from host import PASSING
from limits import refusal
from machine import KEYS, pam, run, ssh, terminal_of, wait_for

pytest_plugins = ["directory_fixtures"]

NOT_BOB = "Access denied: bob may not log in over SSH."


@pytest.fixture(autouse=True)
def _roots_key() -> Iterator[None]:
    """root gets in over ssh, by carol's key."""
    place = Path("/root/.ssh/authorized_keys")
    place.parent.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(KEYS / "carol.pub", place)
    yield
    place.unlink()


@pytest.fixture
def _toor() -> Iterator[None]:
    """A second name of uid 0."""
    run("useradd", "--non-unique", "--uid", "0", "--gid", "0", "--no-create-home", "--home-dir", "/root", "toor")
    yield
    passwd = Path("/etc/passwd")
    kept = [line for line in passwd.read_text().splitlines(True) if not line.startswith("toor:")]
    passwd.write_text("".join(kept))


def at_the_console(user: str) -> bool:
    login = pexpect.spawn("login", ["-f", user], encoding="utf-8", timeout=60)
    held = os.open(terminal_of(login), os.O_RDWR | os.O_NOCTTY)  # or we read an end of file while login reopens it
    inside = login.expect([r"[#$] ", "Access denied", pexpect.EOF]) == 0
    os.close(held)
    login.close(force=True)
    return inside


def over_ssh(user: str) -> bool:
    return ssh(user, key=KEYS / ("bob" if user == "bob" else "carol")).returncode == 0


@pytest.mark.parametrize("how", ["stopped", "frozen"])
@pytest.mark.parametrize("service", ["SSH", "ALL"])
def test_root_gets_in_and_nobody_else(directory: Directory, rules, how: str, service: str) -> None:
    rules(f"ALL OPEN USER root,bob\n{service} NUMBER GROUP editors:30\n")
    directory.begin(patience=1)
    assert over_ssh("root") and over_ssh("bob") and at_the_console("root")
    directory.begin(patience=1)  # without what was remembered of that
    with directory.away(how):
        assert over_ssh("root")
        assert at_the_console("root")
        assert refusal(ssh("bob")) == NOT_BOB
        assert at_the_console("bob") is (service == "SSH")
        told = run("pam-accesscontrol", "explain", "SSH", "root", "10.1.2.3", check=False)
        assert told.returncode == 0, told.stdout
        assert run("pam-accesscontrol", "explain", "SSH", "bob", "10.1.2.3", check=False).returncode == 1
    wait_for(lambda: over_ssh("bob"), "the directory is asked again")


@pytest.mark.parametrize("asked_directory", ["nslcd"], indirect=True)
def test_what_closes_or_asks_by_such_a_group_refuses_everybody_but_root(directory: Directory, rules) -> None:
    directory.begin(patience=1)
    with directory.away("stopped"):
        for rule in ("CLOSE GROUP editors", "ASK GROUP editors"):
            rules(f"SSH {rule}\nDEFAULT:OPEN\n")
            assert over_ssh("root") and not over_ssh("bob")
        rules("SSH OPEN GROUP editors\n")
        assert not over_ssh("root")
        assert at_the_console("root") is False  # DEFAULT is CLOSE


@pytest.mark.parametrize("asked_directory", ["nslcd"], indirect=True)
def test_a_limit_that_can_be_counted_holds_for_root_all_the_same(directory: Directory, rules) -> None:
    directory.begin(patience=1)
    rules("ALL OPEN USER root\nALL NUMBER GROUP editors:30\nALL NUMBER GROUP root:0\n")
    with directory.away("stopped"):
        assert refusal(ssh("root", key=KEYS / "carol")) == "Access denied: root: 0 of 0 are logged in."


@pytest.mark.usefixtures("_toor")
@pytest.mark.parametrize("asked_directory", ["nslcd"], indirect=True)
def test_so_does_whoever_else_has_uid_0(directory: Directory, rules, service) -> None:
    service("guarded", PASSING)
    rules("ALL OPEN USER toor,bob\nALL NUMBER GROUP editors:30\n")
    directory.begin(patience=1)
    with directory.away("stopped"):
        phases = ["acct_mgmt", "open_session", "close_session"]
        assert pam("guarded", "toor", *phases).returncode == 0
        assert pam("guarded", "bob", *phases).returncode != 0
