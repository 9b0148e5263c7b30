"""A server that asks PAM about one login after the other in one process goes on doing so, and does not grow."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hosts import ftp, guarded, imap, running
from machine import password_of, run, wait_for

MANY = 150
SASL = Path("/run/tests-saslauthd")


@contextmanager
def dovecot() -> Iterator[Callable[[str], bool]]:
    """As Debian ships it: the worker that asks PAM may have 256 MB, and serves all."""
    with guarded("dovecot"), running("dovecot", 143):
        yield lambda user: imap(user) == ""


@contextmanager
def vsftpd() -> Iterator[Callable[[str], bool]]:
    with guarded("vsftpd"), running("vsftpd", 21):
        yield lambda user: ftp(user) == ""


@contextmanager
def saslauthd() -> Iterator[Callable[[str], bool]]:
    """Its one process serves all, and needs no more memory than at first."""
    SASL.mkdir(exist_ok=True)

    def login(user: str) -> bool:
        line = ["testsaslauthd", "-f", f"{SASL}/mux", "-s", "imap", "-u", user, "-p", password_of(user)]
        return run(*line, check=False).returncode == 0

    line = ["saslauthd", "-d", "-a", "pam", "-n", "1", "-m", str(SASL)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with guarded("imap"), subprocess.Popen(line, start_new_session=True, **quiet) as server:
        try:
            wait_for((SASL / "mux").exists, "saslauthd listens")
            assert login("bob")
            first = resident(server.pid)
            yield login
            assert resident(server.pid) < first + 2048
        finally:
            server.terminate()


def resident(pid: int) -> int:
    """The memory of a process, in KiB. See proc_pid_status(5)."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0])


SERVERS = {"DOVECOT": dovecot, "IMAP": saslauthd, "VSFTPD": vsftpd}


@pytest.mark.parametrize("name", SERVERS)
def test_the_last_of_many_right_passwords_is_let_in_as_the_first(name: str, rules, monthly_log) -> None:
    rules(f"DEFAULT:OPEN\n{name} CLOSE USER carol\n")
    with SERVERS[name]() as login:
        before = monthly_log().count(" granted ")
        assert [number for number in range(MANY) if not login("bob")] == []
        assert monthly_log().count(" granted ") == before + MANY
        assert not login("carol")
