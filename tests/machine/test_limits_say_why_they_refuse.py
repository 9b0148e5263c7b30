"""NUMBER: who is refused learns why, once they have proved who they are; the admin learns by whom."""

from __future__ import annotations

import os

import pexpect
import pytest

from host import PASSING, host
from limits import inside, inside_at_a_console, refusal
from machine import console, pam, password_of, run, ssh, terminal_of

pytest_plugins = ["limits_fixtures"]
pytestmark = pytest.mark.usefixtures("nobody")

OPEN = "ALL OPEN USER ALL\n"
SENTENCE = "Access denied: users: 1 of 1 are logged in."


@pytest.fixture
def one_place(rules) -> None:
    rules(OPEN + "ALL NUMBER GROUP users:1\n")


def test_to_a_key_in_the_banner_of_account(one_place) -> None:
    with inside("bob"):
        login = ssh("carol")
    assert login.returncode == 255
    assert login.stdout == ""
    assert SENTENCE in login.stderr.splitlines()


@pytest.mark.parametrize("proof", ["password", "kbdint"])
def test_to_a_password_but_not_to_a_wrong_one(one_place, proof: str) -> None:
    with inside("bob"):
        assert refusal(ssh("carol", **{proof: password_of("carol")})) == SENTENCE
        wrong = ssh("carol", **{proof: "wrong"})
    assert wrong.returncode == 255
    assert "Permission denied" in wrong.stderr
    assert "logged in" not in wrong.stderr


@pytest.mark.parametrize(("password", "told"), [(None, SENTENCE), ("wrong", "Login incorrect")])
def test_at_a_console_to_a_password_but_not_to_a_wrong_one(one_place, password: str | None, told: str) -> None:
    with inside("bob"):
        login = console("carol", password)
        login.expect(told)
        assert password is None or "logged in" not in str(login.before)
        login.close(force=True)


def test_at_a_console_to_who_has_proved_who_he_is_elsewhere(one_place) -> None:
    with inside("bob"):
        login = pexpect.spawn("login", ["-f", "carol"], encoding="utf-8", timeout=20)
        held = os.open(terminal_of(login), os.O_RDWR | os.O_NOCTTY)  # or we read an end of file while login reopens it
        try:
            login.expect(SENTENCE)
        finally:
            os.close(held)
            login.close(force=True)


def test_in_account_and_in_session_but_not_in_auth(one_place, service) -> None:
    service("guarded", PASSING)
    with inside("bob"):
        assert host("guarded", "carol", "auth").messages == []
        assert host("guarded", "carol", "acct").messages == [SENTENCE]
        assert host("guarded", "carol", "open").messages == [SENTENCE]
        assert host("guarded", "carol", "acct:", "open:").messages == []  # PAM_SILENT


def test_the_log_names_the_line_and_who_fills_the_places(rules, journal, monthly_log) -> None:
    rules("# who may come in\n" + OPEN + "\nALL  NUMBER  GROUP  lp:1,users:2\n")
    with inside("alice"), inside_at_a_console("carol"):
        assert refusal(ssh("bob")) == "Access denied: users: 2 of 2 are logged in."
        [line] = [line for line in journal() if "bob@" in line]
    assert "account" in line
    assert "CLOSE" in line
    assert "pam-accesscontrol.conf:4" in line
    assert "users: 2 of 2" in line
    assert "alice@10.1.2.3 SSH" in line
    assert "carol@LOCAL TTY" in line
    [row] = [row for row in monthly_log().splitlines() if "bob@" in row]
    assert row.split()[2:6] == ["SSH", "NUMBER", "bob@10.1.2.3", "denied"]
    assert "pam-accesscontrol.conf:4" in row


def test_the_log_of_a_limit_of_sessions_names_the_user(rules, journal) -> None:
    rules(OPEN + "SSH NUMBER USER ALL:1\n")
    with inside("bob"):
        assert refusal(ssh("bob")) == "Access denied: bob: 1 of 1 sessions are open."
        [line] = [line for line in journal() if "refused" in line]
    assert "pam-accesscontrol.conf:2" in line
    assert "bob: 1 of 1" in line


@pytest.mark.parametrize("limits", ["SSH NUMBER GROUP ghosts:5", "SSH NUMBER GROUP users:5,ghosts:5"])
def test_a_limit_of_a_group_that_does_not_exist_refuses(rules, journal, limits: str) -> None:
    rules(f"{OPEN}{limits}\n")
    login = ssh("bob")
    assert login.returncode == 255
    assert "Access denied" in login.stderr
    [line] = [line for line in journal() if "refused" in line]
    assert "pam-accesscontrol.conf:2" in line
    assert "there is no group ghosts" in line
    assert run("pam-accesscontrol", "check", check=False).stdout.startswith(
        "/etc/pam-accesscontrol/pam-accesscontrol.conf:2: warning: there is no group ghosts"
    )


def test_a_group_that_goes_away_while_people_are_in_refuses(rules, service) -> None:
    service("guarded", PASSING)
    rules(OPEN + "ALL NUMBER GROUP users:2\n")
    with inside("bob"):
        assert pam("guarded", "carol", "acct_mgmt").returncode == 0
        run("groupmod", "--new-name", "spirits", "users")
        try:
            assert pam("guarded", "carol", "acct_mgmt").returncode != 0
            assert pam("guarded", "bob", "acct_mgmt").returncode != 0
        finally:
            run("groupmod", "--new-name", "users", "spirits")
        assert pam("guarded", "carol", "acct_mgmt").returncode == 0


@pytest.mark.parametrize(
    "entry", ["users:-1", "users:1.5", "users:", "users", "users:one", "users:1:", "users: 1", "users:+1", ":1"]
)
def test_a_count_that_is_no_number_spoils_its_line_and_check_names_it(rules, journal, entry: str) -> None:
    rules(f"{OPEN}SSH NUMBER GROUP lp:0,{entry}\n")
    assert ssh("bob").returncode == 0  # the line is ignored, lp:0 with it
    assert [line for line in journal() if "pam-accesscontrol.conf:2: ignored" in line]
    found = run("pam-accesscontrol", "check", check=False)
    assert found.returncode == 1
    assert found.stdout.startswith("/etc/pam-accesscontrol/pam-accesscontrol.conf:2: ")


def test_nought_is_a_number(rules) -> None:
    rules(OPEN + "SSH NUMBER GROUP users:0\n")
    assert refusal(ssh("bob")) == "Access denied: users: 0 of 0 are logged in."
    assert run("pam-accesscontrol", "check", check=False).returncode == 0
