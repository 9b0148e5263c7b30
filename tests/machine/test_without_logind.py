"""Where no logind runs, the plugin goes by its own sessions alone: NUMBER counts whom it let in, and whoever is to be
asked about is refused, since it cannot be known whether somebody is at the desktop.

All other tests of limits hold there, too, for whoever wants to see it: mask systemd-logind, stop it, and start them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from desktop import AUTOLOGIN, XAUTHORITY, Desktop, manages_windows, stop
from host import PASSING, nobody_is_about_to_leave
from limits import (
    UNGUARDED,
    await_end,
    gets_in,
    held_session,
    inside,
    inside_at_a_console,
    kill_and_wait,
    known_to_logind,
    known_to_the_plugin,
    logind_masked,
    needs_logind,
    opener_of,
    refusal,
)
from machine import console, pam, password_of, run, ssh, ssh_session, wait_for
from test_install import CHECKOUT, PAM
from test_limits_count_who_came_in_elsewhere import unguarded_login
from test_limits_hold_in_a_rush import all_at_once, crowd, doorkeeper, outcome

__all__ = ["crowd", "doorkeeper"]  # fixtures
pytest_plugins = ["desktop_fixtures", "limits_fixtures"]

BOB_ALONE = "ALL OPEN USER bob\nALL CLOSE USER ALL\n"
ONE_OF_USERS = "ALL OPEN USER ALL\nALL NUMBER GROUP users:1\n"
ASK_BOB = "SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\n"


@pytest.fixture(scope="module")
def _masked() -> Iterator[None]:
    wait_for(lambda: not known_to_logind(), "everybody has left")
    with logind_masked():
        yield


without_logind = pytest.mark.usefixtures("_masked", "nobody", "_guarded")


@pytest.fixture
def _guarded(service) -> None:
    """A service of which it is quick to ask who is let in."""
    service("guarded", PASSING)


def is_let_in(user: str) -> bool:
    return pam("guarded", user, "acct_mgmt").returncode == 0


@needs_logind
@pytest.mark.usefixtures("nobody", "_guarded")
def test_a_session_that_only_the_files_of_a_dead_logind_tell_of_counts_while_its_leader_lives(rules, service) -> None:
    rules(ONE_OF_USERS)
    service("unguarded", UNGUARDED)
    with logind_masked_behind() as mask, held_session("unguarded", "bob") as process:
        mask()
        assert known_to_logind() == ["bob"]
        assert not is_let_in("carol")
        kill_and_wait(process.pid)
        assert known_to_logind() == ["bob"]
        assert is_let_in("carol")


@contextmanager
def logind_masked_behind() -> Iterator[Callable[[], object]]:
    """Within the block, mask() has no logind run any more."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(logind_masked())


# ------------------------------------------------------------------------------------------------------------ verdicts


@without_logind
@pytest.mark.parametrize("proof", ["key", "password", "kbdint"])
def test_over_ssh_the_rules_decide_and_the_logs_tell(proof: str, rules, journal, monthly_log) -> None:
    rules(BOB_ALONE)
    nobody_is_about_to_leave()
    for user in ("bob", "carol"):
        given = {} if proof == "key" else {proof: password_of(user)}
        assert (ssh(user, "id -un", **given).stdout == f"{user}\n") is (user == "bob")
    nobody_is_about_to_leave()
    phases = ["account", "session"] if proof == "key" else ["auth", "account", "session"]
    opened = [f"SSH {phase} bob@10.1.2.3: OPEN, pam-accesscontrol.conf:1: ALL OPEN USER bob" for phase in phases]
    *bobs, closed, carols = journal()
    assert bobs == opened and closed.startswith("SSH session bob@10.1.2.3: closed after ")
    assert carols == f"SSH {phases[0]} carol@10.1.2.3: CLOSE, refused: pam-accesscontrol.conf:2: ALL CLOSE USER ALL"
    outcomes = [("bob@10.1.2.3", "granted"), ("bob@10.1.2.3", "closed"), ("carol@10.1.2.3", "denied")]
    assert re.findall(r"(\w+@\S+) +(granted|denied|closed)", monthly_log()) == outcomes


@without_logind
def test_on_the_console_and_in_su_they_do_as_well(rules, service) -> None:
    rules(BOB_ALONE)
    with inside_at_a_console("bob"):
        assert known_to_the_plugin() == ["bob"]
    login = console("carol")
    login.expect("Login incorrect")
    login.close(force=True)
    su = (PAM / "su").read_text()
    (PAM / "su").write_text(f"account requisite pam_python.so /lib/security/accesscontrol.py\n{su}")
    try:
        assert run("su", "bob", "-c", "id -un").stdout == "bob\n"
        assert "Access denied: carol" in run("su", "carol", "-c", "id -un", check=False).stderr
    finally:
        (PAM / "su").write_text(su)


# -------------------------------------------------------------------------------------------------------------- limits


@without_logind
def test_a_place_is_taken_by_whoever_was_let_in_and_free_at_the_end_or_death_of_the_session(rules) -> None:
    rules(ONE_OF_USERS)
    with inside("bob"):
        assert refusal(ssh("carol")) == "Access denied: users: 1 of 1 are logged in."
        assert gets_in("bob")
    assert gets_in("carol")
    with inside_at_a_console("bob"):
        assert not gets_in("carol")
        kill_and_wait(opener_of("bob"))
        assert gets_in("carol")
    with ssh_session("bob"):
        opener = opener_of("bob")
        with await_end(opener):
            kill_and_wait(opener)
        assert gets_in("carol")


@without_logind
def test_in_a_rush_as_many_get_in_as_there_are_places(rules, crowd, doorkeeper) -> None:
    rules("SSH OPEN GROUP rush\nSSH NUMBER GROUP rush:2\n")
    clients = all_at_once(crowd[:12], doorkeeper.command)
    doorkeeper.watch_until_served(clients)
    assert len(doorkeeper.came) == doorkeeper.most == 2
    doorkeeper.send_home()
    outcomes = [outcome(client) for client in clients]
    assert sorted(outcomes) == [""] * 2 + ["Access denied: rush: 2 of 2 are logged in."] * 10


@without_logind
def test_whom_the_plugin_did_not_let_in_it_does_not_know(rules) -> None:
    rules(ONE_OF_USERS)
    with unguarded_login(), inside_at_a_console("bob"):
        assert known_to_the_plugin() == []
        told = json.loads(run("pam-accesscontrol", "status", "--json").stdout)
        assert told["in_otherwise"] == []
        assert is_let_in("carol")


@without_logind
def test_status_and_explain_tell_who_is_in(rules) -> None:
    rules(ONE_OF_USERS)
    with inside("bob"):
        told = json.loads(run("pam-accesscontrol", "status", "--json").stdout)
        assert [(session["who"], session["service"]) for session in told["in"]] == [("bob@10.1.2.3", "SSH")]
        assert told["in_otherwise"] == []
        explained = run("pam-accesscontrol", "explain", "SSH", "carol", "10.1.2.3", check=False).stdout
        assert "users: 1 of 1 are logged in: bob@10.1.2.3 SSH" in explained


# ----------------------------------------------------------------------------------------------------------- the owner


@pytest.fixture
def alices_desktop(_masked, _guarded, nobody_there: Desktop, lightdm) -> Iterator[Desktop]:
    """alice's desktop, which the plugin let her into."""
    lightdm(AUTOLOGIN)
    # In this order, for who is the first to call on the X server and leave resets it, which lightdm must not meet.
    wait_for(lambda: known_to_the_plugin() == ["alice"], "alice is logged in")
    wait_for(lambda: manages_windows(":0", XAUTHORITY), "alice's desktop is there")
    yield nobody_there
    stop("lightdm")


def test_the_desktop_fills_a_place_as_any_session_does(alices_desktop: Desktop, rules) -> None:
    rules(ONE_OF_USERS)
    assert not is_let_in("bob")
    stop("lightdm")
    wait_for(lambda: is_let_in("bob"), "alice's place is free")


def test_whether_somebody_is_at_the_desktop_cannot_be_known(alices_desktop: Desktop, rules) -> None:
    for unattended in ("OPEN", "CLOSE"):
        rules(f"{ASK_BOB}UNATTENDED:{unattended}\n")
        refused = "Access denied: the person at the desktop could not be asked."
        assert alices_desktop.knock("bob").refusal() == refused


# ----------------------------------------------------------------------------------------------- install and uninstall


@pytest.mark.usefixtures("_masked")
def test_it_is_installed_and_uninstalled_there(rules) -> None:
    rules("DEFAULT:CLOSE\n")
    guarded = pam_files()
    try:
        run(str(CHECKOUT / "uninstall.sh"))
        bare = pam_files()
        assert bare != guarded and refusal(ssh("bob")) == ""
        run(str(CHECKOUT / "install.sh"))
        assert pam_files() == guarded and refusal(ssh("bob")) != ""
        run(str(CHECKOUT / "uninstall.sh"))
        assert pam_files() == bare
    finally:
        run(str(CHECKOUT / "install.sh"))


def pam_files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in PAM.iterdir()}
