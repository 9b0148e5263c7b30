"""Fixtures of the tests of ASK, for a test module that says `pytest_plugins = ["desktop_fixtures"]`."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from desktop import AUTOLOGIN, SEEN, Desktop, alice_is_there, comes_up, free_the_seat, stop
from limits import known_to_logind, known_to_the_plugin
from machine import run, wait_for

XSERVER = """\
#!/bin/sh
# What a display manager asks of an X server, as Xvfb understands it.
display=:0 auth= told=
while [ $# -gt 0 ]; do
    case $1 in
    :*) display=$1 ;;
    -auth) auth=$2 && shift ;;
    -displayfd) told=$2 && shift ;;
    esac
    shift
done
exec Xvfb "$display" -screen 0 1024x768x24 ${auth:+-auth "$auth"} ${told:+-displayfd "$told"} -nolisten tcp -noreset
"""

LIGHTDM = """\
[LightDM]
logind-check-graphical=false
[Seat:*]
xserver-command=/usr/local/bin/xserver
user-session=openbox
"""

# There is no console here that a session could be on, and logind must not be told that there is.
NO_CONSOLE = "session required pam_env.so conffile=/etc/security/no-console.conf\n"
LIGHTDM_SERVICES = [Path("/etc/pam.d", name) for name in ("lightdm", "lightdm-autologin", "lightdm-greeter")]

EYE = '''\
import json, os, sys, time

def state_of(box, timers):
    from PyQt5.QtCore import QPoint, Qt
    from PyQt5.QtWidgets import QLabel, QPushButton
    labels = [label for label in box.findChildren(QLabel) if label.isVisible() and label.text()]
    buttons, focus = {}, box.focusWidget()
    for button in box.findChildren(QPushButton):
        middle = button.mapToGlobal(QPoint(button.width() // 2, button.height() // 2))
        buttons[button.text().replace("&", "")] = {"at": [middle.x(), middle.y()], "enabled": button.isEnabled()}
    return {
        "title": box.windowTitle(),
        "id": int(box.winId()),
        "texts": [label.text().replace("\\u200e", "") for label in labels],
        "markup": any(label.textFormat() != Qt.PlainText and Qt.mightBeRichText(label.text()) for label in labels),
        "buttons": buttons,
        "focus": focus.text().replace("&", "") if isinstance(focus, QPushButton) else "",
        "frame": box.frameGeometry().getRect(),
        "active": box.isActiveWindow(),
        "timers": timers,
        "environment": dict(os.environ),
    }

def open_the_eye():
    from PyQt5.QtCore import QTimer
    from PyQt5.QtWidgets import QApplication, QDialog
    timers, place, run_qt, shoot = [], "/run/tests-eye/%d" % os.getpid(), QApplication.exec_, QTimer.singleShot

    def look():
        for box in QApplication.topLevelWidgets():
            if isinstance(box, QDialog) and box.isVisible():
                state = dict(state_of(box, timers), at=time.monotonic())
                with open(place + ".new", "w") as file:
                    json.dump(state, file)
                os.rename(place + ".new", place)

    def exec_(*_):
        timer = QTimer()
        timer.timeout.connect(look)
        timer.start(20)
        return run_qt()

    def single_shot(milliseconds, call):
        timers.append(milliseconds)
        shoot(milliseconds // 60 if os.path.exists("/run/tests-eye/hurry") else milliseconds, call)

    QApplication.exec_, QTimer.singleShot = staticmethod(exec_), staticmethod(single_shot)

if sys.argv[1:] in (["--window"], ["ask"]):
    try:
        open_the_eye()
    except ImportError:
        pass
'''
EYE_FILES = [Path("/usr/lib/python3/dist-packages", name) for name in ("tests_eye.py", "tests_eye.pth")]


@pytest.fixture(scope="module")
def lightdm() -> Iterator[Callable[[str], None]]:
    """lightdm(AUTOLOGIN): starts lightdm anew, with this put behind its configuration. It is stopped at the end."""
    kept = {path: path.read_text() for path in LIGHTDM_SERVICES}
    for path, text in kept.items():
        path.write_text(re.sub(r"(?m)^(?=-?session.*pam_systemd|@include +common-session)", NO_CONSOLE, text, count=1))
    Path("/etc/security/no-console.conf").write_text("XDG_VTNR DEFAULT=0 OVERRIDE=0\n")
    xserver = Path("/usr/local/bin/xserver")
    xserver.write_text(XSERVER)
    xserver.chmod(0o755)
    configuration = Path("/etc/lightdm/lightdm.conf.d/50-tests.conf")
    configuration.parent.mkdir(exist_ok=True)
    run("groupadd", "--force", "autologin")
    run("usermod", "--append", "--groups", "autologin", "alice")

    def start(more: str) -> None:
        configuration.write_text(LIGHTDM + more)
        stop("lightdm")
        free_the_seat()
        run("systemctl", "reset-failed", "lightdm", check=False)  # which counts anew how often it was started
        run("systemctl", "start", "lightdm")

    yield start
    stop("lightdm")
    wait_for(lambda: "alice" not in [*known_to_logind(), *known_to_the_plugin()], "alice has left")
    configuration.unlink(missing_ok=True)
    for path, text in kept.items():
        path.write_text(text)


@pytest.fixture(scope="module")
def eye() -> Iterator[None]:
    """Every window of the plugin tells what is on it, in a file of SEEN."""
    SEEN.mkdir(exist_ok=True)
    SEEN.chmod(0o1777)
    for path, text in zip(EYE_FILES, (EYE, "import tests_eye\n")):
        path.write_text(text)
    yield
    for path in EYE_FILES:
        path.unlink()
    shutil.rmtree(SEEN)


@pytest.fixture
def desktop(rules, lightdm, eye) -> Iterator[Desktop]:
    """alice's desktop. Nobody else is in, nobody was asked about before, and nobody is any more behind the test."""
    if not alice_is_there():
        comes_up(lambda: lightdm(AUTOLOGIN), alice_is_there, "alice is logged in")
    found = Desktop()
    found.clear()
    yield found
    found.clear()


@pytest.fixture
def nobody_there(rules, lightdm, eye) -> Iterator[Desktop]:
    """A desktop with nobody at it."""
    stop("lightdm")
    free_the_seat()
    found = Desktop()
    found.clear()
    yield found
    found.clear()
