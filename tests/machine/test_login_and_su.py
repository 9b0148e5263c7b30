"""On the console, in su, and in any other PAM service the rules decide as they do over ssh."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from host import PLUGIN
from hosts import guarded
from machine import Result, console, pam, password_of, run, ssh, terminal_of

# The example in section 2 of the manual, as it stands there.
EXAMPLE = """\
# who may come in, and how
DEFAULT:CLOSE
SSH  OPEN    GROUP  lp,users
XDM  OPEN    USER   bob,alice
TTY  OPEN    USER   bob,alice@10.0.0.0/8
SSH  ASK     GROUP  "domain users"
SSH  NUMBER  GROUP  users:20,lp:3
"""


def on_console(user: str) -> bool:
    """Whether somebody gets in on a console, with the right password."""
    login = console(user)
    inside = login.expect([r"\$ ", "Login incorrect", "Access denied"]) == 0
    if inside:
        login.sendline("id -un; exit")
        login.expect(f"\r\n{user}\r\n")
    login.close()
    return inside


def account(service: str, user: str, rhost: str | None = None) -> bool:
    return pam(service, user, "acct_mgmt", rhost=rhost).returncode == 0


def test_the_example(rules) -> None:
    rules(EXAMPLE)
    assert [user for user in ("alice", "bob", "carol", "dave", "erin") if ssh(user).returncode == 0] == [
        *("alice", "bob", "carol"),
        "dave",  # is asked about, and there is nobody to ask
    ]
    assert [user for user in ("alice", "bob", "carol") if account("lightdm", user)] == ["alice", "bob"]
    assert [user for user in ("alice", "bob", "carol") if account("login", user)] == ["bob"]
    assert [user for user in ("alice", "bob", "carol") if account("login", user, "10.9.8.7")] == ["alice", "bob"]
    assert [user for user in ("alice", "bob", "carol") if account("login", user, "11.0.0.1")] == ["bob"]


def test_ssh_but_not_the_console(rules) -> None:
    rules("TTY CLOSE USER bob\nALL OPEN USER ALL\n")
    assert on_console("carol")
    assert not on_console("bob")
    assert ssh("bob").returncode == 0


def test_the_console_but_not_ssh(rules) -> None:
    rules("TTY OPEN USER bob@LOCAL\n")
    assert on_console("bob")
    assert ssh("bob").returncode == 255


def without_a_password(user: str) -> str:
    """login(1) as a desktop's or a serial line's automatic login has it: auth is left out, account is the door."""
    login = pexpect.spawn("login", ["-f", user], encoding="utf-8", timeout=20)
    held = os.open(terminal_of(login), os.O_RDWR | os.O_NOCTTY)  # or we read an end of file while login reopens it
    login.expect([r"\$ ", r"Access denied: [^\r\n]*(?=\r)"])
    os.close(held)
    login.close()
    return str(login.after)


def test_who_is_refused_on_the_console_is_told_why(rules) -> None:
    rules("TTY OPEN USER carol\n")
    assert without_a_password("carol") == "$ "
    assert without_a_password("bob") == "Access denied: bob may not log in on the console."


def test_who_is_refused_in_session_on_the_console_is_told_why(rules) -> None:
    rules("TTY ASK USER ALL\nUNATTENDED:CLOSE\n")
    login = console("bob")
    login.expect("Access denied: there is nobody at the desktop who could allow it.")
    login.close()


def test_a_right_password_on_the_console_is_refused_as_a_wrong_one_is(rules) -> None:
    rules("TTY CLOSE USER bob\n")
    login = console("bob")
    login.expect("Login incorrect")
    assert "Access denied" not in str(login.before)
    login.close()


# ------------------------------------------------------------------------------------------ services by their own name


@pytest.fixture
def _su_is_guarded() -> Iterator[None]:
    with guarded("su"):
        yield


def become(user: str) -> Result:
    """What carol gets who knows a user's password."""
    command = ["setpriv", "--reuid=carol", "--regid=carol", "--init-groups", "su", user, "-c", "id -un"]
    return run(*command, input=password_of(user) + "\n", check=False)


@pytest.mark.usefixtures("_su_is_guarded")
def test_su_is_named_by_itself(rules) -> None:
    rules("DEFAULT:OPEN\nSU CLOSE USER bob\n")
    assert become("erin").stdout == "erin\n"
    refused = become("bob")
    assert refused.returncode != 0 and refused.stdout == ""
    assert ssh("bob").returncode == 0


@pytest.mark.usefixtures("_su_is_guarded")
def test_root_is_told_why_su_refuses(rules, journal) -> None:
    rules("DEFAULT:OPEN\nSU CLOSE USER bob\n")
    refused = run("su", "bob", "-c", "id -un", check=False)
    assert (refused.returncode, refused.stdout) == (1, "Access denied: bob may not log in over SU.\n")
    told = [line for line in journal() if line.startswith("SU ")]
    why = "CLOSE, refused: pam-accesscontrol.conf:2: SU CLOSE USER bob"
    assert told == [f"SU account bob@LOCAL, asked by root: {why}"]


@pytest.mark.parametrize(
    ("service_name", "rule", "fits"),
    [
        ("scratchd", "SCRATCHD OPEN USER bob", True),
        ("scratchd", "scratchd open user bob", True),
        ("scratchd", "ALL OPEN USER bob", True),
        ("scratchd", "SSH OPEN USER bob", False),
        ("scratchd", "SCRATCH OPEN USER bob", False),
        ("remote", "TTY OPEN USER bob", True),
        ("kdm", "XDM OPEN USER bob", True),
        ("gdm-password", "XDM OPEN USER bob", True),
        ("gdm-password", "GDM-PASSWORD OPEN USER bob", True),
        ("nodm", "XDM OPEN USER bob", True),
        ("emptty", "XDM OPEN USER bob", True),
        ("cosmic-greeter", "XDM OPEN USER bob", True),
        ("kdm-of-mine", "XDM OPEN USER bob", False),
        ("mine-l", "MINE OPEN USER bob", True),
        ("mine-l", "MINE-L OPEN USER bob", True),
        ("mine-i", "MINE OPEN USER bob", True),
        ("mine", "MINE-L OPEN USER bob", False),
        ("mine-x", "MINE OPEN USER bob", False),
    ],
)
def test_a_rule_holds_for_the_services_that_it_names(service_name: str, rule: str, fits: bool, rules, service) -> None:
    if not Path("/etc/pam.d", service_name).exists():  # or install.sh guards it, as remote from Debian 14 on
        service(service_name, f"account requisite {PLUGIN}\naccount required pam_permit.so\n")
    rules(rule + "\n")
    assert account(service_name, "bob") is fits
    assert not account(service_name, "carol")
