"""Display managers, each with its own greeter on an X server that draws into memory, and somebody in front of it.

Their hands are xdotool, their eyes are tesseract: what a test knows of a greeter is what can be read on the screen.

The display managers themselves are fixtures, in greeters_fixtures.py.
"""

from __future__ import annotations

import os
from pathlib import Path

from desktop import manages_windows, processes, words_of
from limits import known_to_logind, known_to_the_plugin
from machine import password_of, run, wait_for

PICTURES = Path(__file__).parents[1] / "pictures"
TRIES = 5  # to type a name: a greeter that has just come up may lose a key


def version_of(package: str) -> str:
    return run("dpkg-query", "--show", "--showformat=${Version}", package).stdout


class Greeter:
    """A display manager, as somebody meets it who wants to log in; its display is :0 unless told otherwise."""

    name = ""  # of its systemd unit, and in the pictures
    program = ""  # as /etc/X11/default-display-manager names it
    services: tuple[str, ...] = ()  # its files in /etc/pam.d
    wrong = ""  # what it says to a wrong password
    tells_why = False  # whether it shows what account has said to a right password
    picture = ""  # the part of the screen that tells it, as WIDTHxHEIGHT+X+Y
    select_all = "ctrl+a"

    def __init__(self, display: str = ":0") -> None:
        self.display = display

    def files(self, autologin: str) -> dict[Path, str]:
        """How it is configured, with somebody who is logged in without being asked."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------------------- its screen

    @property
    def environment(self) -> dict[str, str]:
        """How a client gets onto the display."""
        return {**os.environ, "DISPLAY": self.display, "XAUTHORITY": self.authority()}

    def authority(self) -> str:
        """The file that lets a client onto the display; nothing while there is no X server."""
        for pid in processes(lambda words: words[:1] == ["Xvfb"] and self.display in words):
            words = words_of(pid)
            if "-auth" in words:
                return words[words.index("-auth") + 1]
        return ""

    def x(self, *arguments: object) -> str:
        return run("xdotool", *map(str, arguments), env=self.environment, check=False).stdout.strip()

    def read(self) -> str:
        """What stands on the screen, in lines; nothing while there is none."""
        how = "-resize 250% -colorspace gray -depth 8 pgm:-"
        shot = f"{{ import -window root -crop {self.picture} +repage {how} | tesseract - - --psm 11; }} 2>/dev/null"
        environment = {**self.environment, "OMP_THREAD_LIMIT": "1"}
        lines = run("sh", "-c", shot, env=environment, check=False).stdout.splitlines()
        return "\n".join(filter(None, map(str.strip, lines)))

    def says(self, *texts: str) -> str:
        """Which of these texts is to be read on the screen; nothing if none of them is."""
        seen = self.read()
        return next((text for text in texts if text in seen), "")

    def wait_for(self, *texts: str) -> str:
        """Waits until one of these texts is to be read, and returns it."""
        last = ""

        def read() -> str:
            nonlocal last
            last = self.read()
            return next((text for text in texts if text in last), "")

        try:
            return wait_for(read, f"{self.name} shows {' or '.join(texts)}")
        except AssertionError as error:
            raise AssertionError(f"{error}, but:\n{last}") from None

    def take(self, what: str) -> None:
        """A picture of what is on the screen now, for people to look at."""
        PICTURES.mkdir(exist_ok=True)
        how = ["-window", "root", "-crop", self.picture, "+repage", "-strip", "+dither", "-colors", "48"]
        run("import", *how, str(PICTURES / f"{self.name}-{what}.png"), env=self.environment)

    # ---------------------------------------------------------------------------------------------------- who uses it

    def is_there(self) -> bool:
        """Whether it asks who wants to log in."""
        raise NotImplementedError

    def has_crashed(self) -> bool:
        """Whether a process of its own has, as far as it tells."""
        return False

    def type_name(self, user: str) -> None:
        """Types a name in the place of whatever was there, again if it does not appear as it should."""
        for _ in range(TRIES):
            self.x("key", self.select_all, "BackSpace")
            if not self.comes_to_show(user, False):
                continue
            self.x("type", user)
            if self.comes_to_show(user, True):
                return
        raise AssertionError(f"{user} cannot be typed:\n{self.read()}")

    def comes_to_show(self, text: str, shown: bool) -> bool:
        try:
            return wait_for(lambda: (text in self.read()) == shown, text, timeout=5)
        except AssertionError:
            return False

    def type_in(self, user: str, password: str | None = None) -> None:
        """Types name and password (the user's own, if None) into the greeter, and sends them off."""
        raise NotImplementedError

    def is_refused(self, user: str, password: str | None = None) -> str:
        """Somebody wants to log in, and does not get in; returns what the greeter says."""
        self.type_in(user, password)
        said = self.wait_for(self.wrong, "Access denied")
        assert user not in known_to_logind()
        return said

    def lets_in(self, user: str) -> None:
        """Somebody logs in, and has a desktop."""
        self.type_in(user)
        wait_for(lambda: self.is_in(user), f"{user} is logged in by {self.name}")

    def is_in(self, user: str) -> bool:
        """Whether somebody has a session, and a desktop that is ready."""
        return user in known_to_logind() and manages_windows(self.display, self.authority())

    def log_out(self, user: str) -> None:
        """Ends the desktop as its menu does, until the greeter is there again."""

        def has_left() -> bool:
            if manages_windows(self.display, self.authority()):  # again: it may have been busy with its own start
                run("openbox", "--exit", env=self.environment, check=False)
            return user not in [*known_to_logind(), *known_to_the_plugin()]

        wait_for(has_left, f"{user} has left")
        wait_for(self.is_there, "the greeter is there again")


class Lightdm(Greeter):
    name, program = "lightdm", "/usr/sbin/lightdm"
    services = ("lightdm", "lightdm-autologin", "lightdm-greeter")
    wrong = "Your password is incorrect. Please try again."
    tells_why = True
    picture = "400x300+312+234"
    log = Path("/var/log/lightdm/lightdm.log")

    def files(self, autologin: str) -> dict[Path, str]:
        seat = "xserver-command=/usr/local/bin/xserver\nuser-session=openbox\ngreeter-hide-users=true\n"
        if autologin:
            seat += f"autologin-user={autologin}\nautologin-user-timeout=0\n"
        # It cannot lock the password into memory here, and dies if it must.
        text = f"[LightDM]\nlogind-check-graphical=false\nlock-memory=false\n[Seat:*]\n{seat}"
        return {Path("/etc/lightdm/lightdm.conf.d/50-tests.conf"): text}

    def is_there(self) -> bool:
        return self.says("Log In") != ""

    def has_crashed(self) -> bool:
        return "Terminated with signal 11" in self.log.read_text()

    def send_name(self, user: str) -> None:
        wait_for(self.is_there, "the greeter is there")
        self.x("mousemove", 521, 334, "click", 1)  # in the field for the name, with a message below and without
        self.type_name(user)
        self.x("key", "Return")

    def asks_for_the_password_of(self) -> str:
        """Whose password PAM has asked for last; nothing if it has yet to ask for that of the last name."""
        name, _, since = self.log.read_text().rpartition("Greeter start authentication for ")[2].partition("\n")
        return name if "Prompt greeter" in since else ""

    def type_in(self, user: str, password: str | None = None) -> None:
        self.send_name(user)
        wait_for(lambda: self.asks_for_the_password_of() == user, "a password is asked for")
        wait_for(lambda: "Enter your password" not in self.read(), "a password can be typed")
        self.x("type", password_of(user) if password is None else password)
        self.x("key", "Return")


class Sddm(Greeter):
    name, program = "sddm", "/usr/bin/sddm"
    services = ("sddm", "sddm-autologin", "sddm-greeter")
    wrong = "Login failed"
    picture = "320x314+352+226"

    def files(self, autologin: str) -> dict[Path, str]:
        text = "[General]\nGreeterEnvironment=QT_QUICK_BACKEND=software\n"
        text += "[Theme]\nCurrent=maldives\n[X11]\nServerPath=/usr/local/bin/xserver\n"
        if autologin:
            text += f"[Autologin]\nUser={autologin}\nSession=openbox\n"
        state = "[Last]\nSession=/usr/share/xsessions/openbox.desktop\n"
        return {Path("/etc/sddm.conf.d/50-tests.conf"): text, Path("/var/lib/sddm/state.conf"): state}

    def is_there(self) -> bool:
        return self.says("Username") != ""

    def type_in(self, user: str, password: str | None = None) -> None:
        wait_for(self.is_there, "the greeter is there")
        self.x("mousemove", 512, 320, "click", 1)
        self.type_name(user)
        self.x("key", "Tab", self.select_all, "BackSpace")
        self.x("type", password_of(user) if password is None else password)
        self.x("key", "Return")


class Xdm(Greeter):
    name, program = "xdm", "/usr/bin/xdm"
    services = ("xdm",)
    wrong = "Login incorrect or forbidden by policy"
    picture = "980x350+22+138"
    select_all = "ctrl+u"

    def files(self, autologin: str) -> dict[Path, str]:
        server = f"{self.display} local /usr/local/bin/xserver {self.display}\n"
        return {Path("/etc/X11/xdm/Xservers"): server}

    def is_there(self) -> bool:
        return self.says("Login:") != ""

    def type_in(self, user: str, password: str | None = None) -> None:
        wait_for(self.is_there, "the greeter is there")
        self.type_name(user)
        self.x("key", "Return")
        self.wait_for("Password:")
        self.x("type", password_of(user) if password is None else password)
        self.x("key", "Return")
