"""The machine itself: what the other tests take for granted."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from machine import MARKER, RULE_FILE, USERS, console, pam, password_of, run, sessions, ssh, ssh_session, wait_for


def test_systemd_is_init() -> None:
    assert Path("/proc/1/comm").read_text() == "systemd\n"


@pytest.mark.parametrize("unit", ["multi-user.target", "ssh.service", "systemd-logind.service", "rsyslog.service"])
def test_everything_came_up(unit: str) -> None:
    assert run("systemctl", "is-active", unit, check=False).stdout == "active\n"


def test_there_is_no_way_out() -> None:
    assert os.listdir("/sys/class/net") == ["lo"]


def test_it_is_marked_as_a_machine_of_tests_run() -> None:
    assert MARKER.exists()


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("proof", ["key", "password", "kbdint"])
def test_everybody_gets_in_over_ssh(user: str, proof: str) -> None:
    given = {} if proof == "key" else {proof: password_of(user)}
    login = ssh(user, "id -un", **given)
    assert (login.returncode, login.stdout, login.stderr) == (0, f"{user}\n", "")


@pytest.mark.parametrize("proof", ["password", "kbdint"])
def test_nobody_gets_in_with_a_wrong_password(proof: str) -> None:
    login = ssh("bob", **{proof: "wrong"})
    assert login.returncode == 255
    assert "Permission denied" in login.stderr


@pytest.mark.parametrize("source", ["10.1.2.3", "192.0.2.7", "2001:db8::7"])
def test_a_login_comes_from_where_it_says(source: str) -> None:
    assert ssh("bob", "echo $SSH_CONNECTION", source=source).stdout.split()[0] == source


def test_a_session_is_seen_by_logind_until_it_ends() -> None:
    with ssh_session("erin"):
        assert "erin" in sessions()
    wait_for(lambda: "erin" not in sessions(), "erin's session ends")


def test_login_on_a_console() -> None:
    login = console("bob")
    login.expect(r"\$ ")
    login.sendline("id -un; exit")
    login.expect("\r\nbob\r\n")
    login.expect("(?s).*")
    login.close()


def test_login_on_a_console_with_a_wrong_password() -> None:
    login = console("bob", "wrong")
    login.expect("Login incorrect")
    login.close()


def test_a_pam_transaction(service) -> None:
    service("scratch", "auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_permit.so\n")
    right = pam("scratch", "bob", "authenticate", "acct_mgmt", "open_session", "close_session", input="bob-pw\n")
    assert right.returncode == 0, right
    assert pam("scratch", "bob", "authenticate", input="wrong\n").returncode != 0


def test_logs_are_read_from_where_the_test_began(journal, authlog, monthly_log) -> None:
    assert journal() == []
    run("logger", "--priority", "authpriv.info", "--tag", "pam-accesscontrol", "one\ttwo")
    assert journal() == ["one\ttwo"]
    assert "pam-accesscontrol: one" in authlog()
    assert monthly_log() == ""


def test_rules_are_the_admins(rules) -> None:
    assert RULE_FILE.read_text() == "DEFAULT:OPEN\n"
    rules("DEFAULT:CLOSE\n")
    status = RULE_FILE.stat()
    assert (status.st_uid, status.st_mode) == (0, 0o100644)


def test_a_group_may_have_a_blank_in_its_name() -> None:
    assert "domain users" in run("id", "-Gn", "dave").stdout
    assert run("getent", "group", "domain users").stdout.endswith(":dave\n")
    assert 7777 in os.getgrouplist("dave", pwd.getpwnam("dave").pw_gid)
