"""Fixtures of the tests that need a machine of their own; tests/run makes one, and runs them there."""

from __future__ import annotations

import grp
import json
import os
import pwd
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from machine import (
    AUTH_LOG,
    FOUND_ENDED,
    KEYS,
    MARKER,
    RULE_FILE,
    SOURCES,
    SSHD_CONFIG,
    USERS,
    flush_auth_log,
    password_of,
    restart_sshd,
    run,
)


def pytest_configure() -> None:
    if not MARKER.exists():
        pytest.exit("tests/machine changes users, sshd and PAM, so it runs only on the machine of tests/run", 2)


# -------------------------------------------------------------------------------------------------- made once a session


@pytest.fixture(scope="session", autouse=True)
def _machine() -> None:
    """Users with passwords and keys, addresses to come from, and an sshd that takes whatever the tests do to it."""
    for address in SOURCES:
        run("ip", "address", "replace", address, "dev", "lo")
    for user, groups in USERS.items():
        make_user(user, groups)
    run("chpasswd", input="".join(f"{user}:{password_of(user)}\n" for user in USERS))
    host_keys = [path.read_text() for path in Path("/etc/ssh").glob("ssh_host_*_key.pub")]
    (KEYS / "known_hosts").write_text("".join(f"* {key}" for key in host_keys))
    configure_sshd()


def make_user(user: str, groups: list[str]) -> None:
    if user not in (entry.pw_name for entry in pwd.getpwall()):
        run("useradd", "--create-home", "--shell", "/bin/bash", user)
    for group in groups:
        add_to_group(user, group)
    key = KEYS / user
    if not key.exists():
        KEYS.mkdir(mode=0o700, exist_ok=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{user}@laptop", "-f", str(key))
    home = Path(pwd.getpwnam(user).pw_dir)
    (home / ".ssh").mkdir(mode=0o700, exist_ok=True)
    authorized = home / ".ssh/authorized_keys"
    authorized.write_text(key.with_suffix(".pub").read_text())
    for path in (home / ".ssh", authorized):
        shutil.chown(path, user, user)


def add_to_group(user: str, group: str) -> None:
    """What usermod refuses for a name with a blank, which a directory may well have, is written by hand."""
    if " " not in group:
        run("usermod", "--append", "--groups", group, user)
    elif group not in (entry.gr_name for entry in grp.getgrall()):
        with open("/etc/group", "a", encoding="ascii") as groups:
            groups.write(f"{group}:x:7777:{user}\n")


def configure_sshd() -> None:
    config = SSHD_CONFIG
    if run("sshd", "-t", "-o", "PerSourcePenalties=no", check=False).returncode == 0:
        config += "PerSourcePenalties no\n"
    place = Path("/etc/ssh/sshd_config.d/00-tests.conf")
    if not place.exists() or place.read_text() != config:
        place.write_text(config)
        restart_sshd()


# ------------------------------------------------------------------------------------------------ put back after a test


def write_rules(text: str | bytes) -> None:
    """Write the rule file as an admin should: whole, owned by root, 0644."""
    new = RULE_FILE.with_name("new")
    new.write_bytes(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text)
    new.chmod(0o644)
    if RULE_FILE.is_dir() and not RULE_FILE.is_symlink():
        RULE_FILE.rmdir()
    os.replace(new, RULE_FILE)


@pytest.fixture(autouse=True)
def rules() -> Iterator[Callable[[str | bytes], None]]:
    """rules("SSH OPEN USER bob"): the rule file of this test. Everything is open before, and again after it."""
    RULE_FILE.parent.mkdir(mode=0o755, exist_ok=True)
    write_rules("DEFAULT:OPEN\n")
    yield write_rules
    RULE_FILE.parent.mkdir(mode=0o755, exist_ok=True)
    write_rules("DEFAULT:OPEN\n")


@pytest.fixture
def service() -> Iterator[Callable[[str, str], None]]:
    """service("scratch", "auth required pam_permit.so\\n"): a PAM service of that name, for this test."""
    made: list[Path] = []

    def make(name: str, text: str) -> None:
        path = Path("/etc/pam.d", name)
        assert path in made or not path.exists(), f"{path} is not the tests' own"
        made.append(path)
        path.write_text(text)

    yield make
    for path in made:
        path.unlink(missing_ok=True)


# ----------------------------------------------------------------------------------------- read from where a test began


@pytest.fixture
def journal() -> Callable[..., list[str]]:
    """journal(): what the plugin wrote to syslog in this test, a string a message; journal("su"): what su did.

    Without sessions that were found ended.
    """
    run("journalctl", "--sync")  # what an earlier test has logged may still be on its way
    begin = json.loads(run("journalctl", "-q", "-n", "1", "-o", "json").stdout)["__CURSOR"]

    def read(identifier: str = "pam-accesscontrol") -> list[str]:
        run("journalctl", "--sync")
        # Not with -t: Debian 12's journalctl then leaves out the first message after the cursor.
        lines = run("journalctl", "-q", f"--after-cursor={begin}", "-o", "json", "--all").stdout.split("\n")
        entries = [json.loads(line) for line in lines if line]
        messages = [message_of(entry) for entry in entries if entry.get("SYSLOG_IDENTIFIER") == identifier]
        return [message for message in messages if not message.endswith(FOUND_ENDED)]

    return read


def message_of(entry: dict[str, object]) -> str:
    message = entry["MESSAGE"]
    return bytes(message).decode("utf-8", "surrogateescape") if isinstance(message, list) else str(message)


@pytest.fixture
def authlog() -> Callable[[], str]:
    """authlog(): what came into /var/log/auth.log in this test, without sessions that were found ended."""
    flush_auth_log()
    begin = AUTH_LOG.stat().st_size

    def read() -> str:
        flush_auth_log()
        lines = AUTH_LOG.read_bytes()[begin:].splitlines(True)
        return b"".join(line for line in lines if FOUND_ENDED.encode() not in line).decode("utf-8", "surrogateescape")

    return read


@pytest.fixture
def monthly_log() -> Callable[..., str]:
    """monthly_log(): what came into the plugin's own log in this test; ended=True with sessions found ended, too."""

    def logs() -> list[Path]:
        return sorted(Path("/var/log").glob("pam-accesscontrol-[0-9]*.log"))

    begin = {path: path.stat().st_size for path in logs()}

    def read(ended: bool = False) -> str:
        parts = (path.read_bytes()[begin.get(path, 0) :].decode("utf-8", "surrogateescape") for path in logs())
        return "".join(line for line in "".join(parts).splitlines(True) if ended or FOUND_ENDED not in line)

    return read
