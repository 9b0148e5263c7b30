"""Syslog tells of every login why it went as it did: the rule, its file and line; with DEBUG, every other rule."""

from __future__ import annotations

import json

import pytest

from host import PASSING, host
from machine import AUTH_LOG, flush_auth_log, run, ssh


@pytest.fixture(autouse=True)
def _scratch(service) -> None:
    service("scratch", PASSING)


def told(journal, phase: str = "account") -> list[str]:
    """What was logged in one phase, without what is the same in every line of it."""
    return [line.partition(": ")[2] for line in journal() if line.startswith(f"SCRATCH {phase} bob@")]


def test_debug_tells_of_each_rule_why_it_did_or_did_not_fit(rules, journal) -> None:
    rules(
        "DEBUG:True\n"
        "SSH OPEN USER bob\n"
        "ALL CLOSE USER carol,erin\n"
        "ALL OPEN GROUP adm\n"
        "ALL OPEN USER bob@192.0.2.0/24\n"
        "ALL NUMBER GROUP adm:1\n"
        "ALL NUMBER GROUP users:20\n"
        "ALL OPEN GROUP lp\n"
        "ALL CLOSE USER bob\n"
    )
    host("scratch", "bob", "acct", rhost="10.1.2.3")
    assert told(journal) == [
        "pam-accesscontrol.conf:2: SSH OPEN USER bob: is for another service",
        "pam-accesscontrol.conf:3: ALL CLOSE USER carol,erin: does not fit: bob is not in its list",
        "pam-accesscontrol.conf:4: ALL OPEN GROUP adm: does not fit: bob is in none of its groups",
        "pam-accesscontrol.conf:5: ALL OPEN USER bob@192.0.2.0/24: does not fit: bob@192.0.2.0/24 is not 10.1.2.3",
        "pam-accesscontrol.conf:6: ALL NUMBER GROUP adm:1: does not fit: bob is in none of its groups",
        "pam-accesscontrol.conf:7: ALL NUMBER GROUP users:20: limits this login",
        "pam-accesscontrol.conf:8: ALL OPEN GROUP lp: fits, and is the verdict",
        "pam-accesscontrol.conf:9: ALL CLOSE USER bob: comes after the verdict",
        "OPEN, pam-accesscontrol.conf:8: ALL OPEN GROUP lp",
    ]


def test_debug_tells_of_a_default_that_decided(rules, journal) -> None:
    rules("DEBUG:True\nALL OPEN USER carol\nDEFAULT:CLOSE\n")
    host("scratch", "bob", "acct")
    assert told(journal) == [
        "pam-accesscontrol.conf:2: ALL OPEN USER carol: does not fit: bob is not in its list",
        "pam-accesscontrol.conf:3: DEFAULT:CLOSE: decides, since no rule fits",
        "CLOSE, refused: pam-accesscontrol.conf:3: DEFAULT:CLOSE",
    ]


def test_debug_tells_of_a_rule_that_nobody_can_judge(rules, journal) -> None:
    rules("DEBUG:True\nALL OPEN USER carol\nALL CLOSE GROUP no-such-group\nALL OPEN USER bob\n")
    host("scratch", "bob", "acct")
    reason = "there is no group no-such-group, or the directory did not answer"
    *_, looked_at, verdict = told(journal)
    assert looked_at.startswith("pam-accesscontrol.conf:3: ALL CLOSE GROUP no-such-group: ") and reason in looked_at
    assert verdict == f"CLOSE, refused: pam-accesscontrol.conf:3: ALL CLOSE GROUP no-such-group: {reason}"


def test_without_debug_there_is_one_line_for_each_decision(rules, journal) -> None:
    rules("DEBUG:False\nALL OPEN USER carol\nALL OPEN USER bob\n")
    host("scratch", "bob", "auth", "acct", "open", rhost="10.1.2.3")
    assert journal() == [
        f"SCRATCH {phase} bob@10.1.2.3: OPEN, pam-accesscontrol.conf:3: ALL OPEN USER bob"
        for phase in ("auth", "account", "session")
    ]


@pytest.mark.parametrize(
    ("rule_file", "rule"),
    [
        ("ALL OPEN USER carol\nALL CLOSE USER bob  # for now\n", "pam-accesscontrol.conf:2: ALL CLOSE USER bob"),
        ("ALL OPEN USER carol\nDEFAULT:CLOSE\n", "pam-accesscontrol.conf:2: DEFAULT:CLOSE"),
        ("ALL OPEN USER carol\n", "pam-accesscontrol.conf: no DEFAULT, which means CLOSE"),
        ("", "pam-accesscontrol.conf: no DEFAULT, which means CLOSE"),
    ],
)
@pytest.mark.parametrize(("phase", "operation"), [("auth", "auth"), ("account", "acct"), ("session", "open")])
def test_a_refusal_names_its_rule(rule_file: str, rule: str, phase: str, operation: str, rules, journal) -> None:
    rules(rule_file)
    host("scratch", "bob", operation, rhost="2001:db8::7")
    assert journal() == [f"SCRATCH {phase} bob@2001:db8::7: CLOSE, refused: {rule}"]


def test_a_line_that_is_ignored_is_a_warning_with_its_number(rules, journal) -> None:
    rules("# ours\nSSH OPEN USER\nALL OPEN USER bob\nDEFAULT:MAYBE\nTTY NUMBER USER bob\n\nALL OPEN USER carol,,erin\n")
    host("scratch", "bob", "acct")
    assert journal()[-1] == "SCRATCH account bob@LOCAL: OPEN, pam-accesscontrol.conf:3: ALL OPEN USER bob"
    assert [line.partition(": ignored: ")[0] for line in journal()[:-1]] == [
        f"pam-accesscontrol.conf:{number}" for number in (2, 4, 5, 7)
    ]
    assert all(entry["PRIORITY"] == "4" for entry in entries()[-5:-1])


def test_a_thousand_broken_lines_do_not_drown_the_log(rules, journal) -> None:
    rules("broken\n" * 1000 + "DEFAULT:OPEN\n")
    host("scratch", "bob", "acct")
    assert len(journal()) == 52
    assert journal()[49].startswith("pam-accesscontrol.conf:50: ignored: ")
    assert journal()[50].startswith("pam-accesscontrol.conf: ignored 950 more lines: 51, 52, ")


def entries() -> list[dict[str, str]]:
    run("journalctl", "--sync")
    lines = run("journalctl", "-q", "-t", "pam-accesscontrol", "-n", "10", "-o", "json", "--all").stdout.splitlines()
    return [json.loads(line) for line in lines]


def test_it_is_authpriv_in_the_journal_and_in_auth_log(rules) -> None:
    rules("ALL CLOSE USER bob\n")
    ssh("bob")
    entry = entries()[-1]
    assert entry["MESSAGE"] == "SSH account bob@10.1.2.3: CLOSE, refused: pam-accesscontrol.conf:1: ALL CLOSE USER bob"
    assert entry["SYSLOG_FACILITY"] == "10"
    assert entry["SYSLOG_PID"] == entry["_PID"]
    flush_auth_log()
    lines = [line for line in AUTH_LOG.read_text(errors="replace").splitlines() if "pam-accesscontrol[" in line]
    assert lines[-1].endswith(f"pam-accesscontrol[{entry['_PID']}]: {entry['MESSAGE']}")


def test_without_a_syslog_the_rules_decide_all_the_same(rules) -> None:
    rules("ALL OPEN USER bob\n")
    without = "mount --bind /dev/null /dev/log && exec pamtester scratch $0 acct_mgmt"
    assert run("unshare", "--mount", "sh", "-c", without, "bob", check=False).returncode == 0
    assert run("unshare", "--mount", "sh", "-c", without, "carol", check=False).returncode == 1
