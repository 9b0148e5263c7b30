"""pam-accesscontrol explain: what a login attempt would meet, in one line, and below it why; and wrong calls."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from host import PASSING, PLUGIN, host
from hosts import guarded
from limits import inside
from machine import Result, run, ssh

pytest_plugins = ["limits_fixtures"]

LET_IN, REFUSED, USAGE = 0, 1, 2
RULES = """\
DEFAULT:CLOSE
SSH OPEN USER bob@10.0.0.0/8
TTY OPEN GROUP users
SSH NUMBER GROUP lp:3
SCRATCH OPEN USER dave
"""


def command(*arguments: str, **more: object) -> Result:
    return run("pam-accesscontrol", *arguments, check=False, **more)


def explain(*arguments: str) -> tuple[int, list[str]]:
    """The status of explain, and the lines that it prints."""
    told = command("explain", *arguments)
    assert told.stderr == ""
    return told.returncode, told.stdout.splitlines()


@pytest.mark.parametrize(
    ("call", "status", "outcome", "rule"),
    [
        ("ssh bob 10.1.2.3", LET_IN, "let in: bob over SSH from 10.1.2.3", ":2: SSH OPEN USER bob@10.0.0.0/8"),
        ("SSH bob 192.0.2.7", REFUSED, "refused: bob over SSH from 192.0.2.7", ":1: DEFAULT:CLOSE"),
        ("sshd bob 10.9.9.9", LET_IN, "let in: bob over SSH from 10.9.9.9", ":2: SSH OPEN USER bob@10.0.0.0/8"),
        ("SSH bob ::ffff:10.9.9.9", LET_IN, "let in: bob over SSH from 10.9.9.9", ":2: SSH OPEN USER bob@10.0.0.0/8"),
        ("SSH bob", REFUSED, "refused: bob over SSH from LOCAL", ":1: DEFAULT:CLOSE"),
        ("TTY bob", LET_IN, "let in: bob on the console from LOCAL", ":3: TTY OPEN GROUP users"),
        ("login carol LOCAL", LET_IN, "let in: carol on the console from LOCAL", ":3: TTY OPEN GROUP users"),
        ("XDM alice", REFUSED, "refused: alice at the desktop from LOCAL", ":1: DEFAULT:CLOSE"),
        ("scratch erin", REFUSED, "refused: erin over SCRATCH from LOCAL", ":1: DEFAULT:CLOSE"),
        ("SCRATCH dave", LET_IN, "let in: dave over SCRATCH from LOCAL", ":5: SCRATCH OPEN USER dave"),
    ],
)
def test_the_outcome_first_and_then_the_rule(call: str, status: int, outcome: str, rule: str, rules, service) -> None:
    service("scratch", PASSING)
    rules(RULES)
    told, lines = explain(*call.split())
    assert (told, lines[0]) == (status, outcome)
    assert lines[1] == f"rule    pam-accesscontrol.conf{rule}"


def test_groups_and_limits(rules) -> None:
    rules(RULES)
    _, lines = explain("ssh", "bob", "10.1.2.3")
    assert lines[2] == "groups  bob, lp, users"
    assert [line for line in lines if line.startswith("limit")] == [
        "limit   pam-accesscontrol.conf:4: lp: 0 of 3 are logged in: nobody"
    ]
    _, lines = explain("ssh", "carol")
    assert not any(line.startswith("limit") for line in lines)


# ---------------------------------------------------------------------------------------------------- limits


def test_a_limit_that_is_full_refuses(rules, nobody) -> None:
    rules("DEFAULT:OPEN\nSSH NUMBER GROUP users:1\n")
    assert explain("SSH", "carol", "10.1.2.3")[0] == LET_IN
    with inside("bob"):
        status, lines = explain("SSH", "carol", "10.1.2.3")
        assert (status, lines[0]) == (REFUSED, "refused, since a limit is full: carol over SSH from 10.1.2.3")
        assert "limit   pam-accesscontrol.conf:2: users: 1 of 1 are logged in: bob@10.1.2.3 SSH" in lines
        assert ssh("carol").returncode != 0
        assert explain("SSH", "bob", "10.1.2.3")[0] == LET_IN  # who is in already does not count again
        assert explain("TTY", "carol")[0] == LET_IN  # the limit is for SSH


def test_a_full_limit_on_a_users_own_sessions_refuses(rules, nobody) -> None:
    rules("DEFAULT:OPEN\nSSH NUMBER USER bob:1\n")
    with inside("bob"):
        assert explain("SSH", "bob", "10.1.2.3")[0] == REFUSED
        assert explain("SSH", "carol", "10.1.2.3")[0] == LET_IN
    assert explain("SSH", "bob", "10.1.2.3")[0] == LET_IN


def test_a_limit_of_nobody_at_all_refuses(rules) -> None:
    rules("DEFAULT:OPEN\nALL NUMBER GROUP lp:0\n")
    assert explain("SSH", "bob", "10.1.2.3")[0] == REFUSED


def test_whether_a_limit_is_full_is_for_root_to_see(rules) -> None:
    rules("DEFAULT:OPEN\nSSH NUMBER GROUP users:2\nSSH CLOSE USER carol\n")
    as_erin = ["setpriv", "--reuid=erin", "--regid=erin", "--clear-groups", "pam-accesscontrol", "explain"]
    told = run(*as_erin, "SSH", "bob", check=False)
    assert (told.returncode, told.stdout) == (USAGE, "")
    assert "only root" in told.stderr and told.stderr.count("\n") == 1
    assert run(*as_erin, "SSH", "carol", check=False).returncode == REFUSED  # whatever the limit says
    assert run(*as_erin, "SSH", "erin", check=False).returncode == LET_IN  # whom no limit is for


# --------------------------------------------------------------------------------- services that are not guarded


def test_a_service_that_is_not_guarded_meets_no_rule_and_it_says_so_first(rules, service) -> None:
    service("scratch", PASSING.replace(PLUGIN, "pam_permit.so"))
    rules("DEFAULT:CLOSE\n")
    status, lines = explain("SCRATCH", "bob")
    assert (status, len(lines)) == (LET_IN, 1)
    assert lines[0].startswith("let in: bob over SCRATCH from LOCAL: scratch is not guarded, so no rule is asked")


def test_a_backup_of_a_guarded_file_is_no_service(rules, service) -> None:
    service("scratch.dpkg-old", PASSING)
    assert command("explain", "scratch.dpkg-old", "bob").returncode == USAGE


# ---------------------------------------------------------------------------------------------- su and sudo


@pytest.fixture
def su_and_sudo() -> Iterator[None]:
    with guarded("su", "sudo", "sudo-i"):
        yield


def test_rules_for_su_mean_whom_one_becomes(su_and_sudo, rules) -> None:
    rules("DEFAULT:OPEN\nSU CLOSE USER bob\n")
    assert explain("--caller", "erin", "SU", "bob")[0] == REFUSED
    assert explain("--caller", "bob", "SU", "erin")[0] == LET_IN
    assert explain("--caller", "erin", "su-l", "bob")[0] == REFUSED  # su -
    assert run("su", "bob", "-c", "true", check=False).returncode != 0
    assert run("su", "erin", "-c", "true", check=False).returncode == 0


def test_rules_for_sudo_mean_the_caller(su_and_sudo, rules) -> None:
    rules("DEFAULT:OPEN\nSUDO CLOSE USER bob\n")
    status, lines = explain("--caller", "bob", "SUDO", "root")
    assert (status, lines[0]) == (REFUSED, "refused: bob over SUDO from LOCAL")
    assert lines[1] == "user    root decides nothing: rules for SUDO mean the caller"
    assert explain("--caller", "erin", "SUDO", "bob")[0] == LET_IN
    assert explain("SUDO", "bob")[0] == REFUSED  # USER is the caller where none is named
    assert explain("--caller", "bob", "sudo-i", "root")[0] == REFUSED


@pytest.mark.parametrize("name", ["polkit-1", "supper"])
def test_a_caller_is_no_part_of_what_other_services_tell_pam(name: str, service) -> None:
    service(name, PASSING)
    told = command("explain", "--caller", "erin", name, "bob")
    assert (told.returncode, told.stdout) == (USAGE, "")
    assert told.stderr.startswith(f"pam-accesscontrol: a rule for {name} sees no caller")


@pytest.mark.parametrize("name", ["SU", "SUDO", "su-l"])
def test_a_caller_whom_nobody_knows_is_a_wrong_call(name: str, su_and_sudo) -> None:
    told = command("explain", "--caller", "no-such-user", name, "bob")
    assert (told.returncode, told.stdout) == (USAGE, "")
    assert told.stderr.startswith("pam-accesscontrol: there is no user no-such-user")


def test_who_asked_for_su_is_told_with_the_prompt(su_and_sudo, rules) -> None:
    rules("DEFAULT:OPEN\nSU ASK USER bob\n")
    _, lines = explain("--caller", "erin", "SU", "bob")
    assert any(line.startswith("prompt  ") and line.endswith("asked by erin") for line in lines)


# ------------------------------------------------------------------------------------- a file that is not in use yet


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    path = tmp_path / "new.conf"
    path.write_text("DEFAULT:CLOSE\nSSH OPEN USER carol\n")
    return path


def test_a_file_that_is_not_in_use_yet_decides(rules, draft: Path) -> None:
    rules("DEFAULT:OPEN\nSSH CLOSE USER carol\n")
    assert explain("SSH", "bob", "10.1.2.3")[0] == LET_IN
    status, lines = explain("--rules", str(draft), "SSH", "bob", "10.1.2.3")
    assert (status, lines[1]) == (REFUSED, "rule    new.conf:1: DEFAULT:CLOSE")
    status, lines = explain("--rules", str(draft), "SSH", "carol", "10.1.2.3")
    assert (status, lines[1]) == (LET_IN, "rule    new.conf:2: SSH OPEN USER carol")
    assert explain("SSH", "bob", "10.1.2.3")[0] == LET_IN


def test_lines_of_it_that_are_ignored_come_first(draft: Path) -> None:
    draft.write_text("DEFAULT:OPEN\n" + "brok\n" * 7 + "SSH ALLOW USER bob\n")
    _, lines = explain("--rules", str(draft), "SSH", "bob")
    assert lines[1] == "ignored new.conf:2: a rule has four fields, SERVICE ACTION TARGET LIST, and this has 1"
    assert lines[6:8] == ["ignored 3 more lines: run pam-accesscontrol check", "rule    new.conf:1: DEFAULT:OPEN"]


def test_ignored_lines_of_the_file_in_use_come_first_too(rules) -> None:
    rules("DEFAULT:OPEN\nSSH CLOES USER bob\n")
    status, lines = explain("SSH", "bob")
    assert status == LET_IN
    assert lines[1] == "ignored pam-accesscontrol.conf:2: ACTION is OPEN, CLOSE, ASK or NUMBER, not 'CLOES'"


def test_a_file_that_no_login_would_trust_says_so_and_what_its_rules_are(draft: Path) -> None:
    draft.chmod(0o666)
    status, lines = explain("--rules", str(draft), "SSH", "carol")
    assert (status, lines[0]) == (LET_IN, "let in: carol over SSH from LOCAL")
    assert lines[1] == f"file    {draft} is writable by group or others, so everything is CLOSE"


def test_somebody_who_is_not_root_can_try_a_file_of_their_own(rules) -> None:
    rules("DEFAULT:OPEN\n")
    told = run("runuser", "-u", "bob", "--", "sh", "-c", """
        cd; printf '%s\\n' DEFAULT:OPEN 'SSH CLOSE USER carol' >mine.conf
        pam-accesscontrol explain --rules mine.conf SSH carol""", check=False)
    assert told.returncode == REFUSED
    assert told.stdout.splitlines()[2] == "rule    mine.conf:2: SSH CLOSE USER carol"


@pytest.mark.parametrize("file", ["/no/such/file", "/etc", ""])
def test_a_file_that_is_none_is_a_wrong_call(file: str) -> None:
    told = command("explain", "--rules", file, "SSH", "bob")
    assert (told.returncode, told.stdout, told.stderr.count("\n")) == (USAGE, "", 1)


def test_that_there_is_nothing_to_ask_with_comes_first(rules, nobody) -> None:
    """Also while nobody is at the desktop, where the login would be let in."""
    rules("DEFAULT:OPEN\nSSH ASK USER bob\n")
    assert not any(line.startswith("lacks") for line in explain("SSH", "bob")[1])
    [folder] = Path("/usr/lib/python3/dist-packages").glob("PyQt5")
    hidden = folder.with_name("hidden-PyQt5")
    folder.rename(hidden)
    try:
        status, lines = explain("SSH", "bob")
        assert status == LET_IN
        assert lines[1] == "lacks   PyQt5 is not installed: ASK refuses while somebody is at the desktop"
        warned = command("check")
        assert warned.returncode == 0
        assert ": warning: PyQt5 is not installed: ASK refuses" in warned.stdout
        rules("DEFAULT:OPEN\n")
        assert "PyQt5" not in command("check").stdout + explain("SSH", "bob")[1][1]
    finally:
        hidden.rename(folder)


# --------------------------------------------------------------------------------------------------------- ASK


@pytest.mark.parametrize(
    ("unattended", "status", "outcome"),
    [
        ("OPEN", LET_IN, "let in, since nobody is there to ask: bob over SSH from 10.1.2.3"),
        ("CLOSE", REFUSED, "refused, since nobody can be asked: bob over SSH from 10.1.2.3"),
    ],
)
def test_what_ask_comes_to_with_nobody_at_the_desktop(
    unattended: str, status: int, outcome: str, rules, nobody
) -> None:
    rules(f"DEFAULT:CLOSE\nUNATTENDED:{unattended}\nSSH ASK USER bob\n")
    told, lines = explain("SSH", "bob", "10.1.2.3")
    assert (told, lines[0]) == (status, outcome)
    assert f"prompt  nobody is at the desktop, and UNATTENDED is {unattended}" in lines
    assert (ssh("bob").returncode == 0) == (status == LET_IN)


def test_a_full_limit_refuses_before_anybody_is_asked(rules, nobody) -> None:
    rules("DEFAULT:OPEN\nSSH ASK USER carol\nSSH NUMBER GROUP users:1\n")
    with inside("bob"):
        status, lines = explain("SSH", "carol", "10.1.2.3")
        assert (status, lines[0]) == (REFUSED, "refused, since a limit is full: carol over SSH from 10.1.2.3")


# ------------------------------------------------------------------------------------------- as a login has it


def test_somebody_whom_the_directory_does_not_know(rules) -> None:
    rules(RULES)
    told = command("explain", "ssh", "no-such-user", "10.1.2.3")
    assert told.returncode == 1
    assert told.stdout.splitlines()[1] == "user    there is no user no-such-user, or the directory did not answer"


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
        ["explain", "--caller", "erin", "su"],
        ["explain", "--caller"],
        ["check", "--since", "2026-11-01"],
        ["replay", "/no/such/file"],
        ["replay", "--since", "yesterday"],
        ["replay", "--since", "2026-13-01"],
        ["edit", "/no/such/folder/file"],
        ["status", "--xml"],
        ["ask", "bob"],
    ],
)
def test_a_wrong_call_gets_one_line_and_status_2(call: list[str]) -> None:
    told = command(*call)
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr.startswith("pam-accesscontrol: ") and told.stderr.count("\n") == 1
    assert told.stderr.removesuffix("\n").isprintable()


def test_somebody_who_is_not_root_gets_an_answer_or_a_reason(rules) -> None:
    rules("DEFAULT:OPEN\n")
    as_bob = ["setpriv", "--reuid=bob", "--regid=bob", "--clear-groups", "pam-accesscontrol"]
    assert run(*as_bob, "explain", "ssh", "bob", check=False).returncode == 0
    run("chmod", "600", "/etc/pam-accesscontrol/pam-accesscontrol.conf")
    told = run(*as_bob, "explain", "ssh", "bob", check=False)
    assert told.returncode == 2, "what bob cannot read, he cannot be told: it is not CLOSE"
    assert told.stderr.count("\n") == 1


def test_output_that_nobody_reads_is_no_traceback() -> None:
    told = run("sh", "-c", "pam-accesscontrol explain ssh bob >/dev/full", check=False)
    assert "Traceback" not in told.stderr
    assert told.returncode != 0
