"""A flood while a question is open: those who wait are bounded, the rest are refused at once, nobody is locked out.

FLOOD=250 in the environment makes it 250 logins for each of the floods, instead of so many that it is soon over.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from desktop import HERE, NOT_ALLOWED, Desktop, hold_runs_out, waiting_for_an_answer, window_processes
from host import PASSING
from limits import gets_in
from machine import run, ssh, wait_for

pytest_plugins = ["desktop_fixtures"]

BUSY = "Access denied: too many logins wait for an answer already, try again later."
MANY = int(os.environ.get("FLOOD") or 70)
SHARE, WAIT = 20, 5  # logins of one person that wait; people behind the one that is asked about


@pytest.fixture(autouse=True)
def _rules(rules, service) -> None:
    rules("SSH ASK USER bob,carol,dave\nSCRATCH ASK USER ALL\nDEFAULT:OPEN\nTIMEOUT:3600\nREMEMBER:60\n")
    service("scratch", PASSING)


# Many transactions without the price of as many key exchanges: what each said is one line in the end. $0 is the number.
ONE_OF_MANY = """
user=$(printf "$1" "$0") rhost=$(printf "$2" "$0")
said=$(pamtester -I rhost=$rhost scratch "$user" acct_mgmt open_session 2>&1); echo $said
"""


class Flood:
    """So many logins of one user or of many, from one host or from many (a %d is the number), as many at once as may
    wait and twenty more."""

    def __init__(self, count: int, user: str, rhost: str, told: Path) -> None:
        self.told = told
        line = ["xargs", "-P", str(SHARE + 20), "-I", "{}", "sh", "-c", ONE_OF_MANY, "{}", user, rhost]
        with open(told, "wb") as file:
            self.process = subprocess.Popen(
                line, stdin=subprocess.PIPE, stdout=file, text=True, start_new_session=True
            )
        assert self.process.stdin
        self.process.stdin.write("".join(f"{number}\n" for number in range(count)))
        self.process.stdin.close()

    def said(self) -> list[str]:
        return self.told.read_text().splitlines()

    def refused_at_once(self) -> int:
        """How many were told so, all of them that too many wait."""
        said = self.said()
        assert all(line.startswith(BUSY) for line in said), said
        return len(said)

    def all_said(self) -> list[str]:
        self.process.wait(60)
        return self.said()


@contextmanager
def flood(count: int, user: str, rhost: str, told: Path) -> Iterator[Flood]:
    begun = Flood(count, user, rhost, told)
    try:
        yield begun
    finally:
        with suppress(ProcessLookupError):
            os.killpg(begun.process.pid, signal.SIGTERM)
        begun.process.wait(60)


@pytest.mark.parametrize("rhost", [HERE, "10.9.9.%d"], ids=["one host", "many hosts"])
def test_of_one_person(desktop: Desktop, tmp_path: Path, journal, rhost: str) -> None:
    with flood(MANY, "bob", rhost, tmp_path / "said") as of_bob:
        wait_for(lambda: of_bob.refused_at_once() == MANY - SHARE, "all but some are refused at once", 200)
        window = desktop.question()
        assert waiting_for_an_answer() == SHARE
        assert window_processes() == [window.pid]
        carol = desktop.knock("carol")  # has a place in the queue all the same
        wait_for(lambda: waiting_for_an_answer() == SHARE + 1, "carol waits")
        assert gets_in("erin")  # who is not asked about
        window.click("Deny")
        said = of_bob.all_said()
    assert sum(line.startswith(NOT_ALLOWED) for line in said) == SHARE
    assert any(line.endswith(f": {SHARE} logins of this person are waiting already") for line in journal())
    desktop.question(window).click("Allow")
    assert carol.is_let_in()
    hold_runs_out("bob")
    assert is_asked_about_again(desktop)


@pytest.fixture
def guests() -> Iterator[None]:
    """So many people more that the machine knows."""
    passwd = Path("/etc/passwd")
    before = passwd.read_text()
    passwd.write_text(before + "".join(f"guest{it}:x:{50000 + it}:100::/:/bin/sh\n" for it in range(MANY)))
    yield
    passwd.write_text(before)


@pytest.mark.usefixtures("guests")
def test_of_many_people(desktop: Desktop, tmp_path: Path, journal) -> None:
    with flood(MANY, "guest%d", HERE, tmp_path / "said") as of_many:
        wait_for(lambda: of_many.refused_at_once() == MANY - 1 - WAIT, "all but a few are refused at once", 200)
        assert waiting_for_an_answer() == 1 + WAIT
        assert len(window_processes()) == 1
        assert gets_in("erin")
        assert ssh("bob").stdout == f"{BUSY}\n"
    assert any(line.endswith(f": {WAIT} people are waiting already") for line in journal())
    wait_for(lambda: waiting_for_an_answer() == 0, "everybody has left")
    wait_for(lambda: not window_processes(), "the last window has gone with them")
    assert is_asked_about_again(desktop)


def test_of_connections(desktop: Desktop) -> None:
    """The same by sshd itself, which outlives it."""
    listener = run("systemctl", "show", "ssh", "--property=MainPID", "--value").stdout
    bobs = [desktop.knock("bob") for _ in range(50)]
    wait_for(lambda: sum(not bob.waits() for bob in bobs) == 50 - SHARE, "all but some are refused at once", 120)
    assert waiting_for_an_answer() == SHARE
    assert gets_in("erin")
    desktop.answer("Allow")
    assert sorted(said(bob) for bob in bobs) == sorted([BUSY] * (50 - SHARE) + ["in"] * SHARE)
    assert desktop.knock("bob").is_let_in()
    assert run("systemctl", "show", "ssh", "--property=MainPID", "--value").stdout == listener


def said(login) -> str:
    return re.sub(r"\n$", "", login.result().stdout)


def is_asked_about_again(desktop: Desktop) -> bool:
    bob = desktop.knock("bob", password="bob-pw")
    desktop.answer("Allow")
    return bob.is_let_in()
