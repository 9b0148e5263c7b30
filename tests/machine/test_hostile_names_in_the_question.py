"""What a stranger can choose is text in the dialog, on one line: no markup, no control character, and not too long."""

from __future__ import annotations

import pwd
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from desktop import Desktop, Window, waiting_for_an_answer
from host import PASSING
from machine import wait_for

pytest_plugins = ["desktop_fixtures"]

STRANGE = {
    "newlines and controls": ("b\nroot\r\t\x1b[2J\x07", r"b\nroot\r\t\x1b[2J\x07"),
    "controls of eight bits": ("b\x9b2J\x85\u2028\x7f", r"b\x9b2J\x85\u2028\x7f"),
    "text from right to left": ("b\u202e7.1.\u2066x\u200f", r"b\u202e7.1.\u2066x\u200f"),
    "markup and signs of Qt": ("<b>b</b>&amp;<img src='/x'>[*]&A %s%n%1", "<b>b</b>&amp;<img src='/x'>[*]&A %s%n%1"),
    "bytes that are not UTF-8": ("b\udcff\udcc0\udcaf", r"b\xff\xc0\xaf"),
}


@pytest.fixture(autouse=True)
def _rules(rules, service) -> None:
    rules("SCRATCH ASK USER ALL\nSSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\n")
    service("scratch", PASSING)


@contextmanager
def asked_about(desktop: Desktop, user: str, rhost: str, proof: str = "") -> Iterator[Window]:
    """Within the block, alice is asked about a login in a host of our own, that goes away with it."""
    more = ["-E", f"SSH_AUTH_INFO_0={proof}"] if proof else []
    line = ["pamtester", "-I", f"rhost={rhost}", *more, "scratch", user, "open_session"]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as host:
        try:
            yield desktop.question()
        finally:
            host.kill()


def shows_only_text(window: Window) -> bool:
    seen = window.look()
    lines = [line for text in seen["texts"] for line in text.split("\n")]
    return not seen["markup"] and all(line.isprintable() for line in lines) and window.title.isprintable()


def is_that(seen: str, wanted: str) -> bool:
    """Whether it is what was wanted, or as much of its beginning and end as the window is wide."""
    begin, middle, end = seen.partition("…")
    return seen == wanted or (bool(middle) and len(seen) > 9 and wanted.startswith(begin) and wanted.endswith(end))


@pytest.mark.parametrize("what", STRANGE)
def test_in_a_name_a_host_and_a_way_to_prove_it(desktop: Desktop, what: str) -> None:
    strange, shown = STRANGE[what]
    with asked_about(desktop, strange, strange, strange.replace(" ", "_").replace("\n", "")) as window:
        assert shows_only_text(window)
        assert is_that(window.look()["texts"][0], f"{shown} wants to log in")
        assert is_that(window.fact("From"), shown)
        assert window.title.startswith("SCRATCH login: ")
        assert window.fact("Over") == "SCRATCH"


def test_of_great_length(desktop: Desktop) -> None:
    with asked_about(desktop, "b" * 65536, "h" * 65536, "p" * 65536) as window:
        seen = window.look()
        assert shows_only_text(window)
        assert all(len(text) < 700 for text in seen["texts"])
        assert len(window.title) < 200
        assert seen["frame"][2] <= 1024
        assert seen["frame"][3] <= 768
        assert set(seen["buttons"]) == {"Allow", "Deny"}


@contextmanager
def full_name_of_bob(gecos: bytes) -> Iterator[None]:
    """Within the block, this stands in bob's line of /etc/passwd, however it came to stand there."""
    passwd = Path("/etc/passwd")
    before = passwd.read_bytes()
    lines = [line.split(b":") for line in before.splitlines()]
    for fields in lines:
        if fields[0] == b"bob":
            fields[4] = gecos
    passwd.write_bytes(b"".join(b":".join(fields) + b"\n" for fields in lines))
    try:
        yield
    finally:
        passwd.write_bytes(before)


@pytest.mark.parametrize(("gecos", "shown"), [
    ("B\x1b[2J\x9b\u202e\u2028<b>%s</b>".encode() + b"\xff\r", r"B\x1b[2J\x9b\u202e\u2028<b>%s</b>\xff\r"),
    (b"B" * 65536, "B" * 240 + "... (65536 characters)"),
], ids=["signs", "length"])
def test_in_a_full_name(desktop: Desktop, gecos: bytes, shown: str) -> None:
    with full_name_of_bob(gecos), asked_about(desktop, "bob", "10.1.2.3") as window:
        assert shows_only_text(window)
        assert is_that(window.fact("Full name"), shown)


@pytest.mark.parametrize(("comment", "shown"), [
    ("C\x1b[2J\x9b\u202e\u2028 <b>%s</b>", r"(C\x1b[2J\x9b\u202e\u2028 <b>%s</b>)"),
    ("C" * 8000, "(" + "C" * 240 + "... (8000 characters))"),
], ids=["signs", "length"])
def test_in_the_comment_of_a_key(desktop: Desktop, comment: str, shown: str) -> None:
    authorized = Path(pwd.getpwnam("bob").pw_dir, ".ssh/authorized_keys")
    before = authorized.read_text()
    kind, blob, _ = before.split()
    authorized.write_text(f"{kind} {blob} {comment}\n")
    try:
        desktop.knock("bob")
        window = desktop.question()
        assert shows_only_text(window)
        assert is_that(window.fact("Proved by").split("\n")[1], shown)
    finally:
        authorized.write_text(before)
    assert waiting_for_an_answer() == 1
    desktop.answer("Deny")
    wait_for(lambda: not waiting_for_an_answer(), "bob has left")
