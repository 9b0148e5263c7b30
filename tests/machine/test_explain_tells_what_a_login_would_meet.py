"""pam-accesscontrol explain: the verdict that a login would meet, its rule, the groups, the limits; and bad calls."""

from __future__ import annotations

import pytest

from host import PASSING, PLUGIN, host
from machine import Result, run, ssh

RULES = """\
DEFAULT:CLOSE
SSH OPEN USER bob@10.0.0.0/8
TTY ASK GROUP users
SSH NUMBER GROUP lp:3
"""


def command(*arguments: str, **more: object) -> Result:
    return run("pam-accesscontrol", *arguments, check=False, **more)


@pytest.mark.parametrize(
    ("call", "status", "verdict", "rule"),
    [
        ("ssh bob 10.1.2.3", 0, "OPEN    bob over SSH from 10.1.2.3", ":2: SSH OPEN USER bob@10.0.0.0/8"),
        ("SSH bob 192.0.2.7", 1, "CLOSE   bob over SSH from 192.0.2.7", ":1: DEFAULT:CLOSE"),
        (
            "sshd bob 10.9.9.9",
            0,
            "OPEN    bob over SSH from 10.9.9.9",
            ":2: SSH OPEN USER bob@10.0.0.0/8",
        ),
        ("SSH bob", 1, "CLOSE   bob over SSH locally", ":1: DEFAULT:CLOSE"),
        ("TTY bob", 3, "ASK     bob on the console locally", ":3: TTY ASK GROUP users"),
        ("login carol LOCAL", 3, "ASK     carol on the console locally", ":3: TTY ASK GROUP users"),
        ("XDM alice", 1, "CLOSE   alice at the desktop locally", ":1: DEFAULT:CLOSE"),
        ("su erin", 1, "CLOSE   erin over SU locally", ":1: DEFAULT:CLOSE"),
    ],
)
def test_verdict_and_rule(call: str, status: int, verdict: str, rule: str, rules) -> None:
    rules(RULES)
    told = command("explain", *call.split())
    assert (told.returncode, told.stderr) == (status, "")
    lines = told.stdout.splitlines()
    assert lines[0] == verdict
    assert lines[1] == f"rule    pam-accesscontrol.conf{rule}"


def test_groups_and_limits(rules) -> None:
    rules(RULES)
    lines = command("explain", "ssh", "bob", "10.1.2.3").stdout.splitlines()
    assert lines[2] == "groups  bob, lp, users"
    assert any(line.startswith("limit   pam-accesscontrol.conf:4: lp") for line in lines[3:])
    assert not any(line.startswith("limit") for line in command("explain", "ssh", "carol").stdout.splitlines())


def test_somebody_whom_the_directory_does_not_know(rules) -> None:
    rules(RULES)
    told = command("explain", "ssh", "no-such-user", "10.1.2.3")
    assert told.returncode == 1
    assert "there is no user no-such-user" in told.stdout


@pytest.mark.parametrize(("user", "source"), [("bob", "10.1.2.3"), ("bob", "192.0.2.7"), ("carol", "10.1.2.3")])
def test_a_login_meets_what_it_told(user: str, source: str, rules) -> None:
    rules(RULES)
    assert (command("explain", "ssh", user, source).returncode == 0) == (ssh(user, source=source).returncode == 0)


def test_the_file_on_the_pam_line_is_the_one_that_counts(service, rules, tmp_path) -> None:
    path = tmp_path / "own.conf"
    path.write_text("SCRATCH OPEN USER bob\n")
    service("scratch", PASSING.replace(PLUGIN, f"{PLUGIN} conf={path}"))
    rules("DEFAULT:CLOSE\n")
    assert command("explain", "scratch", "bob").stdout.splitlines()[1] == "rule    own.conf:1: SCRATCH OPEN USER bob"
    assert host("scratch", "bob", "acct").returned == {"acct": 0}


def test_a_file_that_cannot_be_trusted(rules) -> None:
    rules("DEFAULT:OPEN\n")
    run("chmod", "666", "/etc/pam-accesscontrol/pam-accesscontrol.conf")
    told = command("explain", "ssh", "bob")
    assert told.returncode == 1
    assert "is writable by group or others, so everything is CLOSE" in told.stdout


def test_it_cannot_be_made_to_write_escapes(rules) -> None:
    rules("DEFAULT:OPEN\n")
    told = command("explain", "ssh", "b\x1b[2Job\n\udcff", "10.0.0.1")
    assert told.returncode == 0
    assert told.stdout.replace("\n", "").isprintable()


# ------------------------------------------------------------------------------------------------------ wrongly called


@pytest.mark.parametrize(
    "call",
    [
        [],
        ["frobnicate"],
        ["--frobnicate"],
        ["check", "--frobnicate"],
        ["check", "/no/such/file"],
        ["check", "/no\nsuch/file"],
        ["check", "/etc/passwd", "/etc/group"],
        ["check", ""],
        ["explain"],
        ["explain", "ssh"],
        ["explain", "nosuchservice", "bob"],
        ["explain", "no\nsuch", "bob"],
        ["explain", "../pam.d/su", "bob"],
        ["explain", "", "bob"],
        ["explain", ".", "bob"],
        ["explain", "ssh", "bob", "10.0.0.256"],
        ["explain", "ssh", "bob", "10.0.0.0/8"],
        ["explain", "ssh", "bob", "no\nhost"],
        ["explain", "ssh", "bob", "10.0.0.1", "more"],
    ],
)
def test_a_wrong_call_gets_one_line_and_status_2(call: list[str]) -> None:
    told = command(*call)
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr.startswith("pam-accesscontrol: ") and told.stderr.count("\n") == 1
    assert told.stderr.removesuffix("\n").isprintable()


@pytest.mark.parametrize("call", [["--help"], ["-h"], ["check", "--help"], ["explain", "--help"]])
@pytest.mark.parametrize("columns", ["80", "200"])
def test_there_is_help_everywhere_in_80_columns(call: list[str], columns: str) -> None:
    told = command(*call, env={"COLUMNS": columns, "PATH": "/usr/sbin:/usr/bin"})
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("usage: pam-accesscontrol")
    assert max(map(len, told.stdout.splitlines())) <= 80


def test_somebody_who_is_not_root_gets_an_answer_or_a_reason(rules) -> None:
    rules("DEFAULT:OPEN\n")
    as_bob = ["setpriv", "--reuid=bob", "--regid=bob", "--clear-groups", "/usr/sbin/pam-accesscontrol"]
    assert run(*as_bob, "explain", "ssh", "bob", check=False).returncode == 0
    run("chmod", "600", "/etc/pam-accesscontrol/pam-accesscontrol.conf")
    told = run(*as_bob, "explain", "ssh", "bob", check=False)
    assert told.returncode == 2, "what bob cannot read, he cannot be told: it is not CLOSE"
    assert told.stderr.count("\n") == 1


def test_output_that_nobody_reads_is_no_traceback() -> None:
    told = run("sh", "-c", "pam-accesscontrol explain ssh bob >/dev/full", check=False)
    assert "Traceback" not in told.stderr
    assert told.returncode != 0
