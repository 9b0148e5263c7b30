"""PyQt5 and Qt for Wayland come only where there is a desktop, or with --ask; what is there stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from machine import Result, run
from test_install import (
    CHECKOUT,
    SHARE,
    _put_back,
    _su_refuses_without_delay,
    complaints,
    install,
    installed,
    unfolded,
)

__all__ = ["_put_back", "_su_refuses_without_delay"]  # fixtures

QT = ("python3-pyqt5", "qtwayland5")
TOLD = f"install.sh: no desktop: ASK needs {SHARE}/install.sh --ask\n"
DISPLAY_MANAGERS = ["gdm3", "sddm", "lightdm", "lxdm", "xdm", "slim", "wdm", "nodm", "greetd", "ly", "emptty"]
PROGRAMS = ["gnome-shell", "kwin_wayland", "sway", "weston", "labwc", "wayfire", "hyprland", "Hyprland", "cage", "Xorg"]


@pytest.fixture(scope="module", autouse=True)
def _server() -> Iterator[None]:
    """Whatever is a sign of a desktop is away, and Qt, too."""
    folders = [Path("/usr/bin"), Path("/usr/sbin"), Path("/usr/local/bin"), Path("/bin"), Path("/sbin")]
    signs = [folder / name for folder in folders for name in (*PROGRAMS, *DISPLAY_MANAGERS)]
    signs += [*Path("/usr/share/xsessions").glob("*.desktop"), *Path("/usr/share/wayland-sessions").glob("*.desktop")]
    signs += [Path("/etc/X11/default-display-manager"), Path("/etc/systemd/system/display-manager.service")]
    moved = []
    for path in signs:
        if os.path.lexists(path):
            path.rename(path.with_name(f"{path.name}.tests-away"))
            moved.append(path)
    run("apt-get", "-qq", "-y", "--purge", "remove", *QT)
    yield
    for path in moved:
        path.with_name(f"{path.name}.tests-away").rename(path)
    run("apt-get", "-qq", "-y", "--no-install-recommends", "install", *QT)


def test_a_server_gets_none_and_is_told_how_to_get_it() -> None:
    said = run(str(CHECKOUT / "install.sh"), check=False)
    assert (said.returncode, complaints(said)) == (0, [])
    assert TOLD in said.stdout and len(TOLD) <= 81
    assert not any(map(installed, QT))


def test_with_ask_it_gets_both_and_they_stay() -> None:
    said = install(CHECKOUT, "--ask")
    assert (said.returncode, complaints(said)) == (0, [])
    assert all(map(installed, QT)) and TOLD not in said.stdout
    said = install()
    assert (said.returncode, complaints(said)) == (0, [])
    assert all(map(installed, QT)) and TOLD not in said.stdout


def test_what_is_there_of_it_is_enough() -> None:
    install(CHECKOUT, "--ask")
    run("apt-get", "-qq", "-y", "--purge", "remove", "qtwayland5")
    said = install()
    assert (said.returncode, complaints(said)) == (0, [])
    assert installed("python3-pyqt5") and not installed("qtwayland5") and TOLD not in said.stdout


SIGNS = [
    "/usr/share/xsessions/tests.desktop",
    "/usr/share/wayland-sessions/tests.desktop",
    "/etc/X11/default-display-manager",
    "/etc/systemd/system/display-manager.service",
    *(f"/usr/local/bin/{name}" for name in (*PROGRAMS, *DISPLAY_MANAGERS)),
]


@pytest.fixture
def without_an_apt(tmp_path: Path) -> dict[str, str]:
    """apt-get brings nothing, so that it is seen whether it is asked; and there is no Qt."""
    run("apt-get", "-qq", "-y", "--purge", "remove", *QT)
    (tmp_path / "apt-get").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "apt-get").chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path}:/usr/local/bin:{os.environ['PATH']}"}


def test_by_each_sign_a_desktop_is_known(without_an_apt: dict[str, str], tmp_path: Path) -> None:
    """Not by a whole install.sh for each, which would take minutes."""
    text = (CHECKOUT / "install.sh").read_text()
    functions = text[text.index("has_a_desktop() {"):text.index("find_pam_module() {")]

    def knows() -> bool:
        return run("sh", "-euc", f"{functions}\nhas_a_desktop", env=without_an_apt, check=False).returncode == 0

    assert not knows()
    for sign in map(Path, SIGNS):
        sign.parent.mkdir(parents=True, exist_ok=True)
        sign.write_text("#!/bin/sh\n")
        sign.chmod(0o755)
        found = knows()
        sign.unlink()
        assert found, sign


def test_a_desktop_gets_it(without_an_apt: dict[str, str]) -> None:
    sign = Path("/usr/share/wayland-sessions/tests.desktop")
    sign.touch()
    try:
        said: Result = unfolded(run(str(CHECKOUT / "install.sh"), env=without_an_apt, check=False))
    finally:
        sign.unlink()
    assert "install.sh: installing python3-pyqt5\n" in said.stdout and TOLD not in said.stdout
    assert "PyQt5 cannot be installed: ASK will refuse until it is there\n" in said.stderr


def test_the_usage_says_so() -> None:
    said = run(str(CHECKOUT / "install.sh"), "--help").stdout
    assert "--ask " in said and "where there is a desktop" in " ".join(said.split())
