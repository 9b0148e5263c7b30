"""Whatever a user makes of his own authorized_keys, a question about him comes up at once and costs little memory."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from desktop import Desktop, parent_of
from host import PASSING
from machine import KEYS, run

pytest_plugins = ["desktop_fixtures"]

PLACE = Path("/home/bob/.ssh/authorized_keys")
MOST = 150 * 1024  # KiB; the plugin by itself takes some 40


@pytest.fixture(autouse=True)
def _rules(rules, service) -> Iterator[None]:
    rules("ALL ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\n")
    service("scratch", PASSING)
    before = PLACE.read_text()
    PLACE.unlink()
    yield
    run("rm", "-rf", str(PLACE))
    PLACE.write_text(before)
    os.chown(PLACE, pwd.getpwnam("bob").pw_uid, pwd.getpwnam("bob").pw_gid)


def key() -> str:
    return (KEYS / "bob.pub").read_text()


def make_endless(path: Path) -> None:
    path.write_text(key())
    os.truncate(path, 1 << 40)


MADE: dict[str, Callable[[Path], object]] = {
    "a hundred thousand lines": lambda path: path.write_text((KEYS / "carol.pub").read_text() * 100_000),
    "one line of fifty million characters": lambda path: path.write_text("x" * 50_000_000),
    "a file without end": make_endless,
    "a FIFO": os.mkfifo,
    "a folder": os.mkdir,
    "a link to zeros without end": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path),
    "a link to somebody else's terminal": lambda path: path.symlink_to("/dev/console"),
}


@pytest.mark.parametrize("what", MADE)
def test_it_is(desktop: Desktop, what: str) -> None:
    MADE[what](PLACE)
    proof = f"SSH_AUTH_INFO_0=publickey {' '.join(key().split()[:2])}"  # sshd itself has read it by now
    line = ["pamtester", "-I", "rhost=10.1.2.3", "-E", proof, "scratch", "bob", "open_session"]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as host:
        try:
            window = desktop.question()
            comment = "\n(bob@laptop)" if what == "a file without end" else ""
            assert re.fullmatch(r"key SHA256:\S{9,43}" + re.escape(comment), window.fact("Proved by"))
            status = Path(f"/proc/{parent_of(window.pid)}/status").read_text()
            assert int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) < MOST
        finally:
            host.kill()


def test_it_is_long_and_sshd_finds_the_key_in_it(desktop: Desktop) -> None:
    PLACE.write_text((KEYS / "carol.pub").read_text() * 20_000 + key())
    bob = desktop.knock("bob")
    window = desktop.question()
    assert re.fullmatch(r"key SHA256:\S{9,43}", window.fact("Proved by"))
    window.click("Allow")
    assert bob.is_let_in()
