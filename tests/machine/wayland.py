"""A Wayland desktop for the tests of ASK, and alice, who sits in front of it.

lightdm logs alice into sway, which draws into memory, in a session of type wayland that logind knows. Her keyboard and
her mouse are in hands.py. What is on the screen, and what has the focus, says sway.

The desktop itself is a fixture, in wayland_fixtures.py.
"""

from __future__ import annotations

import json
import os
import pwd
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from desktop import Desktop, Window, keys_count, processes
from hands import Hands
from limits import kill_and_wait
from machine import run, wait_for

SCREEN = 1024, 768
TICKS = 0.3  # seconds in which the window says anew, twice at least, whether keys count


class Sway(Desktop):
    """What alice sees on a Wayland desktop, and what she can do about it."""

    def __init__(self) -> None:
        self.logins = []
        alice = pwd.getpwnam("alice")
        self.ids = alice.pw_uid, alice.pw_gid
        self.folder = Path("/run/user", str(alice.pw_uid))
        self.environment = {"HOME": alice.pw_dir, "PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(self.folder)}

    def has_started(self) -> bool:
        """Whether sway is there; from then on, other programs of alice's find it."""
        running = processes(lambda words: words[:1] == ["sway"])
        if len(running) != 1:
            return False
        self.pid = running[0]
        self.environment["SWAYSOCK"] = f"{self.folder}/sway-ipc.{self.ids[0]}.{self.pid}.sock"
        if run(*self.as_alice("swaymsg", "-t", "get_version"), check=False).returncode != 0:
            return False
        self.environment["WAYLAND_DISPLAY"] = self.socket().name
        if not any(output["active"] for output in self.sway("-t", "get_outputs")):
            return False
        self.hands = Hands(self.socket(), *SCREEN)
        return True

    def socket(self) -> Path:
        """Where sway waits for programs, as the kernel has it."""
        listening = run("ss", "--unix", "--listening", "--processes", "--no-header").stdout.splitlines()
        [path] = [row.split()[4] for row in listening if "/wayland-" in row and f",pid={self.pid}," in row]
        return Path(path)

    def as_alice(self, *command: str) -> list[str]:
        """The command line that runs a program on the desktop, with nothing else in its environment."""
        settings = [f"{name}={value}" for name, value in self.environment.items()]
        as_alice = ["setpriv", "--reuid=alice", "--regid=alice", "--init-groups"]
        return [*as_alice, "env", "--ignore-environment", *settings, *command]

    def sway(self, *arguments: str) -> Any:
        """What sway answers to swaymsg, for example sway("[pid=42] focus")."""
        return json.loads(run(*self.as_alice("swaymsg", "--raw", *arguments)).stdout)

    def windows(self) -> dict[int, dict[str, Any]]:
        """What sway knows of each window, by the process that has it."""
        found, todo = {}, [self.sway("-t", "get_tree")]
        while todo:
            node = todo.pop()
            todo += node["nodes"] + node["floating_nodes"]
            if node.get("pid"):
                found[node["pid"]] = node
        return found

    def in_focus(self) -> int:
        """The process whose window gets the keys, 0 if none does."""
        return next((pid for pid, node in self.windows().items() if node["focused"]), 0)

    def focus(self, pid: int) -> None:
        self.sway(f"[pid={pid}] focus")

    def window(self, part_of_title: str, other_than: tuple[Window, ...]) -> SwayWindow:
        """Waits until sway, too, has it on the screen."""
        window = SwayWindow(self, super().window(part_of_title, other_than).pid)
        wait_for(lambda: window.pid in self.windows(), "the window is on the screen")
        return window

    @contextmanager
    def beside(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        with subprocess.Popen(self.as_alice(*command), stdout=subprocess.PIPE, text=True) as process:
            try:
                yield process
            finally:
                process.terminate()

    @contextmanager
    def a_program(self) -> Iterator[None]:
        """Within the block, a program runs that sway has started, so that it has the display in its environment."""
        self.sway("exec exec sleep infinity")
        [program] = wait_for(lambda: processes(lambda words: words == ["sleep", "infinity"]), "the program is there")
        try:
            yield
        finally:
            kill_and_wait(program)

    @contextmanager
    def someone_at_work(self) -> Iterator[subprocess.Popen[str]]:
        with self.beside("stdbuf", "-oL", "wev", "-f", "wl_keyboard:key") as other:
            wait_for(lambda: self.in_focus() == other.pid, "alice is at work")
            yield other


class SwayWindow(Window):
    """A window of the plugin on a Wayland desktop."""

    desktop: Sway

    @property
    def title(self) -> str:
        """The title, as sway knows it."""
        return str(self.desktop.windows()[self.pid]["name"])

    @property
    def program(self) -> str:
        """The program whose window it is, by which desktops and their users' own rules know it."""
        return str(self.desktop.windows()[self.pid]["app_id"])

    def until_keys_count(self) -> None:
        since = self.until(lambda seen: seen["active"], "it has the keyboard")["at"]
        self.until(lambda seen: seen["at"] > since + TICKS and keys_count(seen), "keys count")

    def press_at_once(self, *keys: str) -> None:
        self.desktop.hands.press(*keys)

    def click_at_once(self, button: str) -> None:
        self.click_on(self.place_of(button))

    def click_on(self, place: tuple[int, int]) -> None:
        self.desktop.hands.click(*place)

    def place_of(self, button: str) -> tuple[int, int]:
        """The window knows its places only from its own corner, and sway knows where that is."""
        places, node = self.last_seen()["buttons"][button]["at"], self.desktop.windows()[self.pid]
        x, y = (node["rect"][axis] + node["window_rect"][axis] + at for axis, at in zip("xy", places))
        return x, y

    def activate(self) -> None:
        self.desktop.focus(self.pid)

    def close(self) -> None:
        """Closes it as sway does when it is told to."""
        self.desktop.sway(f"[pid={self.pid}] kill")
