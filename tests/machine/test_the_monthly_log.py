"""The month's own log has one line for each login that was let in, refused or ended, in columns that line up."""

from __future__ import annotations

import grp
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from host import PASSING, SUCCESS, host, nobody_is_about_to_leave
from limits import SESSIONS
from machine import run, ssh, ssh_session, wait_for


def log_file() -> Path:
    return Path(time.strftime("/var/log/pam-accesscontrol-%Y-%m.log"))


@pytest.fixture
def _another_place() -> Iterator[None]:
    """The log is out of the way, so that a test may put there what it likes."""
    aside = Path("/var/log/aside")
    shutil.rmtree(SESSIONS, ignore_errors=True)  # or who is found ended is told of there
    if log_file().exists():
        log_file().rename(aside)
    yield
    run("rm", "-rf", str(log_file()))
    if aside.exists():
        aside.rename(log_file())


@pytest.fixture(autouse=True)
def _scratch(service) -> None:
    nobody_is_about_to_leave()
    service("scratch", PASSING)


def without_time(text: str) -> list[str]:
    """The lines, each of which must begin with a date and a time."""
    clock = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  ")
    assert all(clock.match(line) for line in text.splitlines()), text
    return [clock.sub("", line) for line in text.splitlines()]


def test_one_line_for_a_login_let_in_and_one_for_its_end(rules, monthly_log) -> None:
    rules("SSH OPEN USER bob\n")
    with ssh_session("bob"):
        assert without_time(monthly_log()) == [
            "SSH       OPEN    bob@10.1.2.3                  granted  pam-accesscontrol.conf:1: SSH OPEN USER bob"
        ]
    wait_for(lambda: monthly_log().count("\n") == 2, "the end of the session is written down")
    ended = without_time(monthly_log())[1]
    assert re.fullmatch(r"SSH       OPEN    bob@10\.1\.2\.3                  closed   after \d+ s", ended)


def test_one_line_for_a_login_refused(rules, monthly_log) -> None:
    rules("SSH CLOSE USER bob\n")
    ssh("bob", source="2001:db8::7")
    assert without_time(monthly_log()) == [
        "SSH       CLOSE   bob@2001:db8::7               denied   pam-accesscontrol.conf:1: SSH CLOSE USER bob"
    ]


def test_one_line_for_a_password_refused(rules, monthly_log) -> None:
    rules("SSH CLOSE USER bob\n")
    ssh("bob", password="bob-pw")
    assert without_time(monthly_log()) == [
        "SSH       CLOSE   bob@10.1.2.3                  denied   pam-accesscontrol.conf:1: SSH CLOSE USER bob"
    ]


def test_a_login_with_no_host_is_from_LOCAL(rules, monthly_log) -> None:
    rules("ALL OPEN USER ALL\n")
    host("scratch", "bob", "acct", "open", "close")
    granted, closed = (line.split(maxsplit=4) for line in without_time(monthly_log()))
    assert granted == ["SCRATCH", "OPEN", "bob@LOCAL", "granted", "pam-accesscontrol.conf:1: ALL OPEN USER ALL"]
    assert closed[:4] == ["SCRATCH", "OPEN", "bob@LOCAL", "closed"]
    assert closed[4].startswith("after ")


def test_no_line_for_a_session_that_was_never_opened(rules, monthly_log) -> None:
    rules("ALL CLOSE USER bob\n")
    host("scratch", "bob", "close")
    assert monthly_log() == ""


def test_a_login_that_nobody_answered_for_tells_so(rules, monthly_log) -> None:
    rules("ALL ASK USER bob,carol\nUNATTENDED:CLOSE\n")
    host("scratch", "bob", "open")
    rules("ALL ASK USER bob,carol\nUNATTENDED:OPEN\n")
    host("scratch", "carol", "open")
    denied, granted = without_time(monthly_log())
    assert denied.split()[:4] == ["SCRATCH", "ASK", "bob@LOCAL", "denied"]
    assert denied.endswith("pam-accesscontrol.conf:1: ALL ASK USER bob,carol: nobody to ask")
    assert granted.split()[:4] == ["SCRATCH", "ASK", "carol@LOCAL", "granted"]
    assert granted.endswith("pam-accesscontrol.conf:1: ALL ASK USER bob,carol: nobody to ask, UNATTENDED is OPEN")


@pytest.mark.usefixtures("_another_place")
@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
def test_it_is_for_root_and_adm_whatever_the_umask(umask: int) -> None:
    assert host("scratch", "bob", "open", umask=umask).returned == {"open": SUCCESS}
    about = log_file().stat()
    assert (about.st_mode & 0o7777, about.st_uid, about.st_gid) == (0o640, 0, grp.getgrnam("adm").gr_gid)
    assert log_file().read_text().count("\n") == 1


@pytest.mark.usefixtures("_another_place")
def test_lines_are_added_to_what_is_there() -> None:
    log_file().write_text("before\n")
    host("scratch", "bob", "open")
    assert [line.split()[-2:] for line in log_file().read_text().splitlines()] == [
        ["before"],
        ["pam-accesscontrol.conf:1:", "DEFAULT:OPEN"],
    ]


def plant_folder(place: Path) -> None:
    place.mkdir()


def plant_link(place: Path) -> None:
    place.symlink_to("/var/log/victim")


def plant_fifo(place: Path) -> None:
    os.mkfifo(place)


def plant_hard_link(place: Path) -> None:
    victim = Path("/var/log/victim")
    victim.write_text("untouched\n")
    os.link(victim, place)


def plant_file_of_bob(place: Path) -> None:
    place.touch()
    run("chown", "bob", str(place))


PLANTED = [plant_folder, plant_link, plant_fifo, plant_hard_link, plant_file_of_bob]


@pytest.mark.usefixtures("_another_place")
@pytest.mark.parametrize("plant", PLANTED)
def test_where_it_cannot_be_written_the_rules_decide_all_the_same(plant, rules, journal) -> None:
    victim = Path("/var/log/victim")
    victim.write_text("untouched\n")
    plant(log_file())
    rules("ALL OPEN USER bob\n")
    assert host("scratch", "bob", "acct", "open", timeout=20).returned == {"acct": SUCCESS, "open": SUCCESS}
    assert SUCCESS not in host("scratch", "carol", "acct", timeout=20).returned.values()
    assert len([line for line in journal() if f"{log_file()} cannot be written: " in line]) == 2
    assert victim.read_text() == "untouched\n"
    assert log_file().is_dir() or log_file().is_fifo() or log_file().read_text() in ("", "untouched\n")
    victim.unlink()


def test_where_var_log_is_read_only_the_rules_decide_all_the_same(rules, journal, monthly_log) -> None:
    shutil.rmtree(SESSIONS, ignore_errors=True)
    rules("ALL OPEN USER bob\n")
    read_only = "mount --bind /var/log /var/log && mount -o remount,bind,ro /var/log && exec pamtester scratch $0 $1"
    assert run("unshare", "--mount", "sh", "-c", read_only, "bob", "open_session", check=False).returncode == 0
    assert run("unshare", "--mount", "sh", "-c", read_only, "carol", "acct_mgmt", check=False).returncode == 1
    assert len([line for line in journal() if "cannot be written: Read-only file system" in line]) == 2
    assert monthly_log() == ""
