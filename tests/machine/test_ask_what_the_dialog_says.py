"""The dialog tells who wants in, from where, over what, and how they proved who they are; all of it as plain text."""

from __future__ import annotations

import pwd
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from desktop import BY_IPV6, Desktop, Window
from host import PASSING
from machine import KEYS, run

pytest_plugins = ["desktop_fixtures"]

HOSTILE = "Bob <b>Example</b> &amp; <img src=x> [*]"


@pytest.fixture(autouse=True)
def _rules(rules) -> None:
    rules("SSH ASK USER bob\nSCRATCH ASK USER ALL\nDEFAULT:OPEN\nREMEMBER:0\n")


@pytest.fixture
def called() -> Iterator[Callable[[str], None]]:
    """called("Bob Example"): bob's full name, for this test."""
    before = pwd.getpwnam("bob").pw_gecos
    yield lambda name: run("usermod", "--comment", name, "bob") and None
    run("usermod", "--comment", before, "bob")


def asked_about(desktop: Desktop, **how: str) -> Window:
    desktop.knock("bob", **how)
    return desktop.question()


def test_who_from_where_and_over_what(desktop: Desktop, called) -> None:
    called("Bob Example,Room 7")
    before = time.strftime("%H:%M:%S")
    window = asked_about(desktop)
    assert window.title == "SSH login: bob from 10.1.2.3"
    assert window.look()["texts"][0] == "bob wants to log in"
    assert [window.fact(name) for name in ("Full name", "From", "Over")] == ["Bob Example", "10.1.2.3", "SSH"]
    assert before <= window.fact("Waiting since") <= time.strftime("%H:%M:%S") or before > "23:59"


def test_who_comes_by_ipv6(desktop: Desktop) -> None:
    window = asked_about(desktop, source=BY_IPV6)
    assert window.title == f"SSH login: bob from {BY_IPV6}"
    assert window.fact("From") == BY_IPV6


@pytest.mark.parametrize(("rhost", "shown"), [
    ("::ffff:192.0.2.7", "192.0.2.7"),
    ("::FFFF:c000:207", "192.0.2.7"),
    ("fe80::1%eth0", "fe80::1%eth0"),
    ("host.example", "host.example"),
])
def test_a_host_by_the_shortest_of_its_names(desktop: Desktop, service, journal, rhost: str, shown: str) -> None:
    service("scratch", PASSING)
    line = ["pamtester", "-I", f"rhost={rhost}", "scratch", "bob", "open_session"]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as host:
        window = desktop.question()
        assert window.title == f"SCRATCH login: bob from {shown}"
        assert window.fact("From") == shown
        window.click("Deny")
        host.wait(20)
    assert f" bob@{shown}: ASK, refused: " in journal()[-1]


def test_no_row_says_nothing(desktop: Desktop) -> None:
    """bob has no full name here."""
    texts = asked_about(desktop).look()["texts"]
    assert texts[1:-1:2] == ["From", "Over", "Proved by", "Waiting since"]
    assert all(texts)
    assert not {"none", "not known"} & set(texts)


def test_a_key_by_its_fingerprint_as_ssh_keygen_has_it_and_its_comment(desktop: Desktop) -> None:
    fingerprint = run("ssh-keygen", "-l", "-f", f"{KEYS}/bob.pub").stdout.split()[1]
    assert re.fullmatch("SHA256:[A-Za-z0-9+/]{43}", fingerprint)
    assert asked_about(desktop).fact("Proved by") == f"key {fingerprint}\n(bob@laptop)"


def test_the_comment_is_that_of_the_key_that_was_used(desktop: Desktop) -> None:
    authorized = Path(pwd.getpwnam("bob").pw_dir, ".ssh/authorized_keys")
    before = authorized.read_text()
    kind, blob, _ = before.split()
    another = (KEYS / "carol.pub").read_text()
    authorized.write_text(f'# {another}{another}no-pty,command="echo in" {kind} {blob} bob at <i>work</i>\n')
    try:
        assert asked_about(desktop).fact("Proved by").endswith("\n(bob at <i>work</i>)")
    finally:
        authorized.write_text(before)


@pytest.mark.parametrize("proof", ["password", "kbdint"])
def test_a_password(desktop: Desktop, proof: str) -> None:
    shown = {"password": "password", "kbdint": "keyboard-interactive"}[proof]
    assert asked_about(desktop, **{proof: "bob-pw"}).fact("Proved by") == shown


def test_markup_in_a_name_stays_text(desktop: Desktop, called) -> None:
    called(HOSTILE)
    window = asked_about(desktop)
    assert window.fact("Full name") == HOSTILE
    assert not window.look()["markup"]


def test_how_much_time_is_left(desktop: Desktop) -> None:
    window = asked_about(desktop)
    seen = window.until(lambda seen: seen["buttons"]["Deny"].enabled, "clicks count")
    assert re.fullmatch(r"(59|58) s left, then denied", seen["texts"][-1])
    window.until(lambda later: later["texts"][-1] != seen["texts"][-1], "the countdown counts down")
