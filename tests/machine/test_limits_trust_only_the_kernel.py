"""NUMBER: what lies in the state folder is believed as far as the kernel bears it out; the rest does no harm.

A file that is merely there keeps no place and frees none. What cannot be counted is refused under a limit, and let in,
with a warning in the log, where there is none.
"""

from __future__ import annotations

import functools
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from host import PASSING
from limits import (
    REGISTRY,
    STATE,
    UNGUARDED,
    held_session,
    known_to_the_plugin,
    opener_of,
    start_of,
    wait_until_gone,
)
from machine import pam, run, ssh_session, wait_for

pytest_plugins = ["limits_fixtures"]
pytestmark = pytest.mark.usefixtures("nobody")

OPEN = "ALL OPEN USER ALL\n"
CANNOT_COUNT = "it cannot be counted who is in"


@pytest.fixture(autouse=True)
def guarded(service) -> Iterator[None]:
    """A service in which it is quick to log in; and a registry in which nothing is left behind the test."""
    service("guarded", PASSING)
    yield
    if REGISTRY.is_file():
        REGISTRY.unlink()


@pytest.fixture(autouse=True)
def one_place(rules) -> None:
    rules(OPEN + "ALL NUMBER GROUP users:1\n")


def is_let_in(user: str) -> bool:
    return pam("guarded", user, "acct_mgmt", "open_session", "close_session").returncode == 0


@functools.cache
def columns_for(user: str) -> list[str]:
    """What the registry says of a user who is in, taken from a line of the plugin's own, but for pid and start."""
    with ssh_session(user):
        [line] = [line for line in REGISTRY.read_text().splitlines() if f"\t{user}@" in line]
    wait_for(lambda: not known_to_the_plugin(), f"{user} leaves")
    return line.split("\t")[2:]


def line_for(user: str, pid: int, start: int) -> str:
    """The line that the registry has of a user whose session this process opened."""
    return "\t".join([str(pid), str(start), *columns_for(user)]) + "\n"


@contextmanager
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "infinity"]) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_line_counts_while_its_process_lives() -> None:
    with sleeper() as process:
        line = line_for("bob", process.pid, start_of(process.pid))
        REGISTRY.write_text(line)
        assert not is_let_in("carol")
        assert is_let_in("bob")
        assert not is_let_in("carol")
    assert is_let_in("carol")


def test_a_reused_pid_keeps_no_place() -> None:
    with sleeper() as process:
        line = line_for("bob", process.pid, start_of(process.pid) - 1)
        REGISTRY.write_text(line)
        assert is_let_in("carol")


def test_a_pid_that_nobody_has_keeps_no_place() -> None:
    with sleeper() as process:
        gone = process.pid, start_of(process.pid)
    REGISTRY.write_text(line_for("bob", *gone))
    assert is_let_in("carol")
    assert "bob" not in REGISTRY.read_text()


def test_a_process_that_has_ended_and_was_not_reaped_keeps_no_place() -> None:
    with sleeper() as process:
        line = line_for("bob", process.pid, start_of(process.pid))
        REGISTRY.write_text(line)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert is_let_in("carol")


def test_a_reused_pid_frees_no_place() -> None:
    with sleeper() as process:
        right = line_for("bob", process.pid, start_of(process.pid))
        wrong = line_for("alice", process.pid, start_of(process.pid) + 1)
        REGISTRY.write_text(wrong + right + wrong)
        assert not is_let_in("carol")
        assert is_let_in("bob")
        assert not is_let_in("carol")


def test_a_reused_pid_lets_nobody_pass_for_one_who_is_in(service) -> None:
    """Who is in already does not count again, so that must be true of them."""
    service("unguarded", UNGUARDED)
    columns_for("carol")
    wait_until_gone(["carol"])
    with sleeper() as process, held_session("unguarded", "bob"):
        REGISTRY.write_text(line_for("carol", process.pid, start_of(process.pid) - 1))
        assert not is_let_in("carol")
        REGISTRY.write_text(line_for("carol", process.pid, start_of(process.pid)))
        assert is_let_in("carol")


DAMAGE: dict[str, Callable[[str], bytes]] = {
    "bytes that are no text": lambda line: bytes(range(256)) * 10 + b"\n" + line.encode(),
    "half a line before": lambda line: line.encode()[:20] + b"\n" + line.encode(),
    "half a line behind": lambda line: line.encode() + line.encode()[:-5],
    "nothing but line ends": lambda line: b"\n\r\n\n" + line.encode() + b"\n\n",
    "a line of ten million characters": lambda line: b"1" * 10_000_000 + b"\n" + line.encode(),
    "a hundred thousand lines": lambda line: b"1\t2\t3\n" * 100_000 + line.encode(),
    "numbers of five thousand digits": lambda line: b"\t".join([b"9" * 5000] * 11) + b"\n" + line.encode(),
    "numbers beyond the kernel's": lambda line: b"\t".join([b"9" * 30] * 11) + b"\n" + line.encode(),
    "digits that are not ASCII": lambda line: "\t".join(["\u0661\u00b2"] * 11).encode() + b"\n" + line.encode(),
    "negative numbers": lambda line: b"\t".join([b"-1"] * 11) + b"\n" + line.encode(),
    "pid nought": lambda line: b"\t".join([b"0"] * 11) + b"\n" + line.encode(),
    "pid one": lambda line: b"\t".join([b"1"] + [b"0"] * 10) + b"\n" + line.encode(),
    "a column too many": lambda line: line.encode()[:-1] + b"\tmore\n" + line.encode(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_in_the_registry_costs_nobody_a_place_and_goes_away(damage: str) -> None:
    with sleeper() as process:
        line = line_for("bob", process.pid, start_of(process.pid))
        REGISTRY.write_bytes(DAMAGE[damage](line))
        assert not is_let_in("carol")
        assert is_let_in("bob")
        assert line in REGISTRY.read_text()
        assert len(REGISTRY.read_bytes()) < 4 * len(line)
    assert is_let_in("carol")


def bind_a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def make_a_folder(path: Path) -> None:
    (path / "below").mkdir(parents=True)
    (path / "below/file").write_text("")


FOREIGN: dict[str, Callable[[Path], object]] = {
    "a file": lambda path: path.write_text("a stranger's"),
    "a socket": bind_a_socket,
    "a FIFO": os.mkfifo,
    "a folder": make_a_folder,
    "a symlink": lambda path: path.symlink_to("/root/foreign"),
    "a symlink to nowhere": lambda path: path.symlink_to("/nonexistent/file"),
    "a symlink to a folder": lambda path: path.symlink_to("/root"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_not_the_plugins_does_no_harm_and_goes_away(kind: str) -> None:
    Path("/root/foreign").write_text("as it was")
    shutil.rmtree(STATE)
    STATE.mkdir(mode=0o700)
    for name in ("stranger", "lock", "sessions", "sessions.new"):
        FOREIGN[kind](STATE / name)
    assert is_let_in("bob")
    assert all(path.is_file() and not path.is_symlink() for path in STATE.iterdir())
    assert not (STATE / "stranger").exists()
    assert Path("/root/foreign").read_text() == "as it was"
    with sleeper() as process:
        REGISTRY.write_text(line_for("bob", process.pid, start_of(process.pid)))
        FOREIGN[kind](STATE / "stranger")
        assert not is_let_in("carol")


def test_many_who_clear_up_at_once_do_not_get_in_each_others_way(rules) -> None:
    rules(OPEN + "ALL NUMBER GROUP users:20\n")
    for _ in range(3):
        for number in range(30):
            (STATE / f"stranger{number}").write_text("")
            make_a_folder(STATE / f"folder{number}")
        line = ["pamtester", "guarded", "bob", "acct_mgmt", "open_session"]
        clients = [subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(12)]
        assert [client.wait(60) for client in clients] == [0] * 12


@pytest.fixture
def no_folder() -> Iterator[None]:
    """The state folder is not there, in this test; what a test puts there is away behind it."""

    def clear() -> None:
        if STATE.is_symlink() or STATE.is_file():
            STATE.unlink()
        elif STATE.exists():
            shutil.rmtree(STATE)

    clear()
    yield
    clear()
    STATE.mkdir(mode=0o700)


def test_a_state_folder_that_is_missing_is_made(no_folder) -> None:
    with ssh_session("bob"):
        assert not is_let_in("carol")
        about = STATE.stat()
        assert (about.st_uid, about.st_mode) == (0, 0o40700)


@contextmanager
def elsewhere() -> Iterator[None]:
    shutil.rmtree("/run/elsewhere", ignore_errors=True)
    Path("/run/elsewhere").mkdir(mode=0o700)
    yield
    shutil.rmtree("/run/elsewhere")


UNTRUSTED: dict[str, Callable[[], object]] = {
    "somebody else's": lambda: (STATE.mkdir(mode=0o700), shutil.chown(STATE, "erin")),
    "writable by a group": lambda: (STATE.mkdir(), STATE.chmod(0o770)),
    "writable by everybody": lambda: (STATE.mkdir(), STATE.chmod(0o1777)),
    "a symlink to a folder of root's": lambda: STATE.symlink_to("/run/elsewhere"),
    "a symlink to nowhere": lambda: STATE.symlink_to("/run/nowhere"),
    "a file": lambda: STATE.write_text(""),
}


@pytest.mark.parametrize("what", UNTRUSTED)
def test_a_state_folder_that_cannot_be_trusted(no_folder, rules, journal, what: str) -> None:
    with elsewhere():
        UNTRUSTED[what]()
        assert not is_let_in("bob")
        [refused] = [line for line in journal() if CANNOT_COUNT in line]
        assert "pam-accesscontrol.conf:2" in refused
        rules(OPEN)
        assert is_let_in("bob")
        assert [line for line in journal() if "let in, but not written down" in line]
        assert os.listdir("/run/elsewhere") == []


@pytest.fixture
def small_folder(no_folder) -> Iterator[Path]:
    """The state folder is a file system of its own, of a few pages: yields a file that fills it when it grows."""
    STATE.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tests", str(STATE))
    yield STATE / "lock"
    run("umount", "--lazy", str(STATE))


def fill(path: Path) -> None:
    with open(path, "ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass


def test_a_full_run_refuses_under_a_limit_and_lets_in_without_one(small_folder, rules, journal) -> None:
    rules(OPEN + "ALL NUMBER GROUP users:2\n")
    with ssh_session("bob"):
        written = REGISTRY.read_text()
        fill(small_folder)
        assert not is_let_in("carol")
        assert [line for line in journal() if CANNOT_COUNT in line and "No space left on device" in line]
        assert REGISTRY.read_text() == written
        rules(OPEN)
        assert is_let_in("carol")
        assert [line for line in journal() if "let in, but not written down" in line and "No space left" in line]
        assert REGISTRY.read_text() == written
        rules(OPEN + "ALL NUMBER GROUP users:1\n")
        os.truncate(small_folder, 0)
        assert not is_let_in("carol")
        assert known_to_the_plugin() == ["bob"]


def test_a_place_is_given_back_by_the_end_of_the_process_where_run_is_full(small_folder) -> None:
    with ssh_session("bob"):
        opener = opener_of("bob")
        fill(small_folder)
    wait_for(lambda: start_of(opener) < 0, "bob's sshd ends")
    os.truncate(small_folder, 0)
    assert is_let_in("carol")


def test_no_error_in_the_plugin_is_behind_any_of_this(journal) -> None:
    assert is_let_in("carol")
    for text in (b"\xff" * 100, b"1\t" * 10 + b"\n", b"\t".join([b"9" * 5000] * 11) + b"\n"):
        REGISTRY.write_bytes(text)
        assert is_let_in("carol")
    assert not [line for line in journal() if "error in the plugin" in line]
