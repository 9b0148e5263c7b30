"""Nothing that runs as the desktop's owner can make root do more than believe Allow."""

from __future__ import annotations

import os
import pwd
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from desktop import (
    AUTOLOGIN,
    NOT_ALLOWED,
    SEEN,
    Desktop,
    alice_is_there,
    askers,
    hold_runs_out,
)
from machine import run, wait_for

pytest_plugins = ["desktop_fixtures"]

COULD_NOT_BE_ASKED = "Access denied: the person at the desktop could not be asked."


@pytest.fixture(autouse=True)
def _rules(rules) -> None:
    rules("SSH ASK USER bob,carol\nDEFAULT:OPEN\nREMEMBER:0\n")


# What stands in the place of the dialog, as its owner can bring it about, by ptrace(2) for example.
DEED = """\
import os, signal, sys, time
place = "/run/tests-deed"
if sys.argv[1:] == ["--window"] and os.path.exists(place):
    deed, words = open(place, "rb").read().split(b" ", 1)
    try:
        os.write(1, words)
        while deed == b"flood":
            os.write(1, words)
    except BrokenPipeError:
        os.open("/run/tests-eye/nobody-reads-on", os.O_CREAT, 0o600)
    if deed == b"stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    if deed == b"hold" and not os.fork():
        time.sleep(1000)
    os._exit(0)
"""
DEED_FILES = [Path("/usr/lib/python3/dist-packages", name) for name in ("tests_deed.py", "tests_deed.pth")]
NOBODY_READS_ON = SEEN / "nobody-reads-on"


@pytest.fixture
def dialog_that() -> Iterator[Callable[[str, bytes], None]]:
    """dialog_that("say", b"words"): what the dialog does from now on instead of showing a window, in this test."""
    place = Path("/run/tests-deed")
    for path, text in zip(DEED_FILES, (DEED, "import tests_deed\n")):
        path.write_text(text)
    yield lambda deed, words: place.write_bytes(deed.encode() + b" " + words) and None
    place.unlink(missing_ok=True)
    for path in DEED_FILES:
        path.unlink()


WORDS = {
    "nothing": b"",
    "half of the word": b"allow",
    "another word before it": b"yes\nallow\n",
    "the word in capitals": b"ALLOW\n",
    "the word with a blank": b"allow \n",
    "the word with a carriage return": b"allow\r\n",
    "the word behind a NUL": b"\0allow\n",
    "bytes that are no text": bytes(range(256)),
    "a number": b"0\n",
}


def test_a_dialog_that_says_anything_but_the_word_lets_nobody_in(desktop: Desktop, dialog_that) -> None:
    for words in WORDS.values():
        dialog_that("say", words)
        assert desktop.knock("bob").refusal() == COULD_NOT_BE_ASKED, words
    dialog_that("say", b"allow\n")  # the owner is who decides, by whatever hand: so the words were listened to
    assert desktop.knock("bob").is_let_in()


def test_the_first_word_of_an_answer_counts(desktop: Desktop, dialog_that) -> None:
    for words, sentence in ((b"deny\nallow\n", NOT_ALLOWED), (b"shown\nshown\nallow\n", COULD_NOT_BE_ASKED)):
        dialog_that("say", words)
        assert desktop.knock("carol").refusal() == sentence
        hold_runs_out("carol")


def test_an_answer_without_end_is_cut_off(desktop: Desktop, dialog_that) -> None:
    dialog_that("flood", b"allow" * 20_000)
    assert desktop.knock("bob").refusal() == COULD_NOT_BE_ASKED
    wait_for(NOBODY_READS_ON.exists, "nobody reads on")


@pytest.mark.parametrize("deed", ["hold", "stop"])
def test_a_pipe_kept_open_without_a_word_keeps_nobody_for_ever(desktop, dialog_that, rules, deed: str) -> None:
    rules("SSH ASK USER bob,carol\nDEFAULT:OPEN\nREMEMBER:0\nTIMEOUT:1\n")
    dialog_that(deed, b"allow")
    bob = desktop.knock("bob")
    assert bob.refusal() == COULD_NOT_BE_ASKED


# What alice's session begins with. A terminal would show her as much of it as it likes.
ENVIRONMENT = r"""
export LD_LIBRARY_PATH=/home/alice/evil PYTHONPATH=/home/alice/evil PYTHONSTARTUP=/home/alice/evil/x
export PYTHONWARNINGS=always QT_PLUGIN_PATH=/home/alice/evil QT_QPA_PLATFORM_PLUGIN_PATH=/home/alice/evil
export QT_DEBUG_PLUGINS=1
export XDG_CONFIG_HOME=/home/alice/evil TMPDIR=/home/alice/evil
export DESKTOP_SESSION="$(head -c 100000 /dev/zero | tr '\0' x)"
export XDG_CURRENT_DESKTOP="$(printf 'one\nLD_PRELOAD=/home/alice/evil/x.so\n\377\033[2J')"
"""
KNOWN = {
    *("HOME", "USER", "LOGNAME", "PATH", "DISPLAY", "XAUTHORITY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", "LANG"),
    *("XDG_SESSION_TYPE", "XDG_CURRENT_DESKTOP", "DBUS_SESSION_BUS_ADDRESS", "DESKTOP_SESSION", "KDE_FULL_SESSION"),
    *("KDE_SESSION_VERSION", "QT_QPA_PLATFORMTHEME", "QT_STYLE_OVERRIDE", "QT_SCALE_FACTOR", "QT_FONT_DPI"),
    *("XDG_DATA_DIRS", "LC_ALL", "XDG_CONFIG_DIRS", "GTK_THEME", "LC_CTYPE", "QT_QPA_PLATFORM"),
    *("SHELL", "INVOCATION_ID", "SYSTEMD_EXEC_PID", "MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE"),
}


@pytest.fixture
def hostile_session(desktop: Desktop, lightdm) -> Iterator[None]:
    """alice's processes have an environment that nobody should take over."""
    place = Path("/home/alice/.xsessionrc")
    place.write_text(ENVIRONMENT)
    lightdm(AUTOLOGIN)
    wait_for(alice_is_there, "alice is logged in")
    yield
    place.unlink()
    lightdm(AUTOLOGIN)
    wait_for(alice_is_there, "alice is logged in")


@pytest.mark.usefixtures("hostile_session")
def test_the_dialog_has_known_names_only_from_a_hostile_environment(desktop: Desktop) -> None:
    bob = desktop.knock("bob")
    window = desktop.question()
    found = window.look()["environment"]
    assert set(found) <= KNOWN
    assert re.fullmatch("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin(:/sbin:/bin)?", found["PATH"])
    assert len(found["DESKTOP_SESSION"]) == 100_000  # else the environment was another
    assert found["XDG_CURRENT_DESKTOP"] == "one\nLD_PRELOAD=/home/alice/evil/x.so\n\udcff\x1b[2J"
    assert found.keys() >= environment_at_the_start(window.pid).keys() - {"_"}
    assert window.title == "SSH login: bob from 10.1.2.3"
    window.click("Allow")
    assert bob.is_let_in()


def environment_at_the_start(pid: int) -> dict[str, str]:
    rows = Path(f"/proc/{pid}/environ").read_text(errors="surrogateescape").split("\0")[:-1]
    return dict(row.split("=", 1) for row in rows)


def test_a_login_is_out_of_reach_of_the_owners_signals(desktop: Desktop) -> None:
    bob = desktop.knock("bob")
    window = desktop.question()
    [asker] = askers()
    as_alice = ["setpriv", "--reuid=alice", "--regid=alice", "--init-groups"]
    for number in (signal.SIGTERM, signal.SIGCONT, signal.SIGKILL):
        assert run(*as_alice, "kill", f"-{int(number)}", str(asker), check=False).returncode == 1
    assert os.stat(f"/proc/{asker}").st_uid == 0 != pwd.getpwnam("alice").pw_uid
    window.click("Allow")
    assert bob.is_let_in()
