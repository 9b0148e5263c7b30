"""A key of somebody who is refused is refused at account: nothing of theirs has run by then, and nothing was shown."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from limits import logind_runs, needs_logind
from machine import run, ssh, ssh_command, wait_for

CLOSED = "SSH CLOSE USER erin\nDEFAULT:OPEN\n"


def manager() -> str:
    return f"user@{pwd.getpwnam('erin').pw_uid}.service"


def manager_runs() -> bool:
    return run("systemctl", "is-active", manager(), check=False).stdout != "inactive\n"


@pytest.fixture
def _nobody_home() -> Iterator[None]:
    """Neither a session nor a manager of erin's is left from before."""
    if logind_runs():
        run("loginctl", "disable-linger", "erin")
    run("systemctl", "stop", manager())
    yield
    run("systemctl", "stop", manager())


@pytest.fixture
def starts() -> Iterator[Callable[[], int]]:
    """starts(): how often the service ran that erin has enabled in her `systemd --user`."""
    erin = pwd.getpwnam("erin")
    ran = Path(erin.pw_dir, "ran")
    units = Path(erin.pw_dir, ".config/systemd/user")
    wanted = units / "default.target.wants/mine.service"
    wanted.parent.mkdir(parents=True, exist_ok=True)
    (units / "mine.service").write_text("[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo ran >>%h/ran'\n")
    wanted.symlink_to("../mine.service")
    run("chown", "-R", "erin:erin", f"{erin.pw_dir}/.config")
    ran.unlink(missing_ok=True)
    yield lambda: ran.read_text().count("ran") if ran.exists() else 0
    run("rm", "-rf", str(ran), f"{erin.pw_dir}/.config")


@needs_logind
@pytest.mark.usefixtures("_nobody_home")
def test_her_systemd_services_do_not_run(rules, starts) -> None:
    rules(CLOSED)
    assert ssh("erin").returncode == 255
    assert not manager_runs()
    rules("DEFAULT:OPEN\n")
    assert ssh("erin").returncode == 0
    assert wait_for(starts, "the service runs, now that erin is let in") == 1


@needs_logind
@pytest.mark.usefixtures("_nobody_home")
def test_refused_in_session_they_do_not_run_either(rules, starts) -> None:
    rules("SSH ASK USER erin\nUNATTENDED:CLOSE\n")
    assert ssh("erin").returncode == 254
    assert not manager_runs()
    rules("DEFAULT:OPEN\n")
    assert ssh("erin").returncode == 0
    assert wait_for(starts, "the service runs, now that erin is let in") == 1


@needs_logind
@pytest.mark.usefixtures("_nobody_home")
def test_logind_never_knew_the_session(rules, journal) -> None:
    def known() -> list[str]:
        lines = journal("systemd-logind")
        return [line for line in lines if line.startswith("New session") and "erin" in line]

    rules(CLOSED)
    ssh("erin")
    assert known() == []
    rules("DEFAULT:OPEN\n")
    ssh("erin")
    assert known() != []


@pytest.mark.usefixtures("_nobody_home")
def test_no_session_module_is_called(rules, journal) -> None:
    def opened() -> list[str]:
        return [
            line for name in ("sshd", "sshd-session") for line in journal(name) if "session opened for user" in line
        ]

    rules(CLOSED)
    ssh("erin")
    assert opened() == []
    rules("DEFAULT:OPEN\n")
    ssh("erin")
    assert len(opened()) == 1


@pytest.fixture
def _message_of_the_day() -> Iterator[None]:
    motd = Path("/etc/motd")
    before = motd.read_bytes() if motd.exists() else None
    motd.write_text("the vault opens at nine\n")
    yield
    motd.unlink()
    if before is not None:
        motd.write_bytes(before)


def terminal_of_erin() -> str:
    """All that erin sees who asks for a terminal, up to the prompt where she gets one."""
    line, environment = ssh_command("erin", None, options=["-tt"])
    client = pexpect.spawn(line[0], line[1:], env=environment, encoding="utf-8", timeout=20)
    client.expect([r"\$ ", pexpect.EOF])
    client.close()
    return str(client.before)


@pytest.mark.usefixtures("_message_of_the_day")
@pytest.mark.parametrize("refusal", [CLOSED, "SSH ASK USER erin\nUNATTENDED:CLOSE\n"], ids=["closed", "in session"])
def test_no_message_of_the_day_is_shown(refusal: str, rules) -> None:
    rules(refusal)
    refused = terminal_of_erin()
    assert "Access denied" in refused
    assert "the vault opens" not in refused
    rules("DEFAULT:OPEN\n")
    assert "the vault opens" in terminal_of_erin()


def test_the_reason_reaches_the_client_before_anything_else(rules) -> None:
    rules(CLOSED)
    refused = ssh("erin")
    assert refused.stdout == ""
    assert refused.stderr.splitlines()[0] == "Access denied: erin may not log in over SSH."
    assert os.linesep not in refused.stderr.splitlines()[0]
