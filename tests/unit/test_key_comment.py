"""The comment of a key is read as the user whose file it is: whatever lies there, nothing hangs and nothing leaks."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

import accesscontrol

BLOB = "AAAAC3NzaC1lZDI1NTE5AAAAIExample"
NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can read as another user")


@pytest.fixture
def keys(monkeypatch):
    """Where bob's authorized_keys would be, in a home that bob can reach."""
    home = Path(tempfile.mkdtemp())
    home.chmod(0o755)
    (home / ".ssh").mkdir()
    entry = pwd.struct_passwd(["bob", "x", NOBODY, NOBODY, "", str(home), "/bin/sh"])
    monkeypatch.setattr(pwd, "getpwnam", lambda name: entry)
    yield home / ".ssh" / "authorized_keys"
    shutil.rmtree(home)


def comment():
    """The comment of bob's key; checks that we are who we were."""

    def who_we_are():
        return os.getresuid(), os.getresgid(), sorted(os.getgroups()), sorted(os.listdir("/proc/self/fd"))

    before = who_we_are()
    try:
        return accesscontrol.key_comment(accesscontrol.Person("bob"), BLOB)
    finally:
        assert who_we_are() == before


# --- as the user ------------------------------------------------------------------------------------------------------


@as_root
def test_it_is_what_stands_behind_the_key(keys):
    keys.write_text(f"ssh-ed25519 other x\nssh-ed25519 {BLOB} bob's laptop\n")
    assert comment() == "bob's laptop"


@as_root
def test_control_characters_in_it_are_escaped(keys):
    keys.write_bytes(f"ssh-ed25519 {BLOB} a\x1b[31m".encode() + b"\xff g\xc3\xa4ste\n")
    assert comment() == "a\\x1b[31m\\xff g\u00e4ste"


@as_root
def test_what_the_user_cannot_read_has_no_comment_though_root_could(keys, tmp_path):
    secret = tmp_path / "secret"  # in a folder that is root's alone
    secret.write_text(f"ssh-ed25519 {BLOB} a secret of root's\n")
    keys.symlink_to(secret)
    assert comment() == ""
    keys.unlink()
    shutil.copy(secret, keys)
    keys.chmod(0o600)
    assert comment() == ""
    os.chown(keys, NOBODY, NOBODY)
    assert comment() == "a secret of root's"


@as_root
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: None], ids=["folder", "fifo", "nothing"])
def test_what_is_no_file_has_no_comment(keys, make):
    make(keys)
    assert comment() == ""


@as_root
@pytest.mark.parametrize("target", ["/dev/zero", "/proc/kmsg", "authorized_keys", "/nowhere"])
def test_a_link_to_a_device_to_itself_or_to_nowhere_has_no_comment(keys, target):
    keys.symlink_to(target)
    assert comment() == ""


@as_root
def test_of_a_file_without_end_only_the_beginning_is_read(keys):
    keys.write_text(f"ssh-ed25519 {BLOB} at the beginning\n")
    os.truncate(keys, 1 << 40)
    assert comment() == "at the beginning"
    keys.write_text("ssh-ed25519 other x\n" * 100_000 + f"ssh-ed25519 {BLOB} at the end\n")
    assert comment() == ""


@as_root
def test_somebody_unknown_has_no_comment(keys, monkeypatch):
    monkeypatch.setattr(pwd, "getpwnam", {}.__getitem__)
    assert comment() == ""


def test_without_root_nothing_is_read(keys, monkeypatch):
    keys.write_text(f"ssh-ed25519 {BLOB} bob's laptop\n")
    monkeypatch.setattr(os, "geteuid", lambda: 1001)
    monkeypatch.setattr(os, "seteuid", lambda uid: pytest.fail("became another user"))
    assert comment() == ""


# --- whoever reads ----------------------------------------------------------------------------------------------------


def read(path):
    before = sorted(os.listdir("/proc/self/fd"))
    try:
        return accesscontrol.read_small_file(os.fsencode(path))
    finally:
        assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_file_is_read_from_its_start_and_not_to_a_far_end(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"one\ntwo\n")
    assert read(path) == b"one\ntwo\n"
    os.truncate(path, 1 << 40)
    assert read(path)[:9] == b"one\ntwo\n\0"
    assert len(read(path)) <= 1 << 20


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: None, lambda path: os.symlink("/dev/zero", path)],
                         ids=["folder", "fifo", "nothing", "device"])
def test_what_is_no_file_is_not_read(tmp_path, make):
    make(tmp_path / "thing")
    with pytest.raises(OSError):
        read(tmp_path / "thing")


def test_what_is_no_file_is_not_even_opened(tmp_path):
    """To open a watchdog is to start it, and a tape winds back. A FIFO tells whether it was opened: its writer goes on.

    What the writer wrote while nobody but the plugin was there would be lost.
    """
    path = tmp_path / "fifo"
    os.mkfifo(path)
    with subprocess.Popen(["sh", "-c", 'exec 3>"$0"; echo waited >&3', str(path)]) as writer:
        while not waits_at_an_open(writer.pid):
            time.sleep(0.01)
        with pytest.raises(OSError):
            read(path)
        time.sleep(0.1)  # for the writer, if it was let go on
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        writer.wait()
    assert os.read(reader, 100) == b"waited\n"
    os.close(reader)


def waits_at_an_open(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        name, _, fields = file.read().partition("(")[2].rpartition(")")
    return (name, fields.split()[0]) == ("sh", "S")
