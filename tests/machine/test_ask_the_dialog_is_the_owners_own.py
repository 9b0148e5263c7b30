"""The dialog is a process of the desktop's owner with nothing in it of the host that asks, which stays as it was."""

from __future__ import annotations

import os
import pwd
import re
import signal
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from desktop import Desktop, askers, cgroup_of, held_by, parent_of, processes, words_of
from host import PASSING, PERM_DENIED, SUCCESS, Told, host
from limits import children_of
from machine import run

pytest_plugins = ["desktop_fixtures"]


# What systemd puts into the environment of a service, see systemd.exec(5).
BY_SYSTEMD = {"PATH", "LANG", "INVOCATION_ID", "SYSTEMD_EXEC_PID", "MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE"}


@pytest.fixture(autouse=True)
def _rules(rules, service) -> None:
    rules("ALL ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\n")
    service("scratch", PASSING)


def status_of(pid: int) -> dict[str, str]:
    rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (row.partition(":") for row in rows)}


def environment_of(pid: int) -> dict[str, str]:
    return dict(row.split("=", 1) for row in Path(f"/proc/{pid}/environ").read_text().split("\0")[:-1])


def clients_of_the_x_server() -> set[str]:
    """The sockets at the other end of the X server's, as /proc/PID/fd has them."""
    rows = run("ss", "--unix", "--no-header", "--all").stdout.splitlines()
    return {f"socket:[{row.split()[7]}]" for row in rows if "X11-unix/X0 " in row and " ESTAB " in row}


def test_it_runs_as_the_owner_in_full(desktop: Desktop) -> None:
    desktop.knock("bob")
    window = desktop.question()
    alice, status = pwd.getpwnam("alice"), status_of(window.pid)
    assert status["Uid"].split() == [str(alice.pw_uid)] * 4
    assert status["Gid"].split() == [str(alice.pw_gid)] * 4
    assert {int(gid) for gid in status["Groups"].split()} == set(os.getgrouplist("alice", alice.pw_gid))
    assert int(status["CapPrm"], 16) == int(status["CapEff"], 16) == 0
    by_python = 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1
    assert (int(status["SigBlk"], 16), int(status["SigIgn"], 16) & ~by_python) == (0, 0)


def test_it_is_a_unit_of_systemds_of_its_own(desktop: Desktop) -> None:
    desktop.knock("bob")
    window = desktop.question()
    [asker] = askers()
    assert parent_of(window.pid) == 1
    assert os.getsid(window.pid) == window.pid
    unit = rf"/system\.slice/pam-accesscontrol-question-{pwd.getpwnam('alice').pw_uid}-\d+\.service"
    assert re.fullmatch(unit, cgroup_of(window.pid))
    assert Path(f"/proc/{window.pid}/loginuid").read_text() == str(0xFFFFFFFF)
    assert os.readlink(f"/proc/{window.pid}/cwd") == "/"
    assert status_of(window.pid)["Umask"] == "0077"


def test_its_environment_is_the_owners_and_not_the_hosts(desktop: Desktop) -> None:
    of_the_host = {"PATH": os.environ["PATH"], "TOKEN": "secret", "LD_LIBRARY_PATH": "/tmp", "LANG": "de_DE"}
    scratch = in_the_background("open", env=of_the_host)
    window = desktop.question()
    found = window.look()["environment"]
    [manager] = processes(lambda words: words[:1] == ["/usr/bin/openbox"])
    owners = environment_of(manager)
    made = {"HOME": "/home/alice", "USER": "alice", "LOGNAME": "alice", "SHELL": "/bin/bash"}
    made |= {"QT_QPA_PLATFORM": "xcb"}
    assert found.items() >= {**made, "DISPLAY": ":0", "XAUTHORITY": "/home/alice/.Xauthority"}.items()
    left = {name for name, value in found.items() if made.get(name) != value and owners.get(name) != value}
    assert left <= BY_SYSTEMD
    assert not set(of_the_host.values()) & set(found.values()) - {os.environ["PATH"]}
    window.click("Deny")
    assert scratch.result().returned["open"] == PERM_DENIED


def test_it_holds_no_descriptor_of_the_host(desktop: Desktop) -> None:
    desktop.knock("bob")
    window = desktop.question()
    host_holds, window_holds = held_by(askers()[0]), held_by(window.pid)
    told_by, tells = (os.readlink(f"/proc/{window.pid}/fd/{number}") for number in (0, 1))
    assert (told_by.partition(":")[0], tells.partition(":")[0]) == ("socket", "pipe")
    complains = os.readlink(f"/proc/{window.pid}/fd/2")
    assert host_holds & window_holds - {"/dev/null"} == {tells, complains}
    assert clients_of_the_x_server() & window_holds


def test_the_host_has_no_qt_and_no_connection_to_the_display(desktop: Desktop) -> None:
    desktop.knock("bob")
    window = desktop.question()
    libraries = re.compile(r"/[^/\n]*(?:[Qq]t5?|libX11|libxcb)[^/\n]*\.so")
    [asker] = askers()
    assert libraries.search(Path(f"/proc/{window.pid}/maps").read_text())
    assert not libraries.search(Path(f"/proc/{asker}/maps").read_text())
    assert clients_of_the_x_server() & held_by(window.pid)
    assert not clients_of_the_x_server() & held_by(asker)
    assert status_of(asker)["Uid"].split() == ["0"] * 4


# ------------------------------------------------------------------------------------------- the host, as it was before


def in_the_background(*operations: str, **more: object) -> Future[Told]:
    """A PAM host of our own, that logs bob in; what it told is the result."""
    return ThreadPoolExecutor(1).submit(host, "scratch", "bob", *operations, rhost="10.1.2.3", **more)


def changed(told: Told) -> set[str]:
    """What is not in a host as it was before; the flags of signals that have no handler mean nothing."""
    states = told.before, told.after
    before, after = ({re.sub(r"^(signal \d+ \(nil\)) .*", r"\1", row) for row in state} for state in states)
    return before ^ after


@pytest.mark.parametrize(("button", "returned"), [("Allow", SUCCESS), ("Deny", PERM_DENIED)])
def test_the_host_is_left_as_it_was_found(desktop: Desktop, rules, button: str, returned: int) -> None:
    scratch = in_the_background("open", "close")
    desktop.answer(button)
    told = scratch.result()
    assert told.returned["open"] == returned
    assert told.child == 42
    rules("DEFAULT:OPEN\n")
    by_python_itself = changed(in_the_background("open", "close").result())  # Debian 12's sets LC_CTYPE
    assert changed(told) == by_python_itself
    assert {row.split()[0] for row in by_python_itself} <= {"locale"}


@pytest.mark.parametrize(("button", "returned"), [("Allow", SUCCESS), ("Deny", PERM_DENIED)])
def test_a_host_that_ignores_sigchld_gets_the_same_answer(desktop: Desktop, button: str, returned: int) -> None:
    def ignore() -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    scratch = in_the_background("open", preexec_fn=ignore)
    desktop.answer(button)
    told = scratch.result()
    assert told.child == -1  # nobody can wait for a child in such a host
    assert told.returned["open"] == returned


def test_no_zombie_is_left_while_the_session_lives(desktop: Desktop) -> None:
    bob = desktop.knock("bob", stay=True)
    window = desktop.question()
    [asker] = askers()
    window.click("Allow")
    bob.comes_in()
    assert [words_of(child)[0] for child in children_of(asker)] == [f"{words_of(asker)[0].split(' ')[0]} bob@notty"]
