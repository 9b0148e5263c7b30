"""Fixtures of the tests of the command: services guarded by name, and a service whose package has put its file back."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from host import nobody_is_about_to_leave
from machine import run

INSTALL = Path(__file__).parents[2] / "install.sh"
PAM = Path("/etc/pam.d")
REMEMBERED = Path("/etc/pam-accesscontrol/services")
MARK = "# pam-accesscontrol\n"


@pytest.fixture
def guarded() -> Iterator[Callable[..., None]]:
    """guarded("su", "sudo"): these are guarded besides, by install.sh, within this test."""
    before = {path: path.read_bytes() for path in (*PAM.iterdir(), REMEMBERED)}

    def guard(*services: str) -> None:
        run(str(INSTALL), *services)
        for service in services:
            assert MARK in (PAM / service).read_text()

    yield guard
    for path, content in before.items():
        if path.read_bytes() != content:
            path.write_bytes(content)


@pytest.fixture
def as_packaged() -> Iterator[Callable[[str], None]]:
    """as_packaged("sshd"): its PAM file without our lines, and the guarded one beside it, as dpkg leaves them."""
    put_back: list[tuple[Path, Path]] = []

    def replace(service: str) -> None:
        path, old = PAM / service, PAM / f"{service}.dpkg-old"
        shutil.copy2(path, old)
        put_back.append((old, path))
        path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.endswith(MARK)))

    yield replace
    for old, path in put_back:
        old.rename(path)


@pytest.fixture
def no_logs() -> Iterator[None]:
    """The monthly logs are out of the way, so that a test may have its own."""
    aside = Path("/var/log/aside")
    aside.mkdir()
    nobody_is_about_to_leave()
    for path in Path("/var/log").glob("pam-accesscontrol-*.log"):
        path.rename(aside / path.name)
    yield
    nobody_is_about_to_leave()
    for path in Path("/var/log").glob("pam-accesscontrol-*.log"):
        path.unlink()
    for path in aside.iterdir():
        path.rename(path.parents[1] / path.name)
    aside.rmdir()
