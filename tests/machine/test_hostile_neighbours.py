"""Whoever else is on the machine, with displays and files of their own: the question goes to the owner, and no file is
written where a user could put a link."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from desktop import NOT_ALLOWED, Desktop, alice_is_there
from limits import inside
from machine import run, ssh, wait_for

pytest_plugins = ["desktop_fixtures"]

FOLDERS = ["/tmp", "/var/tmp", "/dev/shm", "/run/lock", "/run/user", "/home", "/var/log"]


@pytest.fixture(autouse=True)
def _rules(rules) -> None:
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:60\n")


@pytest.fixture
def carols_own_display(desktop: Desktop) -> Iterator[str]:
    """carol has an X server of her own, and processes that say that it is the display."""
    as_carol = ["setpriv", "--reuid=carol", "--regid=carol", "--init-groups", "env", "DISPLAY=:7", "HOME=/home/carol"]
    with subprocess.Popen([*as_carol, "Xvfb", ":7"], stderr=subprocess.DEVNULL) as server:
        sleeper = subprocess.Popen([*as_carol, "sleep", "infinity"])
        try:
            wait_for(lambda: run("xprop", "-display", ":7", "-root", check=False).returncode == 0, "carol's X server")
            yield ":7"
        finally:
            sleeper.kill()
            sleeper.wait()
            server.terminate()


def test_a_user_with_a_display_of_his_own_is_not_asked(desktop: Desktop, carols_own_display: str) -> None:
    with inside("carol"):
        desktop.knock("bob")
        window = desktop.question()
        assert window.look()["environment"]["DISPLAY"] == ":0" != carols_own_display
        assert os.stat(f"/proc/{window.pid}").st_uid == os.stat("/home/alice").st_uid
        assert "bob" not in run("xwininfo", "-display", ":7", "-root", "-tree", check=False).stdout


def test_who_names_a_display_when_he_comes_is_asked_about_at_the_owners(desktop: Desktop) -> None:
    desktop.knock("bob", options=["-o", "SetEnv=DISPLAY=:7 LANG=x LC_ALL=/tmp/x LD_PRELOAD=/tmp/x"])
    found = desktop.question().look()["environment"]
    assert found["DISPLAY"] == ":0"
    assert found.keys().isdisjoint({"LD_PRELOAD", "LC_ALL"})


def files_of_root() -> dict[str, tuple[int, int]]:
    """Each file of root's where a user may put one, with its number and when it was last written to."""
    found = {}
    for folder in FOLDERS:
        for path, _, names in os.walk(folder):
            for name in names:
                about = os.lstat(os.path.join(path, name))
                if about.st_uid == 0:
                    found[os.path.join(path, name)] = (about.st_ino, about.st_mtime_ns)
    return found


def test_root_writes_nothing_but_logs_where_a_user_may_put_a_link(desktop: Desktop, rules) -> None:
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\n")
    assert alice_is_there()
    before = files_of_root()
    bob = desktop.knock("bob")
    desktop.answer("Allow")
    assert bob.is_let_in()
    desktop.notice()
    changed = {path for path, about in files_of_root().items() if before.get(path) != about}
    logs = {path for path in changed if path.startswith("/var/log/")}
    assert changed - logs == set()
    assert any(path.startswith("/var/log/pam-accesscontrol-") for path in logs)


def test_who_was_denied_and_asks_again_and_again_is_not_asked_about_again(desktop: Desktop) -> None:
    with desktop.watched() as history:
        bob = desktop.knock("bob")
        desktop.answer("Deny")
        assert bob.refusal() == NOT_ALLOWED
        for _ in range(20):
            assert ssh("bob").stdout == f"{NOT_ALLOWED}\n"
    assert sum(bool(after) and not before for before, after in zip(history, history[1:])) == 1
