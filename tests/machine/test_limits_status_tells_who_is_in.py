"""pam-accesscontrol status: what is guarded, who is in, and how full each limit is."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from host import PASSING
from limits import UNGUARDED, held_session, inside, inside_at_a_console, needs_logind, opener_of
from machine import run

INSTALL = "/usr/share/pam-accesscontrol/install.sh"

pytest_plugins = ["limits_fixtures", "command_fixtures"]
pytestmark = pytest.mark.usefixtures("nobody")


@pytest.fixture(autouse=True)
def limited(rules) -> None:
    rules("ALL OPEN USER ALL\nALL NUMBER GROUP users:2,lp:5\nSSH NUMBER USER bob:3\n")


def status() -> Any:
    return json.loads(run("pam-accesscontrol", "status", "--json").stdout)


def test_nobody_is_in() -> None:
    told = status()
    assert told["in"] == told["in_otherwise"] == []
    assert {"sshd", "login", "lightdm"} <= set(told["guarded"])
    assert not any(told["guarded"].values())  # no line of theirs can be left out


def test_who_is_in_since_when_over_what_from_where_and_by_which_rule() -> None:
    before = int(time.time())
    with inside("bob", source="192.0.2.7"), inside_at_a_console("carol"):
        told = {session["who"]: session for session in status()["in"]}
        assert set(told) == {"bob@192.0.2.7", "carol@LOCAL"}
        bob, carol = told["bob@192.0.2.7"], told["carol@LOCAL"]
        assert (bob["service"], carol["service"]) == ("SSH", "TTY")
        assert bob["rule"] == carol["rule"] == "pam-accesscontrol.conf:1: ALL OPEN USER ALL"
        assert bob["action"] == carol["action"] == "OPEN"
        assert bob["pid"] == opener_of("bob")
        assert before <= bob["since"] <= carol["since"] <= int(time.time())
    assert status()["in"] == []


@needs_logind
def test_who_came_in_otherwise(service) -> None:
    service("unguarded", UNGUARDED)
    with held_session("unguarded", "carol"):
        told = status()
        assert told["in"] == []
        assert told["in_otherwise"] == ["carol"]
        assert "users: 1 of 2 are logged in" in json.dumps(told["limits"])


def test_each_limit_with_its_places() -> None:
    with inside("bob"), inside("alice"):
        told = json.dumps(status()["limits"])
    assert "users: 2 of 2 are logged in" in told
    assert "lp: 1 of 5 are logged in" in told
    assert "pam-accesscontrol.conf:2" in told
    assert "pam-accesscontrol.conf:3" in told


def test_a_table_for_people() -> None:
    with inside("bob"):
        lines = run("pam-accesscontrol", "status").stdout.splitlines()
    assert any("sshd" in line and "login" in line for line in lines)
    assert any("bob@10.1.2.3" in line and "SSH" in line and "pam-accesscontrol.conf:1" in line for line in lines)
    assert any("users: 1 of 2 are logged in" in line for line in lines)


def test_what_is_guarded_and_what_is_not(as_packaged) -> None:
    told = status()
    assert told["not_guarded"] == []
    as_packaged("sshd")
    told = status()
    assert "sshd" not in told["guarded"] and "sshd.dpkg-old" not in told["guarded"]
    assert told["not_guarded"] == [f"/etc/pam.d/sshd: sshd is not guarded any more, and obeys no rule: run {INSTALL}"]
    assert told["not_guarded"][0] in run("pam-accesscontrol", "status").stdout


def test_a_greeter_is_not_guarded_though_its_file_has_the_lines(service) -> None:
    service("gdm-launch-environment", PASSING)
    service("scratch", PASSING)
    guarded = status()["guarded"]
    assert "scratch" in guarded and "gdm-launch-environment" not in guarded


def test_a_line_that_can_be_left_out_is_told(service) -> None:
    service("scratch", f"auth sufficient pam_unix.so\n{PASSING}")
    [fault] = status()["guarded"]["scratch"]
    assert fault.startswith("/etc/pam.d/scratch:1: auth: ")
    assert fault in run("pam-accesscontrol", "status").stdout


def test_explain_shows_the_limits_and_who_fills_them() -> None:
    with inside("bob"):
        told = run("pam-accesscontrol", "explain", "SSH", "carol", "10.1.2.3").stdout
    [line] = [line for line in told.splitlines() if line.startswith("limit")]
    assert "pam-accesscontrol.conf:2" in line
    assert "users: 1 of 2 are logged in" in line
    assert "bob@10.1.2.3" in line


def test_only_root_may_ask() -> None:
    asked = run("runuser", "-u", "bob", "--", "pam-accesscontrol", "status", check=False)
    assert asked.returncode == 2
    assert asked.stdout == ""
    assert "root" in asked.stderr
