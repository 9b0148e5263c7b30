"""alice at her desktop: what is the same on all of them."""

from __future__ import annotations

import json
import os
import pwd
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from desktop import SEEN, Login, keys_count, processes, window_processes
from machine import run, wait_for

TICKS = 0.3  # seconds in which the window says anew, twice at least, whether keys count
TYPED = "typed"  # the file in her home that a terminal writes her keys to
TERMINAL = ["sh", "-c", f"stty -icanon; exec cat >~/{TYPED}"]


def home_of_alice() -> Path:
    return Path(pwd.getpwnam("alice").pw_dir)


def as_alice(*command: str) -> list[str]:
    """The command line that runs a program as alice, with her bus."""
    alice = pwd.getpwnam("alice")
    folder = f"/run/user/{alice.pw_uid}"
    settings = [f"HOME={alice.pw_dir}", f"PATH={os.environ['PATH']}", "USER=alice", "LANG=C.UTF-8"]
    settings += [f"XDG_RUNTIME_DIR={folder}", f"DBUS_SESSION_BUS_ADDRESS=unix:path={folder}/bus"]
    as_her = ["setpriv", "--reuid=alice", "--regid=alice", "--init-groups"]
    return [*as_her, "env", "--ignore-environment", "--chdir=/", *settings, *command]


def cut_out(picture: str, part: str, path: Path) -> None:
    """A part of a picture, WIDTHxHEIGHT+X+Y."""
    run("convert", picture, "-crop", part, "+repage", "-strip", "+dither", "-colors", "96", str(path))


class Desktop:
    """A desktop, and what alice sees and does there; what differs is in gnome.py and kde.py."""

    terminal: list[str]  # a program that shows a terminal, with TERMINAL in it
    unit: str
    logins: list[Login]

    # What each desktop does in its own way.
    def start(self, scale: int = 1) -> None: ...
    def is_there(self) -> bool: ...
    def press(self, *keys: str) -> None: ...
    def click(self, x: int, y: int) -> None: ...
    def photograph(self, path: str) -> None: ...
    def windows(self) -> list[dict[str, Any]]: ...
    def notification(self) -> str: ...
    def notifications(self) -> str: ...
    def dismiss(self) -> None: ...
    def dismiss_all(self) -> None: ...
    def notification_at(self) -> tuple[int, int]: ...
    def notification_part(self) -> str: ...
    def maximise(self) -> None: ...
    def lock(self) -> None: ...
    def unlock(self) -> None: ...
    def log_out(self) -> None: ...
    def set_dark(self, dark: bool) -> None: ...

    def stop(self) -> None:
        """Ends the session, and the services that it has left behind: they would be those of the next desktop."""
        run("systemctl", "stop", self.unit, check=False)
        wait_for(lambda: " seat0 " not in run("loginctl", "list-sessions", "--no-legend").stdout, "alice has left")
        run("systemctl", "stop", f"user@{pwd.getpwnam('alice').pw_uid}")

    def start_program(self, *command: str) -> None:
        """Starts a program on the desktop, as its menu would."""
        run(*as_alice("systemd-run", "--user", "--collect", "--quiet", *command))

    def work(self) -> None:
        """alice opens a terminal, maximised, and types."""
        typed = home_of_alice() / TYPED
        typed.unlink(missing_ok=True)
        before = len(self.windows())

        def opens() -> bool:
            self.start_program(*self.terminal, *TERMINAL)
            with suppress(AssertionError):  # a desktop that has just come up does not start all programs
                wait_for(lambda: len(self.windows()) > before and typed.exists(), "the terminal is there", timeout=8)
            return typed.exists()

        wait_for(opens, "the terminal is there")
        wait_for(lambda: self.in_focus() != "", "the terminal has the keyboard")

        def is_maximised() -> bool:
            self.maximise()
            return bool(self.windows()[-1]["rect"][2] >= 1280)

        wait_for(is_maximised, "the terminal is maximised")

        def takes_keys() -> bool:
            self.press("x")
            return "x" in self.typed()

        wait_for(takes_keys, "the terminal takes keys")

    def typed(self) -> str:
        return (home_of_alice() / TYPED).read_text()

    def in_focus(self) -> str:
        """The title of the window that has the keyboard."""
        return next((str(window["title"]) for window in self.windows() if window["focus"]), "")

    def text(self, *crop: str) -> str:
        """What is to be read on the screen."""
        self.photograph("/tmp/read.png")
        run("convert", "/tmp/read.png", *crop, "-resize", "300%", "-colorspace", "gray", "/tmp/large.png")
        return run("tesseract", "/tmp/large.png", "-", "--psm", "11").stdout

    def picture_of_notification(self, path: Path) -> None:
        self.photograph("/tmp/whole.png")
        cut_out("/tmp/whole.png", self.notification_part(), path)

    def knock(self, user: str, **how: Any) -> Login:
        """Somebody wants to come in over ssh, by their own key."""
        self.logins.append(Login(user, **how))
        return self.logins[-1]

    def question(self, part_of_title: str = " login: ") -> Question:
        """Waits for a window of the plugin."""

        def shown() -> Question | None:
            for pid in window_processes():
                window = Question(self, pid)
                if part_of_title in window.last_seen().get("title", "") and window.place() is not None:
                    return window
            return None

        return wait_for(shown, f"a window{part_of_title}is shown")

    def clear(self) -> None:
        """Sends everybody away, closes every window, and forgets what was answered."""
        for login in self.logins:
            login.client.kill()
            login.client.communicate()
        self.logins = []
        wait_for(lambda: not window_processes(), "the questions go")

        def all_gone() -> bool:
            for pid in [*window_processes(), *processes(lambda words: words[-1:] == TERMINAL[-1:])]:
                run("kill", str(pid), check=False)
            return not window_processes() and not processes(lambda words: "bob" in " ".join(words[:1]))

        wait_for(all_gone, "everybody has left")
        if self.is_there():
            self.dismiss_all()
        for name in ("answers", "questions"):
            shutil.rmtree(f"/run/pam-accesscontrol/{name}", ignore_errors=True)
        for path in SEEN.glob("*"):
            path.unlink()


class Question:
    """A window of the plugin: what is on it, by the eye of desktop_fixtures.py, and alice's hands on it."""

    def __init__(self, desktop: Desktop, pid: int) -> None:
        self.desktop, self.pid = desktop, pid

    def last_seen(self) -> dict[str, Any]:
        try:
            return dict(json.loads((SEEN / str(self.pid)).read_text()))
        except FileNotFoundError:
            return {}

    def until(self, true: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        return wait_for(lambda: (seen := self.last_seen()) and true(seen) and seen, what) or {}

    def place(self) -> dict[str, Any] | None:
        """The window as the desktop knows it."""
        return next((window for window in self.desktop.windows() if window["pid"] == self.pid), None)

    def is_on_top(self) -> bool:
        return bool(self.desktop.windows()[-1]["pid"] == self.pid)

    def go_there(self) -> None:
        """Gives it the keyboard, by the keyboard."""
        self.desktop.press("alt+Tab")
        since = self.until(lambda seen: seen["active"], "it has the keyboard")["at"]
        self.until(lambda seen: seen["at"] > since + TICKS and keys_count(seen), "keys count")

    def click(self, button: str) -> None:
        seen = self.until(lambda seen: seen["buttons"].get(button, {}).get("enabled"), f"a click on {button} counts")
        self.desktop.click(*seen["buttons"][button]["at"])

    def is_there(self) -> bool:
        return self.pid in window_processes()

    def wait_until_gone(self) -> None:
        wait_for(lambda: not self.is_there(), "the window goes")

    def picture(self, path: Path, scale: int) -> None:
        """A picture of it, with a little of the desktop around it."""
        place = self.place()
        assert place is not None
        x, y, width, height = (number * scale for number in place["rect"])
        margin = 24 * scale
        self.desktop.photograph("/tmp/whole.png")
        part = f"{width + 2 * margin}x{height + 2 * margin}+{x - margin}+{y - margin}"
        cut_out("/tmp/whole.png", part, path)
