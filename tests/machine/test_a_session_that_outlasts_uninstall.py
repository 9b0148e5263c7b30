"""Whatever is under way while uninstall.sh --purge runs, nothing of pam-accesscontrol is there when it has ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop import Desktop, logins_under_way, waiting_for_an_answer, window_processes
from machine import KEYS, sessions, ssh, ssh_session, wait_for
from test_install import SHARE, _put_back, _su_refuses_without_delay, install, uninstall
from test_what_stays_on_the_machine import everything_of_ours

pytest_plugins = ["desktop_fixtures"]
__all__ = ["_put_back", "_su_refuses_without_delay"]  # fixtures

PURGE = f"{SHARE}/uninstall.sh --purge"


@pytest.fixture(autouse=True)
def _installed(_put_back: None) -> Iterator[None]:
    install()
    yield
    install()


@pytest.fixture
def root_may_log_in() -> Iterator[None]:
    """With bob's key."""
    folder = Path("/root/.ssh")
    folder.mkdir(mode=0o700, exist_ok=True)
    keys = folder / "authorized_keys"
    kept = keys.read_bytes() if keys.exists() else None
    keys.write_text((KEYS / "bob.pub").read_text())
    yield
    keys.unlink()
    if kept is not None:
        keys.write_bytes(kept)


def everybody_has_left() -> None:
    wait_for(lambda: not logins_under_way() and not {"root", "bob"} & set(sessions()), "everybody has left")


def test_the_session_that_runs_it_leaves_nothing_at_its_end(root_may_log_in: None, journal) -> None:
    said = ssh("root", PURGE, key=KEYS / "bob")
    assert (said.returncode, said.stderr) == (0, "")
    everybody_has_left()
    assert everything_of_ours() == []
    assert [line for line in journal() if "closed" in line or "error" in line] == []
    assert ssh("bob").returncode == 0


def test_the_session_of_somebody_else_leaves_nothing_at_its_end() -> None:
    with ssh_session("bob"):
        assert uninstall("--purge").returncode == 0
        assert everything_of_ours() == []
    everybody_has_left()
    assert everything_of_ours() == []


def test_without_purge_the_log_is_as_uninstall_left_it(monthly_log) -> None:
    with ssh_session("bob"):
        assert uninstall().returncode == 0
        before = monthly_log()
        assert "granted" in before
    everybody_has_left()
    assert monthly_log() == before
    assert not Path("/run/pam-accesscontrol").exists()


def test_a_question_that_waits_is_over_and_leaves_nothing(desktop: Desktop, rules) -> None:
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\n")
    bob = desktop.knock("bob")
    window = desktop.question()
    assert uninstall("--purge").returncode == 0
    window.wait_until_gone()
    assert not bob.is_let_in()
    wait_for(lambda: waiting_for_an_answer() == 0 and window_processes() == [], "the question is over")
    everybody_has_left()
    assert everything_of_ours() == []
    assert ssh("bob").returncode == 0


def test_a_session_that_the_owner_allowed_leaves_nothing(desktop: Desktop, rules) -> None:
    """Its end would be told to the owner."""
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:60\n")
    bob = desktop.knock("bob", stay=True)
    desktop.answer("Allow")
    bob.comes_in()
    assert uninstall("--purge").returncode == 0
    bob.leave()
    everybody_has_left()
    assert window_processes() == []
    assert everything_of_ours() == []
