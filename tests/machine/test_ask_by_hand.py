"""`pam-accesscontrol ask` shows the real dialog, with made-up data, to whoever wants to see what it looks like."""

from __future__ import annotations

import subprocess

import pytest

from desktop import Desktop
from machine import Result, run

pytest_plugins = ["desktop_fixtures"]

COMMAND = "/usr/bin/pam-accesscontrol"
AS_ALICE = ["runuser", "-u", "alice", "--", "env", "--ignore-environment", "HOME=/home/alice"]
ON_HER_DESKTOP = ["DISPLAY=:0", "XAUTHORITY=/home/alice/.Xauthority"]


@pytest.mark.parametrize(("button", "word"), [("Allow", "allow"), ("Deny", "deny")])
def test_it_prints_the_answer(desktop: Desktop, button: str, word: str) -> None:
    pipe = subprocess.PIPE
    asking = subprocess.Popen([*AS_ALICE, *ON_HER_DESKTOP, COMMAND, "ask"], stdout=pipe, stderr=pipe, text=True)
    window = desktop.question()
    assert window.title == "SSH login: bob from 203.0.113.7"
    window.click(button)
    assert (*asking.communicate(timeout=20), asking.returncode) == (f"{word}\n", "", 0)


def is_one_line_that_says(ending: Result, what: str) -> bool:
    return (ending.returncode, ending.stdout, ending.stderr.count("\n")) == (2, "", 1) and what in ending.stderr


@pytest.mark.parametrize("display", [[], ["DISPLAY=:7"], ["WAYLAND_DISPLAY=wayland-7", "XDG_RUNTIME_DIR=/nonexistent"]])
def test_without_a_display_that_can_be_used_it_says_so(desktop: Desktop, display: list[str]) -> None:
    ending = run(*AS_ALICE, *display, COMMAND, "ask", check=False)
    assert is_one_line_that_says(ending, "display"), ending


def test_without_pyqt5_it_says_what_to_install(desktop: Desktop) -> None:
    hidden = 'mount -t tmpfs none /usr/lib/python3/dist-packages/PyQt5 && exec "$@"'
    asking = [*AS_ALICE, *ON_HER_DESKTOP, COMMAND, "ask"]
    ending = run("unshare", "--mount", "sh", "-c", hidden, "sh", *asking, check=False)
    assert is_one_line_that_says(ending, "python3-pyqt5"), ending
