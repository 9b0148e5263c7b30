"""When the last session of somebody who was asked about has ended, the owner is told, in a window that is in no way."""

from __future__ import annotations

import os
import pwd
import re
import signal
import subprocess
from pathlib import Path

import pytest

from desktop import SEEN, Desktop, cgroup_of, logins_under_way, processes, window_processes
from limits import known_to_logind, needs_logind
from machine import ssh_command, wait_for

pytest_plugins = ["desktop_fixtures"]

ASK_BOB = "SSH ASK USER bob\nDEFAULT:OPEN\n"


@pytest.fixture(autouse=True)
def _rules(rules) -> None:
    rules(ASK_BOB + "REMEMBER:0\n")


def comes_in_and_leaves(desktop: Desktop) -> None:
    bob = desktop.knock("bob", stay=True)
    desktop.answer("Allow")
    bob.comes_in().leave()


def test_the_notice_tells_who_is_gone_from_where_and_after_how_long(desktop: Desktop) -> None:
    comes_in_and_leaves(desktop)
    notice = desktop.notice()
    assert notice.title == "SSH logout: bob from 10.1.2.3"
    headline, rest = notice.look()["texts"]
    assert headline == "bob has logged out"
    assert re.fullmatch(r"from 10\.1\.2\.3 over SSH, for \d+ s", rest)
    notice.click_at_once("Close")
    notice.wait_until_gone()


def test_it_takes_no_keyboard(desktop: Desktop) -> None:
    with desktop.someone_at_work() as work:
        focus = desktop.x("getwindowfocus")
        comes_in_and_leaves(desktop)
        notice = desktop.notice()
        desktop.x("windowactivate", focus)  # alice, who clicked on Allow, is back at work
        x, y, width, height = notice.look()["frame"]
        assert x + width > 1024 - 8 and y + height > 768 - 8, "it is in the corner"
        assert desktop.x("getwindowfocus") == focus
        desktop.x("key", "space", "Escape", "q")
        assert work.stdout is not None
        assert any("keysym 0x71, q" in line for line in iter(work.stdout.readline, ""))
        assert notice.look()["active"] is False
        notice.click_at_once("Close")
        notice.wait_until_gone()
        assert desktop.x("getwindowfocus") == focus


def test_it_closes_by_itself_after_half_a_minute(desktop: Desktop) -> None:
    (SEEN / "hurry").touch()  # the eye lets such a timer run sixty times as fast
    comes_in_and_leaves(desktop)
    notice = desktop.notice()
    assert notice.last_seen()["timers"] == [30_000]
    notice.wait_until_gone()


def test_it_comes_only_after_the_last_session(desktop: Desktop) -> None:
    first = desktop.knock("bob", stay=True)
    desktop.answer("Allow")
    first.comes_in()
    second = desktop.knock("bob", stay=True).comes_in()
    first.leave()
    wait_for(lambda: len(logins_under_way()) == 1, "the first has logged out")
    assert window_processes() == []
    second.leave()
    assert desktop.notice().look()["texts"][-1].endswith("\nthe last of 2 logins")


def test_the_logout_waits_neither_for_remember_nor_for_the_notice(desktop: Desktop, rules) -> None:
    rules(ASK_BOB + "REMEMBER:600\n")
    comes_in_and_leaves(desktop)
    wait_for(lambda: not logins_under_way(), "sshd has ended")
    [pending] = wait_for(window_processes, "a process waits to tell of it")
    assert Path(f"/proc/{pending}").stat().st_uid == pwd.getpwnam("alice").pw_uid
    assert os.getsid(pending) != 0, "it does not die with the login's session"


def test_the_logout_does_not_wait_for_a_display_that_hangs(desktop: Desktop) -> None:
    bob = desktop.knock("bob", stay=True)
    desktop.answer("Allow")
    bob.comes_in()
    [server] = processes(lambda words: words[:2] == ["Xvfb", ":0"])
    os.kill(server, signal.SIGSTOP)
    try:
        bob.leave()
        wait_for(lambda: not logins_under_way() and "bob" not in known_to_logind(), "bob has logged out")
    finally:
        os.kill(server, signal.SIGCONT)
    assert desktop.notice().title == "SSH logout: bob from 10.1.2.3"


@needs_logind
def test_nothing_of_ours_is_left_in_the_session_that_has_ended(desktop: Desktop, rules) -> None:
    rules(ASK_BOB + "REMEMBER:600\n")
    bob = desktop.knock("bob", stay=True)
    desktop.answer("Allow")
    bob.comes_in()
    [session] = [path for path in Path("/run/systemd/sessions").glob("*[!f]") if is_bobs(path.read_text())]
    bob.leave()
    wait_for(lambda: not session.exists(), "logind has forgotten the session")
    [pending] = wait_for(window_processes, "a process waits to tell of it")
    assert cgroup_of(pending).startswith("/system.slice/pam-accesscontrol-ended-")
    wait_for(lambda: not processes(lambda words: words[:1] == ["/usr/bin/systemd-run"]), "systemd-run has ended")


def is_bobs(session: str) -> bool:
    return "\nUSER=bob\n" in session and "\nCLASS=user\n" in session


def test_a_hundred_scp_are_one_question_and_one_notice(desktop: Desktop, rules, journal) -> None:
    rules(ASK_BOB + "REMEMBER:4\n")
    line, environment = ssh_command("bob", program=("scp", "-q"))
    loop = 'for _ in $(seq 100); do "$@" /etc/hostname bob@127.0.0.1:/tmp/copy || exit; done'
    with desktop.watched() as history:
        copying = subprocess.Popen(["sh", "-c", loop, "sh", *line], env=environment)
        desktop.answer("Allow")
        assert copying.wait(timeout=200) == 0
        notice = desktop.notice()
        assert notice.look()["texts"][-1].endswith("\nthe last of 100 logins")
    told = [row.rpartition(": ")[2] for row in journal() if row.endswith(" by alice")]
    assert told == ["allowed by alice", *99 * ["earlier Allow by alice"]]
    assert sum(bool(after) and not before for before, after in zip(history, history[1:])) == 2
