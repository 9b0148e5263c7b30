"""A real desktop for the tests of ASK, and alice, who sits in front of it.

lightdm logs alice into openbox, on an X server that draws into memory, in a session that logind knows. Her hands are
xdotool. Her eye is a module that Python loads into every window of the plugin: it writes down what is on the window.

The desktop itself is a fixture, in desktop_fixtures.py.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from limits import LOGIND, known_to_logind, known_to_the_plugin, logind_runs
from machine import Result, run, ssh_command, wait_for

STATE = Path("/run/pam-accesscontrol")
SEEN = Path("/run/tests-eye")
XAUTHORITY = "/run/lightdm/root/:0"
AUTOLOGIN = "autologin-user=alice\nautologin-user-timeout=0\n"  # for the configuration of lightdm
HERE, NEIGHBOUR, BY_IPV6 = "10.1.2.3", "10.1.2.4", "2001:db8::7"
NOT_ALLOWED = "Access denied: the person at the desktop did not allow it."
# Seconds from the first look at the window to a click, and from there until the window runs.
HANDLED_LATE = [(0.0, 1.5), (0.3, 1.5), (0.5, 1.5), (0.7, 1.5), (0.7, 0.25), (0.8, 0.25)]


# --------------------------------------------------------------------------------------------------------- the desktop


def active_session() -> dict[str, str]:
    """What logind knows of the session that is active on the seat; nothing if there is none."""
    seat = run("loginctl", "show-seat", "seat0", "--property=ActiveSession", "--value", check=False).stdout.strip()
    shown = run("loginctl", "show-session", seat, check=False).stdout if seat else ""
    return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)


def alice_is_there() -> bool:
    if logind_runs():
        session = active_session()
        known = (session.get("Name"), session.get("Type")) == ("alice", "x11")
    else:
        known = re.search(r"^alice .*\(:0\)$", run("who").stdout, re.MULTILINE) is not None
    return known and manages_windows(":0", XAUTHORITY)


def greeter_is_there() -> bool:
    if logind_runs() and active_session().get("Class") != "greeter":
        return False
    return bool(processes(lambda words: words[:1] == ["/usr/sbin/lightdm-gtk-greeter"]))


def manages_windows(display: str, authority: str) -> bool:
    environment = {**os.environ, "DISPLAY": display, "XAUTHORITY": authority}
    shown = run("xprop", "-root", "_NET_SUPPORTING_WM_CHECK", env=environment, check=False).stdout
    return "window id" in shown


def stop(unit: str) -> None:
    """Stops a display manager. lightdm may wait for ever for an authentication that it has begun a moment ago."""

    def stopped() -> bool:
        return run("systemctl", "is-active", unit, check=False).stdout in ("inactive\n", "failed\n")

    run("systemctl", "stop", "--no-block", unit)
    try:
        wait_for(stopped, f"{unit} stops", timeout=15)
    except AssertionError:
        run("systemctl", "kill", "--signal=KILL", unit)
        wait_for(stopped, f"{unit} is stopped")
        run("systemctl", "reset-failed", unit, check=False)


def free_the_seat() -> None:
    """Waits until nobody has the seat, and takes it from a session that has ended and keeps it.

    That is one whose process left others behind, with Debian 12's systemd also one whose process ended while it was
    opened, and with its logind one that ended while logind was restarted.
    """

    def becomes_free() -> bool:
        with suppress(AssertionError):
            wait_for(lambda: active_session() == {}, "the seat is free", timeout=20)
            return True
        return False

    if becomes_free():
        return
    session = active_session()
    print(run("loginctl", "session-status", session.get("Id", ""), check=False).stdout)
    run("loginctl", "kill-session", "--signal=KILL", session.get("Id", ""), check=False)
    run("systemctl", "stop", session.get("Scope", ""), check=False)
    if becomes_free():
        return
    run("systemctl", "restart", LOGIND)
    assert becomes_free(), f"nobody takes the seat from {active_session()}"


def free_the_display(number: int) -> None:
    """Removes what an X server of somebody else has left of a display: one of another user could not start there."""
    for left in (f"/tmp/.X11-unix/X{number}", f"/tmp/.X{number}-lock"):
        Path(left).unlink(missing_ok=True)


def comes_up(start: Callable[[], None], there: Callable[[], object], what: str) -> None:
    """Starts a display manager, and waits until it is there. One start in a thousand comes to nothing: then, again."""
    for _ in range(3):
        start()
        with suppress(AssertionError):
            wait_for(there, what, timeout=30)
            return
        print(run("loginctl", "list-sessions", check=False).stdout, run("ps", "axfo", "pid,stat,args").stdout)
        print(*(path.read_text()[-4000:] for path in Path("/var/log/lightdm").glob("*.log")))
    raise AssertionError(f"started three times in vain: {what}")


# ---------------------------------------------------------------------------------------------------- what is going on


def words_of(pid: int) -> list[str]:
    """The command line of a process, empty if there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def parent_of(pid: int) -> int:
    """The process that has started another, 0 if there is none, or no longer."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def processes(wanted: Callable[[list[str]], bool]) -> list[int]:
    """The processes whose command line is wanted. A child that has only just been forked, and still has the line of its
    parent, is none of its own."""
    found = {pid: words for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if wanted(words := words_of(pid))}
    return [pid for pid, words in found.items() if found.get(parent_of(pid)) != words]


def window_processes() -> list[int]:
    """The processes of the plugin's windows, those that have yet to be shown among them."""
    return processes(lambda words: words[-1:] == ["--window"] and words[0].endswith("python3"))


def logins_under_way() -> list[int]:
    """The privileged processes of sshd that somebody is behind."""
    return processes(lambda words: bool(words) and bool(re.match(r"sshd.*: \S+ \[(priv|postauth)\]", words[0])))


def askers() -> list[int]:
    """The processes that stand before a question, that of the one on the screen first."""
    found = []
    for path in (STATE / "questions").glob("*.*.*"):
        try:
            kind = os.readlink(path).split()[0]
        except FileNotFoundError:  # it has just gone
            continue
        if path.lstat().st_mtime:  # 0 is a question that was taken back
            turn, pid = map(int, path.name.split(".")[:2])
            found.append((kind != "asked", turn, pid))
    return [pid for _, _, pid in sorted(found)]


def waiting_for_an_answer() -> int:
    """How many processes stand before a question that is open or yet to be asked, whether theirs or somebody else's."""
    return sum(bool(words_of(pid)) for pid in askers())


def hold_of(user: str) -> float:
    """For how many seconds the last refusal keeps a person out, as it was written down."""
    [path] = refusals(user)
    return int(os.readlink(path).split()[1])


def hold_runs_out(user: str) -> None:
    """Makes it as if the seconds for which a person is kept out had gone by."""
    for path in refusals(user):
        word, _, *rest = os.readlink(path).split(" ")
        path.unlink()
        path.symlink_to(" ".join([word, "0", *rest]))


def refusals(user: str) -> list[Path]:
    return list((STATE / "answers").glob(f"deny-{key_of(user)}-*"))


def key_of(user: str) -> str:
    return f"uid-{pwd.getpwnam(user).pw_uid}"


def held_by(pid: int) -> set[str]:
    """What the descriptors of a process stand for: paths, pipes, sockets; nothing if it has gone."""
    found = set()
    try:
        for number in os.listdir(f"/proc/{pid}/fd"):
            found.add(os.readlink(f"/proc/{pid}/fd/{number}"))
    except FileNotFoundError:  # it has just been closed
        pass
    return found


def cgroup_of(pid: int) -> str:
    """Where a process stands in systemd's tree of cgroups, on whatever layout of them."""
    rows = [row.split(":", 2) for row in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    return next(path for _, controllers, path in rows if controllers in ("", "name=systemd") and path != "/")


def unit_of(pid: int) -> str:
    """The name of the unit that a process is in."""
    return cgroup_of(pid).rpartition("/")[2].removesuffix(".service")


class Login:
    """A login over ssh that is under way: `echo in`, or a stay that ends with leave()."""

    def __init__(self, user: str, stay: bool = False, **how: Any) -> None:
        line, environment = ssh_command(user, "echo in && exec cat" if stay else "echo in", **how)
        pipe = subprocess.PIPE
        self.client = subprocess.Popen(line, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment)

    def comes_in(self) -> Login:
        """Waits until a stay has begun."""
        assert self.client.stdout and self.client.stderr
        said = self.client.stdout.readline()
        assert said == "in\n", said + self.client.stderr.read()
        return self

    def leave(self) -> None:
        self.client.communicate(timeout=30)

    def result(self) -> Result:
        said, complained = self.client.communicate(timeout=60)
        return Result(self.client.args, self.client.returncode, said, complained)

    def is_let_in(self) -> bool:
        """Whether the person got in; who did not was told why, in one sentence."""
        login = self.result()
        if login.returncode == 0:
            assert login.stdout == "in\n", login
            return True
        assert login.returncode == 254 and re.fullmatch(r"Access denied: [^\n]*\.\n", login.stdout), login
        return False

    def refusal(self) -> str:
        """The sentence that refuses."""
        login = self.result()
        assert login.returncode == 254, login
        return login.stdout.rstrip("\n")

    def waits(self) -> bool:
        return self.client.poll() is None


class Desktop:
    """What alice sees, and what she can do about it; and people who come over ssh."""

    def __init__(self, display: str = ":0", authority: str = XAUTHORITY) -> None:
        self.environment = {**os.environ, "DISPLAY": display, "XAUTHORITY": authority}
        self.logins: list[Login] = []

    def x(self, *arguments: object) -> str:
        """xdotool, for example x("key", "Escape")."""
        return run("xdotool", *map(str, arguments), env=self.environment).stdout.strip()

    def knock(self, user: str, **how: Any) -> Login:
        """Somebody wants to come in over ssh, by their own key unless told otherwise."""
        self.logins.append(Login(user, **how))
        return self.logins[-1]

    def question(self, *other_than: Window) -> Window:
        """Waits for the dialog, for another than these."""
        return self.window(" login: ", other_than)

    def questions(self) -> list[Window]:
        """The dialogs that are on the screen and can be answered."""
        windows = [Window(self, int(path.name)) for path in SEEN.glob("*[0-9]")]
        return [window for window in windows if window.can_be_answered()]

    def notice(self) -> Window:
        """Waits for the notice."""
        return self.window(" logout: ", ())

    def window(self, part_of_title: str, other_than: tuple[Window, ...]) -> Window:
        def shown() -> Window | None:
            for path in SEEN.glob("*[0-9]"):
                window = Window(self, int(path.name))
                new = window.pid not in [other.pid for other in other_than]
                if new and window.is_there() and part_of_title in window.last_seen()["title"]:
                    return window
            return None

        try:
            return wait_for(shown, f"a window{part_of_title}is shown")
        except AssertionError:
            print(run("journalctl", "-q", "-o", "cat", "-n", "20", "SYSLOG_IDENTIFIER=pam-accesscontrol").stdout)
            print(*(login.result() for login in self.logins if not login.waits()), sep="\n")
            print(run("ps", "axfo", "pid,stat,wchan,args").stdout)
            raise

    def note(self, *other_than: Window) -> Window:
        """Waits for the note that a question leaves which nobody answered."""
        return self.window(" denied", other_than)

    def answer(self, button: str) -> Window:
        """Waits for the dialog, and clicks on Allow or Deny."""
        window = self.question()
        window.click(button)
        window.wait_until_gone()
        return window

    @contextmanager
    def beside(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        """Within the block, this runs on the desktop; at its end, it is ended."""
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=self.environment) as process:
            try:
                yield process
            finally:
                process.terminate()

    @contextmanager
    def someone_at_work(self) -> Iterator[subprocess.Popen[str]]:
        """Within the block, alice types into another window, which writes down each key that it gets."""
        with self.beside("xev", "-name", "at work", "-event", "keyboard") as other:
            window = self.x("search", "--sync", "--onlyvisible", "--name", "^at work$")
            self.x("windowactivate", "--sync", window)
            wait_for(lambda: self.x("getwindowfocus") == window, "alice is at work")
            yield other

    @contextmanager
    def watched(self) -> Iterator[list[set[str]]]:
        """Within the block, every change of what windows are on the screen is written down, in the order of events."""
        history: list[set[str]] = []
        with self.beside("xprop", "-root", "-spy", "_NET_CLIENT_LIST") as watcher:
            yield history
            watcher.terminate()
            assert watcher.stdout
            history += [set(re.findall("0x[0-9a-f]+", line)) for line in watcher.stdout]

    def clear(self, owner: str = "alice") -> None:
        """Sends everybody away but the owner of the desktop, and forgets what was answered."""
        for login in self.logins:
            login.client.kill()
            login.client.communicate()

        def all_gone() -> bool:
            for pid in window_processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not logins_under_way() and not window_processes()

        wait_for(all_gone, "everybody has left")
        wait_for(lambda: not {*known_to_logind(), *known_to_the_plugin()} - {owner}, "everybody's session has ended")
        for folder in ("answers", "questions"):
            shutil.rmtree(STATE / folder, ignore_errors=True)
        for path in SEEN.glob("*"):
            path.unlink()


class Window:
    """A window of the plugin, as the eye sees it, and alice's hands on it."""

    def __init__(self, desktop: Desktop, pid: int) -> None:
        self.desktop, self.pid = desktop, pid

    def last_seen(self) -> dict[str, Any]:
        """What was on the window when the eye last looked; nothing before it was shown."""
        try:
            return json.loads((SEEN / str(self.pid)).read_text())
        except FileNotFoundError:
            return {}

    def look(self) -> dict[str, Any]:
        """What is on the window now, when it has seen everything that was done to it before."""
        now = time.monotonic()

        def looked() -> dict[str, Any] | None:
            assert self.is_there(), "the window has gone"
            seen = self.last_seen()
            return seen if seen.get("at", 0) > now else None

        seen = wait_for(looked, "the window is looked at")
        return {**seen, "buttons": {name: Button(**button) for name, button in seen["buttons"].items()}}

    def until(self, true: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """Waits until this is true of what is on the window."""

        def looked() -> dict[str, Any] | None:
            seen = self.look()
            return seen if true(seen) else None

        return wait_for(looked, what)

    def can_be_answered(self) -> bool:
        """Whether it is there, and asks; it may go at any moment."""
        try:
            return self.is_there() and "Allow" in self.look()["buttons"]
        except AssertionError:
            if self.is_there():
                raise
            return False

    def is_there(self) -> bool:
        return words_of(self.pid)[-1:] in (["--window"], ["ask"])

    def wait_until_gone(self) -> None:
        wait_for(lambda: not self.is_there(), "the window goes")

    @property
    def title(self) -> str:
        """The title, as the X server knows it."""
        return self.desktop.x("getwindowname", self.look()["id"])

    def fact(self, name: str) -> str:
        """What stands behind a name in the table of facts."""
        texts = self.look()["texts"]
        return texts[texts.index(name) + 1]

    def click(self, button: str) -> None:
        """Clicks on a button, as soon as that counts, and again if the window stood still just then."""

        def clicked() -> bool:
            self.until(lambda seen: seen["buttons"][button].enabled, "a click counts")
            self.click_at_once(button)
            return self.has_gone_or_run()

        wait_for(clicked, "a click counts")

    def click_at_once(self, button: str) -> None:
        self.look()
        self.click_on(self.place_of(button))

    def click_late(self, button: str, before: float, behind: float) -> None:
        """A click in so many seconds, on a window that stands still then, and goes on only `behind` seconds later."""
        place = self.place_of(button)
        time.sleep(before)  # not for an event, nor is the next: it is the moment that matters
        with standing_still(self):
            self.click_on(place)
            time.sleep(behind)

    def place_of(self, button: str) -> tuple[int, int]:
        x, y = self.last_seen()["buttons"][button]["at"]
        return x, y

    def click_on(self, place: tuple[int, int]) -> None:
        self.desktop.x("mousemove", *place, "click", 1)

    def press(self, *keys: str) -> None:
        """Presses keys, as soon as they count, and again if the window stood still just then."""

        def pressed() -> bool:
            self.activate()
            self.until_keys_count()
            self.press_at_once(*keys)
            return self.has_gone_or_run()

        wait_for(pressed, "keys count")

    def until_keys_count(self) -> None:
        self.until(lambda seen: seen["active"] and keys_count(seen), "keys count")

    def press_at_once(self, *keys: str) -> None:
        self.desktop.x("key", *keys)

    def has_gone_or_run(self) -> bool:
        """Whether it took what was done to it; when it did not run for a while, its first second begins anew."""
        try:
            return not self.is_there() or any(button.enabled for button in self.look()["buttons"].values())
        except AssertionError:
            if self.is_there():
                raise
            return True

    def activate(self) -> None:
        self.desktop.x("windowactivate", "--sync", self.look()["id"])


class Button:
    def __init__(self, at: list[int], enabled: bool) -> None:
        self.at, self.enabled = at, enabled


def a_late_click_does_not_count(desktop: Desktop, before: float, behind: float) -> None:
    """What one of HANDLED_LATE must come to: no answer; and a click when clicks count is one."""
    bob = desktop.knock("bob")
    window = desktop.question()
    window.click_late("Allow", before, behind)
    window.until(lambda seen: seen["buttons"]["Allow"].enabled, "clicks count")
    assert bob.waits()
    window.click("Allow")
    assert bob.is_let_in()


def keys_count(seen: dict[str, Any]) -> bool:
    """Whether the window says that it takes keys: it shows the countdown, and no longer asks for a moment."""
    return seen["texts"][-1].endswith(" left, then denied")


@contextmanager
def standing_still(window: Window) -> Iterator[None]:
    """Within the block, a window does not run, as on a computer that is too busy."""
    os.kill(window.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(window.pid, signal.SIGCONT)
