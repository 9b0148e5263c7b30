"""A question about somebody who has hung up is taken back at once, and nobody else waits for it."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import Callable, Iterator

import pytest

from desktop import Desktop, Login, askers, logins_under_way, waiting_for_an_answer
from host import passing
from machine import run, wait_for

pytest_plugins = ["desktop_fixtures"]


@pytest.fixture(autouse=True)
def _rules(rules) -> None:
    rules("SSH ASK USER bob,carol,dave,erin\nDEFAULT:OPEN\nREMEMBER:600\nTIMEOUT:3600\n")


def killed(login: Login) -> None:
    login.client.kill()


def told_to_end(login: Login) -> None:
    login.client.terminate()


WAYS = {"kill -9": killed, "SIGTERM": told_to_end}


@pytest.mark.parametrize("goes", WAYS.values(), ids=WAYS)
def test_the_window_goes_with_the_client(desktop: Desktop, goes: Callable[[Login], None], journal) -> None:
    bob = desktop.knock("bob")
    window = desktop.question()
    [asker] = askers()
    goes(bob)
    window.wait_until_gone()
    wait_for(lambda: asker not in logins_under_way(), "sshd's process ends")
    assert waiting_for_an_answer() == 0
    [line] = [line for line in journal() if "refused" in line]
    assert "by alice" not in line and "could not be asked" not in line, "nobody answered, and nobody is to blame"
    assert "granted" not in " ".join(journal())
    bob = desktop.knock("bob")  # it was no answer: he is asked about again
    desktop.question(window).click("Allow")
    assert bob.is_let_in()


def test_who_still_waits_for_the_same_answer_gets_one(desktop: Desktop) -> None:
    first = desktop.knock("bob")
    window = desktop.question()
    others = [desktop.knock("bob") for _ in range(2)]
    wait_for(lambda: waiting_for_an_answer() == 3, "all three wait")
    first.client.kill()
    desktop.question(window).click("Allow")
    assert [other.is_let_in() for other in others] == [True, True]


def test_the_next_person_is_asked_about_at_once(desktop: Desktop) -> None:
    bob = desktop.knock("bob")
    window = desktop.question()
    carol = desktop.knock("carol")
    wait_for(lambda: waiting_for_an_answer() == 2, "carol waits behind bob")
    bob.client.kill()
    other = desktop.question(window)
    assert other.title == "SSH login: carol from 10.1.2.3"
    other.click("Allow")
    assert carol.is_let_in()


def test_who_hangs_up_in_the_queue_is_never_asked_about(desktop: Desktop) -> None:
    bob = desktop.knock("bob")
    window = desktop.question()
    carol = desktop.knock("carol")
    wait_for(lambda: waiting_for_an_answer() == 2, "carol waits behind bob")
    carol.client.kill()
    wait_for(lambda: waiting_for_an_answer() == 1, "her place is free")
    dave = desktop.knock("dave")
    window.click("Allow")
    assert bob.is_let_in()
    other = desktop.question(window)
    assert "dave" in other.title
    other.click("Allow")
    assert dave.is_let_in()


TOO_MANY = "Access denied: too many questions were taken back, try again later."


def taken_back(desktop: Desktop, user: str, times: int) -> None:
    for _ in range(times):
        login = desktop.knock(user)
        window = desktop.question()
        login.client.kill()
        window.wait_until_gone()
        wait_for(lambda: not askers(), "the question is taken back")


def test_who_takes_questions_back_again_and_again_is_no_longer_asked_about(desktop: Desktop) -> None:
    taken_back(desktop, "bob", 3)
    with desktop.watched() as history:
        assert desktop.knock("bob").refusal() == TOO_MANY
        assert desktop.knock("bob", password="bob-pw").refusal() == TOO_MANY
    assert set().union(*history) == history[0], "no window came up, though the one before may have gone"
    told = run("pam-accesscontrol", "explain", "SSH", "bob", check=False)
    assert told.returncode == 1
    assert told.stdout.startswith("refused, since too many questions were taken back, which holds for ")
    carol = desktop.knock("carol")
    desktop.question().click("Allow")
    assert carol.is_let_in()


def test_an_answer_forgets_what_was_taken_back(desktop: Desktop, rules) -> None:
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\n")
    for _ in range(2):
        taken_back(desktop, "bob", 2)
        bob = desktop.knock("bob")
        desktop.answer("Allow")
        assert bob.is_let_in()
        wait_for(lambda: not logins_under_way(), "bob has left")


# ----------------------------------------------------------------------------- hosts that have their client from inetd


def by_unix() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair()


def by_tcp() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return socket.create_connection(server.getsockname()[:2]), server.accept()[0]


def by_tcp_ipv6() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        return socket.create_connection(server.getsockname()[:2]), server.accept()[0]


PIDFD_GETFD = 438
SOCKETS = [by_unix, by_tcp, by_tcp_ipv6]
LOGIN = ["pamtester", "-I", "rhost=10.1.2.3", "scratch", "bob", "acct_mgmt"]


@pytest.fixture
def inetd(rules, service) -> Iterator[Callable[..., tuple[socket.socket, subprocess.Popen[bytes]]]]:
    """inetd(SOCKETS): a client, and a program that has the client's socket as its standard input and output."""
    rules("SCRATCH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\nTIMEOUT:3600\n")
    service("scratch", passing("pam_exec.so"))
    started: list[tuple[socket.socket, subprocess.Popen[bytes]]] = []

    def start(
        kind: Callable[[], tuple[socket.socket, socket.socket]], *under: str
    ) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        client, server = kind()
        client.sendall(b"sent before it goes\n")
        with server:
            host = subprocess.Popen([*under, *LOGIN], stdin=server, stdout=server, stderr=subprocess.DEVNULL)
        started.append((client, host))
        return client, host

    yield start
    for client, host in started:
        client.close()
        host.kill()
        host.wait()


def may_copy_descriptors() -> bool:
    """See pidfd_getfd(2): a container may forbid it, and then the plugin does not notice that the client goes."""
    return ctypes.CDLL(None).syscall(PIDFD_GETFD, os.pidfd_open(os.getpid()), 1, 0) >= 0


@pytest.mark.skipif(not may_copy_descriptors(), reason="pidfd_getfd(2) is forbidden here")
@pytest.mark.parametrize("kind", SOCKETS)
def test_the_window_goes_with_a_client_whose_socket_the_host_has(desktop: Desktop, inetd, kind, journal) -> None:
    client, host = inetd(kind)
    window = desktop.question()
    client.close()
    window.wait_until_gone()
    assert host.wait(timeout=30) != 0
    assert "the client has gone away" in journal()[-1]


@pytest.mark.parametrize("kind", SOCKETS)
def test_while_that_client_is_there_the_answer_counts(desktop: Desktop, inetd, kind) -> None:
    client, host = inetd(kind)
    with client:
        desktop.answer("Allow")
        assert host.wait(timeout=30) == 0


@pytest.mark.parametrize(("button", "status"), [("Allow", 0), ("Deny", 1)])
def test_an_answer_counts_in_a_unit_that_may_not_copy_descriptors(desktop: Desktop, inetd, button, status) -> None:
    """Whoever calls pidfd_getfd(2) there is killed: systemd 252 counts it among the calls of debuggers."""
    unit = ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", "--property=SystemCallFilter=~pidfd_getfd"]
    client, host = inetd(by_unix, *unit)
    with client:
        desktop.answer(button)
        assert host.wait(timeout=30) == status
