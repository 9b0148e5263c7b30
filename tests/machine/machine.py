"""The machine that the tests run on, as its users and its admin use it.

Plain functions for all who test something real: log in over ssh or on a console, run a PAM transaction, wait for an
event. What has to be put back after a test (rules, PAM services) or read from where the test began (logs) is a fixture,
in conftest.py.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pexpect

CHECKOUT = Path(__file__).parents[2]
MARKER = Path("/etc/pam-accesscontrol-test-machine")
RULE_FILE = Path("/etc/pam-accesscontrol/pam-accesscontrol.conf")
AUTH_LOG = Path("/var/log/auth.log")
FOUND_ENDED = "found ended"  # of a session, told when the next one is opened, perhaps in another test
KEYS = Path("/root/keys")

# Everybody's password is the name with "-pw" behind it; everybody has a key, in KEYS / name.
USERS = {
    "alice": ["users"],  # owns the desktop
    "bob": ["lp", "users"],
    "carol": ["users"],
    "dave": ["domain users"],
    "erin": [],
}

# Where a login may come from: all of them are the machine itself.
SOURCES = ["10.1.2.3/32", "10.1.2.4/32", "192.0.2.7/32", "2001:db8::7/128"]

SSHD_CONFIG = """\
UsePAM yes
PubkeyAuthentication yes
PasswordAuthentication yes
KbdInteractiveAuthentication yes
MaxStartups 1000
MaxSessions 1000
"""

TIOCGPTN = 0x80045430  # of Linux: the number of a pseudo-terminal

Result = subprocess.CompletedProcess  # of str: returncode, stdout, stderr
Found = TypeVar("Found")


def run(*command: str, check: bool = True, input: str = "", timeout: float = 60, **more: object) -> Result:
    """Run a command and return what it said; bytes that are not UTF-8 come as surrogates."""
    return subprocess.run(
        command,
        check=check,
        input=input,
        timeout=timeout,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        **more,  # type: ignore[call-overload]
    )


def restart_sshd() -> None:
    """sshd reads its files again, and accepts connections when this returns; who is in stays in.

    A reload returns before sshd accepts connections again. systemd counts the restarts, and would refuse the sixth
    within ten seconds.
    """
    run("systemctl", "restart", "ssh")
    run("systemctl", "reset-failed", "ssh")


def wait_for(predicate: Callable[[], Found], what: str, timeout: float = 60) -> Found:
    """Wait until the predicate is true and return what it returned; fail with `what` when it never is.

    It rests for as long as it looks, since others need the processor for what it waits for.
    """
    deadline = time.monotonic() + timeout
    while True:
        began = time.monotonic()
        if found := predicate():
            return found
        looked = time.monotonic()
        if looked > deadline:
            raise AssertionError(f"waited {timeout:g} seconds in vain: {what}")
        time.sleep(max(0.02, min(looked - began, 0.5)))


# ------------------------------------------------------------------------------------------------------------------ ssh


def password_of(user: str) -> str:
    return f"{user}-pw"


def ssh_command(
    user: str,
    command: str | None = "true",
    *,
    key: str | Path | None = None,
    password: str | None = None,
    kbdint: str | None = None,
    source: str = "10.1.2.3",
    options: Sequence[str] = (),
    program: Sequence[str] = ("ssh",),
) -> tuple[list[str], dict[str, str]]:
    """The command line and environment of ssh() below; without a command, for `-N` and the like."""
    destination = "::1" if ":" in source else "127.0.0.1"
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    line: list[str] = []
    if password is None and kbdint is None:
        proof = ["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i", str(key or KEYS / user)]
    else:
        method = "password" if password is not None else "keyboard-interactive"
        proof = ["-o", f"PreferredAuthentications={method}", "-o", "PubkeyAuthentication=no"]
        proof += ["-o", "NumberOfPasswordPrompts=1"]
        environment["SSHPASS"] = password if password is not None else str(kbdint)
        line += ["sshpass", "-e"]
    line += [*program, "-F", "none", "-o", f"UserKnownHostsFile={KEYS}/known_hosts", "-o", f"BindAddress={source}"]
    line += [*proof, *options]
    if program == ("ssh",):
        line += [f"{user}@{destination}"] + ([command] if command is not None else [])
    return line, environment


def ssh(
    user: str,
    command: str | None = "true",
    *,
    key: str | Path | None = None,
    password: str | None = None,
    kbdint: str | None = None,
    source: str = "10.1.2.3",
    options: Sequence[str] = (),
    timeout: float = 60,
    check: bool = False,
) -> Result:
    """Log in over ssh from `source` and run a command: with the user's own key, another key, or a password.

    `password` and `kbdint` hold the password to give, by the method of that name.
    """
    line, environment = ssh_command(
        user, command, key=key, password=password, kbdint=kbdint, source=source, options=options
    )
    return run(*line, env=environment, timeout=timeout, check=check)


@contextmanager
def ssh_session(
    user: str,
    *,
    key: str | Path | None = None,
    password: str | None = None,
    kbdint: str | None = None,
    source: str = "10.1.2.3",
    options: Sequence[str] = (),
    timeout: float = 280,
) -> Iterator[subprocess.Popen[str]]:
    """A session over ssh that is open within the block: `with ssh_session("bob"): ...`."""
    line, environment = ssh_command(
        user, "echo in && exec cat", key=key, password=password, kbdint=kbdint, source=source, options=options
    )
    with subprocess.Popen(
        ["timeout", "--kill-after=1", str(timeout), *line],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as client:
        assert client.stdin and client.stdout and client.stderr
        if client.stdout.readline() != "in\n":
            raise AssertionError(f"{user} did not get in: {client.stderr.read()}")
        try:
            yield client
        finally:
            client.stdin.close()  # ends the cat, and so the session


# ------------------------------------------------------------------------------------------------------ PAM and console


def pam(service: str, user: str, *operations: str, rhost: str | None = None, input: str = "") -> Result:
    """A PAM transaction through pamtester: `pam("scratch", "bob", "authenticate", "acct_mgmt", input="bob-pw\\n")`."""
    remote = ["-I", f"rhost={rhost}"] if rhost is not None else []
    return run("pamtester", *remote, service, user, *operations, input=input, check=False)


def console(user: str, password: str | None = None, *, host: str | None = None, timeout: float = 20) -> pexpect.spawn:
    """login(1) on a terminal of its own, up to where name and password (the user's own if None) are typed in."""
    child = pexpect.spawn(
        "login",
        ["-h", host] if host else [],
        encoding="utf-8",
        codec_errors="surrogateescape",
        timeout=timeout,
        env={"TERM": "dumb", "PATH": os.environ["PATH"]},
    )
    held = os.open(terminal_of(child), os.O_RDWR | os.O_NOCTTY)  # or we read an end of file while login reopens it
    child.expect("login: ")
    os.close(held)
    child.sendline(user)
    child.expect("Password: ")
    child.sendline(password_of(user) if password is None else password)
    return child


def terminal_of(child: pexpect.spawn) -> str:
    number = fcntl.ioctl(child.child_fd, TIOCGPTN, bytes(4))
    return f"/dev/pts/{int.from_bytes(number, sys.byteorder)}"


# ----------------------------------------------------------------------------------------------------------------- logs


def flush_auth_log() -> None:
    """Wait until rsyslog has written everything that was logged before."""
    mark = f"mark {uuid.uuid4()}"
    run("logger", "--priority", "authpriv.info", "--tag", "tests", mark)
    wait_for(lambda: AUTH_LOG.exists() and mark in AUTH_LOG.read_text(errors="replace"), "rsyslog writes to auth.log")


def sessions() -> list[str]:
    """The names of those who have a session in logind's eyes, each as often as he has one; no lingering managers."""
    listed = run("loginctl", "list-sessions", "--no-legend").stdout.split("\n")
    found = []
    for session in (line.split()[0] for line in listed if line):
        shown = run("loginctl", "show-session", session, "-p", "Name", "-p", "Class", "-p", "State", check=False).stdout
        facts = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
        if facts.get("Class", "").startswith("user") and facts.get("State") != "closing":
            found.append(facts["Name"])
    return found
