"""NUMBER: a place is free as soon as the PAM session is closed or its process is dead, in whatever way it died.

"At once" is the moment at which the kernel reports the death: the next one at the door is let in then, without being
sent away once. Nothing is tried twice here.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from host import PASSING, SUCCESS, SYSTEM_ERR, WAYS, passing
from limits import (
    await_end,
    children_of,
    descendant,
    gets_in,
    held_session,
    inside_at_a_console,
    kill_and_wait,
    known_to_logind,
    known_to_the_plugin,
    logind_stopped,
    opener_of,
)
from machine import pam, password_of, run, ssh_session, wait_for
from odd_host import OddHost

pytest_plugins = ["limits_fixtures"]
pytestmark = pytest.mark.usefixtures("nobody", "one_place")


@pytest.fixture
def one_place(rules, service) -> None:
    """One of `users` at once, over whatever; "guarded" is a service of which it is quick to ask who is let in."""
    service("guarded", PASSING)
    rules("ALL OPEN USER ALL\nALL NUMBER GROUP users:1\n")


def is_let_in(user: str) -> bool:
    return pam("guarded", user, "acct_mgmt").returncode == 0


VICTIMS: dict[str, Callable[[int, int], int]] = {
    "the sshd process that keeps the session": lambda opener, client: opener,
    "the sshd process that runs as the user": lambda opener, client: children_of(opener)[-1],
    "the shell": lambda opener, client: descendant(opener, "cat"),
    "the client": lambda opener, client: children_of(client)[0],
}


@pytest.mark.parametrize("victim", VICTIMS)
def test_by_kill_9_of(victim: str) -> None:
    with ssh_session("bob") as client:
        assert not is_let_in("carol")
        opener = opener_of("bob")
        with await_end(opener):
            kill_and_wait(VICTIMS[victim](opener, client.pid))
        assert is_let_in("carol")
    assert gets_in("carol")


def test_by_kill_9_of_login() -> None:
    with inside_at_a_console("bob"):
        assert not is_let_in("carol")
        kill_and_wait(opener_of("bob"))
        assert is_let_in("carol")


def test_by_kill_9_of_the_last_session_only() -> None:
    with ssh_session("bob"):
        first = opener_of("bob")
        with ssh_session("bob"):
            kill_and_wait(first)
            assert not is_let_in("carol")
            kill_and_wait(opener_of("bob"))
            assert is_let_in("carol")


def test_by_the_end_of_a_unit_whose_session_another_process_closes(service) -> None:
    service("unit", PASSING)
    session = ["--property=PAMName=unit", "--property=User=bob"]
    with subprocess.Popen(["systemd-run", "--quiet", "--wait", "--unit=tests-unit", *session, "sleep", "1000"]) as unit:
        wait_for(lambda: known_to_the_plugin() == ["bob"], "bob's unit has started")
        assert not is_let_in("carol")
        run("systemctl", "kill", "--signal=TERM", "--kill-whom=main", "tests-unit.service")
        unit.wait(20)
    assert is_let_in("carol")


def test_by_the_close_of_the_pam_session_while_its_process_goes_on(service) -> None:
    service("lasting", PASSING.replace("auth required pam_permit.so", "auth required pam_unix.so"))
    with held_session("lasting", "bob") as process:
        assert not is_let_in("carol")
        process.sendline(password_of("bob"))
        process.expect("Password: ")  # for the session is closed now, and it authenticates once more
        assert is_let_in("carol")


def test_when_a_later_module_refuses_the_session(service) -> None:
    service("unlucky", PASSING + "session required pam_deny.so\n")
    assert pam("unlucky", "bob", "open_session").returncode != 0
    assert is_let_in("carol")


def test_before_logind_has_noticed_the_death() -> None:
    with ssh_session("bob"), logind_stopped():
        kill_and_wait(opener_of("bob"))
        assert known_to_logind() == ["bob"]
        assert is_let_in("carol")


def test_after_a_logout_that_logind_still_works_on() -> None:
    with leaving_while_logind_is_stopped("bob"):
        wait_for(lambda: not known_to_the_plugin(), "the plugin has closed the session")
        assert known_to_logind() == ["bob"]
        assert is_let_in("carol")


@contextmanager
def leaving_while_logind_is_stopped(user: str) -> Iterator[None]:
    """Within the block, somebody has logged out, and what PAM does after the plugin waits for logind."""
    with ExitStack() as behind:
        with ssh_session(user):
            behind.enter_context(logind_stopped())
        yield


def test_of_a_host_that_never_tells_when_its_process_ends(service, monthly_log) -> None:
    """pam_exec.so is not called at the end of a session, and a host may keep many in one process, as smbd does."""
    service("scratch", passing(WAYS[1]))
    with OddHost("start A scratch bob", "acct A", "open A", "close A", "end A") as host:
        for command in ("start B scratch bob", "acct B", "open B"):
            assert host.do(command) == SUCCESS  # who is in already
        with OddHost("start C scratch carol") as other:
            assert other.do("acct C") == SYSTEM_ERR
            assert other.messages == ["Access denied: users: 1 of 1 are logged in."]
    with OddHost("start C scratch carol", "acct C", "open C"):
        lines = [line.split()[4:7] for line in monthly_log(ended=True).splitlines()]
    assert [row for row in lines if row[0] == "bob@LOCAL"][-1] == ["bob@LOCAL", "closed", "found"]
