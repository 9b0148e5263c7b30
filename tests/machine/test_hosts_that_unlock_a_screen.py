"""A screen locker is for somebody who is in: the right password unlocks, whatever rules and limits say of logins."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from contextlib import suppress

import pexpect
import pytest

from desktop import Desktop, processes
from hands import KEYS
from hosts import as_user, files, guarded, no_mlock
from limits import inside, kill_and_wait
from machine import password_of, run, wait_for
from wayland import Sway

pytest_plugins = ["desktop_fixtures", "wayland_fixtures"]

RULES = {
    "a full limit": "DEFAULT:OPEN\nALL NUMBER GROUP ALL:5\n",
    "a limit of one's own": "DEFAULT:OPEN\nALL NUMBER USER ALL:1\n",
    "closed": "DEFAULT:CLOSE\n",
    "asked": "ALL ASK USER ALL\nUNATTENDED:CLOSE\n",
}
OTHERS = ["bob", "carol", "dave", "erin"]  # with alice, five people
AT_HER_DISPLAY = as_user("alice", "env", "DISPLAY=:0", "XAUTHORITY=/home/alice/.Xauthority", "HOME=/home/alice")
KEYS.update({"c": 46, "e": 18, "g": 34, "i": 23, "l": 38, "n": 49, "o": 24, "p": 25, "r": 19, "w": 17, "-": 12})
XSCREENSAVER = "lock: True\nsplash: False\nmode: blank\nfade: False\nunfade: False\n"


@pytest.fixture(params=RULES)
def judged(request: pytest.FixtureRequest, rules: Callable[[str], None]) -> Callable[[], None]:
    """judged(): from then on, rules hold by which nobody would come in any more."""
    return lambda: rules(RULES[request.param])


def unlocks_with_the_right_password_alone(
    locker: str, enter: Callable[[str], None], is_unlocked: Callable[[], bool], authlog: Callable[[], str]
) -> None:
    """A wrong password comes to nothing, and the right one unlocks; each is typed until the locker listens."""

    def is_refused() -> bool:
        return f"pam_unix({locker}:auth): authentication failure" in authlog()

    def comes_to_it(password: str, outcome: Callable[[], bool]) -> bool:
        enter(password)
        try:
            return wait_for(outcome, "it has an effect", timeout=5)
        except AssertionError:
            return False

    wait_for(lambda: comes_to_it("wrong", is_refused), "a wrong password is refused")
    assert not is_unlocked()
    wait_for(lambda: comes_to_it(password_of("alice"), is_unlocked), "the right password unlocks")
    assert "pam-accesscontrol" not in authlog().partition("authentication failure")[2]


def test_i3lock(desktop: Desktop, judged: Callable[[], None], authlog) -> None:
    def enter(password: str) -> None:
        desktop.x("key", "Escape", "type", password)
        desktop.x("key", "Return")

    i3lock = [*AT_HER_DISPLAY, f"LD_PRELOAD={no_mlock()}", "i3lock", "--nofork"]
    with inside(*OTHERS), subprocess.Popen(i3lock) as locker:
        desktop.x("search", "--sync", "--onlyvisible", "--class", "i3lock")
        judged()
        try:
            unlocks_with_the_right_password_alone("i3lock", enter, lambda: locker.poll() == 0, authlog)
        finally:
            locker.kill()


def test_swaylock(wayland_desktop: Sway, judged: Callable[[], None], authlog) -> None:
    def enter(password: str) -> None:
        wayland_desktop.hands.press("Escape", *password, "Return")

    def lockers() -> list[int]:
        return processes(lambda words: words[:2] == ["swaylock", "--daemonize"])

    with inside(*OTHERS):
        # It returns when the screen is locked, and others of its name stay. Debian 12's knows no --ready-fd.
        locks = wayland_desktop.as_alice("env", f"LD_PRELOAD={no_mlock()}", "swaylock", "--daemonize")
        subprocess.run(locks, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
        assert lockers()
        judged()
        try:
            unlocks_with_the_right_password_alone("swaylock", enter, lambda: not lockers(), authlog)
        finally:
            for locker in lockers():
                with suppress(ProcessLookupError):
                    kill_and_wait(locker)


def test_xscreensaver(desktop: Desktop, judged: Callable[[], None], authlog) -> None:
    def tell(*words: str) -> str:
        return run(*AT_HER_DISPLAY, "xscreensaver-command", *words, check=False).stdout

    def prompt() -> bool:
        """Whether it asks for the password: in a window that is neither hidden nor as large as the screen."""
        # It fails where a window goes meanwhile.
        shown = run("xwininfo", "-root", "-tree", env=desktop.environment, check=False).stdout
        return bool({*re.findall(r'"XScreenSaver"\) +(\d+x\d+)', shown)} - {"1x1", "1024x768"})

    def prompt_is_gone() -> bool:
        desktop.x("key", "Escape")
        return not prompt()

    def enter(password: str) -> None:
        if prompt():
            wait_for(prompt_is_gone, "it no longer asks")
        tell("--deactivate")
        wait_for(prompt, "it asks for the password")
        desktop.x("type", password)
        desktop.x("key", "Return")

    with inside(*OTHERS), guarded("xscreensaver"), files({"/home/alice/.xscreensaver": XSCREENSAVER}):
        run("chown", "alice:alice", "/home/alice/.xscreensaver")
        with subprocess.Popen([*AT_HER_DISPLAY, "xscreensaver", "--no-splash"]) as locker:
            wait_for(lambda: "locked since" in tell("--lock") + tell("--time"), "it locks")
            judged()
            try:
                unlocks_with_the_right_password_alone(
                    "xscreensaver", enter, lambda: "non-blanked" in tell("--time"), authlog
                )
            finally:
                locker.terminate()


def test_a_locker_that_keeps_root_is_judged_where_it_is_guarded(rules: Callable[[str], None], journal) -> None:
    """vlock asks as root, so nothing tells it from a login; it is not guarded unless somebody says so."""
    with guarded("vlock"):
        rules("DEFAULT:OPEN\nVLOCK CLOSE USER bob\n")
        assert is_unlocked_in_vlock("alice")
        assert not is_unlocked_in_vlock("bob")
    assert any(line.startswith("VLOCK auth bob@LOCAL: CLOSE, refused") for line in journal())


def is_unlocked_in_vlock(user: str) -> bool:
    """Whether the right password unlocks."""
    name, *arguments = as_user(user, "vlock")
    locker = pexpect.spawn(name, arguments, encoding="utf-8", timeout=20)
    locker.expect("to unlock")
    locker.sendline("")
    locker.expect("Password: ")
    locker.sendline(password_of(user))
    unlocked = locker.expect([pexpect.EOF, "Authentication failure"]) == 0
    locker.close(force=True)
    return unlocked
