"""A cache may know a person and a group, and not that the one is in the other: who may be in it, is.

NSS tells of a directory that is away only that it knows nobody; of somebody who is known otherwise, it tells fewer
groups, and no error.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from directory import Directory, knows
from host import PLUGIN
from limits import UNGUARDED, held_session, inside, refusal
from machine import ssh

pytest_plugins = ["directory_fixtures"]


class Case:
    """Of somebody in a group of the directory only the group's entry in a cache tells; a colleague is known whole."""

    def __init__(self, directory: Directory) -> None:
        if directory.way == "sssd":  # erin is a user of this computer, in a group of the directory
            self.somebody, self.group, self.colleague = "erin", "painters", "hugo"
            directory.begin("ldap_rfc2307_fallback_to_local_users = true")
        else:
            self.somebody, self.group, self.colleague = "gina", "editors", "ivan"
            directory.begin()
        directory.learn(self.colleague)
        assert knows("passwd", self.somebody) and knows("group", self.group)


# A service that the plugin guards, and of whose sessions logind does not know.
GUARDED = f"""\
auth required pam_unix.so
account required pam_permit.so
session requisite {PLUGIN}
session required pam_permit.so
"""


@pytest.fixture
def case(directory: Directory) -> Iterator[Case]:
    found = Case(directory)
    with directory.away("stopped"):
        yield found


with_a_cache = pytest.mark.parametrize("asked_directory", ["sssd", "nscd"], indirect=True)


@with_a_cache
def test_a_rule_that_closes_refuses(case: Case, rules) -> None:
    for rule in ("CLOSE GROUP {}", "ASK GROUP {}", "NUMBER GROUP {}:0"):
        rules(f"SSH {rule.format(case.group)}\nDEFAULT:OPEN\nUNATTENDED:CLOSE\n")
        assert refusal(ssh(case.somebody)) != ""
    rules(f"SSH OPEN GROUP {case.group}\n")
    assert refusal(ssh(case.somebody)) != ""
    assert refusal(ssh(case.colleague)) == ""


@with_a_cache
def test_a_place_under_a_limit_is_taken(case: Case, rules) -> None:
    rules(f"SSH NUMBER GROUP {case.group}:1\nDEFAULT:OPEN\n")
    with inside(case.somebody):
        assert refusal(ssh(case.colleague)) == f"Access denied: {case.group}: 1 of 1 are logged in."
    with inside(case.colleague):
        assert refusal(ssh(case.somebody)) == f"Access denied: {case.group}: 1 of 1 are logged in."


@pytest.mark.parametrize(
    ("asked_directory", "way_in"),
    [("sssd", "guarded"), ("sssd", "unguarded"), ("nscd", "guarded")],
    indirect=["asked_directory"],
)
def test_a_place_under_a_limit_is_taken_by_who_came_in_elsewhere(case: Case, rules, service, way_in: str) -> None:
    """In over a service that the limit is not about, or that the plugin does not see at all."""
    service("elsewhere", GUARDED if way_in == "guarded" else UNGUARDED)
    rules(f"SSH NUMBER GROUP {case.group}:1\nDEFAULT:OPEN\n")
    with held_session("elsewhere", case.somebody):
        assert refusal(ssh(case.colleague)) == f"Access denied: {case.group}: 1 of 1 are logged in."
    assert refusal(ssh(case.colleague)) == ""
