"""A directory (LDAP) that does not answer: nobody gets in whom a rule closes or limits, and no login waits for ever.

It is stopped, or it stands still, so that whoever asks it is heard and gets no answer. That a login ends at all is what
shows that it waits no longer than SSSD or nslcd do.
"""

from __future__ import annotations

import pytest

from directory import USUAL_PATIENCE, Directory
from limits import UNGUARDED, gets_in, held_session, inside, refusal
from machine import Result, run, ssh, wait_for

pytest_plugins = ["directory_fixtures"]

AWAY = ["stopped", "frozen"]
CLOSED = "Access denied: {} may not log in over SSH."
NO_GROUP = "there is no group {}, or the directory did not answer"


def explain(user: str) -> Result:
    return run("pam-accesscontrol", "explain", "SSH", user, "10.1.2.3", check=False)


@pytest.mark.parametrize("how", AWAY)
def test_who_is_not_known_does_not_get_in(directory: Directory, rules, how: str) -> None:
    rules("SSH CLOSE GROUP editors\nDEFAULT:OPEN\n")
    directory.begin(patience=1)
    with directory.away(how):
        assert ssh("gina").returncode == 255
        told = explain("gina")
        assert told.returncode == 1
        _, about_user, rule = told.stdout.splitlines()
        assert about_user == "user    there is no user gina, or the directory did not answer"
        assert rule.endswith(NO_GROUP.format("editors"))


@pytest.mark.parametrize(
    ("how", "rule", "group"),
    [
        ("stopped", "CLOSE GROUP editors", "editors"),
        ("stopped", 'NUMBER GROUP lp:9,"night shift":9', "night shift"),
        ("stopped", "ASK GROUP editors", "editors"),
        ("frozen", "CLOSE GROUP editors", "editors"),
    ],
)
def test_a_group_that_is_not_known_closes_and_limits(
    directory: Directory, rules, journal, how: str, rule: str, group: str
) -> None:
    directory.begin(patience=1)
    rules(f"SSH {rule}\nDEFAULT:OPEN\n")
    reason = f"pam-accesscontrol.conf:1: SSH {rule}: {NO_GROUP.format(group)}"
    with directory.away(how):
        assert refusal(ssh("bob")) == CLOSED.format("bob")
        assert journal()[-1] == f"SSH account bob@10.1.2.3: CLOSE, refused: {reason}"
        told = explain("bob")
        assert told.returncode == 1
        assert told.stdout.splitlines()[1] == f"rule    {reason}"
    wait_for(lambda: ssh("bob").returncode == 0, "the directory is asked again")


def test_a_group_that_is_not_known_opens_for_nobody(directory: Directory, rules) -> None:
    directory.begin()
    rules("SSH OPEN GROUP editors\nSSH OPEN USER bob\n")
    with directory.away("stopped"):
        assert refusal(ssh("bob")) == ""
        assert refusal(ssh("carol")) == CLOSED.format("carol")
        checked = run("pam-accesscontrol", "check", check=False).stdout
        assert ":1: warning: there is no group editors, so it lets nobody in\n" in checked


@pytest.mark.parametrize(
    ("asked_directory", "how"),
    [("sssd", "stopped"), ("sssd", "frozen"), ("nscd", "stopped")],
    indirect=["asked_directory"],
)
def test_who_is_known_is_judged_by_what_is_known(directory: Directory, rules, how: str) -> None:
    directory.begin(patience=2 if how == "frozen" else USUAL_PATIENCE)
    directory.learn("gina", "hugo", "ivan")
    with directory.away(how):
        rules("SSH CLOSE GROUP editors\nDEFAULT:OPEN\n")
        for person in ("gina", "ivan"):
            assert refusal(ssh(person)) == CLOSED.format(person)
        assert refusal(ssh("hugo")) == ""
        rules('SSH OPEN GROUP "night shift"\n')
        assert refusal(ssh("gina")) == ""
        rules("SSH CLOSE GROUP visitors\nDEFAULT:OPEN\n")  # of which nobody was told
        assert refusal(ssh("hugo")) == CLOSED.format("hugo")
        rules("SSH OPEN USER ALL\nSSH NUMBER GROUP editors:1\n")
        with inside("gina"):
            assert refusal(ssh("ivan")) == "Access denied: editors: 1 of 1 are logged in."
        assert gets_in("ivan")


@pytest.mark.parametrize("how", AWAY)
def test_who_came_in_before_still_counts(directory: Directory, rules, how: str) -> None:
    rules("SSH OPEN USER ALL\nSSH NUMBER GROUP editors:1\n")
    directory.begin()
    with inside("gina"):
        directory.begin(patience=1)
        with directory.away(how):
            assert ssh("ivan").returncode == 255
        directory.begin()
        assert refusal(ssh("ivan")) == "Access denied: editors: 1 of 1 are logged in."
    assert gets_in("ivan")


def test_somebody_counts_of_whom_nobody_can_tell_any_more(directory: Directory, rules, service) -> None:
    """In by a service that is not guarded, and for all that is known in the group."""
    directory.begin()
    service("unguarded", UNGUARDED)
    rules("SSH OPEN USER ALL\nSSH NUMBER GROUP users:1\n")
    with held_session("unguarded", "ivan"):
        assert gets_in("bob")
        directory.end()
        assert refusal(ssh("bob")) == "Access denied: users: 1 of 1 are logged in."
    assert gets_in("bob")
