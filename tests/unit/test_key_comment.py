"""The comment of a key is read from a file of its user's own: whatever lies there, nothing hangs and nothing leaks."""

import os
import pwd
import subprocess
import time

import pytest

import accesscontrol

BLOB = "AAAAC3NzaC1lZDI1NTE5AAAAIExample"


@pytest.fixture
def keys(tmp_path, monkeypatch):
    """Where bob's authorized_keys would be."""
    entry = pwd.getpwuid(os.getuid())
    home = pwd.struct_passwd([*entry[:5], str(tmp_path), entry[6]])
    monkeypatch.setattr(pwd, "getpwnam", lambda name: home)
    (tmp_path / ".ssh").mkdir()
    return tmp_path / ".ssh" / "authorized_keys"


def test_it_is_what_stands_behind_the_key(keys):
    keys.write_text(f"ssh-ed25519 other x\nssh-ed25519 {BLOB} bob's laptop\n")
    assert accesscontrol.key_comment("bob", BLOB) == "bob's laptop"


def test_control_characters_in_it_are_escaped(keys):
    keys.write_bytes(f"ssh-ed25519 {BLOB} a\x1b[31m".encode() + b"\xff\n")
    assert accesscontrol.key_comment("bob", BLOB) == r"a\x1b[31m\xff"


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: None], ids=["folder", "fifo", "nothing"])
def test_what_is_no_file_has_no_comment_and_leaves_no_descriptor(keys, make):
    make(keys)
    before = sorted(os.listdir("/proc/self/fd"))
    assert accesscontrol.key_comment("bob", BLOB) == ""
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_what_is_no_file_is_not_even_opened(keys):
    """To open a watchdog is to start it, and a tape winds back. A FIFO tells whether it was opened: its writer goes on.

    What the writer wrote while nobody but the plugin was there would be lost.
    """
    os.mkfifo(keys)
    with subprocess.Popen(["sh", "-c", 'exec 3>"$0"; echo waited >&3', str(keys)]) as writer:
        while not waits_at_an_open(writer.pid):
            time.sleep(0.01)
        assert accesscontrol.key_comment("bob", BLOB) == ""
        time.sleep(0.1)  # for the writer, if it was let go on
        reader = os.open(keys, os.O_RDONLY | os.O_NONBLOCK)
        writer.wait()
    assert os.read(reader, 100) == b"waited\n"
    os.close(reader)


def waits_at_an_open(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        name, _, fields = file.read().partition("(")[2].rpartition(")")
    return (name, fields.split()[0]) == ("sh", "S")


def test_a_link_to_a_device_has_no_comment(keys):
    keys.symlink_to("/dev/zero")
    assert accesscontrol.key_comment("bob", BLOB) == ""


def test_of_a_file_without_end_only_the_beginning_is_read(keys):
    keys.write_text(f"ssh-ed25519 {BLOB} at the beginning\n")
    os.truncate(keys, 1 << 40)
    assert accesscontrol.key_comment("bob", BLOB) == "at the beginning"
    keys.write_text("ssh-ed25519 other x\n" * 100_000 + f"ssh-ed25519 {BLOB} at the end\n")
    assert accesscontrol.key_comment("bob", BLOB) == ""
