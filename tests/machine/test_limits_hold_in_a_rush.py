"""NUMBER under a rush: with k places and m people at the door at once, exactly min(k, m) get in.

Those who are in are counted from outside: what each of them runs over ssh takes a line to the doorkeeper below, and is
in for as long as it holds the line. RUSH_ROUNDS=20 in the environment makes it 20 rounds for each limit.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from limits import inside, refusal, wait_until_gone
from machine import KEYS, Result, run, ssh_command, wait_for

pytest_plugins = ["limits_fixtures"]
pytestmark = pytest.mark.usefixtures("nobody")

PEOPLE = [f"rush{number:02}" for number in range(30)]
ROUNDS = {1: 7, 3: 7, 10: 6}  # for each limit
MORE = int(os.environ.get("RUSH_ROUNDS") or 0)


class Doorkeeper:
    """Counts those who are in: from the moment they say their name until they let go of the line."""

    def __init__(self) -> None:
        self.most = 0
        self.came: list[str] = []
        self.lines: list[socket.socket] = []
        self.told: list[socket.socket] = []  # that they may go
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1000)
        self.port = self.listener.getsockname()[1]

    @property
    def command(self) -> str:
        """What somebody runs to be in, until the doorkeeper sends him home."""
        return f"exec 3<>/dev/tcp/127.0.0.1/{self.port} && echo $USER >&3 && read -r <&3"

    def look(self) -> None:
        """See who has come, and then who has gone: those who are left were all in at the moment between the two.

        The other way round, somebody might go and make room for the next while we look, and both would be counted.
        """
        while select.select([self.listener], [], [], 0)[0]:
            line = self.listener.accept()[0]
            line.setblocking(False)
            self.lines.append(line)
        self.lines = [line for line in self.lines if self.holds(line)]
        self.most = max(self.most, len(self.lines))

    def holds(self, line: socket.socket) -> bool:
        """Whether somebody still holds the line; his name is heard on the way."""
        while True:
            try:
                said = line.recv(64)
            except BlockingIOError:
                return True
            if not said:
                line.close()
                return False
            self.came.append(said.decode().strip())

    def watch(self, until: Callable[[], bool], what: str) -> None:
        """Count all the time, until something has come true."""

        def looked() -> bool:
            self.look()
            return until()

        wait_for(looked, what, timeout=120)

    def watch_until_served(self, clients: list[subprocess.Popen[str]]) -> None:
        """Count until each of these is in, or has been refused."""

        def served() -> bool:
            refused = sum(client.poll() is not None for client in clients)
            self.look()
            return len(self.came) + refused >= len(clients)

        self.watch(served, "everybody is in or refused")

    def send_home(self) -> None:
        """Those who are in now."""
        for line in self.lines:
            if line not in self.told:
                line.send(b"go\n")
                self.told.append(line)

    def close(self) -> None:
        for line in [self.listener, *self.lines]:
            line.close()


@pytest.fixture
def doorkeeper() -> Iterator[Doorkeeper]:
    keeper = Doorkeeper()
    yield keeper
    keeper.close()


@pytest.fixture(scope="module")
def crowd() -> list[str]:
    """Thirty people in one group, with one key for all of them."""
    key = KEYS / "rush"
    if not key.exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
        run("groupadd", "rush")
        for user in PEOPLE:
            run("useradd", "--create-home", "--shell", "/bin/bash", "--groups", "rush", user)
            folder = Path("/home", user, ".ssh")
            folder.mkdir(mode=0o700)
            (folder / "authorized_keys").write_text(key.with_suffix(".pub").read_text())
            run("chown", "-R", f"{user}:", str(folder))
    return PEOPLE


def all_at_once(people: list[str], command: str) -> list[subprocess.Popen[str]]:
    """Everybody at the door, with the same command."""
    clients = []
    for user in people:
        line, environment = ssh_command(user, command, key=KEYS / "rush")
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        clients.append(subprocess.Popen(line, env=environment, text=True, **pipes))
    return clients


def outcome(client: subprocess.Popen[str]) -> str:
    """The refusal of somebody whose client has ended, empty if he was in."""
    said, complained = client.communicate(timeout=60)
    return refusal(Result(client.args, client.returncode, said, complained))


@pytest.mark.parametrize("limit", [limit for limit, rounds in ROUNDS.items() for _ in range(MORE or rounds)])
def test_as_many_as_there_are_places_get_in_and_nobody_else(rules, crowd, doorkeeper, limit: int) -> None:
    rules(f"SSH OPEN GROUP rush\nSSH NUMBER GROUP rush:{limit}\n")
    clients = all_at_once(crowd, doorkeeper.command)
    doorkeeper.watch_until_served(clients)
    assert len(doorkeeper.came) == doorkeeper.most == limit
    doorkeeper.send_home()
    outcomes = [outcome(client) for client in clients]
    assert outcomes.count("") == limit
    assert outcomes.count(f"Access denied: rush: {limit} of {limit} are logged in.") == len(crowd) - limit
    wait_until_gone(crowd)


def test_a_single_person_with_many_sessions_fills_one_place_only(rules, crowd, doorkeeper) -> None:
    rules("SSH OPEN GROUP rush\nSSH NUMBER GROUP rush:1\n")
    with inside("rush00", key=KEYS / "rush"):
        clients = all_at_once(["rush00"] * 10 + ["rush01"] * 5, doorkeeper.command)
        doorkeeper.watch_until_served(clients)
        assert doorkeeper.came == ["rush00"] * 10
        doorkeeper.send_home()
        assert [bool(outcome(client)) for client in clients] == [False] * 10 + [True] * 5


@pytest.mark.parametrize("_round", range(MORE or 3))
def test_sessions_of_one_user_are_limited_as_exactly(rules, crowd, doorkeeper, _round: int) -> None:
    rules("SSH OPEN GROUP rush\nSSH NUMBER USER rush07:4\n")
    clients = all_at_once(["rush07"] * 15, doorkeeper.command)
    doorkeeper.watch_until_served(clients)
    assert len(doorkeeper.came) == doorkeeper.most == 4
    doorkeeper.send_home()
    assert [outcome(client) for client in clients].count("") == 4


def test_with_more_places_than_people_everybody_gets_in(rules, crowd, doorkeeper) -> None:
    rules("SSH OPEN GROUP rush\nSSH NUMBER GROUP rush:10\n")
    clients = all_at_once(crowd[:10], doorkeeper.command)
    doorkeeper.watch(lambda: len(doorkeeper.came) == 10, "all ten are in")
    doorkeeper.send_home()
    assert [outcome(client) for client in clients] == [""] * 10


def test_while_people_come_and_go_there_are_never_too_many(rules, crowd, doorkeeper) -> None:
    rules("SSH OPEN GROUP rush\nSSH NUMBER GROUP rush:3\n")
    clients = []
    for start in range(0, 30, 6):
        clients += all_at_once(crowd[start : start + 6], doorkeeper.command)
        doorkeeper.watch(lambda: bool(doorkeeper.lines), "somebody is in")
        doorkeeper.send_home()

    def all_served() -> bool:
        doorkeeper.send_home()
        return all(client.poll() is not None for client in clients)

    doorkeeper.watch(all_served, "everybody has been in or refused")
    assert doorkeeper.most <= 3
    assert [outcome(client) for client in clients].count("") == len(doorkeeper.came) >= 3
