"""Whoever starts su gives it what limits, priority, folder and signals they like: the verdict is right, or it refuses.

Nobody gets in who may not, the log tells of each decision, and no file is left behind.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from desktop import Desktop
from hosts import OnTerminal, as_user, guarded
from limits import wait_until_gone
from machine import Result, password_of, run, ssh, wait_for

pytest_plugins = ["desktop_fixtures"]

LOGS, STATE = Path("/var/log"), Path("/run/pam-accesscontrol")
CAP_SYS_RESOURCE = 24
CAPABILITIES = int(Path("/proc/self/status").read_text().partition("CapEff:")[2].split()[0], 16)
LIMITS_CAN_BE_RAISED = bool(CAPABILITIES >> CAP_SYS_RESOURCE & 1)  # not by root of every container
CORE_PATTERN = Path("/proc/sys/kernel/core_pattern").read_text().strip()
LIMITS = ["as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss"]
LIMITS += ["rtprio", "sigpending", "stack"]
RULES = "DEFAULT:CLOSE\nSU OPEN USER carol\nSSH OPEN USER ALL\nALL NUMBER GROUP ALL:100\n"

# Every signal blocked and ignored; but for SIGCHLD, with which libpam before 1.5.3 refuses. Then su.
SIGNALS = """
import os, signal, sys
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
os.umask(0)
os.nice(19)
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.execvp(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture(scope="module", autouse=True)
def _guarded() -> Iterator[None]:
    with guarded("su"):
        yield


def su(user: str, *under: str, folder: Path = Path("/")) -> Result:
    """Somebody becomes somebody else, with the right password; their su is started under something."""
    line = as_user("erin", *under, "su", user, "-c", "id -un")
    return run(*line, input=password_of(user) + "\n", check=False, cwd=folder)


def decisions(lines: list[str]) -> list[str]:
    """Service, phase, user and verdict of each decision in the log."""
    found = [re.match(r"(SU \w+ \S+?)(, asked by erin)?: (\w+)", line) for line in lines]
    return [f"{line[1]}: {line[3]}" for line in found if line]


@pytest.mark.parametrize("umask", ["0", "777"])
def test_the_files_of_the_plugin_have_their_modes_whatever_the_umask(umask: str, rules) -> None:
    rules(RULES)
    for log in LOGS.glob("pam-accesscontrol-*.log"):
        log.unlink()
    shutil.rmtree(STATE, ignore_errors=True)
    assert su("carol", "sh", "-c", f'umask {umask}; exec "$@"', "sh").stdout == "carol\n"
    [log] = LOGS.glob("pam-accesscontrol-*.log")
    assert (oct(log.stat().st_mode), log.group()) == ("0o100640", "adm")
    assert oct(STATE.stat().st_mode) == "0o40700"
    assert {oct(folder.stat().st_mode) for folder in STATE.iterdir()} == {"0o40700"}


@pytest.mark.parametrize("limit", LIMITS)
def test_with_the_least_of_a_limit(limit: str, rules, journal) -> None:
    """Where there is enough of it for Python, the plugin decides as ever; su itself may still fail."""
    rules(RULES)
    least = ["prlimit", f"--{limit}=0:0"]
    if limit in ("as", "data", "stack", "nofile", "cpu"):  # with nothing, su does not even start
        amount = {"as": 1 << 23, "data": 1 << 20, "stack": 1 << 17, "nofile": 8, "cpu": 1}[limit]
        least = ["prlimit", f"--{limit}={amount}:{amount}"]
    assert "bob" not in su("bob", *least).stdout.split("\n")
    became_carol = "carol" in su("carol", *least).stdout.split("\n")
    told = decisions(journal())
    assert not became_carol or "SU session carol@LOCAL: OPEN" in told
    if limit not in ("as", "data", "stack"):
        ours = {"SU auth bob@LOCAL: CLOSE", "SU account carol@LOCAL: OPEN", "SU session carol@LOCAL: OPEN"}
        assert ours <= {*told}


def test_where_no_file_may_grow_what_is_decided_is_written_down(rules, journal, monthly_log) -> None:
    """Where root may not raise the limit, in syslog alone."""
    rules(RULES)
    su("carol", "prlimit", "--fsize=0:0")
    su("bob", "prlimit", "--fsize=0:0")
    assert {"SU account carol@LOCAL: OPEN", "SU auth bob@LOCAL: CLOSE"} <= {*decisions(journal())}
    lines = [line.split()[2:6] for line in monthly_log().splitlines()]
    if LIMITS_CAN_BE_RAISED:
        assert lines == [["SU", "OPEN", "carol@LOCAL", "granted"], ["SU", "CLOSE", "bob@LOCAL", "denied"]]
    else:
        assert any(line.endswith("cannot be written: File too large") for line in journal())


def test_with_the_lowest_priority_and_every_signal_blocked(rules, journal) -> None:
    rules(RULES)
    under = ["python3", "-c", SIGNALS]
    assert su("carol", *under).stdout == "carol\n"
    assert "bob" not in su("bob", *under).stdout.split("\n")
    assert decisions(journal())[-1] == "SU auth bob@LOCAL: CLOSE"
    logs = list(Path("/var/log").glob("pam-accesscontrol-*.log"))
    assert {path.stat().st_mode & 0o777 for path in logs} == {0o640}


@pytest.mark.skipif(CORE_PATTERN.startswith(("|", "/")), reason="no core file is left in a working directory here")
def test_no_core_file_is_left_in_the_working_directory(tmp_path: Path, rules) -> None:
    """Such as /etc/cron.d, in which cron would take it for a list of jobs."""
    rules(RULES)
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:-1]:
        parent.chmod(parent.stat().st_mode | 0o055)

    def try_with(kib: int) -> int:
        under = ["prlimit", "--core=unlimited", f"--stack={kib << 10}:{kib << 10}"]
        return su("carol", *under, folder=tmp_path).returncode

    # Where the stack begins is by chance. From 12 to 15 KiB, prlimit itself ends in one of 40; Python does below 40.
    sizes = [*range(4, 11), *range(11, 17), *range(11, 17), *range(11, 17), *range(17, 64, 3), 64, 96, 128]
    with ThreadPoolExecutor(8) as pool:
        statuses = dict(zip(sizes, pool.map(try_with, sizes)))
    assert list(tmp_path.iterdir()) == []
    assert statuses[4] != 0 and statuses[128] == 0, statuses


# erin's own cgroup, in which she freezes one su after the other, at a moment of its life that goes up by 10 ms.
FREEZER = """
import os, subprocess, sys, time
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
for turn in range(16):
    group = f"{sys.argv[1]}/{turn}"
    os.mkdir(group)
    enter = lambda: open(f"{group}/cgroup.procs", "w").write("0")
    su = subprocess.Popen(["su", "carol", "-c", "true"], stdin=subprocess.PIPE, preexec_fn=enter, **quiet)
    su.stdin.write(b"carol-pw\\n")
    su.stdin.flush()
    time.sleep(0.02 + turn / 100)
    with open(f"{group}/cgroup.freeze", "w") as file:
        file.write("1")
    print(turn, flush=True)
sys.stdin.read()
"""


def test_in_a_cgroup_that_is_frozen_it_holds_up_nobody(rules, journal) -> None:
    rules(RULES)
    unified = Path("/sys/fs/cgroup/unified")
    folder = (unified if unified.exists() else unified.parent) / "tests-of-erin"
    folder.mkdir()
    for path in (folder, folder / "cgroup.procs"):
        os.chown(path, int(run("id", "-u", "erin").stdout), -1)
    # Who moves a process needs the right to do so where it comes from, too: erin begins in her own.
    begin = ["sh", "-c", 'echo 0 >"$1/cgroup.procs" && shift && exec "$@"', "sh", str(folder)]
    line = [*begin, *as_user("erin", "python3", "-c", FREEZER, str(folder))]
    try:
        with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as erin:
            assert erin.stdin and erin.stdout
            for _ in range(16):
                assert erin.stdout.readline()
                assert ssh("bob").returncode == 0
            erin.stdin.close()
    finally:
        for group in folder.glob("*/"):
            (group / "cgroup.kill").write_text("1")
        wait_for(lambda: not any(read_pids(group) for group in folder.glob("*/")), "they have ended")
        run("find", str(folder), "-depth", "-type", "d", "-exec", "rmdir", "{}", "+")
    wait_until_gone(["bob", "carol"])
    assert not [line for line in journal() if line.startswith("SSH ") and ("refused" in line or "not written" in line)]


def read_pids(group: Path) -> list[str]:
    return (group / "cgroup.procs").read_text().split()


def test_on_a_terminal_that_is_stopped_the_question_goes_on(desktop: Desktop, rules) -> None:
    rules("SU ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\n")
    erin = OnTerminal(as_user("erin", "bash", "--norc", "-i")).child
    erin.sendline("PS1='ready '")
    erin.expect_exact("ready ")
    for button, outcome in (("Allow", "i am bob"), ("Deny", "Access denied: the person at the desktop")):
        erin.sendline("su bob -c 'echo i am $(id -un)'")
        erin.expect("assword: ")
        erin.sendline(password_of("bob"))
        window = desktop.question()
        erin.send("\x1a")  # Ctrl-Z
        erin.expect("Stopped")
        window.click(button)
        window.wait_until_gone()
        erin.sendline("fg")
        erin.expect_exact(outcome)
    erin.close(force=True)


def test_who_blocks_and_ignores_every_signal_does_so_for_su_alone(desktop: Desktop, rules) -> None:
    """Or the process that asks, and the window, could not be ended as others are."""
    rules("SU ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\n")
    erin = OnTerminal(as_user("erin", "python3", "-c", SIGNALS, "su", "bob", "-c", "true")).child
    erin.expect("assword: ")
    erin.sendline(password_of("bob"))
    window = desktop.question()
    for program in ("accesscontrol.py pam", "accesscontrol.py --window"):
        [pid] = run("pgrep", "-f", program).stdout.split()
        status = Path(f"/proc/{pid}/status").read_text()
        blocked, ignored = (int(status.partition(f"{name}:\t")[2].split()[0], 16) for name in ("SigBlk", "SigIgn"))
        usual = sum(1 << number - 1 for number in (signal.SIGPIPE, signal.SIGXFSZ))
        assert (blocked, ignored | usual) == (0, usual), program
    window.click("Deny")
    erin.expect_exact("Access denied: the person at the desktop")
    erin.close(force=True)
