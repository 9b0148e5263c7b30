"""What install.sh promises before it changes anything: a proof, in a real PAM transaction, that leaves no trace.

The proof goes through the loader and the compiled module. Where it fails, install.sh tells what the plugin logged.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from host import nobody_is_about_to_leave
from limits import SESSIONS, STATE, wait_until_gone
from machine import flush_auth_log, run, ssh
from test_install import (
    CHECKOUT,
    PLACES,
    _put_back,
    _su_refuses_without_delay,
    altered,
    complaints,
    find_pam_module,
    install,
    nothing_installed,
    picture,
    unfolded,
)

__all__ = ["_put_back", "_su_refuses_without_delay", "altered", "nothing_installed"]  # fixtures

BROKEN = {
    "does not compile": (r"^def pam_sm_authenticate", "def def", r"not compile: invalid syntax \(accesscontrol.py,"),
    "raises": (r"^def pam_sm_acct_mgmt", "raise OSError(1)\ndef pam_sm_acct_mgmt", r"cannot be loaded \(OSError: 1\)"),
    "lacks a function": (r"^def pam_sm_open_session", "def open_session", r"cannot be loaded \(ImportError"),
    "refuses everything": (r"^(def pam_sm_acct_mgmt.*)", r"\1\n    return 6", r"refuses by pam_python.so what is open"),
    "fails": (r"^(def decide\(.*)", r"\1\n    1 / 0", r"refuses by pam_python.so what is open \(.*ZeroDivisionError"),
    "trusts nothing": (r"^(def load_rules\(.*)", r"\1\n    path += '.no'", r"is open \(.*proof-open.conf.no"),
    "ignores in auth": (r"^(def pam_sm_authenticate.*)", r"\1\n    return 25", r"_python.so, in auth, what is closed"),
    "vouches in account": (r"^(def pam_sm_acct_mgmt.*)", r"\1\n    return 0", r"in account, what is closed|is open"),
    "ignores in session": (r"^(def pam_sm_open_session.*)", r"\1\n    return 25", r"in session, what is closed"),
    "refuses by itself": (r"^(def pam_main.*)", r"\1\n    os._exit(1)", r"refuses by pam_exec.so what is open"),
    "fails by itself": (r"^(def pam_main.*)", r"\1\n    1 / 0", r"pam_exec.so what is open \(.*ZeroDivisionError"),
    "lets in by itself": (r"^(def pam_main.*)", r"\1\n    os._exit(0)", r"pam_exec.so, in auth, what is closed"),
    "lets in by itself, in account": (r'== "close_session":', '!= "auth":', r"pam_exec.so, in account, what is closed"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_plugin_that_does_not_decide_is_not_installed_and_the_reason_is_told(
    fault: str, altered: Callable[..., Path], nothing_installed: None
) -> None:
    pattern, by, complaint = BROKEN[fault]
    first = picture(*PLACES, moment=True)
    said = install(altered(pattern, by))
    assert said.returncode == 1
    assert re.search(complaint, said.stderr) and said.stderr.count("\n") == 1, said.stderr
    assert picture(*PLACES, moment=True) == first


def test_a_plugin_that_does_not_decide_does_not_replace_one_that_does(altered: Callable[..., Path]) -> None:
    first = picture(*PLACES, moment=True)
    assert install(altered(r"^def pam_sm_authenticate", "def def")).returncode == 1
    assert install(altered(r"^def pam_sm_authenticate", "def authenticate")).returncode == 1
    assert picture(*PLACES, moment=True) == first
    assert ssh("bob").returncode == 0


@pytest.mark.parametrize("outcome", ["works", "fails"])
def test_the_proof_leaves_no_trace_in_logs_and_state(
    outcome: str,
    altered: Callable[..., Path],
    request: pytest.FixtureRequest,
) -> None:
    assert ssh("bob").returncode == 0
    nobody_is_about_to_leave()
    wait_until_gone(["bob"])
    flush_auth_log()
    places = [STATE, *STATE.iterdir(), SESSIONS / "turn"]
    state = picture(*places, moment=True)
    journal, authlog, monthly_log = map(request.getfixturevalue, ("journal", "authlog", "monthly_log"))
    pattern, by, _ = BROKEN["ignores in session"]
    said = install(altered(pattern, by)) if outcome == "fails" else install()
    assert said.returncode == int(outcome == "fails")
    assert monthly_log() == ""
    assert (journal(), journal("su"), journal("python3")) == ([], [], [])
    assert [line for line in authlog().splitlines() if " tests: mark " not in line] == []
    assert picture(*places, moment=True) == state


def test_the_proof_works_where_nothing_was_ever_logged(nothing_installed: None) -> None:
    """No state, no /dev/log, as on a computer that has just been set up."""
    shutil.rmtree("/run/pam-accesscontrol", ignore_errors=True)
    without_dev_log = 'mount --bind /run/systemd/seats /run/systemd/journal && exec "$@"'
    said = run("unshare", "--mount", "sh", "-c", without_dev_log, "sh", str(CHECKOUT / "install.sh"), check=False)
    assert (said.returncode, complaints(said)) == (0, [])


@pytest.mark.parametrize("impostor", ["pam_permit.so", "pam_deny.so"])
def test_a_pam_python_that_does_not_run_the_plugin_is_noticed(impostor: str, nothing_installed: None) -> None:
    pam_python, impostor_itself = find_pam_module("pam_python.so"), find_pam_module(impostor)
    run("mount", "--bind", str(impostor_itself), str(pam_python))
    try:
        first = picture(*PLACES, moment=True)
        assert install().returncode == 1
        assert picture(*PLACES, moment=True) == first
    finally:
        run("umount", str(pam_python))


def test_where_the_proof_cannot_be_made_nothing_is_guarded(nothing_installed: None) -> None:
    first = picture(*PLACES, moment=True)
    powers = ["--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"]
    said = run("setpriv", *powers, str(CHECKOUT / "install.sh"), check=False)
    assert said.returncode == 1
    assert "su does not work in a mount namespace here" in unfolded(said).stderr
    assert picture(*PLACES, moment=True) == first
