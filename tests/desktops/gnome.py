"""A GNOME on Wayland without a screen, in a session of alice's that logind knows, and her hands and eyes there.

gnome-shell draws into memory. An extension opens org.gnome.Shell.Eval, which is everything that a test needs: Clutter's
virtual devices are the hands, and the shell itself tells what is on the screen.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from alice import Desktop, as_alice
from machine import run, wait_for

UNIT = """\
[Unit]
After=systemd-user-sessions.service dbus.service systemd-logind.service
[Service]
User=alice
PAMName=login
WorkingDirectory=~
Environment=XDG_SESSION_TYPE=wayland XDG_SESSION_CLASS=user XDG_SEAT=seat0 XDG_VTNR=0 LANG=C.UTF-8
Environment=XDG_SESSION_DESKTOP=gnome XDG_CURRENT_DESKTOP=GNOME DESKTOP_SESSION=gnome GDMSESSION=gnome
ExecStart=/usr/bin/gnome-session
UtmpIdentifier=none
"""
SHELL = """\
[Service]
ExecStart=
ExecStart=/usr/bin/gnome-shell --headless --virtual-monitor {width}x{height}
"""
EXTENSION = Path("/usr/share/gnome-shell/extensions/tests@tests")
OPENED = """\
export default class Tests { enable() { global.context.unsafe_mode = true; } disable() {} }
"""
ABOUT = {
    "uuid": "tests@tests",
    "name": "tests",
    "description": "opens Eval",
    "shell-version": ["43", "44", "45", "46", "47", "48", "49", "50"],
    "session-modes": ["user", "unlock-dialog"],
}
SETTINGS = """\
[org.gnome.shell]
enabled-extensions=['tests@tests']
welcome-dialog-last-shown-version='999'
[org.gnome.desktop.session]
idle-delay=uint32 0
[org.gnome.desktop.background]
picture-options='none'
primary-color='#557799'
"""
# Without a gdm, the shell does not lock.
GDM = '''\
from gi.repository import Gio, GLib

XML = """<node><interface name="org.gnome.DisplayManager.Manager">
<method name="RegisterSession"><arg type="a{sv}" direction="in"/></method>
<method name="RegisterDisplay"><arg type="a{ss}" direction="in"/></method>
<property name="Version" type="s" access="read"/></interface></node>"""


def called(bus, sender, path, interface, method, arguments, invocation):
    invocation.return_value(None)


def acquired(bus, name):
    interface = Gio.DBusNodeInfo.new_for_xml(XML).interfaces[0]
    version = GLib.Variant("s", "48.0")
    bus.register_object("/org/gnome/DisplayManager/Manager", interface, called, lambda *_: version, None)


Gio.bus_own_name(Gio.BusType.SYSTEM, "org.gnome.DisplayManager", 0, acquired, None, None)
GLib.MainLoop().run()
'''
PORTAL = "org.freedesktop.portal.Desktop"
SHELL_FILE = Path("/etc/systemd/user/org.gnome.Shell@wayland.service.d/tests.conf")
FILES = {
    Path("/etc/systemd/system/tests-gnome.service"): UNIT,
    SHELL_FILE: SHELL,
    EXTENSION / "metadata.json": json.dumps(ABOUT),
    EXTENSION / "extension.js": OPENED,
    Path("/usr/share/glib-2.0/schemas/99_tests.gschema.override"): SETTINGS,
    Path("/usr/local/lib/tests-gdm.py"): GDM,
    Path("/etc/systemd/system/tests-gdm.service"): "[Service]\nExecStart=python3 /usr/local/lib/tests-gdm.py\n",
}

# What the hands need once in each life of the shell.
HANDS = """
if (!global.hands) {
    const Clutter = imports.gi.Clutter, seat = Clutter.get_default_backend().get_default_seat();
    const time = () => imports.gi.GLib.get_monotonic_time();
    const keyboard = seat.create_virtual_device(Clutter.InputDeviceType.KEYBOARD_DEVICE);
    const pointer = seat.create_virtual_device(Clutter.InputDeviceType.POINTER_DEVICE);
    global.hands = {
        press(keys) {
            for (const key of keys) keyboard.notify_keyval(time(), key, 1);
            for (const key of keys.reverse()) keyboard.notify_keyval(time(), key, 0);
        },
        move(x, y) { pointer.notify_absolute_motion(time(), x, y); },
        button(state) { pointer.notify_button(time(), 1, state); },
    };
}
"""
WINDOWS = """
global.display.sort_windows_by_stacking(global.get_window_actors().map(actor => actor.meta_window)).map(window => {
    const frame = window.get_frame_rect();
    return {title: window.get_title(), pid: window.get_pid(), focus: window.has_focus(), above: window.is_above(),
        x11: window.get_client_type() === 1, rect: [frame.x, frame.y, frame.width, frame.height],
        skipped: window.is_skip_taskbar(), attention: window.demands_attention};
})
"""
KEYS = {"alt": 0xFFE9, "Escape": 0xFF1B, "Return": 0xFF0D, "Tab": 0xFF09, "space": 0x20}
KEYS |= {"F11": 0xFFC8}


class Gnome(Desktop):
    unit = "tests-gnome"
    terminal = ["gnome-terminal", "--wait", "--"]

    def __init__(self) -> None:
        self.logins = []

    def start(self, scale: int = 1) -> None:
        for path, text in FILES.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        SHELL_FILE.write_text(SHELL.format(width=1280 * scale, height=800 * scale))
        run("glib-compile-schemas", "/usr/share/glib-2.0/schemas")
        run("systemctl", "daemon-reload")
        run("systemctl", "restart", "tests-gdm")
        run("systemctl", "restart", "tests-gnome")
        wait_for(self.is_there, "the shell is there", timeout=60)
        wait_for(lambda: self.evaluate("Main.layoutManager._startingUp") is False, "the shell has started", timeout=60)
        self.evaluate("Main.overview.hide()")
        self.dismiss_all()  # the shell tells that it has been opened to tests
        run(*as_alice("gdbus", "wait", "--session", "--activate", PORTAL, PORTAL))  # which any program has started
        if scale != 1:
            self.set_scale(scale)

    def set_scale(self, scale: int) -> None:
        mode = f"{1280 * scale}x{800 * scale}@60.000"
        screen = f"[(0, 0, {scale}.0, 0, true, [('Meta-0', '{mode}', {{}})])]"
        name = "org.gnome.Mutter.DisplayConfig"
        call = ["gdbus", "call", "--session", "--dest", name, "--object-path", "/" + name.replace(".", "/"), "--method"]
        state = run(*as_alice(*call, f"{name}.GetCurrentState")).stdout
        serial = state.partition("uint32 ")[2].partition(",")[0]
        run(*as_alice(*call, f"{name}.ApplyMonitorsConfig", serial, "1", screen, "{}"))

    def is_there(self) -> bool:
        try:
            return bool(self.evaluate("1 + 1") == 2)
        except (AssertionError, ValueError):
            return False

    def evaluate(self, script: str) -> Any:
        """What the shell has for an expression."""
        call = ["--dest", "org.gnome.Shell", "--object-path", "/org/gnome/Shell", "--method", "org.gnome.Shell.Eval"]
        told = run(*as_alice("gdbus", "call", "--session", *call, script), check=False)
        assert told.stdout.startswith("(true, "), told
        text = told.stdout[len("(true, ") : -len(")\n")]
        value = eval(text)  # as GVariant prints a string
        return json.loads(value) if value else None

    def press(self, *keys: str) -> None:
        for key in keys:
            codes = [KEYS.get(name) or ord(name) for name in key.split("+")]
            self.evaluate(f"{HANDS}; global.hands.press({codes}); 0")
            time.sleep(0.03)  # as fingers do

    def click(self, x: int, y: int) -> None:
        self.evaluate(f"{HANDS}; global.hands.move({x}, {y}); 0")
        time.sleep(0.1)
        self.evaluate(f"{HANDS}; global.hands.button(1); 0")
        time.sleep(0.05)
        self.evaluate(f"{HANDS}; global.hands.button(0); 0")

    def windows(self) -> list[dict[str, Any]]:
        """All windows, the lowest first."""
        return list(self.evaluate(WINDOWS))

    def photograph(self, path: str) -> None:
        Path(path).unlink(missing_ok=True)  # or it is root's, and the shell may not write to it
        call = ["--dest", "org.gnome.Shell.Screenshot", "--object-path", "/org/gnome/Shell/Screenshot"]
        call += ["--method", "org.gnome.Shell.Screenshot.Screenshot"]
        told = run(*as_alice("gdbus", "call", "--session", *call, "false", "false", path))
        assert told.stdout.startswith("(true, "), told

    def notification(self) -> str:
        """What the notification says that is on the screen just now."""
        shown = "Main.messageTray._banner ? Main.messageTray._notification : {title: '', body: ''}"
        return str(self.evaluate(f"(it => `${{it.title}}\n${{it.body}}`)({shown})"))

    def notifications(self) -> str:
        """What all the notifications say that the shell keeps."""
        kept = "Main.messageTray.getSources().flatMap(it => it.notifications).map(it => `${it.title}\\n${it.body}`)"
        return "\n".join(self.evaluate(kept))

    def dismiss(self) -> None:
        """alice closes the notification that is on the screen."""
        self.evaluate("Main.messageTray._banner.close(); 0")

    def dismiss_all(self) -> None:
        self.evaluate("Main.messageTray.getSources().forEach(it => it.destroy())")

    def notification_at(self) -> tuple[int, int]:
        return 600, 90

    def notification_part(self) -> str:
        return "560x116+360+33"

    def maximise(self) -> None:
        self.evaluate("global.display.focus_window?.maximize(3)")

    def lock(self) -> None:
        self.evaluate("Main.screenShield.lock(false); 0")
        wait_for(lambda: self.evaluate("Main.screenShield.locked"), "the screen is locked")

    def unlock(self) -> None:
        self.evaluate("Main.screenShield.deactivate(false); 0")
        wait_for(lambda: not self.evaluate("Main.screenShield.locked"), "the screen is unlocked")

    def log_out(self) -> None:
        run(*as_alice("gnome-session-quit", "--logout", "--no-prompt"))

    def set_dark(self, dark: bool) -> None:
        scheme = "prefer-dark" if dark else "default"
        run(*as_alice("gsettings", "set", "org.gnome.desktop.interface", "color-scheme", scheme))
