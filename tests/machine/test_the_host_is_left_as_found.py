"""sshd, login or lightdm is the process: the plugin leaves it as it found it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from host import PASSING, PLUGIN, SUCCESS, Told, host
from machine import run

ALL = ("auth", "acct", "cred", "open", "close")

RULE_FILES = {
    "let in": "DEFAULT:OPEN\n",
    "refused": "DEFAULT:CLOSE\n",
    "limited": "DEFAULT:OPEN\nALL NUMBER GROUP ALL:100\nALL NUMBER USER bob:100\n",
    "full": "DEFAULT:OPEN\nALL NUMBER USER bob:0\n",
    "asked about": "ALL ASK USER ALL\nUNATTENDED:OPEN\n",
    "refused with nobody to ask": "ALL ASK USER ALL\nUNATTENDED:CLOSE\n",
    "explained": "DEBUG:True\nbroken\nALL CLOSE GROUP adm\nALL OPEN GROUP users\n",
}


@pytest.fixture(autouse=True)
def _scratch(service) -> None:
    service("scratch", PASSING)


@pytest.fixture(scope="session")
def empty(tmp_path_factory) -> Path:
    """A plugin that does nothing at all."""
    module = tmp_path_factory.mktemp("empty") / "empty.py"
    kinds = ("authenticate", "setcred", "acct_mgmt", "open_session", "close_session")
    module.write_text("".join(f"def pam_sm_{kind}(pamh, flags, argv):\n    return pamh.PAM_IGNORE\n" for kind in kinds))
    return module


def changed(told: Told) -> set[str]:
    return set(told.before) ^ set(told.after)


def test_pam_python_itself_changes_nothing_but_the_locale(empty, service) -> None:
    """Python 3.11 sets LC_CTYPE when it starts, before the plugin has a say."""
    service("scratch", PASSING.replace(PLUGIN, f"pam_python.so {empty}"))
    assert {row.split()[0] for row in changed(host("scratch", "bob", *ALL))} <= {"locale"}


@pytest.mark.parametrize("how", RULE_FILES)
def test_nothing_of_it_is_changed(how: str, empty, service, rules) -> None:
    """Working directory, umask, ids, environment, signals, locale, limits, threads, descriptors, children."""
    rules(RULE_FILES[how])
    told = host("scratch", "bob", *ALL, rhost="10.1.2.3")
    service("scratch", PASSING.replace(PLUGIN, f"pam_python.so {empty}"))
    assert changed(told) == changed(host("scratch", "bob", *ALL, rhost="10.1.2.3"))
    names = {row.split()[0].rstrip(":") for row in told.before}
    assert {"cwd", "Umask", "environment", "signal", "locale", "limit", "Threads", "SigBlk", "descriptor-1"} <= names
    assert "nice" in names
    let_in = how in ("let in", "limited", "asked about", "explained")
    assert (told.returned["open"] == SUCCESS) == let_in


@pytest.mark.parametrize("how", RULE_FILES)
def test_a_child_of_the_host_is_the_hosts_to_wait_for(how: str, rules) -> None:
    rules(RULE_FILES[how])
    assert host("scratch", "bob", *ALL).child == 42


@pytest.mark.parametrize("umask", [0, 0o027, 0o777])
def test_its_umask_is_its_own(umask: int, rules) -> None:
    rules(RULE_FILES["limited"])
    told = host("scratch", "bob", *ALL, umask=umask)
    assert f"Umask:\t{umask:04o}" in told.before
    assert f"Umask:\t{umask:04o}" in told.after


@pytest.mark.parametrize("policy", [os.SCHED_OTHER, os.SCHED_BATCH, os.SCHED_IDLE])
def test_its_priority_is_its_own(policy: int, rules) -> None:
    """It runs before others while it has the lock, and no longer."""

    def lower() -> None:
        os.nice(7)
        os.sched_setscheduler(0, policy, os.sched_param(0))

    rules(RULE_FILES["limited"])
    told = host("scratch", "bob", *ALL, preexec_fn=lower)
    assert told.returned["open"] == SUCCESS
    assert f"nice 7 policy {policy}" in told.before
    assert f"nice 7 policy {policy}" in told.after


def test_its_syslog_is_its_own(rules) -> None:
    """Its ident and its facility hold after our messages, and after the plugin is gone from memory."""
    rules("DEFAULT:OPEN\n")
    host("scratch", "bob", *ALL)
    run("journalctl", "--sync")
    last = run("journalctl", "-q", "-n", "1", "-t", "tests-host", "-o", "json").stdout
    entry = json.loads(last)
    assert entry["MESSAGE"] == "the host's own words"
    assert (entry["SYSLOG_IDENTIFIER"], entry["SYSLOG_FACILITY"]) == ("tests-host", "3")
    ours = run("journalctl", "-q", "-n", "1", f"_PID={entry['_PID']}", "-t", "pam-accesscontrol").stdout
    assert "SCRATCH session bob@LOCAL" in ours


def test_what_it_has_in_its_environment_reaches_no_rule(rules, tmp_path) -> None:
    rules("DEFAULT:CLOSE\n")
    (tmp_path / "pwd.py").write_text("raise SystemExit\n")
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit\n")
    environment = {"PYTHONPATH": str(tmp_path), "PYTHONHOME": "/nowhere", "PYTHONSTARTUP": "/nowhere", "LC_ALL": "xx"}
    refused = host("scratch", "bob", "acct", env=environment, cwd=tmp_path)
    assert refused.messages == ["Access denied: bob may not log in over SCRATCH."]


def test_a_host_that_asks_for_silence_gets_it(rules) -> None:
    rules("DEFAULT:CLOSE\n")
    assert host("scratch", "bob", "acct:", "open:").messages == []
    assert len(host("scratch", "bob", "acct", "open").messages) == 2
