"""Who comes back to a desktop that a greeter has locked is in already: a limit of one's own does not keep them out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from desktop import AUTOLOGIN, active_session, alice_is_there, comes_up, greeter_is_there, stop
from greeters import Lightdm
from hosts import as_user
from limits import inside, known_to_logind, needs_logind
from machine import password_of, run, wait_for

pytest_plugins = ["desktop_fixtures"]
pytestmark = needs_logind

PASSWORD_FIELD = 521, 374  # with a message below and without
SEAT = "XDG_SEAT_PATH=/org/freedesktop/DisplayManager/Seat0"
UNLOCKS = {
    "nothing": "DEFAULT:OPEN\n",
    "a limit of one's own": "DEFAULT:OPEN\nXDM NUMBER USER ALL:1\n",
    "a limit for all": "DEFAULT:OPEN\nXDM NUMBER GROUP ALL:2\n",
    "asked": "XDM ASK USER ALL\nUNATTENDED:CLOSE\n",
}


@pytest.fixture
def locked(lightdm: Callable[[str], None], rules: Callable[[str], None]) -> Iterator[Lightdm]:
    """alice's desktop, which a greeter on a display of its own has locked."""
    comes_up(lambda: lightdm(f"{AUTOLOGIN}[LightDM]\nlock-memory=false\n"), alice_is_there, "alice is logged in")
    greeter = Lightdm(":1")
    run(*as_user("alice", "env", "DISPLAY=:0", SEAT, "dm-tool", "lock"))
    wait_for(greeter_is_there, "the greeter has the seat")
    yield greeter
    stop("lightdm")


def enter(greeter: Lightdm, password: str, outcome: Callable[[], object], what: str) -> None:
    """Types a password for alice, of whom the greeter asks it, until it listens."""
    wait_for(greeter.is_there, "the greeter is there")

    def comes_to_it() -> bool:
        if outcome():
            return True
        if wait_for(greeter.asks_for_the_password_of, "a password is asked for") != "alice":
            greeter.send_name("alice")  # in whose place it stands, if it was typed before the greeter listened
            wait_for(lambda: greeter.asks_for_the_password_of() == "alice", "alice's password is asked for")
        greeter.x("mousemove", *PASSWORD_FIELD, "click", 1)
        greeter.x("key", "ctrl+a", "BackSpace")
        greeter.x("type", password)
        greeter.x("key", "Return")
        with suppress(AssertionError):
            return bool(wait_for(outcome, what, timeout=20))
        return False

    wait_for(comes_to_it, what, timeout=180)  # some of what is typed is lost on a busy machine


@pytest.mark.parametrize("reason", UNLOCKS)
def test_the_right_password_unlocks(reason: str, locked: Lightdm, rules) -> None:
    with inside("erin"):
        rules(UNLOCKS[reason])
        enter(locked, password_of("alice"), alice_is_there, "alice is back")
    assert known_to_logind().count("alice") == 1


@pytest.mark.parametrize(
    ("password", "refusal"),
    [
        ("wrong", "pam_unix(lightdm:auth): authentication failure"),
        ("alice-pw", "XDM auth alice@LOCAL: CLOSE, refused"),
    ],
)
def test_nothing_else_does(password: str, refusal: str, locked: Lightdm, rules, authlog) -> None:
    rules("XDM CLOSE USER alice\nDEFAULT:OPEN\n")
    enter(locked, password, lambda: refusal in authlog(), "it is refused")
    assert active_session().get("Class") == "greeter"
