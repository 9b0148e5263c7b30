"""A right password under a full limit is refused in account, with a sentence: no log calls it a failed password."""

from __future__ import annotations

import pexpect
import pytest

from host import AUTH_ERR, PASSING, PERM_DENIED, SUCCESS, host
from limits import inside, refusal
from machine import console, ssh

FULL = "DEFAULT:OPEN\nSSH NUMBER GROUP ALL:1\nTTY NUMBER GROUP ALL:1\nSCRATCH NUMBER USER bob:0\n"
SENTENCE = "Access denied: everybody: 1 of 1 are logged in."


@pytest.fixture(autouse=True)
def _full(rules) -> None:
    rules(FULL)


@pytest.mark.parametrize("method", ["password", "kbdint"])
def test_sshd_tells_the_person_and_logs_no_failed_password(method: str, authlog) -> None:
    with inside("erin"):
        assert refusal(ssh("bob", **{method: "bob-pw"})) == SENTENCE
        log = authlog()
        rule = "pam-accesscontrol.conf:2: SSH NUMBER GROUP ALL:1"
        assert f" bob@10.1.2.3: CLOSE, refused: {rule}: {SENTENCE[15:-1]}" in log
        assert "Failed password" not in log and "authentication failure" not in log
        ssh("bob", **{method: "wrong"})
        assert "authentication failure" in authlog()


def test_a_wrong_password_learns_nothing_of_the_limit(journal) -> None:
    with inside("erin"):
        refused = ssh("bob", password="wrong")
        assert "Access denied" not in refused.stderr + refused.stdout
        assert [line for line in journal() if "bob@" in line] == []


def test_the_console_tells_it(authlog) -> None:
    with inside("erin"):
        login = console("bob")
        assert login.expect([SENTENCE, "Login incorrect", pexpect.EOF]) == 0
        login.close(force=True)
        assert "FAILED LOGIN" not in authlog()


def test_auth_looks_at_no_limit_nor_does_account_at_a_personal_one_of_a_service_that_we_do_not_know(service) -> None:
    """xrdp asks account about somebody who comes back to a desktop that is theirs."""
    service("scratch", PASSING)
    told = host("scratch", "bob", "auth", "acct", "open")
    assert told.returned == {"auth": SUCCESS, "acct": SUCCESS, "open": PERM_DENIED}
    assert told.asked == []  # and nobody waits
    assert told.messages == ["Access denied: bob: 0 of 0 sessions are open."]


def test_auth_refuses_who_is_refused_by_a_rule(service, rules) -> None:
    service("scratch", PASSING)
    rules("SCRATCH CLOSE USER bob\nDEFAULT:OPEN\n")
    assert host("scratch", "bob", "auth").returned == {"auth": AUTH_ERR}
