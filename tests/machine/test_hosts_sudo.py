"""sudo and doas open the session of whom the caller becomes: their rules mean the caller, and are heeded in account."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hosts import OnTerminal, as_user, files, guarded, on_terminal
from machine import password_of, run

pytest_plugins = ["desktop_fixtures"]

SUDO_RS = "/usr/lib/cargo/bin/sudo"
WAYS = {
    "sudo": ("SUDO", ["sudo", "-k", "id", "-un"]),
    "sudo -i": ("SUDO", ["sudo", "-k", "-i", "id", "-un"]),
    "sudo-rs": ("SUDO", [SUDO_RS, "-k", "id", "-un"]),
    "doas": ("DOAS", ["doas", "id", "-un"]),
}


@pytest.fixture(scope="module", autouse=True)
def _guarded() -> Iterator[None]:
    """carol and erin may become anybody by their password, bob needs none."""
    sudoers = {"/etc/sudoers.d/tests": "carol,erin ALL=(ALL:ALL) ALL\nbob ALL=(ALL:ALL) NOPASSWD: ALL\n"}
    doas = {"/etc/doas.conf": "permit carol\npermit erin\npermit nopass bob\npermit nopass root\n"}
    with guarded("sudo", "sudo-i", "doas"), files(sudoers, 0o440), files(doas, 0o400):
        yield


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> tuple[str, list[str]]:
    """The SERVICE by which rules name it, and the command that tells who one has become."""
    service, command = WAYS[request.param]
    if not Path(command[0]).exists() and command[0].startswith("/"):
        pytest.skip(f"there is no {command[0]} in this release")
    return service, command


def becomes_root(user: str, command: list[str]) -> bool:
    """Whether the command ran as root, for somebody who has typed the right password; if not, it never ran."""
    status, said = on_terminal(as_user(user, *command), "" if user == "bob" else password_of(user))
    assert (status == 0) == ("root" in said.split("\n")), said
    return status == 0


def test_a_refused_caller_runs_nothing(way: tuple[str, list[str]], rules) -> None:
    service, command = way
    rules(f"{service} ASK USER ALL\nUNATTENDED:CLOSE\nDEFAULT:OPEN\n")
    assert not becomes_root("carol", command)
    assert not becomes_root("bob", command)
    rules("DEFAULT:OPEN\n")
    assert becomes_root("carol", command)
    assert becomes_root("bob", command)


def test_a_rule_with_a_group_that_is_not_there_refuses_everybody_but_root(way: tuple[str, list[str]], rules) -> None:
    service, command = way
    for rule in ("ALL CLOSE GROUP studnets", f"{service} ASK GROUP studnets", "ALL NUMBER GROUP studnets:0"):
        rules(f"{rule}\nDEFAULT:OPEN\nUNATTENDED:OPEN\n")
        assert not becomes_root("bob", command)
        assert run(*command).stdout == "root\n"


def test_who_may_call_it_needs_no_rule_for_whom_they_become(way: tuple[str, list[str]], rules) -> None:
    service, command = way
    rules(f"DEFAULT:CLOSE\n{service} OPEN USER carol,bob\n")
    assert becomes_root("carol", command)
    assert becomes_root("bob", command)
    assert not becomes_root("erin", command)


def test_a_rule_for_whom_they_become_opens_nothing(way: tuple[str, list[str]], rules) -> None:
    service, command = way
    rules(f"DEFAULT:CLOSE\n{service} OPEN USER root\n")
    assert not becomes_root("carol", command)
    assert not becomes_root("bob", command)


@pytest.mark.parametrize("command", [WAYS["sudo"][1], WAYS["sudo -i"][1]], ids=["sudo", "sudo -i"])
@pytest.mark.parametrize("whose", ["targetpw", "runaspw"])
def test_whosever_password_sudo_asks_for_the_caller_is_meant(whose: str, command: list[str], rules, journal) -> None:
    line = as_user("carol", *command[:2], "-u", "dave", *command[2:])
    how = {"/etc/sudoers.d/tests-whose": f"Defaults {whose}, runas_default=dave\n"}
    with files(how, 0o440):
        rules("DEFAULT:OPEN\nSUDO CLOSE USER carol\n")
        assert on_terminal(line, password_of("dave"))[0] == 1
        rules("DEFAULT:CLOSE\nSUDO OPEN USER carol\n")
        assert on_terminal(line, password_of("dave"))[0] == 0
    assert any("SUDO account carol@LOCAL: OPEN" in line for line in journal())


def test_a_limit_is_looked_at_for_the_caller(way: tuple[str, list[str]], rules) -> None:
    service, command = way
    rules(f"DEFAULT:OPEN\n{service} NUMBER USER carol:0\n")
    assert not becomes_root("carol", command)
    assert becomes_root("erin", command)


def test_the_caller_is_told_why_where_the_host_shows_it(rules) -> None:
    rules("DEFAULT:OPEN\nDOAS CLOSE USER bob\n")
    _, said = on_terminal(as_user("bob", *WAYS["doas"][1]))
    assert "Access denied: bob may not log in over DOAS." in said


def test_the_log_names_the_caller(rules, journal) -> None:
    rules("DEFAULT:CLOSE\nSUDO OPEN USER bob\n")
    assert becomes_root("bob", WAYS["sudo"][1])
    assert journal() == ["SUDO account bob@LOCAL: OPEN, pam-accesscontrol.conf:2: SUDO OPEN USER bob"]


def test_the_owner_is_told_who_asks_and_a_deny_is_heeded(desktop, rules) -> None:
    rules("SUDO ASK USER carol\nDEFAULT:OPEN\nREMEMBER:0\n")
    for button in ("Deny", "Allow"):
        asked = OnTerminal(as_user("carol", *WAYS["sudo"][1]), password_of("carol"))
        window = desktop.question()
        assert "carol" in window.title and "root" not in window.title
        window.click(button)
        status, said = asked.result()
        assert (status == 0, "root" in said.split("\n")) == ((True, True) if button == "Allow" else (False, False))


def test_root_may_be_named_as_the_caller(rules) -> None:
    rules("DEFAULT:OPEN\nSUDO CLOSE USER root\n")
    refused = run("sudo", "-u", "erin", "id", "-un", check=False)
    assert (refused.returncode, refused.stdout) == (1, "Access denied: root may not log in over SUDO.\n")
    rules("DEFAULT:OPEN\n")
    assert run("sudo", "-u", "erin", "id", "-un", check=False).stdout == "erin\n"
