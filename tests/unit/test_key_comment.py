"""The comment of a key is read from a file of its user's own: whatever lies there, nothing hangs and nothing leaks."""

import os
import pwd

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
