"""pam-accesscontrol explain where ASK decides, and alice is at the desktop."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from desktop import Desktop
from limits import as_user
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


# ------------------------------------------------------------------------------------- who does not see everything


def test_where_proc_hides_the_processes_of_others_somebody_is_at_the_desktop(desktop: Desktop, rules) -> None:
    rules("DEFAULT:CLOSE\nUNATTENDED:OPEN\nSSH ASK USER bob\n")
    hiding = ["unshare", "--mount", "sh", "-c", 'mount -t proc -o hidepid=2 proc /proc && exec "$@"', "sh"]
    seen = run(*hiding, *as_user("carol"), "ps", "-e").stdout
    assert "ps" in seen and "Xvfb" not in seen and "lightdm" not in seen
    told = run(*hiding, *as_user("carol"), "pam-accesscontrol", "explain", "SSH", "bob", "10.1.2.3", check=False)
    assert told.returncode == ASKED
    assert "prompt  alice, at the desktop" in told.stdout.splitlines()


# --------------------------------------------------------------------------------------- what it takes to ask somebody


@pytest.fixture(params=["/usr/lib/python3/dist-packages/PyQt5", "/usr/bin/systemd-run"])
def lacks(request) -> Iterator[str]:
    """A machine without PyQt5, or without systemd-run."""
    path = request.param
    if path.endswith("PyQt5"):
        run("mount", "-t", "tmpfs", "none", path)
        yield "PyQt5"
        run("umount", path)
    else:
        run("mv", path, "/usr/bin/systemd-run.away")
        yield path
        run("mv", "/usr/bin/systemd-run.away", path)


def test_what_is_not_installed_is_told_before_it_refuses(desktop: Desktop, rules, lacks: str, journal) -> None:
    rules("DEFAULT:OPEN\nUNATTENDED:OPEN\nSSH ASK USER bob\n")
    why = f"{lacks} is not installed: ASK refuses while somebody is at the desktop"
    checked = run("pam-accesscontrol", "check", check=False)
    assert checked.returncode == 0
    assert f"/etc/pam-accesscontrol/pam-accesscontrol.conf: warning: {why}" in checked.stdout.splitlines()
    told = run("pam-accesscontrol", "explain", "SSH", "bob", "10.1.2.3", check=False)
    assert told.returncode == REFUSED
    assert told.stdout.startswith("refused, since nobody can be asked: bob over SSH from 10.1.2.3\n")
    assert f"prompt  {why}" in told.stdout.splitlines()
    assert desktop.knock("bob").refusal() == "Access denied: the person at the desktop could not be asked."
    assert lacks in journal()[-1]
    rules("DEFAULT:OPEN\n")
    checked = run("pam-accesscontrol", "check", check=False)
    assert lacks not in checked.stdout, "no rule asks anybody"
