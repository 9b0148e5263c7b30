"""Whoever may run a guarded su can stop it while it holds the lock: that must not keep everybody out for ever."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest

from machine import pam, ssh

LOCK = Path("/run/pam-accesscontrol/lock")


@pytest.fixture
def kept() -> Iterator[None]:
    """Another process holds the lock of who is in, and does not go on."""
    assert ssh("bob").returncode == 0  # so that there is a lock
    with LOCK.open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_who_is_not_counted_comes_in_and_the_log_says_that_it_was_not_written_down(rules, kept, journal) -> None:
    rules("DEFAULT:OPEN\nSSH NUMBER GROUP lp:3\n")
    assert ssh("carol").returncode == 0
    assert any("not written down" in line and "lock" in line for line in journal())


def test_who_is_counted_is_refused_and_told_why(rules, kept, journal) -> None:
    rules("DEFAULT:OPEN\nSSH NUMBER GROUP lp:3\n")
    refused = ssh("bob")
    assert refused.returncode != 0
    assert "it cannot be counted who is logged in" in refused.stderr
    assert any("pam-accesscontrol.conf:2" in line and "lock" in line for line in journal())


def test_a_limit_for_another_service_counts_too(rules, kept, service) -> None:
    rules("DEFAULT:OPEN\nTTY NUMBER GROUP lp:3\n")
    service("scratch", Path("/etc/pam.d/sshd").read_text())
    assert pam("scratch", "bob", "open_session").returncode != 0
    assert pam("scratch", "carol", "open_session", "close_session").returncode == 0
