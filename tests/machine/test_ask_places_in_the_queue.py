"""A place in the queue is for a person, and ends with the processes that wait: nobody is kept from asking by others."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from desktop import HERE, NEIGHBOUR, NOT_ALLOWED, Desktop, waiting_for_an_answer
from host import PASSING
from limits import kill_and_wait
from machine import KEYS, pam, run, wait_for

pytest_plugins = ["desktop_fixtures"]

BUSY = "Access denied: too many logins wait for an answer already, try again later."
OTHERS = ["daemon", "games", "mail", "man", "news"]  # people whom every machine has
ASK = ("acct_mgmt", "open_session")


@pytest.fixture(autouse=True)
def _rules(rules, service) -> None:
    rules("SSH ASK USER bob,carol\nSCRATCH ASK USER ALL\nDEFAULT:OPEN\nREMEMBER:600\nTIMEOUT:3600\n")
    service("scratch", PASSING)


@contextmanager
def at_the_door(user: str, rhost: str = HERE) -> Iterator[subprocess.Popen[bytes]]:
    """Within the block, a host of our own logs somebody in."""
    line = ["pamtester", "-I", f"rhost={rhost}", "scratch", user, *ASK]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as host:
        try:
            yield host
        finally:
            host.kill()


@pytest.fixture
def six_keys() -> Iterator[list[Path]]:
    """bob has so many keys, for this test."""
    authorized = Path("/home/bob/.ssh/authorized_keys")
    before = authorized.read_text()
    made = [KEYS / f"bob-{number}" for number in range(6)]
    for key in made:
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    authorized.write_text("".join(key.with_suffix(".pub").read_text() for key in made))
    yield made
    authorized.write_text(before)
    for key in made:
        key.unlink()
        key.with_suffix(".pub").unlink()


def test_six_connections_with_six_keys_take_one_place(desktop: Desktop, six_keys: list[Path]) -> None:
    bobs = [desktop.knock("bob", key=key) for key in six_keys]
    window = desktop.question()
    wait_for(lambda: waiting_for_an_answer() == 6, "all of them wait")
    carol = desktop.knock("carol")
    wait_for(lambda: waiting_for_an_answer() == 7, "there is room for carol")
    window.click("Deny")
    assert {bob.refusal() for bob in bobs} == {NOT_ALLOWED}
    other = desktop.question(window)
    assert "carol" in other.title
    other.click("Allow")
    assert carol.is_let_in()


@pytest.mark.parametrize("who", ["the clients", "sshd's processes"])
def test_six_that_are_killed_leave_their_places_at_once(desktop: Desktop, six_keys: list[Path], who: str) -> None:
    bobs = [desktop.knock("bob", key=key) for key in six_keys]
    window = desktop.question()
    wait_for(lambda: waiting_for_an_answer() == 6, "all of them wait")
    carol = desktop.knock("carol")
    wait_for(lambda: waiting_for_an_answer() == 7, "carol waits")
    if who == "the clients":
        for bob in bobs:
            bob.client.kill()
    else:
        run("sh", "-c", "kill -9 $(pgrep --full '^sshd.*: bob \\[(priv|postauth)')")
    other = desktop.question(window)
    assert "carol" in other.title
    other.click("Allow")
    assert carol.is_let_in()


def test_five_other_people_may_wait_and_the_next_is_told_so_at_once(desktop: Desktop) -> None:
    with ExitStack() as stack:
        for number, user in enumerate(["bob", *OTHERS], 1):
            stack.enter_context(at_the_door(user))
            wait_for(lambda number=number: waiting_for_an_answer() == number, f"{user} waits")
        assert BUSY in pam("scratch", "carol", *ASK, rhost=HERE).stderr
        stack.enter_context(at_the_door("games", NEIGHBOUR))
        wait_for(lambda: waiting_for_an_answer() == 7, "who has a place may come once more")
        assert "SCRATCH login: bob from" in desktop.question().title


def test_a_place_is_free_as_soon_as_its_process_has_ended(desktop: Desktop) -> None:
    with ExitStack() as stack:
        hosts = []
        for number, user in enumerate(["bob", *OTHERS], 1):
            hosts.append(stack.enter_context(at_the_door(user)))
            wait_for(lambda number=number: waiting_for_an_answer() == number, f"{user} waits")
        kill_and_wait(hosts[3].pid)
        assert waiting_for_an_answer() == 5
        carol = desktop.knock("carol")
        wait_for(lambda: waiting_for_an_answer() == 6, "carol has the place")
        assert carol.waits()
        window = desktop.question()
        kill_and_wait(hosts[0].pid)
        assert "daemon" in desktop.question(window).title
