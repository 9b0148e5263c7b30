"""Hosts besides sshd, login and the display managers, as somebody uses them; and what guards them for a while.

What starts and stops with a test is a context manager, for the fixtures of the test modules.
"""

from __future__ import annotations

import ftplib
import functools
import imaplib
import os
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pexpect

from host import way_of, with_our_lines
from machine import Result, password_of, run, wait_for

PAM, VENDOR = Path("/etc/pam.d"), Path("/usr/lib/pam.d")
PROMPT = "(?i)password[^:\n]*: ?"


# --------------------------------------------------------------------------------------------------------------- guards


@contextmanager
def guarded(*services: str) -> Iterator[None]:
    """Within the block, these services are guarded as install.sh guards them; a missing file is `other`'s."""
    texts = {}
    for name in services:
        rest = next(path for path in (PAM / name, VENDOR / name, PAM / "other") if path.exists()).read_text()
        assert "accesscontrol.py" not in rest
        texts[str(PAM / name)] = with_our_lines(way_of(name), rest)
    with files(texts):
        yield


@contextmanager
def files(texts: dict[str, str], mode: int = 0o644) -> Iterator[None]:
    """Within the block, these files are there, with these texts."""
    before = {Path(name): Path(name).read_bytes() if Path(name).exists() else None for name in texts}
    for name, text in texts.items():
        Path(name).write_text(text)
        Path(name).chmod(mode)
    try:
        yield
    finally:
        for path, text in before.items():
            if text is None:
                path.unlink()
            else:
                path.write_bytes(text)


@contextmanager
def running(unit: str, port: int) -> Iterator[None]:
    """Within the block, a server runs, and answers on a port."""
    run("systemctl", "start", unit)
    try:
        wait_for(lambda: answers(port), f"{unit} answers")
        yield
    finally:
        run("systemctl", "stop", unit)
        run("systemctl", "reset-failed", unit, check=False)


def answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


@functools.cache
def no_mlock() -> str:
    """What LD_PRELOAD needs for a program that locks a password into memory, which the machine does not permit."""
    library = Path(tempfile.mkdtemp(), "mlock.so")
    library.parent.chmod(0o755)
    code = "#include <stddef.h>\nint mlock(const void *start, size_t size) { return 0; }\n"
    run("gcc", "-shared", "-fPIC", "-x", "c", "-o", str(library), "-", input=code)
    return str(library)


# ------------------------------------------------------------------------------------------------- who uses them, how


def as_user(user: str, *command: str) -> list[str]:
    """The command line that runs a program as somebody, with their groups."""
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", *command]


class OnTerminal:
    """A program on a terminal of its own, to which a password is typed where it asks for one, once."""

    def __init__(self, command: Sequence[str], password: str = "") -> None:
        environment = {"TERM": "dumb", "PATH": os.environ["PATH"]}
        name, *arguments = command
        self.child = pexpect.spawn(name, arguments, encoding="utf-8", timeout=20, env=environment)
        if password:
            self.child.expect(PROMPT)
            self.child.sendline(password)

    def result(self) -> tuple[int, str]:
        """Its status when it has ended, -1 where a signal has ended it, and what it has said since the password."""
        said = ""
        if self.child.expect([pexpect.EOF, PROMPT]) == 1:  # it asks again
            said = str(self.child.before)
            self.child.sendintr()
            while self.child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=0.5) == 1:
                self.child.sendintr()  # again: what is typed while it prepares the terminal is thrown away
        said += str(self.child.before)
        self.child.close()
        status = self.child.exitstatus
        return -1 if status is None else status, said.replace("\r\n", "\n").lstrip("\n")


def on_terminal(command: Sequence[str], password: str = "") -> tuple[int, str]:
    """Runs a program on a terminal of its own: its status, and what it has said."""
    return OnTerminal(command, password).result()


def ftp(user: str, password: str | None = None, timeout: float = 60, server: str = "127.0.0.1") -> str:
    """What an FTP server says to a login: "" if it lets somebody in, or else its refusal."""
    with ftplib.FTP(server, timeout=timeout) as client:
        try:
            client.login(user, password_of(user) if password is None else password)
            client.pwd()
        except ftplib.error_perm as refusal:
            return str(refusal)
        client.quit()
    return ""


def imap(user: str, password: str | None = None, timeout: float = 60) -> str:
    """What an IMAP server says to a login: "" if it lets somebody in, or else its refusal."""
    client = imaplib.IMAP4("127.0.0.1", timeout=timeout)
    try:
        client.login(user, password_of(user) if password is None else password)
    except imaplib.IMAP4.error as refusal:
        return str(refusal.args[0].decode() if isinstance(refusal.args[0], bytes) else refusal)
    else:
        client.noop()
    finally:
        with suppress(imaplib.IMAP4.error, OSError):
            client.logout()
    return ""


def unit(service: str, user: str, *command: str) -> Result:
    """What a command says that systemd starts as somebody in a PAM session; see PAMName= in systemd.exec(5)."""
    properties = ["-p", f"PAMName={service}", "-p", f"User={user}"]
    return run("systemd-run", "--quiet", "--wait", "--collect", "--pipe", *properties, *command, check=False)
