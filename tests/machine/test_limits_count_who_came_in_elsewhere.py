"""NUMBER: those count, too, whom the plugin did not let in: whose sessions logind knows.

What is no session of a person does not: a lingering user, a service manager, a greeter, a session that only its
left-over processes keep from ending.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest

from host import PASSING
from limits import (
    SESSIONS,
    UNGUARDED,
    await_end,
    children_of,
    gets_in,
    held_session,
    inside,
    inside_at_a_console,
    kill_and_wait,
    known_to_the_plugin,
    opener_of,
    start_of,
    wait_until_gone,
)
from machine import pam, run, ssh, ssh_session, wait_for

pytest_plugins = ["limits_fixtures"]
pytestmark = pytest.mark.usefixtures("nobody", "one_place")


@pytest.fixture
def one_place(rules, service) -> None:
    """One of `users` at once; "guarded" is a service of which it is quick to ask who is let in."""
    service("guarded", PASSING)
    service("unguarded", UNGUARDED)
    rules("ALL OPEN USER ALL\nALL NUMBER GROUP users:1\n")


def is_let_in(user: str) -> bool:
    return pam("guarded", user, "acct_mgmt", "open_session", "close_session").returncode == 0


@contextmanager
def unguarded_login() -> Iterator[None]:
    """Within the block, login is not guarded."""
    path = Path("/etc/pam.d/login")
    guarded = path.read_text()
    path.write_text("".join(line for line in guarded.splitlines(True) if "accesscontrol" not in line))
    try:
        yield
    finally:
        path.write_text(guarded)


def test_a_session_of_a_service_that_is_not_guarded() -> None:
    with held_session("unguarded", "bob"):
        assert known_to_the_plugin() == []
        assert not is_let_in("carol")
        assert is_let_in("bob")
    wait_until_gone(["bob"])
    assert is_let_in("carol")


def test_a_console_that_is_not_guarded() -> None:
    with unguarded_login(), inside_at_a_console("bob"):
        assert known_to_the_plugin() == []
        assert not is_let_in("carol")
        assert is_let_in("bob")
    wait_for(lambda: is_let_in("carol"), "bob's place is free")


def test_a_session_from_before_the_plugin_forgot_everything() -> None:
    with inside_at_a_console("bob"):
        shutil.rmtree(SESSIONS)
        assert not is_let_in("carol")


def test_sessions_of_a_user_count_wherever_they_are_and_once_each(rules) -> None:
    rules("ALL OPEN USER ALL\nALL NUMBER USER bob:3\n")
    with held_session("unguarded", "bob"), inside("bob"):
        assert is_let_in("bob")
        with inside("bob"):
            assert not is_let_in("bob")
            assert is_let_in("carol")


def test_sessions_at_a_terminal_count_once_each(rules) -> None:
    rules("ALL OPEN USER ALL\nALL NUMBER USER bob:3\n")
    with unguarded_login(), inside_at_a_console("bob"), ssh_at_a_terminal("bob"):
        assert is_let_in("bob")
        with ssh_at_a_terminal("bob"):
            assert not is_let_in("bob")


@contextmanager
def ssh_at_a_terminal(user: str) -> Iterator[None]:
    with ssh_session(user, options=["-tt"]) as client:
        yield
        client.stdin.write("\x04")  # the end of the file at a terminal
        client.stdin.flush()


def test_a_lingering_user_does_not_count() -> None:
    run("loginctl", "enable-linger", "bob")
    try:
        wait_for(lambda: "bob" in run("loginctl", "list-users").stdout, "bob lingers")
        wait_for(lambda: is_active(f"user@{uid_of('bob')}.service"), "bob's manager is up")
        assert is_let_in("carol")
        with inside("carol"):
            assert not is_let_in("bob")
    finally:
        run("loginctl", "disable-linger", "bob")


def test_a_manager_does_not_count() -> None:
    with inside("bob"):
        manager = f"user@{uid_of('bob')}.service"
        assert is_active(manager)
    assert is_active(manager)  # it goes ten seconds after its user
    assert is_let_in("carol")


def test_a_greeter_does_not_count(rules, service) -> None:
    rules("ALL OPEN USER ALL\nALL NUMBER GROUP ALL:1\n")
    service("greeter", UNGUARDED.replace("class=user", "class=greeter type=x11"))
    with held_session("greeter", "erin"):
        assert "greeter" in [facts["CLASS"] for facts in logind_facts()]
        assert is_let_in("carol")
        with inside("bob"):
            assert not is_let_in("carol")


def test_processes_that_outlive_their_session_keep_no_place() -> None:
    login = ssh("bob", "setsid nohup sleep 1000 >/dev/null 2>&1 </dev/null & echo $!")
    left = int(login.stdout)
    try:
        wait_until_gone(["bob"])
        assert start_of(left) > 0
        assert is_let_in("carol")
    finally:
        kill_and_wait(left)


def test_what_is_left_of_a_session_at_a_terminal_keeps_no_place() -> None:
    with inside_at_a_console("bob") as login:
        login.sendline("setsid nohup sleep 1000 >/dev/null 2>&1 </dev/null &")
        left = int(wait_for(lambda: run("pgrep", "-u", "bob", "-x", "sleep", check=False).stdout, "bob's sleep begins"))
        login.sendline("exit")
        login.expect(pexpect.EOF)
    try:
        assert start_of(left) > 0
        assert is_let_in("carol")
    finally:
        kill_and_wait(left)


def test_a_session_whose_client_cannot_be_reached_any_more_counts_until_it_ends() -> None:
    run("ip", "address", "replace", "10.9.9.9/32", "dev", "lo")
    with ssh_session("bob", source="10.9.9.9") as client:
        opener = opener_of("bob")
        run("ip", "address", "del", "10.9.9.9/32", "dev", "lo")
        kill_and_wait(children_of(client.pid)[0])  # nothing of that reaches sshd
        assert not is_let_in("carol")
        assert start_of(opener) > 0
        with await_end(opener):
            os.kill(opener, signal.SIGTERM)
        assert is_let_in("carol")


def test_a_client_that_stands_still_counts() -> None:
    with ssh_session("bob") as client:
        [ssh_client] = children_of(client.pid)
        os.kill(ssh_client, signal.SIGSTOP)
        assert not is_let_in("carol")
        os.kill(ssh_client, signal.SIGCONT)
    wait_until_gone(["bob"])
    assert gets_in("carol")


def is_active(unit: str) -> bool:
    return run("systemctl", "is-active", unit, check=False).stdout == "active\n"


def uid_of(user: str) -> int:
    return int(run("id", "-u", user).stdout)


def logind_facts() -> list[dict[str, str]]:
    """What logind writes down of each session that there is."""
    paths = Path("/run/systemd/sessions").glob("*[!f]")
    return [dict(line.partition("=")[::2] for line in path.read_text().splitlines()) for path in paths]
