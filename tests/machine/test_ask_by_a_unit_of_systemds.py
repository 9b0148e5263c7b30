"""systemd starts the window: whatever becomes of it, or of whoever asks, nothing is left, and nobody gets in by it."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import pytest

from desktop import NOT_ALLOWED, Desktop, askers, processes, unit_of, window_processes
from host import PASSING
from limits import as_user
from machine import run, wait_for

pytest_plugins = ["desktop_fixtures"]

COULD_NOT_BE_ASKED = "Access denied: the person at the desktop could not be asked."
QUESTION = "pam-accesscontrol-question-"


@pytest.fixture(autouse=True)
def _rules(rules, service) -> None:
    rules("SSH ASK USER bob\nSCRATCH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\n")
    service("scratch", PASSING)


def units(*more: str) -> list[str]:
    """The units of the plugin that systemd knows."""
    line = ["systemctl", "list-units", "--all", "--plain", "--no-legend", *more, "pam-accesscontrol-*"]
    return [row.split()[0] for row in run(*line).stdout.splitlines()]


def zombies() -> list[str]:
    rows = run("ps", "-eo", "stat=,pid=,ppid=,comm=").stdout.splitlines()
    return [row for row in rows if row.startswith("Z")]


# ------------------------------------------------------------------------------------------ what others can see of it


def test_nothing_of_the_message_is_there_for_others_to_read(desktop: Desktop) -> None:
    bob = desktop.knock("bob")
    window = desktop.question()
    unit = unit_of(window.pid) + ".service"
    script = "systemctl show $0; cat /proc/$1/cmdline /proc/$1/environ; ls -l /proc/$1/fd; journalctl -q -u $0"
    line = [*as_user("carol"), "sh", "-c", script, unit, str(window.pid)]
    told = run(*line, check=False)
    assert f"Id={unit}\n" in told.stdout
    for secret in ("bob", "10.1.2.3", "SHA256", "SSH"):
        assert secret not in told.stdout, secret
    window.click("Deny")
    assert bob.refusal() == NOT_ALLOWED


# ------------------------------------------------------------------------------------- hosts that systemd has shut in


@contextmanager
def host_in_a_unit(*properties: str) -> Iterator[subprocess.Popen[str]]:
    """Within the block, a program in a unit with these properties logs bob in."""
    options = [f"--property={it}" for it in properties]
    login = ["pamtester", "-I", "rhost=10.1.2.3", "scratch", "bob", "open_session"]
    line = ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", "--unit=tests-host", *options, *login]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process
        finally:
            run("systemctl", "stop", "tests-host", check=False)
            process.kill()


@pytest.mark.parametrize("properties", [["PrivateTmp=yes"], ["ProtectHome=yes"], ["ProtectHome=yes", "PrivateTmp=yes"]])
def test_a_host_with_folders_of_its_own_asks(desktop: Desktop, properties: list[str]) -> None:
    with host_in_a_unit(*properties) as host:
        desktop.answer("Allow")
        assert host.wait(timeout=30) == 0


@pytest.mark.parametrize("properties", [["RestrictAddressFamilies=AF_INET"], ["InaccessiblePaths=/run/dbus"]])
def test_a_host_that_cannot_reach_systemd_is_refused_and_the_log_says_why(desktop, properties, monthly_log) -> None:
    with host_in_a_unit(*properties) as host:
        assert host.stdout is not None
        assert COULD_NOT_BE_ASKED in host.stdout.read()
        assert host.wait(timeout=30) != 0
    told = monthly_log().splitlines()[-1]
    assert re.search(r"could not be asked: systemd-run: Failed to \w+", told), told


# -------------------------------------------------------------------------------------------------------- what is left


def test_a_window_that_ignores_its_end_makes_way_for_the_next_question(desktop: Desktop) -> None:
    bob = desktop.knock("bob")
    first = desktop.question()
    os.kill(first.pid, signal.SIGSTOP)
    bob.client.kill()
    wait_for(lambda: not askers(), "nobody waits any more")
    assert first.is_there()
    bob = desktop.knock("bob")
    second = desktop.question(first)
    assert not first.is_there()
    second.click("Allow")
    assert bob.is_let_in()


HELD_UP = {
    "silent": 'exec {away} "$@" 3>&2 2>/dev/null',
    "after a blank line": 'echo >&2; exec {away} "$@"',
    "after a line of another": 'echo "ERROR: ld.so: object cannot be preloaded" >&2; exec {away} "$@"',
}


@contextmanager
def systemd_run_in(script: str) -> Iterator[None]:
    """Within the block, systemd-run is called by a script."""
    program, away = Path("/usr/bin/systemd-run"), Path("/usr/bin/systemd-run.away")
    program.rename(away)
    program.write_text("#!/bin/sh\n" + script.format(away=away))
    program.chmod(0o755)
    try:
        yield
    finally:
        away.rename(program)


@pytest.fixture(params=HELD_UP.values(), ids=HELD_UP)
def slow_systemd_run(request) -> Iterator[None]:
    """systemd-run starts the window, and has not said so yet."""
    with systemd_run_in(request.param):
        yield


@pytest.fixture
def victim(request) -> Iterator[str]:
    """What is to be killed. systemd-run is there for some milliseconds alone, if it does not begin later."""
    with systemd_run_in('sleep 0.3; exec {away} "$@"') if request.param == "systemd-run" else nullcontext():
        yield request.param


@pytest.mark.parametrize(("button", "refusal"), [("Allow", ""), ("Deny", NOT_ALLOWED)])
def test_an_answer_counts_where_systemd_run_is_held_up(desktop: Desktop, slow_systemd_run, button, refusal) -> None:
    """As it is in a cgroup of erin's, when she calls su: else each Deny of alice's would be lost."""
    bob = desktop.knock("bob")
    desktop.answer(button)
    assert bob.is_let_in() if not refusal else bob.refusal() == refusal
    assert processes(lambda words: f"--unit={QUESTION}" in " ".join(words)) == []


VICTIMS: dict[str, Callable[[], list[int]]] = {
    "the asker": askers,
    "systemd-run": lambda: processes(lambda words: any(it.startswith("/usr/bin/systemd-run") for it in words[:2])),
    "the window": window_processes,
}


@pytest.mark.parametrize("victim", [*VICTIMS, "the unit"], indirect=True)
def test_killed_at_any_moment(desktop: Desktop, rules, victim: str) -> None:
    """Of twenty questions, each at a moment at random; the next question comes, and nothing has failed."""
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\nTIMEOUT:2\n")
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    killed = 0
    for _ in range(20):
        bob = desktop.knock("bob")
        wait_for(lambda bob=bob: askers() or not bob.waits(), "bob is asked about")
        time.sleep(chance.uniform(0, 0.4))  # not for an event: the moment of the signal is at random
        if victim == "the unit":
            killed += run("systemctl", "kill", "--signal=KILL", QUESTION + "*", check=False).returncode == 0
        else:
            for pid in VICTIMS[victim]():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
        assert bob.result().returncode in (254, 255), f"with the seed {seed}"
        run("pam-accesscontrol", "forget", "bob", check=False)
    assert killed, f"with the seed {seed}"
    wait_for(lambda: not [unit for unit in units() if unit.startswith(QUESTION)], "the last of them has gone")
    bob = desktop.knock("bob")
    desktop.answer("Allow")
    assert bob.is_let_in(), f"with the seed {seed}"
    wait_for(lambda: not [unit for unit in units() if unit.startswith(QUESTION)], "no unit is left")
    assert units("--failed") == []
    wait_for(lambda: not zombies(), "no zombie is left")


def test_a_hundred_questions_leave_no_failed_unit_and_no_zombie(desktop: Desktop) -> None:
    for number in range(100):
        with host_in_a_unit() as host:
            window = wait_for(window_processes, "the window is there")
            if number % 2:
                os.kill(window[0], signal.SIGKILL)
            else:
                run("systemctl", "kill", "--signal=KILL", QUESTION + "*", check=False)
            assert host.wait(timeout=60) != 0
        run("pam-accesscontrol", "forget", "bob", check=False)
    wait_for(lambda: not [unit for unit in units() if unit.startswith(QUESTION)], "no unit is left")
    assert units("--failed") == []
    wait_for(lambda: not zombies(), "no zombie is left")
