"""Fixtures of the tests of ASK on Wayland, beside those of desktop_fixtures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from desktop import AUTOLOGIN, active_session, comes_up, free_the_seat, stop
from wayland import SCREEN, Sway

SESSION = Path("/usr/share/wayland-sessions/tests-sway.desktop")
COMPOSITOR = Path("/usr/local/bin/tests-sway")
CONFIGURATION = Path("/etc/tests-sway.conf")
FILES = {
    SESSION: "[Desktop Entry]\nName=sway\nExec=/usr/local/bin/tests-sway\nType=Application\n",
    COMPOSITOR: """\
#!/bin/sh
export WLR_BACKENDS=headless WLR_RENDERER=pixman WLR_LIBINPUT_NO_DEVICES=1
exec sway --config /etc/tests-sway.conf
""",
}
CONFIGURED = """\
output * resolution {}x{}
swaybg_command -
xwayland {}
"""


@pytest.fixture(scope="module")
def sway(lightdm: Callable[[str], None]) -> Iterator[Callable[[str], Sway]]:
    """sway("disable"): logs alice in, into a sway with or without X, and with a keyboard. It is her only process."""
    for path, text in FILES.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    COMPOSITOR.chmod(0o755)
    with ExitStack() as stack:

        def start(x: str) -> Sway:
            CONFIGURATION.write_text(CONFIGURED.format(*SCREEN, x))
            desktop = Sway()

            def is_there() -> bool:
                return active_session().get("Type") == "wayland" and desktop.has_started()

            comes_up(lambda: lightdm(AUTOLOGIN + "autologin-session=tests-sway\n"), is_there, "alice is in sway")
            stack.callback(desktop.hands.close)
            return desktop

        yield start
    stop("lightdm")
    free_the_seat()
    for path in (*FILES, CONFIGURATION):
        path.unlink()


@pytest.fixture(scope="module")
def without_x(sway: Callable[[str], Sway]) -> Sway:
    return sway("disable")


@pytest.fixture(scope="module")
def with_x(sway: Callable[[str], Sway]) -> Sway:
    return sway("enable")


@pytest.fixture
def lone_compositor(rules, eye, without_x: Sway) -> Iterator[Sway]:
    """sway, and no X. Nobody else is in, nobody was asked about before, and nobody is any more behind the test."""
    without_x.clear()
    yield without_x
    without_x.clear()


@pytest.fixture
def wayland_desktop(lone_compositor: Sway) -> Iterator[Sway]:
    """The same with a program on it."""
    with lone_compositor.a_program():
        yield lone_compositor


@pytest.fixture
def desktop_with_xwayland(rules, eye, with_x: Sway) -> Iterator[Sway]:
    """The same with X for the programs that want it, which is not even started before one does."""
    with_x.clear()
    with with_x.a_program():
        yield with_x
    with_x.clear()
