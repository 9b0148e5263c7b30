"""PostgreSQL asks PAM as a user of its own, and a VNC server as whoever starts it: OPEN and CLOSE hold there.

ASK and NUMBER need root, and refuse for that reason.
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from host import lines, passing
from hosts import answers, as_user, files
from machine import password_of, run, wait_for

PAM_EXEC = "pam_exec.so"
NO_ROOT = "the program that calls PAM does not run as root"
Login = Callable[[], bool]


@pytest.fixture(scope="module")
def postgresql(request: pytest.FixtureRequest) -> Iterator[Login]:
    """A real PostgreSQL in which bob has a role, and PAM lets everybody in whom the rules let in."""
    [config] = Path("/etc/postgresql").glob("*/main/pg_hba.conf")
    asks = "host all bob 127.0.0.1/32 pam pamservice=postgresql\n"
    with files({"/etc/pam.d/postgresql": passing(PAM_EXEC)}):
        before = config.read_text()
        config.write_text(asks + before)
        run("systemctl", "start", f"postgresql@{config.parents[1].name}-main")
        run("runuser", "-u", "postgres", "--", "createuser", "bob")
        environment = {**os.environ, "PGPASSWORD": "anything"}
        line = ["psql", "-h", "127.0.0.1", "-U", "bob", "-d", "postgres", "-c", "select 1"]
        yield lambda: run(*line, env=environment, check=False).returncode == 0
        run("runuser", "-u", "postgres", "--", "dropuser", "bob")
        config.write_text(before)
        run("systemctl", "stop", "postgresql")


@pytest.fixture(scope="module")
def vnc() -> Iterator[Login]:
    """A real Xtigervnc that bob has started, and that lets in who knows bob's password."""
    own = "auth required pam_unix.so\naccount required pam_unix.so\n"
    guarded = f"{lines(PAM_EXEC, 'account')}{own}{lines(PAM_EXEC, 'auth')}"
    line = ["Xtigervnc", ":7", "-SecurityTypes", "Plain", "-PlainUsers", "*", "-PAMService", "vnc", "-rfbport", "5907"]
    line += ["-UseBlacklist=0"]  # which would turn us away after five refusals
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with files({"/etc/pam.d/vnc": guarded}), subprocess.Popen(as_user("bob", *line), **quiet) as server:
        wait_for(lambda: answers(5907), "the VNC server answers")
        assert not lets_in_by_vnc("wrong")
        yield lambda: lets_in_by_vnc(password_of("bob"))
        server.terminate()


def lets_in_by_vnc(password: str) -> bool:
    """Logs bob in, as RFB 3.8 and its security type VeNCrypt have it."""
    server = ("127.0.0.1", 5907)
    with socket.create_connection(server, timeout=60) as client, client.makefile("rwb", buffering=0) as rfb:
        rfb.read(12)
        rfb.write(b"RFB 003.008\n")
        assert 19 in rfb.read(rfb.read(1)[0])  # VeNCrypt
        rfb.write(b"\x13")
        rfb.read(2)
        rfb.write(b"\0\2")  # its version
        assert rfb.read(1) == b"\0"
        assert struct.unpack(">I", rfb.read(4 * rfb.read(1)[0])) == (256,)  # Plain
        rfb.write(struct.pack(">III", 256, 3, len(password)) + b"bob" + password.encode())
        return rfb.read(4) == b"\0\0\0\0"


@pytest.fixture(params=["postgresql", "vnc"])
def server(request: pytest.FixtureRequest) -> tuple[str, Login]:
    """The SERVICE of a server, and whether bob gets in there."""
    login: Login = request.getfixturevalue(request.param)
    return request.param.upper(), login


def test_open_and_close_hold_where_a_rule_names_it(server: tuple[str, Login], rules, journal) -> None:
    service, lets_in = server
    rules(f"DEFAULT:CLOSE\n{service} OPEN USER bob\n")
    assert lets_in()
    rules(f"DEFAULT:OPEN\n{service} CLOSE USER bob\n")
    assert not lets_in()
    refused, not_written = journal()[-2:]
    assert f"{service} auth bob@" in refused
    assert refused.endswith(f": CLOSE, refused: pam-accesscontrol.conf:2: {service} CLOSE USER bob")
    assert not_written.endswith(f".log cannot be written: {NO_ROOT}")
    rules(f"DEFAULT:CLOSE\n{service} OPEN USER carol\n")  # it is named, and bob is not
    assert not lets_in()
    rules(f"DEFAULT:CLOSE\n{service} OPEN USER carol\n" + "SSH OPEN USER erin\n" * 2000)  # in a long file, too
    assert not lets_in()


@pytest.mark.parametrize("rule", ["ASK USER bob", "NUMBER USER bob:9", "NUMBER GROUP users:9"])
def test_what_needs_root_refuses_and_says_so(server: tuple[str, Login], rules, journal, rule: str) -> None:
    service, lets_in = server
    rules(f"{service} {rule}\nDEFAULT:OPEN\n")
    assert not lets_in()
    told = next(line for line in reversed(journal()) if f"{service} account bob@" in line)
    assert f"refused: pam-accesscontrol.conf:1: {service} {rule}: " in told
    assert told.endswith(NO_ROOT)


@pytest.mark.usefixtures("postgresql", "vnc")
def test_explain_says_what_is_known_of_it(rules) -> None:
    rules("POSTGRESQL ASK USER bob\nPOSTGRESQL NUMBER USER carol:9\nVNC ASK USER bob\nDEFAULT:OPEN\n")
    for user in ("bob", "carol"):
        told = run("pam-accesscontrol", "explain", "postgresql", user, check=False)
        assert told.returncode == 1
        assert told.stdout.startswith(f"refused, since postgresql does not run as root: {user} ")
        assert "\nhost    postgresql does not run as root: ASK and NUMBER refuse\n" in told.stdout
    assert run("pam-accesscontrol", "explain", "postgresql", "erin").stdout.startswith("let in: ")
    told = run("pam-accesscontrol", "explain", "vnc", "bob", check=False)
    assert "\nhost    it is not known whether vnc runs as root: " in told.stdout
    assert "\nhost " not in run("pam-accesscontrol", "explain", "SSH", "bob", check=False).stdout


def test_where_no_rule_names_it_whoever_runs_a_server_of_their_own_is_not_judged(vnc: Login, rules, journal) -> None:
    """As a screen locker is not, from which it cannot be told."""
    rules("DEFAULT:CLOSE\nALL CLOSE USER bob\nTTY CLOSE USER bob\n")
    assert vnc()
    assert not [line for line in journal() if "VNC" in line]


def test_where_nobody_but_root_can_read_the_rules_nobody_gets_in(server: tuple[str, Login], rules, journal) -> None:
    service, lets_in = server
    rules(f"DEFAULT:OPEN\n{service} OPEN USER bob\n")
    Path("/etc/pam-accesscontrol/pam-accesscontrol.conf").chmod(0o600)
    assert not lets_in()
    assert "cannot be read (Permission denied), so everything is CLOSE" in journal()[-2]


def test_a_rule_that_is_ignored_names_it_as_well(vnc: Login, rules) -> None:
    rules("DEFAULT:CLOSE\nVNC OPEN USER bob@10.0.0.*\n")
    assert not vnc()


def test_a_server_that_obeys_the_rules_by_the_file_of_another_service_is_judged_where_a_rule_names_it(
    vnc: Login, rules
) -> None:
    with files({"/etc/pam.d/vnc": "@include login\n"}):
        rules("DEFAULT:OPEN\nVNC CLOSE USER bob\n")
        assert not vnc()
        rules("DEFAULT:OPEN\nTTY CLOSE USER bob\nALL CLOSE USER bob\n")
        assert vnc()


def test_a_screen_locker_that_asks_for_auth_by_the_file_of_another_service_is_not_judged(vnc: Login, rules) -> None:
    """So say the tools, since account, by which the rules are obeyed, does not call the plugin."""
    with files({"/etc/pam.d/vnc": "auth include login\naccount required pam_unix.so\n"}):
        rules("DEFAULT:OPEN\nVNC CLOSE USER bob\n")
        assert vnc()
        assert run("pam-accesscontrol", "explain", "vnc", "bob").stdout.startswith("let in: ")
        Path("/etc/pam-accesscontrol/pam-accesscontrol.conf").chmod(0o600)
        assert vnc()
