"""systemd opens a session for a unit with PAMName=, as kiosks, phosh and run0 have it: account and session, no auth."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hosts import guarded, unit
from limits import inside, known_to_the_plugin
from machine import run, wait_for

REFUSED_BY_PAM = 224  # see EXIT_PAM in systemd.exec(5)


def runs(service: str, user: str) -> bool:
    """Whether a unit's command runs as the user."""
    told = unit(service, user, "id", "-un")
    assert (told.returncode, told.stdout) in ((0, f"{user}\n"), (REFUSED_BY_PAM, "")), told
    return told.returncode == 0


@pytest.mark.parametrize(
    "refusal",
    [
        "TTY CLOSE USER bob\nDEFAULT:OPEN\n",
        "TTY OPEN USER carol\nDEFAULT:CLOSE\n",
        "TTY ASK USER bob\nDEFAULT:OPEN\nUNATTENDED:CLOSE\n",
        "TTY NUMBER USER bob:0\nDEFAULT:OPEN\n",
    ],
    ids=["closed", "not opened", "asked", "limited"],
)
def test_a_unit_of_somebody_who_is_refused_does_not_run(refusal: str, rules) -> None:
    rules(refusal)
    assert not runs("login", "bob")
    assert runs("login", "carol")


def test_its_session_counts_as_long_as_it_runs(rules) -> None:
    rules("TTY NUMBER GROUP ALL:1\nDEFAULT:OPEN\n")
    run("systemd-run", "--unit=tests-kiosk", "-p", "PAMName=login", "-p", "User=bob", "sleep", "infinity")
    try:
        wait_for(lambda: known_to_the_plugin() == ["bob"], "bob is in")
        assert not runs("login", "carol")
    finally:
        run("systemctl", "stop", "tests-kiosk")
    wait_for(lambda: known_to_the_plugin() == [], "bob has left")
    assert runs("login", "carol")
    with inside("erin"):
        assert not runs("login", "carol")


def test_an_end_that_is_told_to_a_process_without_rights_is_no_fault(rules, journal) -> None:
    rules("DEFAULT:OPEN\n")
    assert runs("login", "bob")
    run("journalctl", "--sync")
    assert not [line for line in journal() if "error" in line.lower() or "Traceback" in line]


@pytest.fixture
def _run0() -> Iterator[None]:
    if run("sh", "-c", "command -v run0", check=False).returncode != 0:
        pytest.skip("there is no run0 in this release")
    with guarded("systemd-run0"):
        yield


@pytest.mark.usefixtures("_run0")
def test_rules_for_run0_mean_whom_one_becomes(rules) -> None:
    rules("SYSTEMD-RUN0 CLOSE USER bob\nDEFAULT:OPEN\n")
    assert run("run0", "--user=bob", "--pipe", "id", "-un", check=False).stdout == ""
    assert run("run0", "--user=carol", "--pipe", "id", "-un", check=False).stdout == "carol\n"
