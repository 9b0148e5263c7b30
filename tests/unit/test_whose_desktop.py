"""What the desktop's owner can name is read as a name: root believes of it no more than that a window belongs there."""

import os

import pytest

import accesscontrol

OWNER = 1000
SESSION = "/user.slice/user-1000.slice/session-2.scope"


@pytest.fixture
def processes(monkeypatch):
    """processes(cgroup): the owner has one process, with a display, in this cgroup."""

    def make(cgroup, display="DISPLAY=:0"):
        files = {"/proc/7/cgroup": cgroup, "/proc/7/environ": display}
        monkeypatch.setattr(os, "listdir", lambda path: ["7", "self"])
        monkeypatch.setattr(accesscontrol, "process_uid", lambda pid: OWNER)
        monkeypatch.setattr(accesscontrol, "read_text", lambda path: files[path])
        monkeypatch.setattr(accesscontrol, "user_name", lambda uid: "alice")
        return accesscontrol.owner_of(OWNER, lambda pid: cgroup, ("",))

    for name in ("process_uid", "read_text", "user_name", "owner_of"):
        getattr(accesscontrol, name)  # so that they are laid open
    return make


@pytest.mark.parametrize("rows", ["0::{}\n", "4:memory:/else\n1:name=systemd:{}\n0::{}\n"], ids=["v2", "v1"])
@pytest.mark.parametrize("cgroup", [
    SESSION,
    "/user.slice/user-1000.slice/user@1000.service/a:/system.slice/ssh.service",
    "/user.slice/user-1000.slice/user@1000.service/app.slice/0::/user.slice/user-0.slice/session-1.scope",
    "/user.slice/user-1000.slice/user@1000.service/:",
])
def test_its_cgroup_is_where_the_kernel_says_that_it_is(processes, rows, cgroup):
    assert processes(rows.format(cgroup, cgroup)).cgroup == cgroup


def test_its_environment_is_taken_over_by_name(processes):
    known = {"DISPLAY": ":0\nLD_PRELOAD=x", "LANG": "\udcff" * 100_000, "XAUTHORITY": ""}
    unknown = {
        *("LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "QT_PLUGIN_PATH", "QT_QPA_PLATFORM_PLUGIN_PATH"),
        *("PATH", "HOME", "USER", "IFS", "ENV", "BASH_ENV", "XDG_CONFIG_HOME", "display", "DISPLAY ", " DISPLAY", ""),
    }
    rows = [f"{name}={value}" for name, value in known.items()] + [f"{name}=/tmp/evil" for name in unknown]
    found = processes(f"0::{SESSION}\n", "\0".join([*rows, "LC_ALL", "DISPLAYS=:1"]) + "\0")
    assert found.display == known
