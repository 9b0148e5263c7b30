"""Groups that only a directory (LDAP) knows decide as any others do, whether SSSD asks it or nslcd."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from directory import Directory, uid_of
from limits import gets_in, inside, refusal
from machine import Result, password_of, run, ssh

pytest_plugins = ["directory_fixtures"]

CLOSED = "Access denied: {} may not log in over SSH."
NOBODY_THERE = "Access denied: there is nobody at the desktop who could allow it."


@pytest.fixture(autouse=True)
def _answers(directory: Directory) -> None:
    directory.answer()


def explain(user: str) -> Result:
    return run("pam-accesscontrol", "explain", "SSH", user, "10.1.2.3", check=False)


def groups_of(user: str) -> str:
    """The line of explain that tells of a user's groups."""
    return next(line for line in explain(user).stdout.splitlines() if line.startswith("groups "))


def test_people_and_groups_are_the_directorys_own(directory: Directory) -> None:
    assert not re.search("gina|readers|editors", Path("/etc/passwd").read_text() + Path("/etc/group").read_text())
    told = ssh("gina", "id -u; id -Gn", check=True).stdout.splitlines()
    assert told == [str(uid_of("gina")), "readers editors night shift"]
    assert groups_of("gina") == "groups  editors, night shift, readers"
    assert groups_of("ivan") == "groups  editors"


@pytest.mark.parametrize(
    ("group", "member", "other"),
    [("readers", "hugo", "ivan"), ("editors", "gina", "hugo"), ('"night shift"', "gina", "ivan")],
    ids=["primary", "secondary", "with a blank"],
)
def test_open_and_close(directory: Directory, rules, group: str, member: str, other: str) -> None:
    rules(f"SSH OPEN GROUP lp,{group}\n")
    assert refusal(ssh(member)) == ""
    assert refusal(ssh(other)) == CLOSED.format(other)
    assert explain(member).returncode == 0
    assert explain(other).returncode == 1
    rules(f"SSH CLOSE GROUP lp,{group}\nDEFAULT:OPEN\n")
    assert refusal(ssh(member)) == CLOSED.format(member)
    assert refusal(ssh(other)) == ""
    assert f"rule    pam-accesscontrol.conf:1: SSH CLOSE GROUP lp,{group}" in explain(member).stdout.splitlines()


def test_ask(directory: Directory, rules) -> None:
    rules('SSH ASK GROUP "night shift",painters\nDEFAULT:OPEN\nUNATTENDED:CLOSE\n')
    for asked in ("gina", "hugo"):
        assert refusal(ssh(asked)) == NOBODY_THERE
        assert explain(asked).stdout.startswith("refused, since nobody can be asked")
    assert refusal(ssh("ivan")) == ""
    rules("SSH ASK GROUP readers\nUNATTENDED:OPEN\n")
    assert refusal(ssh("gina")) == ""
    assert refusal(ssh("ivan")) == CLOSED.format("ivan")


def test_number_counts_people_by_their_primary_and_by_their_secondary_group(directory: Directory, rules) -> None:
    rules("SSH OPEN USER ALL\nSSH NUMBER GROUP editors:1\n")
    with inside("ivan"):
        assert refusal(ssh("gina")) == "Access denied: editors: 1 of 1 are logged in."
        assert gets_in("ivan")
        assert gets_in("hugo")
        assert gets_in("bob")
    with inside("gina"):
        assert not gets_in("ivan")
        told = explain("ivan").stdout
        assert "limit   pam-accesscontrol.conf:2: editors: 1 of 1 are logged in: gina@10.1.2.3 SSH" in told
    rules('SSH OPEN USER ALL\nSSH NUMBER GROUP lp:9,"night shift":0\n')
    assert refusal(ssh("gina")) == "Access denied: night shift: 0 of 0 are logged in."
    assert gets_in("ivan")


def test_somebody_of_the_directory_in_a_group_of_this_computer(directory: Directory, rules) -> None:
    run("gpasswd", "--add", "gina", "lp")
    try:
        rules("SSH CLOSE GROUP lp\nDEFAULT:OPEN\n")
        assert refusal(ssh("gina")) == CLOSED.format("gina")
        assert refusal(ssh("hugo")) == ""
        rules("SSH OPEN GROUP lp\n")
        assert refusal(ssh("gina")) == ""
    finally:
        run("gpasswd", "--delete", "gina", "lp")


def test_names_of_groups_that_differ_in_case_are_two_groups(directory: Directory, rules) -> None:
    """LDAP itself does not care about case, but users of this computer and Users of the directory are two."""
    rules("SSH OPEN GROUP Users\n")
    assert refusal(ssh("hugo")) == ""
    assert refusal(ssh("carol")) == CLOSED.format("carol")
    rules("SSH OPEN GROUP users\n")
    assert refusal(ssh("hugo")) == CLOSED.format("hugo")
    assert refusal(ssh("carol")) == ""
    rules("SSH CLOSE GROUP users\nDEFAULT:OPEN\n")
    assert refusal(ssh("hugo")) == ""
    rules("SSH CLOSE GROUP Users\nDEFAULT:OPEN\n")
    assert refusal(ssh("hugo")) == CLOSED.format("hugo")


def test_names_that_are_not_ascii(directory: Directory, rules) -> None:
    assert groups_of("jörg") == "groups  gäste"
    rules("SSH CLOSE GROUP gäste\nDEFAULT:OPEN\n")
    for person in ("jörg", "hugo"):
        assert refusal(ssh(person)) == CLOSED.format(person)
    assert refusal(ssh("gina")) == ""
    rules("SSH OPEN GROUP gäste\n")
    for person in ("jörg", "hugo"):
        assert refusal(ssh(person)) == ""
    assert refusal(ssh("gina")) == CLOSED.format("gina")
    rules("SSH OPEN USER jörg,hugo,gina\nSSH NUMBER GROUP gäste:1\n")
    with inside("jörg"):
        assert refusal(ssh("hugo")) == "Access denied: gäste: 1 of 1 are logged in."
        assert gets_in("gina")


def test_a_name_in_another_case_is_no_group_at_all(directory: Directory, rules, journal) -> None:
    rules("SSH OPEN GROUP Editors\nSSH CLOSE GROUP EDITORS\nDEFAULT:OPEN\n")
    for person in ("ivan", "hugo"):
        assert refusal(ssh(person)) == CLOSED.format(person)
    reason = "SSH CLOSE GROUP EDITORS: there is no group EDITORS, or the directory did not answer"
    assert journal()[-1] == f"SSH account hugo@10.1.2.3: CLOSE, refused: pam-accesscontrol.conf:2: {reason}"
    checked = run("pam-accesscontrol", "check", check=False).stdout
    assert "pam-accesscontrol.conf:1: warning: there is no group Editors, so it lets nobody in\n" in checked


def test_where_the_directory_is_told_to_ignore_case_a_rule_that_closes_does_so_too(directory: Directory, rules) -> None:
    directory.answer("case_sensitive = false" if directory.way == "sssd" else "ignorecase yes")
    for rule in ("CLOSE GROUP editors", "CLOSE GROUP Editors", "NUMBER GROUP EDITORS:0"):
        rules(f"SSH {rule}\nDEFAULT:OPEN\n")
        assert refusal(ssh("ivan")) != ""
    assert refusal(ssh("hugo")) == ""
    rules("SSH OPEN GROUP editors\n")
    assert refusal(ssh("ivan")) == ""
    rules("SSH OPEN GROUP Editors\n")  # but none opens by a name that the group does not have
    assert refusal(ssh("ivan")) == CLOSED.format("ivan")


def test_that_the_directorys_own_password_was_right_does_not_show_where_a_rule_refuses(
    directory: Directory, directory_passwords, rules, journal
) -> None:
    rules("SSH CLOSE GROUP editors\nDEFAULT:OPEN\n")
    assert ssh("hugo", "id -un", password=password_of("hugo")).stdout == "hugo\n"
    right = ssh("ivan", password=password_of("ivan"))
    assert right.returncode == 255
    assert "Permission denied" in right.stderr and "Access denied" not in right.stderr
    [refused] = [line for line in journal() if "refused" in line]
    assert refused.startswith("SSH auth ivan@10.1.2.3: CLOSE")
