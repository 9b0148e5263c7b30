"""A process that keeps others waiting is stuck when it is stopped or asleep; one that waits for the CPU is slow."""

import os
import signal
import subprocess
import sys
import time

import pytest

import accesscontrol

PATIENCE = 2.0


@pytest.fixture
def process():
    """process(STATE): the pid of a process that the kernel has in this state, see proc_pid_stat(5)."""
    started = []

    def start(state):
        what = "while True: pass" if state == "R" else "time.sleep(3600)"
        command = [sys.executable, "-I", "-S", "-c", f"import time; print(flush=True)\n{what}"]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE))
        started[-1].stdout.readline()
        pid = started[-1].pid
        if state == "T":
            os.kill(pid, signal.SIGSTOP)
        while state_of(pid) != state:
            time.sleep(0.001)
        return pid

    yield start
    for process in started:
        process.kill()
        process.communicate()


def state_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[0]


def test_one_that_is_stopped_has_an_eighth_of_that_time(process):
    pid = process("T")
    assert not accesscontrol.is_stuck(pid, PATIENCE / 8, PATIENCE)
    assert accesscontrol.is_stuck(pid, PATIENCE / 8 + 0.1, PATIENCE)


def test_one_that_is_asleep_is_stuck_when_patience_ends(process):
    pid = process("S")
    assert not accesscontrol.is_stuck(pid, PATIENCE, PATIENCE)
    assert accesscontrol.is_stuck(pid, PATIENCE + 0.1, PATIENCE)


def test_one_that_wants_the_cpu_has_as_many_times_as_long_as_it_is_given(process):
    pid = process("R")
    assert accesscontrol.is_stuck(pid, PATIENCE + 0.1, PATIENCE)
    assert not accesscontrol.is_stuck(pid, 5 * PATIENCE, PATIENCE, running=5)
    assert accesscontrol.is_stuck(pid, 5 * PATIENCE + 0.1, PATIENCE, running=5)
