"""Fixtures of the tests with a directory, for a test module that says `pytest_plugins = ["directory_fixtures"]`."""

from __future__ import annotations

import platform
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from directory import PEOPLE, PLACE, Directory, gid_of, home_of, make_slapd, stop_slapd, uid_of
from limits import wait_until_gone
from machine import KEYS, run

NSSWITCH = Path("/etc/nsswitch.conf")
PAM_PROFILES = Path("/usr/share/pam-configs")
PAM_PROFILES_READY = Path("/usr/local/share/pam-configs")  # where tests/run has put them


@pytest.fixture(scope="module", params=["sssd", "nslcd"])
def asked_directory(request: pytest.FixtureRequest) -> Iterator[Directory]:
    """The machine asks the directory for people and groups. At the end it does so no more, and none of them is left."""
    if request.param == "sssd" and shutil.which("sssd") is None:
        release = platform.freedesktop_os_release().get("VERSION_ID", "to come")
        assert release not in ("12", "13"), "tests/run has not installed SSSD"
        pytest.skip(f"Debian {release} has no SSSD")
    directory = Directory(request.param)
    kept = {path: path.read_bytes() if path.exists() else None for path in (NSSWITCH, directory.configuration)}
    make_slapd()
    make_homes()
    switched = re.sub(r"(?m)^((?:passwd|group|shadow):.*)$", rf"\1 {directory.module}", NSSWITCH.read_text())
    NSSWITCH.write_text(switched)
    yield directory
    for person in PEOPLE:
        run("systemctl", "stop", f"user@{uid_of(person)}.service")
    for path, text in kept.items():
        path.unlink() if text is None else path.write_bytes(text)
    directory.end()
    stop_slapd()
    shutil.rmtree(PLACE)
    for person in PEOPLE:
        shutil.rmtree(home_of(person))


def make_homes() -> None:
    for person, group in PEOPLE.items():
        home, key = Path(home_of(person)), KEYS / person
        if not key.exists():
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{person}@laptop", "-f", str(key))
        (home / ".ssh").mkdir(parents=True)
        shutil.copy(key.with_suffix(".pub"), home / ".ssh/authorized_keys")
        for path in (home, home / ".ssh", home / ".ssh/authorized_keys"):
            shutil.chown(path, uid_of(person), gid_of(group))


@pytest.fixture
def directory(asked_directory: Directory, rules) -> Iterator[Directory]:
    """The directory, from when the test has it begin or answer; and nobody of it is any more behind the test."""
    yield asked_directory
    wait_until_gone(PEOPLE)


@pytest.fixture
def directory_passwords(directory: Directory) -> Iterator[None]:
    """Passwords, too, are the directory's."""
    before, profile = pam_files(), directory.module
    shutil.copy(PAM_PROFILES_READY / profile, PAM_PROFILES)
    run("pam-auth-update", "--package")
    yield
    run("pam-auth-update", "--package", "--remove", profile)
    (PAM_PROFILES / profile).unlink()
    assert pam_files() == before


def pam_files() -> dict[str, str]:
    return {path.name: path.read_text() for path in Path("/etc/pam.d").glob("common-*")}
