"""A terminal on which getty waits: agetty asks for the name, login for the password, and the rules decide."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from limits import gets_in, inside, known_to_logind, known_to_the_plugin, nobody_is_in, refusal
from machine import password_of, run, ssh, wait_for

PROMPT = {"bob": r"\$ ", "carol": r"\$ ", "root": "# "}
INCORRECT = "Login incorrect"


class Terminal:
    """A terminal, what stands on it, and the getty that is there for it."""

    def __init__(self) -> None:
        self.master, self.slave = os.openpty()
        os.set_blocking(self.master, False)
        self.path = os.ttyname(self.slave)
        self.unread = ""

    def start_getty(self, *options: str) -> None:
        """As getty@.service does it."""
        terminal = ["StandardInput=tty", f"TTYPath={self.path}", "IgnoreSIGPIPE=no", "SendSIGHUP=yes"]
        again = ["Restart=always", "RestartSec=0", "StartLimitIntervalSec=0"]
        how = [f"--property={fact}" for fact in [*terminal, *again]]
        agetty = ["agetty", "--noclear", *options, self.path.removeprefix("/dev/"), "dumb"]
        run("systemd-run", "--unit=tests-getty", "--collect", "--quiet", *how, *agetty)

    def close(self) -> None:
        run("systemctl", "stop", "tests-getty")
        os.close(self.master)
        os.close(self.slave)

    def expect(self, pattern: str, timeout: float = 30) -> str:
        """Waits until this is to be read, behind what was expected before, and returns what stood there until then."""
        deadline = time.monotonic() + timeout
        while not (found := re.search(pattern, self.unread)):
            assert time.monotonic() < deadline, f"{pattern!r} does not come, but {self.unread!r}"
            try:
                self.unread += os.read(self.master, 4096).decode(errors="replace")
            except OSError:  # nothing yet, or nobody has the terminal open just now
                time.sleep(0.02)
        read, self.unread = self.unread[: found.end()], self.unread[found.end() :]
        return read

    def send(self, text: str) -> None:
        os.write(self.master, text.encode() + b"\n")

    def log_in(self, user: str, password: str | None = None) -> None:
        """Types a name at the getty, and the password, the user's own if None."""
        self.expect("machine login: ")
        self.send(user)
        self.expect("Password: ")
        self.send(password_of(user) if password is None else password)

    def lets_in(self, user: str) -> None:
        self.log_in(user)
        self.expect(PROMPT[user])
        self.send("id -un")
        self.expect(f"\r\n{user}\r\n")

    def log_out(self, user: str) -> None:
        self.send("exit")
        wait_for(lambda: user not in [*known_to_logind(), *known_to_the_plugin()], f"{user} has left")

    def refuses(self, user: str, password: str | None = None) -> str:
        """Somebody wants to log in, and does not get in; returns what is said. Then login asks for a name itself."""
        self.log_in(user, password)
        said = self.expect(f"{INCORRECT}|Access denied: [^\r\n]*")
        assert user not in known_to_logind()
        return said.strip()


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    wait_for(nobody_is_in, "nobody is in")
    made = Terminal()
    yield made
    made.close()
    wait_for(nobody_is_in, "nobody is in")


@pytest.fixture(scope="module", autouse=True)
def _root_has_a_password() -> Iterator[None]:
    shadow = Path("/etc/shadow")
    before = shadow.read_bytes()
    run("chpasswd", input=f"root:{password_of('root')}\n")
    yield
    shadow.write_bytes(before)


def test_who_may_comes_in_as_soon_as_there_is_a_place_and_gives_it_back(terminal: Terminal, rules) -> None:
    rules("TTY OPEN USER bob,root\nSSH OPEN USER erin\nALL NUMBER GROUP ALL:1\n")
    terminal.start_getty()
    with inside("erin"):
        assert terminal.refuses("bob") == "Access denied: everybody: 1 of 1 are logged in."
    for user in ("bob", "root"):
        terminal.lets_in(user)
        assert known_to_logind() == [user]
        assert refusal(ssh("erin")) == "Access denied: everybody: 1 of 1 are logged in."
        terminal.log_out(user)
        assert gets_in("erin")


def test_who_may_not_is_told_what_a_wrong_password_is_told(terminal: Terminal, rules, monthly_log) -> None:
    rules("TTY OPEN USER bob\n")
    terminal.start_getty()
    for user in ("carol", "root"):
        assert terminal.refuses(user) == INCORRECT
        assert f"TTY       CLOSE   {user}@LOCAL" in monthly_log()
    assert terminal.refuses("bob", "wrong") == INCORRECT
    assert "bob@LOCAL" not in monthly_log()


@pytest.mark.parametrize("user", ["bob", "root"])
def test_who_is_refused_after_a_question_is_told_why(terminal: Terminal, rules, user: str) -> None:
    rules("TTY ASK USER ALL\nUNATTENDED:CLOSE\n")
    terminal.start_getty()
    terminal.log_in(user)
    terminal.expect("Access denied: there is nobody at the desktop who could allow it.")
    assert user not in known_to_logind()


@pytest.mark.parametrize("user", ["carol", "root"])
def test_who_would_be_logged_in_without_asking_is_told_why_not(terminal: Terminal, rules, user: str) -> None:
    rules("TTY OPEN USER bob\n")
    terminal.start_getty("--autologin", user)
    terminal.expect(f"Access denied: {user} may not log in on the console.")
    assert user not in known_to_logind()


@pytest.mark.parametrize("user", ["bob", "root"])
def test_who_may_is_logged_in_without_asking(terminal: Terminal, rules, user: str) -> None:
    rules(f"TTY OPEN USER {user}\n")
    terminal.start_getty("--autologin", user)
    terminal.expect(PROMPT[user])
    assert known_to_logind() == [user]
