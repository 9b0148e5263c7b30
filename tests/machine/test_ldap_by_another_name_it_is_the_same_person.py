"""A directory may know somebody by more than one name: whom a rule closes or limits does not get in by another one.

SSSD knows gina as gina@LDAP, too (LDAP is what its configuration calls the directory), and where case is ignored
everybody knows her as GINA.
"""

from __future__ import annotations

import pytest

from directory import Directory
from limits import inside, refusal
from machine import KEYS, Result, run, ssh

pytest_plugins = ["directory_fixtures"]

CLOSED = "Access denied: {} may not log in over SSH."

pytestmark = pytest.mark.parametrize(
    ("asked_directory", "name", "configuration"),
    [
        ("sssd", "gina@LDAP", ""),
        ("sssd", "GINA", "case_sensitive = false"),
        ("nslcd", "GINA", "ignorecase yes"),
    ],
    indirect=["asked_directory"],
)


@pytest.fixture(autouse=True)
def _configured(directory: Directory, configuration: str) -> None:
    directory.answer(*filter(None, [configuration]))


def ssh_as(name: str, command: str = "true") -> Result:
    return ssh(name, command, key=KEYS / "gina")


def test_what_closes_or_limits_a_user(name: str, rules) -> None:
    rules("SSH CLOSE USER gina\nDEFAULT:OPEN\n")
    assert refusal(ssh_as(name)) == CLOSED.format(name)
    rules("SSH ASK USER gina@10.0.0.0/8\nUNATTENDED:CLOSE\nDEFAULT:OPEN\n")
    assert refusal(ssh_as(name)) == "Access denied: there is nobody at the desktop who could allow it."
    rules("SSH NUMBER USER gina:1\nDEFAULT:OPEN\n")
    with inside("gina"):
        assert refusal(ssh_as(name)) == f"Access denied: {name}: 1 of 1 sessions are open."


def test_what_closes_or_limits_a_group(name: str, rules) -> None:
    run("gpasswd", "--add", "gina", "lp")
    try:
        for group in ("lp", '"night shift"'):
            rules(f"SSH CLOSE GROUP {group}\nDEFAULT:OPEN\n")
            assert refusal(ssh_as(name)) == CLOSED.format(name)
        rules("SSH NUMBER GROUP lp:0\nDEFAULT:OPEN\n")
        assert refusal(ssh_as(name)) == "Access denied: lp: 0 of 0 are logged in."
    finally:
        run("gpasswd", "--delete", "gina", "lp")


def test_what_opens_is_meant_to_the_letter(name: str, rules) -> None:
    assert ssh_as(name, "id -un; id -Gn").stdout == "gina\nreaders editors night shift\n"
    rules("SSH OPEN USER gina\n")
    assert refusal(ssh_as(name)) == CLOSED.format(name)
    assert refusal(ssh("gina")) == ""
