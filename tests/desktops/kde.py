"""A KDE Plasma without a screen, on Wayland or on X11, in a session of alice's that logind knows.

On Wayland, kwin draws into a window of an Xvfb; on X11, Xvfb is the display, and lightdm logs alice in. Either way
xdotool has its keyboard and its mouse, and import(1) sees the whole screen. A script that kwin runs tells what windows
there are.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

from alice import Desktop, as_alice, home_of_alice
from desktop import AUTOLOGIN, XAUTHORITY, active_session, processes, stop
from desktop_fixtures import LIGHTDM, LIGHTDM_SERVICES, NO_CONSOLE, XSERVER
from machine import run, wait_for

OUTER = ":9"
UNIT = """\
[Unit]
After=systemd-user-sessions.service dbus.service systemd-logind.service
[Service]
User=alice
PAMName=login
WorkingDirectory=~
Environment=XDG_SESSION_TYPE={type} XDG_SESSION_CLASS=user XDG_SEAT=seat0 XDG_VTNR=0 LANG=C.UTF-8
Environment=XDG_SESSION_DESKTOP=KDE XDG_CURRENT_DESKTOP=KDE DESKTOP_SESSION=plasma {more}
ExecStart={start}
UtmpIdentifier=none
"""
KWIN = """\
[Service]
ExecStart=
ExecStart=/usr/bin/kwin_wayland_wrapper --x11-display :9 --width {width} --height {height} --xwayland
"""
XVFB = "[Service]\nExecStart=/usr/bin/Xvfb :9 -ac -screen 0 {width}x{height}x24 -nolisten tcp -noreset\n"
SETTINGS = {
    "kscreenlockerrc": "[Daemon]\nAutolock=false\nLockOnResume=false\nLockGrace=0\n",
    "ksplashrc": "[KSplash]\nEngine=none\n",
    "kwalletrc": "[Wallet]\nEnabled=false\n",
    "ksmserverrc": "[General]\nconfirmLogout=false\nloginMode=emptySession\n",
    "plasma-welcomerc": "[General]\nLastSeenVersion=99.0.0\nShouldShow=false\n",
}
UNITS = Path("/etc/systemd/system")
DROP_IN = Path("/etc/systemd/user/plasma-kwin_wayland.service.d/tests.conf")
WINDOWS = """
var told = workspace.stackingOrder.filter(it => it.normalWindow || it.dialog || it.notification).map(it => ({
    title: it.caption, pid: it.pid, focus: it.active, above: it.keepAbove, attention: it.demandsAttention,
    hidden: it.minimized, full: it.fullScreen, program: it.resourceClass.toString(), skipped: it.skipTaskbar,
    rect: ["x", "y", "width", "height"].map(name => Math.round(it.frameGeometry[name]))}));
tell(JSON.stringify(told));
"""


def screen_of(scale: int) -> list[dict[str, Any]]:
    """The screen as kwin keeps it in mind; told by its command line, it takes the scale for a bigger screen."""
    mode = {"width": 1280 * scale, "height": 800 * scale, "refreshRate": 60000}
    setup = {"enabled": True, "outputIndex": 0, "position": {"x": 0, "y": 0}, "priority": 0}
    output = {"connectorName": "X11-0", "mode": mode, "scale": scale}
    setups = [{"lidClosed": False, "outputs": [setup]}]
    return [{"name": "outputs", "data": [output]}, {"name": "setups", "data": setups}]


class Kde(Desktop):
    unit = "tests-kde"
    terminal = ["konsole", "--separate", "-e"]
    environment = {**os.environ, "DISPLAY": OUTER}
    scale = 1

    def __init__(self) -> None:
        self.logins = []

    def start(self, scale: int = 1) -> None:
        self.settle(scale)
        self.begin(scale, UNIT.format(type="wayland", start="/usr/bin/startplasma-wayland", more=""))
        self.x("windowfocus", wait_for(self.window_of_kwin, "kwin has a window"))

    def begin(self, scale: int, unit: str) -> None:
        size = {"width": 1280 * scale, "height": 800 * scale}
        DROP_IN.parent.mkdir(parents=True, exist_ok=True)
        DROP_IN.write_text(KWIN.format(**size))
        (UNITS / "tests-xvfb.service").write_text(XVFB.format(**size))
        (UNITS / f"{self.unit}.service").write_text(unit)
        run("systemctl", "daemon-reload")
        run("systemctl", "restart", "tests-xvfb", self.unit)
        wait_for(self.is_there, "kwin and the panel are there", timeout=60)

    def settle(self, scale: int) -> None:
        self.scale = scale
        wait_for(lambda: not processes(lambda words: "kwin_wayland" in "".join(words[:1])), "the kwin before has ended")
        folder = home_of_alice() / ".config"
        folder.mkdir(exist_ok=True)
        for name, text in SETTINGS.items():
            (folder / name).write_text(text)
        (folder / "kwinoutputconfig.json").write_text(json.dumps(screen_of(scale)))
        run("chown", "-R", "alice:alice", str(folder))

    def is_there(self) -> bool:
        names = run(*as_alice("busctl", "--user", "list", "--acquired", "--no-legend"), check=False).stdout
        scripting = ["org.kde.KWin", "/Scripting", "org.kde.kwin.Scripting", "isScriptLoaded", "s", "any"]
        takes_scripts = run(*as_alice("busctl", "--user", "call", *scripting), check=False).returncode == 0
        return takes_scripts and "org.kde.plasmashell" in names and "org.freedesktop.Notifications" in names

    def window_of_kwin(self) -> str:
        tree = run("xwininfo", "-root", "-tree", env=self.environment).stdout
        return next((line.split()[0] for line in tree.splitlines() if "KDE Wayland Compositor" in line), "")

    def x(self, *arguments: object) -> str:
        return run("xdotool", *map(str, arguments), env=self.environment).stdout.strip()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.x("key", key)

    def click(self, x: int, y: int) -> None:
        self.x("mousemove", x, y)
        time.sleep(0.1)
        self.x("click", 1)

    def photograph(self, path: str) -> None:
        subprocess.run(["import", "-window", "root", path], env=self.environment, check=True)

    def call(self, service: str, path: str, method: str, *arguments: str) -> str:
        """What a method of a service on alice's bus returns."""
        where = ["--dest", service, "--object-path", path, "--method", method]
        return run(*as_alice("gdbus", "call", "--session", *where, *arguments)).stdout.strip()

    def tell_kwin(self, script: str) -> str:
        """Has kwin run a script, and returns what it prints."""
        mark = uuid.uuid4().hex
        path = Path(f"/tmp/{mark}.js")
        path.write_text(f"const tell = (it) => print('{mark} ' + it + ' {mark}');\n{script}")
        begin = run("journalctl", "-q", "-n", "1", "-o", "json", "--output-fields=").stdout
        after = f"--after-cursor={json.loads(begin)['__CURSOR']}"
        self.call("org.kde.KWin", "/Scripting", "org.kde.kwin.Scripting.loadScript", str(path), mark)
        self.call("org.kde.KWin", "/Scripting", "org.kde.kwin.Scripting.start")

        def told() -> str:
            return (run("journalctl", "-q", after, "-o", "cat").stdout.split(mark)[1:] or [""])[0]

        found = wait_for(told, "kwin has run a script", timeout=10)
        self.call("org.kde.KWin", "/Scripting", "org.kde.kwin.Scripting.unloadScript", mark)
        path.unlink()
        return found

    def windows(self) -> list[dict[str, Any]]:
        """All windows, the lowest first."""
        return list(json.loads(self.tell_kwin(WINDOWS)))

    def notification(self) -> str:
        """What the notification says that is on the screen just now."""
        return self.text("-gravity", "southeast", "-crop", f"{420 * self.scale}x{260 * self.scale}+0+{40 * self.scale}")

    def notifications(self) -> str:
        """What the notifications say that are on the screen."""
        return self.notification()

    def rects_of_notifications(self) -> list[list[int]]:
        return [it["rect"] for it in self.windows() if it["program"].endswith("plasmashell")]

    def dismiss(self) -> None:
        """alice closes a notification that is on the screen."""
        x, y, width, _ = self.rects_of_notifications()[0]
        self.click(x + width - 20, y + 20)

    def dismiss_all(self) -> None:
        def all_gone() -> bool:
            if self.rects_of_notifications():
                self.dismiss()
            return not self.rects_of_notifications()

        wait_for(all_gone, "no notification is left")

    def notification_at(self) -> tuple[int, int]:
        return 1100, 680

    def notification_part(self) -> str:
        x, y, width, height = self.rects_of_notifications()[0]
        return f"{width + 32}x{height + 32}+{x - 16}+{y - 16}"

    def maximise(self) -> None:
        self.tell_kwin("workspace.activeWindow.setMaximize(true, true); tell('done')")

    def lock(self) -> None:
        run("loginctl", "lock-session", active_session()["Id"])
        name = "org.freedesktop.ScreenSaver"
        wait_for(lambda: "true" in self.call(name, "/ScreenSaver", f"{name}.GetActive"), "the screen is locked")

    def unlock(self) -> None:
        run("loginctl", "unlock-session", active_session()["Id"])
        name = "org.freedesktop.ScreenSaver"
        wait_for(lambda: "false" in self.call(name, "/ScreenSaver", f"{name}.GetActive"), "the screen is unlocked")

    def log_out(self) -> None:
        self.call("org.kde.Shutdown", "/Shutdown", "org.kde.Shutdown.logout")

    def set_dark(self, dark: bool) -> None:
        self.start_program("--wait", "plasma-apply-colorscheme", "BreezeDark" if dark else "BreezeLight")


class KdeOnX11(Kde):
    """By lightdm, which starts the X server and logs alice in."""

    unit = "lightdm"
    environment = {**os.environ, "DISPLAY": ":0", "XAUTHORITY": XAUTHORITY}

    def start(self, scale: int = 1) -> None:
        self.settle(scale)
        begins = re.compile(r"^(?=-?session.*pam_systemd|@include +common-session)", re.MULTILINE)
        for service in LIGHTDM_SERVICES:
            service.write_text(begins.sub(NO_CONSOLE, service.read_text().replace(NO_CONSOLE, ""), count=1))
        Path("/etc/security/no-console.conf").write_text("XDG_VTNR DEFAULT=0 OVERRIDE=0\n")
        xserver = Path("/usr/local/bin/xserver")
        xserver.write_text(XSERVER.replace("1024x768", f"{1280 * scale}x{800 * scale}"))
        xserver.chmod(0o755)
        configuration = Path("/etc/lightdm/lightdm.conf.d/50-tests.conf")
        configuration.parent.mkdir(exist_ok=True)
        configuration.write_text(LIGHTDM.replace("openbox", "plasmax11") + AUTOLOGIN)
        run("groupadd", "--force", "autologin")
        run("usermod", "--append", "--groups", "autologin", "alice")
        run("systemctl", "restart", "lightdm")
        wait_for(self.is_there, "kwin and the panel are there", timeout=60)

    def stop(self) -> None:
        stop("lightdm")
        super().stop()
