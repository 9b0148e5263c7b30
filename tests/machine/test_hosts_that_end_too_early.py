"""Whoever started su may end it while the plugin starts: it then judges for nobody, whatever its parent is by now."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hosts import as_user, guarded
from limits import await_end, kill_and_wait, known_to_the_plugin, parent_of
from machine import password_of, run, wait_for

pytest_plugins = ["limits_fixtures"]

SU = ["su", "carol", "-c", "true"]

# A process to which the orphans below it go; see PR_SET_CHILD_SUBREAPER(2const), which execve(2) keeps.
SUBREAPER = """
import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
nothing, _ = os.pipe()
subprocess.Popen(sys.argv[2:])
os.dup2(nothing, 0)
if sys.argv[1] == "su":
    os.execvp("su", ["su", "bob"])  # waits for a password that does not come
while True:
    try:
        os.wait()
    except ChildProcessError:
        os.read(0, 1)
"""
PYTHON = "/run/tests-python"  # not the one that the plugin is started with
PARENTS = {
    "the first process": SU,
    "a subreaper": [PYTHON, "-I", "-c", SUBREAPER, "stays", *SU],
    "another su": [PYTHON, "-I", "-c", SUBREAPER, "su", *SU],
}


@pytest.fixture(scope="module", autouse=True)
def _guarded() -> Iterator[None]:
    shutil.copy("/usr/bin/python3", PYTHON)
    with guarded("su"):
        yield
    Path(PYTHON).unlink()


@contextmanager
def stopped_as_it_starts(command: list[str], folder: Path) -> Iterator[int]:
    """Within the block, the Python that a command's PAM has started is stopped before its first instruction."""
    seen = folder / "seen"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    stop = ["--trace=execve", "--trace-path=/usr/bin/python3", "--inject=execve:signal=STOP:when=1"]
    line = ["strace", "--follow-forks", f"--output={seen}", *stop, *as_user("erin", *command)]
    with subprocess.Popen(line, stdin=subprocess.PIPE, text=True, start_new_session=True, **quiet) as tracer:
        assert tracer.stdin
        tracer.stdin.write(password_of("carol") + "\n")
        tracer.stdin.flush()
        try:
            found = wait_for(lambda: re.search(r"(\d+) +--- stopped by SIGSTOP", text_of(seen)), "it is stopped")
            tracer.kill()
            yield int(found[1])
        finally:
            tracer.kill()
            run("pkill", "--signal", "KILL", "--session", str(tracer.pid), check=False)


def text_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize("parent", PARENTS)
def test_nobody_is_let_in(parent: str, tmp_path: Path, rules, journal, monthly_log, nobody) -> None:
    rules("DEFAULT:OPEN\nALL NUMBER GROUP ALL:100\n")
    with stopped_as_it_starts(PARENTS[parent], tmp_path) as pid:
        su = parent_of(pid)
        kill_and_wait(su)
        wait_for(lambda: parent_of(pid) != su, "it has another parent")
        with await_end(pid):
            os.kill(pid, signal.SIGCONT)
    assert wait_for(journal, "it says why") == ["auth: refused: the program that called PAM has ended"]
    assert monthly_log() == ""
    assert known_to_the_plugin() == []


def test_who_goes_on_is_let_in(tmp_path: Path, rules, monthly_log) -> None:
    """So that the tests above do not pass because nothing happens."""
    rules("DEFAULT:OPEN\n")
    with stopped_as_it_starts(SU, tmp_path) as pid:
        os.kill(pid, signal.SIGCONT)
        wait_for(lambda: " granted " in monthly_log(), "carol is let in")
