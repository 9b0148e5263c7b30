"""A rule file that root alone cannot have written, or that is not there, closes everything; and the log says why."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from host import PASSING, PERM_DENIED, PLUGIN, SUCCESS, host
from machine import RULE_FILE, run, ssh

OPEN = "DEFAULT:OPEN\nALL OPEN USER ALL\n"


def write(path: Path, mode: int = 0o644, owner: str = "root", group: str = "root") -> None:
    path.write_text(OPEN)
    path.chmod(mode)
    shutil.chown(path, owner, group)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(path))


def make_large(path: Path) -> None:
    write(path)
    os.truncate(path, 1 << 30)


def make_loop(path: Path) -> None:
    path.symlink_to(path)


def link_to_what_bob_may_write(path: Path) -> None:
    target = path.with_name("elsewhere")
    write(target, owner="bob")
    path.symlink_to(target)


def name_a_file_as_a_folder(path: Path) -> None:
    path.parent.rmdir()
    write(path.parent)


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "cannot be read (No such file or directory)"),
    "in a folder that is missing": (lambda path: path.parent.rmdir(), "cannot be read (No such file or directory)"),
    "in a folder that is a file": (name_a_file_as_a_folder, "cannot be read (Not a directory)"),
    "a folder": (Path.mkdir, "is not a regular file"),
    "a FIFO": (os.mkfifo, "is not a regular file"),
    "a socket": (make_socket, "cannot be read (No such device or address)"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "is not a regular file"),
    "a link to nothing": (lambda path: path.symlink_to("nothing"), "cannot be read (No such file or directory)"),
    "a link to itself": (make_loop, "cannot be read (Too many levels of symbolic links)"),
    "a link to a file of bob's": (link_to_what_bob_may_write, "is not owned by root"),
    "owned by bob": (lambda path: write(path, owner="bob"), "is not owned by root"),
    "writable by its group": (lambda path: write(path, 0o664), "is writable by group or others"),
    "writable by others": (lambda path: write(path, 0o646), "is writable by group or others"),
    "of a gibibyte": (make_large, "is larger than 16777216 bytes"),
}

TRUSTED: dict[str, Callable[[Path], object]] = {
    "for everybody to read": write,
    "for root to read": lambda path: write(path, 0o600),
    "of another group": lambda path: write(path, 0o640, group="adm"),
    "without any permission": lambda path: write(path, 0),
}


@pytest.fixture
def path(tmp_path: Path, service) -> Path:
    """Where the rule file of the service named scratch belongs; nothing is there yet."""
    (tmp_path / "folder").mkdir()
    rule_file = tmp_path / "folder/rules"
    service("scratch", PASSING.replace(PLUGIN, f"{PLUGIN} conf={rule_file}"))
    return rule_file


@pytest.mark.parametrize("what", REFUSED)
def test_closes_everything(what: str, path: Path, journal) -> None:
    make, why = REFUSED[what]
    make(path)
    refused = host("scratch", "root", "acct", timeout=20)
    assert refused.returned == {"acct": PERM_DENIED}
    assert journal() == [f"SCRATCH account root@LOCAL: CLOSE, refused: rules: {path} {why}, so everything is CLOSE"]


@pytest.mark.parametrize("what", TRUSTED)
def test_one_that_root_alone_can_have_written_is_obeyed(what: str, path: Path) -> None:
    TRUSTED[what](path)
    assert host("scratch", "bob", "acct").returned == {"acct": SUCCESS}


def test_a_link_to_one_that_can_be_trusted_is_obeyed(path: Path) -> None:
    write(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")
    assert host("scratch", "bob", "acct").returned == {"acct": SUCCESS}


def test_the_file_on_the_pam_line_is_the_one_that_counts(path: Path, rules) -> None:
    path.write_text("ALL OPEN USER bob\n")
    rules("ALL OPEN USER carol\n")
    assert host("scratch", "bob", "acct").returned == {"acct": SUCCESS}
    assert host("scratch", "carol", "acct").returned == {"acct": PERM_DENIED}


@pytest.mark.parametrize("argument", ["conf=rules", "conf=./rules", "conf="])
def test_a_path_that_is_not_absolute_closes_everything(argument: str, service, journal, tmp_path: Path) -> None:
    write(tmp_path / "rules")
    service("scratch", PASSING.replace(PLUGIN, f"{PLUGIN} {argument}"))
    assert host("scratch", "bob", "acct", cwd=tmp_path).returned == {"acct": PERM_DENIED}
    assert len(journal()) == 1
    assert "is not an absolute path, so everything is CLOSE" in journal()[0]


@pytest.mark.parametrize("argument", ["debug", "config=/etc/rules", "CONF=/etc/rules", "/etc/rules"])
def test_an_unknown_argument_on_the_pam_line_closes_everything(argument: str, service, journal) -> None:
    service("scratch", PASSING.replace(PLUGIN, f"{PLUGIN} {argument}"))
    refused = host("scratch", "bob", "auth", "acct", "open")
    assert SUCCESS not in refused.returned.values()
    assert len(journal()) == 3
    for line in journal():
        assert f"the PAM line has an argument that is not conf=PATH: {argument}" in line


@pytest.mark.parametrize("proof", [{}, {"password": "bob-pw"}], ids=["key", "password"])
def test_nobody_gets_in_over_ssh(proof: dict[str, str], journal) -> None:
    assert ssh("bob", **proof).returncode == 0
    RULE_FILE.chmod(0o666)
    assert ssh("bob", **proof).returncode != 0
    assert f"{RULE_FILE} is writable by group or others, so everything is CLOSE" in journal()[-1]


def test_a_file_mended_is_obeyed_again(path: Path) -> None:
    write(path, 0o666)
    assert host("scratch", "bob", "acct").returned == {"acct": PERM_DENIED}
    run("chmod", "go-w", str(path))
    assert host("scratch", "bob", "acct").returned == {"acct": SUCCESS}
