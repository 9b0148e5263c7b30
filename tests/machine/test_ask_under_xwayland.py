"""On a Wayland desktop that has X as well, the question takes Wayland; without Qt's plugin for that, it takes X."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop import NOT_ALLOWED, processes
from wayland import Sway, SwayWindow

pytest_plugins = ["desktop_fixtures", "wayland_fixtures"]

COMMAND = "/usr/bin/pam-accesscontrol"
PLUGINS = "/usr/lib/*/qt5/plugins/platforms/libqwayland*.so"


@pytest.fixture(autouse=True)
def _rules(rules) -> None:
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\nUNATTENDED:CLOSE\n")


@pytest.fixture
def without_the_plugin() -> Iterator[None]:
    """Qt cannot do Wayland, where nobody could install that."""
    plugins = list(Path("/").glob(PLUGINS[1:]))
    assert plugins
    for plugin in plugins:
        plugin.rename(plugin.parents[1] / plugin.name)  # Qt takes whatever is in the folder, by whatever name
    yield
    for plugin in plugins:
        (plugin.parents[1] / plugin.name).rename(plugin)


def shown_by(window: SwayWindow) -> str:
    """How sway got the window."""
    return str(window.desktop.windows()[window.pid]["shell"])


def test_where_there_are_both_it_is_wayland(desktop_with_xwayland: Sway) -> None:
    bob = desktop_with_xwayland.knock("bob")
    window = desktop_with_xwayland.question()
    assert {"DISPLAY", "WAYLAND_DISPLAY"} <= window.look()["environment"].keys()
    assert shown_by(window) == "xdg_shell"
    assert not processes(lambda words: words[:1] == ["Xwayland"])
    window.press("alt+a")
    assert bob.is_let_in()



def environment_of(pid: int) -> dict[str, str]:
    return dict(row.split("=", 1) for row in Path(f"/proc/{pid}/environ").read_text().split("\0")[:-1])


def test_without_the_plugin_it_is_x(desktop_with_xwayland: Sway, without_the_plugin: None) -> None:
    bob = desktop_with_xwayland.knock("bob")
    window = desktop_with_xwayland.question()
    assert shown_by(window) == "xwayland"
    assert window.title == "SSH login: bob from 10.1.2.3"
    window.press("alt+a")
    assert bob.is_let_in()


@pytest.mark.parametrize("key", ["Escape", "Return"])
def test_under_x_every_other_answer_denies(desktop_with_xwayland: Sway, without_the_plugin: None, key: str) -> None:
    bob = desktop_with_xwayland.knock("bob")
    desktop_with_xwayland.question().press(key)
    assert bob.refusal() == NOT_ALLOWED


def test_by_hand_with_display_alone(desktop_with_xwayland: Sway) -> None:
    [program] = processes(lambda words: words == ["sleep", "infinity"])
    display = f"DISPLAY={environment_of(program)['DISPLAY']}"
    command = desktop_with_xwayland.as_alice("env", "--unset=WAYLAND_DISPLAY", display, COMMAND, "ask")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as asking:
        window = desktop_with_xwayland.question()
        assert shown_by(window) == "xwayland"
        window.press("alt+a")
        assert asking.communicate(timeout=20)[0] == "allow\n"
