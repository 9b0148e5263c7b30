"""What install.sh and uninstall.sh promise each other: one at a time, by a lock that nobody but root can take."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import pytest

from machine import RULE_FILE, run, wait_for
from test_install import (
    CHECKOUT,
    LIBRARY,
    LOADER,
    LOCK,
    MODULE,
    PAM,
    PLACES,
    Stepper,
    _put_back,
    _su_refuses_without_delay,
    altered,
    complaints,
    left_over,
    picture,
    quick,
    stepper,
    unfolded,
)

__all__ = ["_put_back", "_su_refuses_without_delay", "altered", "quick", "stepper"]  # fixtures


def as_bob(*command: str) -> list[str]:
    return ["setpriv", "--reuid=bob", "--regid=bob", "--clear-groups", *command]


@pytest.mark.parametrize("script", ["install.sh", "uninstall.sh"])
def test_no_lock_that_a_user_can_take_keeps_them_from_running(script: str) -> None:
    places = [Path("/run"), PAM, LOADER, LOADER.parent, MODULE, LIBRARY, RULE_FILE, RULE_FILE.parent, PAM / "sshd"]
    takers = []
    try:
        for place in places:
            takers.append(subprocess.Popen(as_bob("flock", str(place), "sleep", "1000")))
            wait_until_it_is_locked(place)
        said = run(str(CHECKOUT / script), check=False)
        assert (said.returncode, complaints(said)) == (0, [])
    finally:
        for taker in takers:
            taker.kill()
            taker.wait()


@pytest.mark.parametrize("script", ["install.sh", "uninstall.sh"])
def test_one_that_is_stopped_is_named_by_its_process_and_the_next_one_works_when_it_is_ended(
    script: str, quick: Path, stepper: Stepper
) -> None:
    with stepper.start(quick / "install.sh", 4, signal.SIGSTOP) as stopped:
        wait_for(lambda: state_of(stopped.pid) == "T", "install.sh stops")
        status = LOCK.lstat()
        assert (status.st_uid, status.st_mode) == (0, 0o100600)
        assert run(*as_bob("flock", "-n", str(LOCK), "true"), check=False).returncode == 66  # cannot open it
        first = picture(*PLACES, moment=True)
        said = run(str(quick / script), check=False)
        assert (said.returncode, said.stdout) == (1, "")
        sentence = f"{script}: another install.sh or uninstall.sh is at work; if it hangs, this ends it: "
        named = re.fullmatch(re.escape(sentence) + "(kill -KILL [0-9 ]+)\n", unfolded(said).stderr)
        assert named and str(stopped.pid) in named[1].split()
        assert picture(*PLACES, moment=True) == first
        run("sh", "-c", named[1])
    assert run(str(quick / script), check=False).returncode == 0
    assert left_over() == []


def test_one_that_is_nearly_done_is_waited_for() -> None:
    with subprocess.Popen(["flock", "--close", str(LOCK), "cat"], stdin=subprocess.PIPE) as holder:
        wait_until_it_is_locked(LOCK)
        with subprocess.Popen([CHECKOUT / "install.sh"], stdout=subprocess.DEVNULL) as waiting:
            wait_for(lambda: run("pgrep", "-P", str(waiting.pid), "flock", check=False).stdout, "install.sh waits")
            assert holder.stdin
            holder.stdin.close()
            assert waiting.wait() == 0
    assert left_over() == []


def wait_until_it_is_locked(place: Path) -> None:
    wait_for(lambda: run("flock", "-n", str(place), "true", check=False).returncode, f"somebody locks {place}")


def state_of(pid: int) -> str:
    """R, S, T...: see proc(5)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
