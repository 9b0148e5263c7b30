"""pam-accesscontrol explain where ASK decides, and alice is at the desktop."""

from __future__ import annotations

import re

from desktop import Desktop
from machine import run

pytest_plugins = ["desktop_fixtures", "command_fixtures"]

REFUSED, ASKED = 1, 3


def test_it_tells_who_would_be_asked(desktop: Desktop, rules) -> None:
    rules("DEFAULT:CLOSE\nUNATTENDED:CLOSE\nSSH ASK USER bob\n")
    told = run("pam-accesscontrol", "explain", "SSH", "bob", "10.1.2.3", check=False)
    lines = told.stdout.splitlines()
    assert (told.returncode, lines[0]) == (ASKED, "asked about: bob over SSH from 10.1.2.3")
    assert "prompt  alice, at the desktop" in lines
    login = desktop.knock("bob")
    desktop.answer("Deny")
    assert login.refusal() == "Access denied: the person at the desktop did not allow it."


def test_a_deny_that_holds_refuses(desktop: Desktop, rules) -> None:
    rules("DEFAULT:CLOSE\nSSH ASK USER bob,carol\n")
    login = desktop.knock("bob")
    desktop.answer("Deny")
    assert login.refusal()
    told = run("pam-accesscontrol", "explain", "SSH", "bob", "192.0.2.7", check=False)
    assert told.returncode == REFUSED
    why = r"refused, since an earlier Deny by alice holds for [\d mins]+ more: bob over SSH from "
    assert re.match(why, told.stdout)
    assert run("pam-accesscontrol", "explain", "SSH", "carol", "10.1.2.3", check=False).returncode == ASKED


def test_somebody_who_is_not_root_is_told_the_same(desktop: Desktop, rules) -> None:
    rules("DEFAULT:CLOSE\nUNATTENDED:CLOSE\nSSH ASK USER bob\n")
    calling = ["runuser", "-u", "bob", "--", "pam-accesscontrol", "explain", "SSH", "bob", "10.1.2.3"]
    assert run(*calling, check=False).returncode == ASKED


def test_who_asked_for_su_is_told_with_the_prompt(desktop: Desktop, rules, guarded) -> None:
    guarded("su")
    rules("DEFAULT:OPEN\nSU ASK USER bob\n")
    told = run("pam-accesscontrol", "explain", "--caller", "erin", "SU", "bob", check=False)
    assert told.returncode == ASKED
    assert "prompt  alice, at the desktop, asked by erin" in told.stdout.splitlines()
