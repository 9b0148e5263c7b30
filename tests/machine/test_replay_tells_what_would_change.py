"""pam-accesscontrol replay: which logins of the monthly logs other rules would decide otherwise, each kind once."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from host import PASSING, PLUGIN, SUCCESS, host
from hosts import as_user, files, guarded, on_terminal
from limits import inside
from machine import RULE_FILE, Result, console, password_of, run, ssh, ssh_session, wait_for
from su import su

pytest_plugins = ["command_fixtures", "limits_fixtures"]

NONE, SOME, USAGE = 0, 1, 2
LOGS = Path("/var/log")
FIRST = datetime.date.today().replace(day=1)  # of this month, and of those before
LAST_FIRST = (FIRST - datetime.timedelta(days=1)).replace(day=1)
OLD_FIRST = (LAST_FIRST - datetime.timedelta(days=1)).replace(day=1)

pytestmark = pytest.mark.usefixtures("no_logs")


def command(*arguments: str, **more: object) -> Result:
    return run("pam-accesscontrol", "replay", *arguments, check=False, **more)


def days_of_the_tests() -> set[datetime.date]:
    """Today, and yesterday, since midnight may pass in a test."""
    return {datetime.date.today(), datetime.date.today() - datetime.timedelta(days=1)}


def told(*arguments: str) -> tuple[int, list[str]]:
    """The status of replay, and the lines that it prints; for the day on which the tests run they have a D."""
    said = command(*arguments)
    assert said.stderr == ""
    lines = said.stdout.splitlines()
    for day in days_of_the_tests():
        lines = [line.replace(f", last {day}:", ", last D:") for line in lines]
    return said.returncode, lines


@pytest.fixture
def new(tmp_path: Path) -> Callable[[str], str]:
    """new(TEXT): the name of another rule file."""

    def write(text: str) -> str:
        path = tmp_path / "new.conf"
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        return str(path)

    return write


def nothing(logins: int) -> tuple[int, list[str]]:
    return NONE, [f"none of {logins} logins since {LAST_FIRST} would be decided otherwise"]


# ------------------------------------------------------------------------------------------------------- real logins


def test_each_kind_of_login_that_changes_is_told_once_and_no_other(rules, new) -> None:
    rules("DEFAULT:OPEN\nSSH CLOSE USER carol\nSSH OPEN USER bob\n")
    for user, source in (("bob", "10.1.2.3"), ("bob", "192.0.2.7"), ("bob", "192.0.2.7"), ("erin", "10.1.2.3"),
                         ("carol", "10.1.2.4"), ("alice", "2001:db8::7"), ("alice", "10.1.2.4")):  # fmt: skip
        ssh(user, source=source)
    file = new("# ours\nSSH OPEN USER bob@10.0.0.0/8,carol,erin\nSSH OPEN USER alice@10.1.2.4\n")
    assert told(file) == (
        SOME,
        [
            "bob over SSH from 192.0.2.7, 2 logins, last D: let in then (SSH OPEN USER bob),"
            " refused now by no DEFAULT, which means CLOSE",
            "carol over SSH from 10.1.2.4, 1 login, last D: refused then (SSH CLOSE USER carol),"
            " let in now by line 2 (SSH OPEN USER bob@10.0.0.0/8,carol,erin)",
            "alice over SSH from 2001:db8::7, 1 login, last D: let in then (DEFAULT:OPEN),"
            " refused now by no DEFAULT, which means CLOSE",
        ],
    )
    assert told() == nothing(7)


def test_without_a_file_it_is_the_rules_in_use_and_a_login_meets_what_was_told(rules) -> None:
    for user in ("bob", "erin"):
        ssh(user, check=True)
    rules("DEFAULT:OPEN\nSSH CLOSE GROUP lp\n")
    assert told() == (
        SOME,
        ["bob over SSH from 10.1.2.3, 1 login, last D: let in then (DEFAULT:OPEN),"
         " refused now by line 2 (SSH CLOSE GROUP lp)"],
    )  # fmt: skip
    assert ssh("bob").returncode != 0
    assert ssh("erin").returncode == 0


def test_the_same_login_from_many_addresses_is_one_kind(new) -> None:
    for source in ("10.1.2.3", "10.1.2.4", "192.0.2.7", "2001:db8::7", "10.1.2.3"):
        ssh("bob", source=source, check=True)
    status, lines = told(new("SSH CLOSE USER bob@10.1.2.0/24\nSSH CLOSE USER bob@2001:db8::/32\nDEFAULT:OPEN\n"))
    assert (status, lines) == (
        SOME,
        [
            "bob over SSH from 2 addresses, 3 logins, last D: let in then (DEFAULT:OPEN),"
            " refused now by line 1 (SSH CLOSE USER bob@10.1.2.0/24)",
            "bob over SSH from 2001:db8::7, 1 login, last D: let in then (DEFAULT:OPEN),"
            " refused now by line 2 (SSH CLOSE USER bob@2001:db8::/32)",
        ],
    )


@pytest.fixture
def _su_and_sudo() -> Iterator[None]:
    sudoers = {"/etc/sudoers.d/tests": "erin ALL=(ALL:ALL) ALL\n"}
    with guarded("su", "sudo"), files(sudoers, 0o440):
        yield


@pytest.mark.usefixtures("_su_and_sudo")
def test_every_kind_of_service(rules, new) -> None:
    rules("DEFAULT:OPEN\nXDM CLOSE USER bob\n")
    ssh("bob", check=True)
    child = console("bob")
    child.expect(r"bob@")
    child.sendline("exit")
    child.expect(pexpect.EOF)
    host("lightdm", "bob", "acct")
    child = su("bob")
    child.expect("i am bob")
    child.expect(pexpect.EOF)
    status, _ = on_terminal(as_user("erin", "sudo", "-k", "id", "-un"), password_of("erin"))
    assert status == 0
    assert told() == nothing(5)
    closed = new("".join(f"{name} CLOSE USER bob,erin\n" for name in ("SSH", "TTY", "SU", "SUDO")) + "DEFAULT:OPEN\n")
    then, now = "let in then (DEFAULT:OPEN)", "CLOSE USER bob,erin)"
    status, lines = told(closed)
    assert (status, sorted(lines)) == (
        SOME,
        sorted(
            [
                f"bob over SSH from 10.1.2.3, 1 login, last D: {then}, refused now by line 1 (SSH {now}",
                f"bob on the console from LOCAL, 1 login, last D: {then}, refused now by line 2 (TTY {now}",
                f"bob over SU from LOCAL, 1 login, last D: {then}, refused now by line 3 (SU {now}",
                f"erin over SUDO from LOCAL, 1 login, last D: {then}, refused now by line 4 (SUDO {now}",
                "bob at the desktop from LOCAL, 1 login, last D: refused then (XDM CLOSE USER bob),"
                " let in now by line 5 (DEFAULT:OPEN)",
            ]
        ),
    )


def test_the_end_of_a_session_is_no_login(rules, monthly_log) -> None:
    for user in ("bob", "carol"):
        with ssh_session(user):
            pass
    wait_for(lambda: monthly_log().count("closed") == 2, "the ends are written down")
    assert told() == nothing(2)


# ----------------------------------------------------------------------------------------------------- limits and ASK


def test_a_refusal_by_a_limit_is_no_change_while_a_limit_is_on_it(rules, new, nobody) -> None:
    limited = "DEFAULT:OPEN\nSSH NUMBER USER bob:1\n"
    rules(limited)
    with inside("bob"):
        assert ssh("bob").returncode != 0
    assert told() == nothing(2)
    assert told(new("SSH NUMBER GROUP lp:7\nDEFAULT:OPEN\n")) == nothing(2)
    assert told(new("DEFAULT:OPEN\n")) == (
        SOME,
        ["bob over SSH from 10.1.2.3, 1 login, last D: refused then (SSH NUMBER USER bob:1),"
         " let in now by line 1 (DEFAULT:OPEN)"],
    )  # fmt: skip
    for line in ("SSH NUMBER USER bob:0", "SSH CLOSE USER bob"):
        assert told(new(f"DEFAULT:OPEN\n{line}\n")) == (
            SOME,
            ["bob over SSH from 10.1.2.3, 1 login, last D: let in then (DEFAULT:OPEN),"
             f" refused now by line 2 ({line})"],
        )  # fmt: skip


@pytest.mark.parametrize("unattended", ["OPEN", "CLOSE"])
def test_who_was_asked_about_is_so_still_whatever_came_of_it(unattended: str, rules, new, nobody) -> None:
    rules(f"UNATTENDED:{unattended}\nSSH ASK USER bob\nDEFAULT:OPEN\n")
    for user in ("bob", "carol"):
        assert (ssh(user).returncode == 0) is (user == "carol" or unattended == "OPEN")
    assert told() == nothing(2)
    for other in ("OPEN", "CLOSE"):
        assert told(new(f"UNATTENDED:{other}\nDEFAULT:OPEN\nSSH ASK GROUP lp\n")) == nothing(2)
    assert told(new("DEFAULT:OPEN\n")) == (
        SOME,
        ["bob over SSH from 10.1.2.3, 1 login, last D: asked about then (SSH ASK USER bob),"
         " let in now by line 1 (DEFAULT:OPEN)"],
    )  # fmt: skip
    assert told(new("DEFAULT:OPEN\nSSH CLOSE USER bob\nSSH ASK USER carol\n"))[1] == [
        "bob over SSH from 10.1.2.3, 1 login, last D: asked about then (SSH ASK USER bob),"
        " refused now by line 2 (SSH CLOSE USER bob)",
        "carol over SSH from 10.1.2.3, 1 login, last D: let in then (DEFAULT:OPEN),"
        " asked about now by line 3 (SSH ASK USER carol)",
    ]


# ---------------------------------------------------------------------------------------------------- names and hosts

NAMES = {
    "domain user": r"domain\x20user",
    "bob@ad.example.org": r"bob\x40ad.example.org",
    "AD\\bob": r"AD\bob",
    "jürgen": "jürgen",
    "j\udcfcrgen": r"j\xfcrgen",
    "张伟": "张伟",
    "a b@c\\d\udcff": r"a\x20b\x40c\d\xff",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_the_same_name_in_the_log_and_in_the_rules(name: str, rules, new, service) -> None:
    service("scratch", PASSING)
    for user in (name, "bob"):
        assert host("scratch", user, "acct", "open", "close").returned["open"] == SUCCESS
    rule = f'SCRATCH CLOSE USER "{name}"'
    assert told(new(f"DEFAULT:OPEN\n{rule}\n")) == (
        SOME,
        [f"{NAMES[name]} over SCRATCH from LOCAL, 1 login, last D: let in then (DEFAULT:OPEN), refused now by line 2"
         f" ({rule.replace(name, NAMES[name].replace(chr(92) + 'x20', ' ').replace(chr(92) + 'x40', '@'))})"],
    )  # fmt: skip
    rules(f"DEFAULT:OPEN\n{rule}\n")
    assert SUCCESS not in host("scratch", name, "acct").returned.values()


@pytest.mark.parametrize(
    ("rhost", "shown", "changes"),
    [
        ("", "LOCAL", "LOCAL"),
        ("192.0.2.7", "192.0.2.7", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.0/24"),
        ("2001:db8::7", "2001:db8::7", "2001:db8::/32"),
        ("fe80::7%eth0", "fe80::7%eth0", "fe80::/10"),
        ("client.example.org", "client.example.org", "192.0.2.0/24"),  # names can be forged: whoever it is, is refused
        ("LOCAL", "local", "192.0.2.0/24"),
        ("no host", r"no\x20host", "192.0.2.0/24"),
    ],
)
def test_a_host_is_the_same_host_in_the_log_and_in_the_rules(
    rhost: str, shown: str, changes: str, rules, new, service
) -> None:
    service("scratch", PASSING)
    host("scratch", "bob", "acct", "open", "close", rhost=rhost)
    host("scratch", "bob", "acct", "open", "close", rhost="198.51.100.1")
    rule = f"SCRATCH CLOSE USER bob@{changes}"
    status, [line] = told(new(f"DEFAULT:OPEN\n{rule}\n"))
    assert status == SOME and line.endswith(f"refused now by line 2 ({rule})")
    assert line.startswith(f"bob over SCRATCH from {shown}, 1 login, last D: let in then (DEFAULT:OPEN), ")
    rules(f"DEFAULT:OPEN\n{rule}\n")
    assert SUCCESS not in host("scratch", "bob", "acct", rhost=rhost).returned.values()


def test_a_service_with_a_file_of_its_own_is_judged_by_that(rules, new, service, tmp_path: Path) -> None:
    own = tmp_path / "own.conf"
    own.write_text("SCRATCH OPEN USER bob\n")
    service("scratch", PASSING.replace(PLUGIN, f"{PLUGIN} conf={own}"))
    host("scratch", "bob", "acct", "open", "close")
    ssh("bob", check=True)
    ssh_alone = "bob over SSH from 10.1.2.3, 1 login, last D: let in then (DEFAULT:OPEN), refused now by"
    assert told(new("DEFAULT:CLOSE\n")) == (SOME, [f"{ssh_alone} line 1 (DEFAULT:CLOSE)"])
    own.write_text("\nSCRATCH CLOSE USER bob\n")
    assert told() == (
        SOME,
        ["bob over SCRATCH from LOCAL, 1 login, last D: let in then (SCRATCH OPEN USER bob),"
         " refused now by line 2 (SCRATCH CLOSE USER bob)"],
    )  # fmt: skip


def test_a_service_that_is_there_no_more_is_decided_all_the_same(new, service) -> None:
    service("scratch", PASSING)
    host("scratch", "bob", "acct", "open", "close")
    Path("/etc/pam.d/scratch").unlink()
    _, [line] = told(new("SCRATCH CLOSE USER bob\nDEFAULT:OPEN\n"))
    assert line.endswith("refused now by line 1 (SCRATCH CLOSE USER bob)")


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (lambda path: path.chmod(0o666), "line 1 (DEFAULT:CLOSE)"),  # what it would say, once it can be trusted
        (lambda path: path.write_bytes(b"#" * (1 + (16 << 20))), "larger than 16777216 bytes, so everything is CLOSE"),
    ],
    ids=["writable", "too large"],
)
def test_a_file_that_no_login_would_trust(harm: Callable[[Path], None], why: str, new) -> None:
    ssh("bob", check=True)
    file = new("DEFAULT:CLOSE\n")
    harm(Path(file))
    status, [line] = told(file)
    assert status == SOME and line.endswith(why) and "refused now by" in line


# --------------------------------------------------------------------------------------------------------- which logs


def logged(day: datetime.date, user: str = "bob", host: str = "10.1.2.3", outcome: str = "granted") -> str:
    why = "pam-accesscontrol.conf:1: DEFAULT:OPEN"
    return f"{day} 12:00:00  SSH       OPEN    {user + '@' + host:<28}  {outcome:<7}  {why}\n"


def log_of(month: datetime.date, *lines: str | bytes) -> Path:
    path = LOGS / f"pam-accesscontrol-{month:%Y-%m}.log"
    path.write_bytes(b"".join(line if isinstance(line, bytes) else line.encode() for line in lines))
    path.chmod(0o640)
    return path


def test_this_month_and_the_last_are_read_and_earlier_ones_when_asked_for(new) -> None:
    file = new("DEFAULT:CLOSE\n")
    days = [OLD_FIRST, LAST_FIRST, LAST_FIRST.replace(day=28), FIRST]
    for day in days:
        path = LOGS / f"pam-accesscontrol-{day:%Y-%m}.log"
        log_of(day, path.read_bytes() if path.exists() else b"", logged(day))
    for since, count in ((None, 3), (days[0], 4), (days[1], 3), (days[2], 2), (days[3], 1)):
        status, [line] = told(*([] if since is None else ["--since", str(since)]), file)
        last = "D" if FIRST in days_of_the_tests() else FIRST
        logins = "1 login" if count == 1 else f"{count} logins"
        assert (status, line.partition(": ")[0]) == (SOME, f"bob over SSH from 10.1.2.3, {logins}, last {last}")
    tomorrow = datetime.date.today() + datetime.timedelta(days=1)
    assert told("--since", str(tomorrow)) == (NONE, [f"there are no logins in the logs since {tomorrow}"])
    assert told("--since", str(days[0])) == (
        NONE, [f"none of 4 logins since {days[0]} would be decided otherwise"]
    )  # fmt: skip


def test_where_there_are_no_logs_there_is_no_change(new) -> None:
    assert list(LOGS.glob("pam-accesscontrol-*.log")) == []
    assert told(new("DEFAULT:CLOSE\n")) == (NONE, [f"there are no logins in the logs since {LAST_FIRST}"])


ODD = [
    b"\n", b"\0\n", b"before\n", bytes(range(256)), b"\xff" * 5000 + b"\n", b" " * 5000 + b"\n", b"@" * 5000 + b"\n",
    b"x  " * 5000 + b"\n", logged(FIRST)[:40].encode() + b"\n", logged(FIRST)[:-40].encode(),
]  # fmt: skip


def test_odd_lines_do_no_harm(new) -> None:
    lines: list[str | bytes] = [logged(FIRST, "carol")]
    for odd in ODD:
        lines += [odd if odd.endswith(b"\n") else odd + b"\n", logged(FIRST, "carol")]
    log_of(FIRST, *lines, logged(FIRST).rstrip("\n")[:30])
    status, printed = told(new("DEFAULT:CLOSE\n"))
    assert status == SOME
    [carol] = [line for line in printed if line.startswith("carol over SSH")]
    assert f", {len(ODD) + 1} logins, " in carol
    assert all(line.isprintable() for line in printed)


def test_the_lines_of_the_first_version_are_read(new) -> None:
    """Its column of the service was narrower."""
    why = "pam-accesscontrol.conf:1: SSH OPEN USER bob"
    line = f"{FIRST} 12:00:00  {'SSH':<4}  {'OPEN':<6}  {'bob@10.1.2.3':<28}  {'granted':<7}  {why}\n"
    closed = f"{FIRST} 12:00:09  {'SSH':<4}  {'OPEN':<6}  {'bob@10.1.2.3':<28}  {'closed':<7}  after 9 s\n"
    log_of(FIRST, line, closed, line)
    _, [change] = told(new("DEFAULT:CLOSE\n"))
    assert change.startswith("bob over SSH from 10.1.2.3, 2 logins, last ")
    assert change.endswith(": let in then (SSH OPEN USER bob), refused now by line 1 (DEFAULT:CLOSE)")


# --------------------------------------------------------------------------------------------------------- wrong calls


def as_bob(*arguments: str, groups: str = "lp") -> Result:
    who = ("setpriv", "--reuid=bob", "--regid=bob", f"--groups={groups}")
    return run(*who, "pam-accesscontrol", "replay", *arguments, check=False)


def test_who_may_not_read_the_log_is_told_so_in_one_line(rules) -> None:
    path = log_of(FIRST, logged(FIRST))
    said = as_bob()
    assert (said.returncode, said.stdout) == (USAGE, "")
    assert said.stderr == f"pam-accesscontrol: only root and the group adm can read {path}\n"


def test_the_group_adm_can_read_it(rules, service, tmp_path: Path) -> None:
    run("chgrp", "adm", str(log_of(FIRST, logged(FIRST))))
    rules("DEFAULT:CLOSE\n")
    said = as_bob(groups="adm")
    assert (said.returncode, said.stderr) == (SOME, "")
    assert said.stdout == command().stdout and said.stdout.startswith("bob over SSH from 10.1.2.3, 1 login, ")


def test_a_rule_file_that_only_root_can_read_is_not_taken_for_one_that_refuses(rules, service, tmp_path: Path) -> None:
    own = Path("/etc/pam-accesscontrol/own.conf")
    service("scratch", PASSING.replace(PLUGIN, f"{PLUGIN} conf={own}"))
    run("chgrp", "adm", str(log_of(FIRST, logged(FIRST).replace("SSH    ", "SCRATCH"))))
    for path in (own, RULE_FILE):
        try:
            own.write_text("DEFAULT:OPEN\n")
            path.chmod(0o600)
            said = as_bob(groups="adm")
            assert (said.returncode, said.stdout) == (USAGE, "")
            assert said.stderr == f"pam-accesscontrol: only root can read {path}\n"
        finally:
            own.unlink()
            RULE_FILE.chmod(0o644)


@pytest.mark.parametrize(
    "call",
    [
        ["/no/such/file"],
        ["/no\nsuch/file"],
        ["/etc"],
        [""],
        [str(RULE_FILE), str(RULE_FILE)],
        ["--since"],
        ["--since", ""],
        ["--since", "2026-02-30"],
        ["--since", "yesterday"],
        ["--since", "no\nday"],
        ["--frobnicate"],
    ],
)
def test_a_wrong_call_gets_one_line_and_status_2(call: list[str]) -> None:
    said = command(*call)
    assert (said.returncode, said.stdout) == (USAGE, "")
    assert said.stderr.startswith("pam-accesscontrol: ") and said.stderr.count("\n") == 1
    assert said.stderr.removesuffix("\n").isprintable()


def test_it_cannot_be_made_to_write_escapes(rules, service) -> None:
    service("scratch", PASSING)
    host("scratch", "b\x1b[2Job\udc9b", "acct", "open", "close", rhost="1\x1b[2J")
    rules("DEFAULT:CLOSE\n")
    status, lines = told()
    assert status == SOME and lines and all(line.isprintable() for line in lines)


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8"])
def test_the_locale_of_whoever_calls_is_no_matter(locale: str, new, service) -> None:
    service("scratch", PASSING)
    for user in ("jürgen", "j\udcfcrgen"):
        host("scratch", user, "acct", "open", "close")
    file = new('DEFAULT:OPEN\nSCRATCH CLOSE USER jürgen\nSCRATCH CLOSE USER "j\udcfcrgen"\n')
    said = command(file, env={"PATH": os.environ["PATH"], "LC_ALL": locale})
    assert said.returncode == SOME and said.stderr == ""
    assert sorted(line.rpartition(" now by ")[2][:6] for line in said.stdout.splitlines()) == ["line 2", "line 3"]
