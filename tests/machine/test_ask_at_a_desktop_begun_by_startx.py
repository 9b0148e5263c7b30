"""Who has begun a desktop by startx, from login(1), sits at a desktop; who has a text console alone is nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pexpect
import pytest

from desktop import NOT_ALLOWED, Desktop, active_session, free_the_display, manages_windows
from limits import inside_at_a_console, needs_logind
from machine import run, wait_for

pytest_plugins = ["desktop_fixtures"]
pytestmark = needs_logind

STARTX = "startx /usr/bin/openbox -- /usr/bin/Xvfb :1 -screen 0 1024x768x24 -nolisten tcp -noreset"
SEAT = Path("/etc/security/tests-seat.conf")
HERS = "/home/carol/.Xauthority"


@pytest.fixture(autouse=True)
def _rules(rules) -> None:
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\nUNATTENDED:OPEN\n")


@pytest.fixture
def console_on_the_seat(nobody_there: Desktop) -> Iterator[pexpect.spawn]:
    """carol has logged in by login(1), on the seat, as on a console of a computer that has one."""
    service = Path("/etc/pam.d/login")
    before = service.read_text()
    SEAT.write_text("XDG_SEAT DEFAULT=seat0 OVERRIDE=seat0\nXDG_VTNR DEFAULT=0 OVERRIDE=0\n")
    placed = f"session required pam_env.so conffile={SEAT}\n"
    service.write_text(re.sub(r"(?m)^(?=@include +common-session)", placed, before, count=1))
    try:
        with inside_at_a_console("carol") as console:
            session = active_session()
            assert [session[name] for name in ("Name", "Type", "Service")] == ["carol", "tty", "login"]
            yield console
    finally:
        service.write_text(before)
        SEAT.unlink()


@contextmanager
def startx(console: pexpect.spawn) -> Iterator[Desktop]:
    """Within the block, carol has a desktop."""
    free_the_display(1)
    console.sendline(STARTX)
    try:
        wait_for(lambda: manages_windows(":1", HERS), "carol's desktop is there")
    except AssertionError:
        with suppress(pexpect.TIMEOUT):
            console.expect("nothing that is ever said", timeout=1)
        print(console.before)
        raise
    yield Desktop(":1", HERS)
    wait_for(openbox_has_ended, "carol's desktop has ended")
    console.expect(r"\$ ")


def openbox_has_ended() -> bool:
    """Tells openbox to end, which it does not heed before it has read its menu; whether it has."""
    run("openbox", "--exit", env=Desktop(":1", HERS).environment, check=False)
    return not manages_windows(":1", HERS)


def test_its_owner_is_asked(console_on_the_seat: pexpect.spawn, journal) -> None:
    with startx(console_on_the_seat) as desktop:
        assert active_session()["Type"] == "tty"
        bob = desktop.knock("bob")
        desktop.answer("Allow")
        assert bob.is_let_in()
        bob = desktop.knock("bob")
        desktop.answer("Deny")
        assert bob.refusal() == NOT_ALLOWED
        desktop.clear("carol")
    assert sum(line.endswith("by carol") for line in journal()) == 2


def test_who_has_a_text_console_alone_is_nobody(
    console_on_the_seat: pexpect.spawn, nobody_there: Desktop, rules
) -> None:
    assert nobody_there.knock("bob").is_let_in()
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nUNATTENDED:CLOSE\n")
    assert nobody_there.knock("bob").refusal() == "Access denied: there is nobody at the desktop who could allow it."


def test_who_has_left_the_desktop_for_the_console_is_nobody(
    console_on_the_seat: pexpect.spawn, nobody_there: Desktop
) -> None:
    with startx(console_on_the_seat):
        pass
    assert nobody_there.knock("bob").is_let_in()
