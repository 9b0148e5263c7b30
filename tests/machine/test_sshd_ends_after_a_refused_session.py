"""sshd goes on after a refused session: it shows the refusal to who runs a command, and then its process must end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pexpect
import pytest

from desktop import logins_under_way
from limits import children_of, known_to_logind, logind_runs, opener_of
from machine import password_of, restart_sshd, run, ssh, ssh_command, ssh_session, wait_for

REFUSED = "SSH ASK USER ALL\nUNATTENDED:CLOSE\n"
SENTENCE = "Access denied: there is nobody at the desktop who could allow it."
TUNNEL = Path("/sys/class/net/tun7")


@pytest.fixture(autouse=True)
def _refused(rules) -> Iterator[None]:
    rules(REFUSED)
    yield
    wait_for(lambda: not logins_under_way(), "no process of sshd's is left")


@contextmanager
def without_command(user: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A client that wants no command to be run, only to be connected."""
    line, environment = ssh_command(user, None, options=["-N", *options])
    nothing = subprocess.DEVNULL  # of a pipe that nobody reads, it would wait for room
    with subprocess.Popen(line, stdin=nothing, stdout=nothing, stderr=nothing, text=True, env=environment) as client:
        try:
            yield client
        finally:
            client.kill()


def test_who_runs_a_command_is_told_why_at_once(journal) -> None:
    refused = ssh("bob", "echo in")
    assert (refused.returncode, refused.stdout) == (254, f"{SENTENCE}\n")
    assert ssh("bob", "sftp", options=["-s"]).returncode == 254
    assert [line for line in journal("sshd-session") + journal("sshd") if "signal" in line] == []


def test_who_runs_none_is_sent_away(rules, journal) -> None:
    with without_command("bob") as client:
        wait_for(lambda: any("refused: " in line for line in journal()), "bob is refused")
        [sshd] = logins_under_way()
        processes = [sshd, *wait_for(lambda: children_of(sshd), "sshd goes on as bob")]
        assert client.wait(timeout=60) == 255
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes), "both processes end")
    rules("DEFAULT:OPEN\n")
    assert ssh("bob").returncode == 0


@pytest.mark.parametrize("option", ["-L7777:127.0.0.1:22", "-R7777:127.0.0.1:22"])
def test_who_forwards_a_port_gets_nothing_through_it(option: str) -> None:
    with without_command("bob", option) as client:
        wait_for(logins_under_way, "sshd has a process for bob")
        while client.poll() is None:
            through = ssh("bob", "true", options=["-p", "7777"]).stderr
            assert "Access denied" not in through and "Host key" not in through, "that sshd has answered"
        assert client.returncode == 255


@pytest.fixture
def tunnel() -> Iterator[None]:
    """A tunnel device that is bob's, and sshd would open."""
    if not os.path.exists("/dev/net/tun"):
        pytest.skip("there is no /dev/net/tun")
    config = Path("/etc/ssh/sshd_config.d/01-tunnel.conf")
    with ExitStack() as stack:
        config.write_text("PermitTunnel yes\n")
        stack.callback(restart_sshd)
        stack.callback(config.unlink)
        restart_sshd()
        run("ip", "tuntap", "add", "mode", "tun", "dev", "tun7", "user", "bob")
        stack.callback(wait_for, is_removed, "the tunnel device can be removed")
        run("ip", "link", "set", "tun7", "up")
        yield


def is_removed() -> bool:
    return run("ip", "tuntap", "del", "mode", "tun", "dev", "tun7", check=False).returncode == 0


def is_connected() -> bool:
    return (TUNNEL / "carrier").read_text() == "1\n"


def test_a_tunnel_comes_down_again(tunnel: None, rules) -> None:
    with without_command("bob", "-w8:7") as client:
        assert client.wait(timeout=60) == 255
    wait_for(lambda: not is_connected(), "the tunnel comes down")
    rules("DEFAULT:OPEN\n")
    with without_command("bob", "-w8:7"):
        wait_for(is_connected, "a tunnel comes up for who may come in")


@pytest.fixture
def expired() -> Iterator[None]:
    """erin has to change her password."""
    run("chage", "--lastday", "0", "erin")
    yield
    run("chage", "--lastday", "2026-01-01", "erin")


def test_an_expired_password_stays_as_it_is(expired: None) -> None:
    line, environment = ssh_command("erin", None, password=password_of("erin"), options=["-tt"])
    client = pexpect.spawn(line[0], line[1:], env=environment, encoding="utf-8", timeout=60)
    client.expect("[Cc]urrent.*password:")
    assert SENTENCE in str(client.before)
    client.expect("closed by remote host")
    client.close()
    wait_for(lambda: run("pgrep", "-x", "passwd", check=False).returncode == 1, "passwd ends")


def test_nothing_is_opened_so_nothing_is_closed(journal, monthly_log) -> None:
    ssh("bob")
    with without_command("bob") as client:
        assert client.wait(timeout=60) == 255
    wait_for(lambda: not logins_under_way(), "sshd ends")
    assert [line.split()[4:6] for line in monthly_log().splitlines()] == [["bob@10.1.2.3", "denied"]] * 2
    assert [line for line in journal() if "closed" in line] == []
    assert not logind_runs() or "bob" not in known_to_logind()


def test_who_is_let_in_stays(rules) -> None:
    rules("DEFAULT:OPEN\n")
    with ssh_session("bob"):
        timers = Path(f"/proc/{opener_of('bob')}/timers")
        assert not timers.exists() or timers.read_text() == ""
