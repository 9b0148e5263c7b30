"""NUMBER: what lies in the state folder is believed as far as the kernel bears it out; the rest does no harm.

An entry that is merely there keeps no place and frees none. What cannot be counted is refused under a limit, and let
in, with a warning in the log, where there is none.
"""

from __future__ import annotations

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
    SESSIONS,
    STATE,
    UNGUARDED,
    entries,
    held_session,
    known_to_the_plugin,
    make_ledger,
    opener_of,
    start_of,
    write_entry,
)
from machine import Result, pam, run, ssh_session, wait_for

pytest_plugins = ["limits_fixtures"]
pytestmark = pytest.mark.usefixtures("nobody")

OPEN = "ALL OPEN USER ALL\n"
CANNOT_COUNT = "it cannot be counted who is in"


@pytest.fixture(autouse=True)
def guarded(service) -> Iterator[None]:
    """A service in which it is quick to log in; and a ledger that is there, and gone behind the test."""
    service("guarded", PASSING)
    clear()
    make_ledger(SESSIONS)
    yield
    clear()


def clear() -> None:
    """Removes all that is in the state folder, whatever it is."""
    for path in STATE.iterdir() if STATE.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


@pytest.fixture(autouse=True)
def one_place(rules) -> None:
    rules(OPEN + "ALL NUMBER GROUP users:1\n")


def is_let_in(user: str) -> bool:
    return pam("guarded", user, "acct_mgmt", "open_session", "close_session").returncode == 0


@contextmanager
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "infinity"]) as process:
        try:
            yield process
        finally:
            process.kill()


def test_an_entry_counts_while_its_process_lives() -> None:
    with sleeper() as process:
        write_entry("bob", process.pid, start_of(process.pid))
        assert not is_let_in("carol")
        assert is_let_in("bob")
        assert not is_let_in("carol")
    assert is_let_in("carol")


def test_a_reused_pid_keeps_no_place() -> None:
    with sleeper() as process:
        write_entry("bob", process.pid, start_of(process.pid) - 1)
        assert is_let_in("carol")


def test_a_pid_that_nobody_has_keeps_no_place() -> None:
    with sleeper() as process:
        gone = process.pid, start_of(process.pid)
    entry = write_entry("bob", *gone)
    assert is_let_in("carol")
    assert not os.path.lexists(entry)


def test_a_process_that_has_ended_and_was_not_reaped_keeps_no_place() -> None:
    with sleeper() as process:
        write_entry("bob", process.pid, start_of(process.pid))
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert is_let_in("carol")


def test_a_reused_pid_frees_no_place() -> None:
    with sleeper() as process:
        start = start_of(process.pid)
        write_entry("alice", process.pid, start + 1)
        right = write_entry("bob", process.pid, start)
        write_entry("alice", process.pid, start + 2)
        assert not is_let_in("carol")
        assert is_let_in("bob")
        assert not is_let_in("carol")
        assert right.is_symlink()


def test_a_reused_pid_lets_nobody_pass_for_one_who_is_in(service) -> None:
    """Who is in already does not count again, so that must be true of them."""
    service("unguarded", UNGUARDED)
    with sleeper() as process, held_session("unguarded", "bob"):
        write_entry("carol", process.pid, start_of(process.pid) - 1)
        assert not is_let_in("carol")
        write_entry("carol", process.pid, start_of(process.pid))
        assert is_let_in("carol")


def test_a_closed_session_keeps_no_place_though_its_process_lives() -> None:
    with sleeper() as process:
        entry = write_entry("bob", process.pid, start_of(process.pid))
        assert not is_let_in("carol")
        entry.rename(f"{entry}.left")
        assert is_let_in("carol")


def link(name: str, text: str | bytes) -> None:
    os.symlink(os.fsencode(text), os.fsencode(SESSIONS / name))


TEXT = "1.000 1002 SSH carol@10.1.2.3 - OPEN rules:1 - ,100,"  # of somebody who is in `users`

# What stands beside bob's entry, whose name begins with `at`: the turn, the pid and the start of a process that lives.
DAMAGE: dict[str, Callable[[str], object]] = {
    "a name of bytes that are no text": lambda at: os.symlink(TEXT, os.fsencode(SESSIONS) + b"/\xff\xfe.1.2.3"),
    "a name of half an entry": lambda at: link(at, TEXT),
    "a name with more behind it": lambda at: link(f"{at}.1.more", TEXT),
    "a name of 250 characters": lambda at: link("1" * 250, TEXT),
    "numbers of sixty digits in the name": lambda at: link(".".join(["9" * 60] * 4), TEXT),
    "numbers beyond the kernel's in the name": lambda at: link("1.9999999999.9999999999999999999", TEXT),
    "digits that are not ASCII in the name": lambda at: link(".".join(["\u0661\u00b2"] * 4), TEXT),
    "negative numbers in the name": lambda at: link("-1.-1.-1.-1", TEXT),
    "a thousand names that are none": lambda at: [link(f"stranger{number}", TEXT) for number in range(1000)],
    "a text that is none": lambda at: link(f"7{at}", "x"),
    "half a text": lambda at: link(f"7{at}", TEXT[:20]),
    "a text of bytes that are no text": lambda at: link(f"7{at}", bytes(range(1, 256)) * 10),
    "a text of nothing but blanks": lambda at: link(f"7{at}", " " * 8),
    "a text of 4,095 characters": lambda at: link(f"7{at}", "1" * 4095),
    "a uid of four thousand digits": lambda at: link(f"7{at}", TEXT.replace("1002", "9" * 4000)),
    "a negative uid": lambda at: link(f"7{at}", TEXT.replace("1002", "-1002").replace(",100,", ",")),
    "a column too many": lambda at: link(f"7{at}", TEXT.replace(" OPEN", " OPEN OPEN")),
    "pid nought": lambda at: link("1.0.0", TEXT),
    "pid one": lambda at: link("1.1.1", TEXT),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_beside_the_entries_costs_nobody_a_place(damage: str, journal) -> None:
    with sleeper() as process:
        entry = write_entry("bob", process.pid, start_of(process.pid))
        at = entry.name if "text" in damage or "uid" in damage or "column" in damage else entry.name.rpartition(".")[0]
        DAMAGE[damage](at)
        assert not is_let_in("carol")
        assert is_let_in("bob")
        assert entry.is_symlink()
    assert is_let_in("carol")
    assert not [line for line in journal() if "error in the plugin" in line or "cannot be counted" in line]


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


@pytest.fixture
def foreign() -> Iterator[Path]:
    """A file of root's elsewhere, to which nothing must happen."""
    path = Path("/root/foreign")
    path.write_text("as it was")
    before = sorted(os.listdir("/root"))
    yield path
    assert (path.read_text(), sorted(os.listdir("/root"))) == ("as it was", before)
    path.unlink()


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_not_the_plugins_does_no_harm_in_the_state_folder(kind: str, foreign: Path) -> None:
    shutil.rmtree(STATE, ignore_errors=True)
    STATE.mkdir(mode=0o700)
    for name in ("stranger", "lock", *["sessions"] * (kind != "a folder")):  # a folder is a ledger, or one that is lost
        FOREIGN[kind](STATE / name)
    assert is_let_in("bob")
    with sleeper() as process:
        write_entry("bob", process.pid, start_of(process.pid))
        assert not is_let_in("carol")
    assert is_let_in("carol")


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_not_the_plugins_does_no_harm_among_the_entries(kind: str, foreign: Path) -> None:
    with sleeper() as gone:
        name_of_the_dead = f"1.{gone.pid}.{start_of(gone.pid)}"
    with sleeper() as process:
        entry = write_entry("bob", process.pid, start_of(process.pid))
        for name in ("stranger", "turn/stranger", f"1{entry.name}", f"1{entry.name}.left", name_of_the_dead):
            FOREIGN[kind](SESSIONS / name)
        assert not is_let_in("carol")
        assert is_let_in("bob")
    assert is_let_in("carol")


def test_many_who_clear_up_at_once_do_not_get_in_each_others_way(rules, monthly_log) -> None:
    """What is found ended is told once."""
    rules(OPEN + "ALL NUMBER GROUP users:20\n")
    for _ in range(3):
        with sleeper() as gone:
            start = start_of(gone.pid)
        before = monthly_log(ended=True).count("alice@")
        for number in range(30):
            write_entry("alice", gone.pid, start, turn=number)
        line = ["pamtester", "guarded", "bob", "acct_mgmt", "open_session"]
        clients = [subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(12)]
        assert [client.wait(60) for client in clients] == [0] * 12
        assert is_let_in("bob")
        assert monthly_log(ended=True).count("alice@") - before == 30
    assert not [entry for entry in entries() if entry.user == "alice"]


LOST: dict[str, Callable[[Path], object]] = {
    "its folder is gone": shutil.rmtree,
    "its folder is empty": lambda turn: [path.unlink() for path in turn.iterdir()],
    "there are two": lambda turn: (turn / "1000000").symlink_to("-"),
}


@pytest.mark.parametrize("how", LOST)
def test_where_the_turn_is_lost_nobody_is_counted_until_the_folder_is_removed(how: str, rules, journal) -> None:
    assert is_let_in("bob")
    LOST[how](SESSIONS / "turn")
    assert not is_let_in("bob")
    [refused] = [line for line in journal() if CANNOT_COUNT in line]
    assert str(SESSIONS) in refused
    rules(OPEN)
    assert is_let_in("bob")
    assert [line for line in journal() if "let in, but not written down" in line and str(SESSIONS) in line]
    rules(OPEN + "ALL NUMBER GROUP users:1\n")
    shutil.rmtree(SESSIONS)
    assert is_let_in("bob")


# ------------------------------------------------------------------------------------------------------ pid namespaces


def in_another_pid_namespace(user: str, *operations: str) -> Result:
    """A PAM transaction of a process whose pids mean something else, and whose /run is the same."""
    line = ["unshare", "--pid", "--fork", "--mount-proc", "pamtester", "guarded", user, *operations]
    return run(*line, check=False)


def test_who_stands_in_another_pid_namespace_is_refused_under_a_limit_and_sweeps_nothing(rules, journal) -> None:
    with ssh_session("bob"), sleeper() as gone:
        dead = write_entry("alice", gone.pid, start_of(gone.pid))
        gone.kill()
        gone.wait()
        before = sorted(os.listdir(SESSIONS))
        for user in ("bob", "carol"):
            assert in_another_pid_namespace(user, "acct_mgmt").returncode != 0
            assert in_another_pid_namespace(user, "open_session", "close_session").returncode != 0
        assert len([line for line in journal() if CANNOT_COUNT in line and "pid namespace" in line]) == 4
        rules(OPEN)
        assert in_another_pid_namespace("carol", "acct_mgmt", "open_session", "close_session").returncode == 0
        assert set(before) <= set(os.listdir(SESSIONS))
        assert dead.is_symlink()


def test_who_was_let_in_in_another_pid_namespace_and_has_gone_keeps_nobody_out(rules) -> None:
    """Where no limit counts them; whoever is counted by one is refused there, as above."""
    rules(OPEN)
    assert is_let_in("bob")
    assert in_another_pid_namespace("erin", "acct_mgmt", "open_session").returncode == 0
    assert in_another_pid_namespace("erin", "acct_mgmt", "open_session", "close_session").returncode == 0
    rules(OPEN + "ALL NUMBER GROUP users:1\n")
    assert is_let_in("bob")


# --------------------------------------------------------------------------------------------------- the state folder


@pytest.fixture
def no_folder() -> Iterator[None]:
    """The state folder is not there, in this test; what a test puts there is away behind it."""

    def remove() -> None:
        if STATE.is_symlink() or STATE.is_file():
            STATE.unlink()
        elif STATE.exists():
            shutil.rmtree(STATE, ignore_errors=True)

    remove()
    yield
    remove()
    STATE.mkdir(mode=0o700)


def test_a_state_folder_that_is_missing_is_made(no_folder) -> None:
    with ssh_session("bob"):
        assert not is_let_in("carol")
        about = STATE.stat()
        assert (about.st_uid, about.st_mode) == (0, 0o40700)
        assert {path.stat().st_mode for path in STATE.iterdir()} == {0o40700}


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
def small_folder(no_folder) -> Iterator[None]:
    """The state folder is a file system of its own, of a few pages and files."""
    STATE.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=30,mode=700", "tests", str(STATE))
    yield
    run("umount", "--lazy", str(STATE))


def fill_with_bytes() -> None:
    with open(STATE / "filler", "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass


def fill_with_files() -> None:
    try:
        for number in range(1000):
            (STATE / f"filler{number}").touch()
    except OSError:
        pass


def empty_again() -> None:
    for path in STATE.glob("filler*"):
        path.unlink()


@pytest.fixture
def in_many_groups(small_folder) -> Iterator[None]:
    """carol is in so many groups that her entry has no room in an inode."""
    names = [f"tests{number}" for number in range(40)]
    with open("/etc/group", "r+", encoding="utf-8") as file:
        before = file.read()
        file.write("".join(f"{name}:x:{70_000 + number}:carol\n" for number, name in enumerate(names)))
    yield
    Path("/etc/group").write_text(before)


@pytest.mark.parametrize("fill", [fill_with_files, fill_with_bytes])
def test_a_full_run_refuses_under_a_limit_and_lets_in_without_one(in_many_groups, rules, journal, fill) -> None:
    rules(OPEN + "ALL NUMBER GROUP users:2\n")
    with ssh_session("bob"):
        written = sorted(os.listdir(SESSIONS))
        fill()
        assert not is_let_in("carol")
        assert [line for line in journal() if CANNOT_COUNT in line and "No space left on device" in line]
        assert sorted(os.listdir(SESSIONS)) == written
        rules(OPEN)
        assert is_let_in("carol")
        assert [line for line in journal() if "let in, but not written down" in line and "No space left" in line]
        assert sorted(os.listdir(SESSIONS)) == written
        rules(OPEN + "ALL NUMBER GROUP users:1\n")
        empty_again()
        assert not is_let_in("carol")
        assert known_to_the_plugin() == ["bob"]
        rules(OPEN + "ALL NUMBER GROUP users:2\n")
        assert is_let_in("carol")


def test_a_run_that_is_full_of_bytes_keeps_nobody_out_whose_entry_needs_none(small_folder, rules) -> None:
    with ssh_session("bob"):
        fill_with_bytes()
        assert not is_let_in("carol")
        rules(OPEN + "ALL NUMBER GROUP users:2\n")
        assert is_let_in("carol")


def test_a_run_that_was_full_from_the_start_is_used_once_it_is_not(small_folder, rules) -> None:
    """A folder that could be made in part only is no ledger, and is not taken for one."""
    fill_with_files()
    for path in sorted(STATE.glob("filler*"))[:8]:
        is_let_in("bob")  # each time, the folder gets a step further
        path.unlink()
    empty_again()
    assert is_let_in("bob")
    with ssh_session("bob"):
        assert not is_let_in("carol")


def test_a_place_is_given_back_where_run_is_full(small_folder) -> None:
    with ssh_session("bob"):
        opener = opener_of("bob")
        fill_with_bytes()
        fill_with_files()
    wait_for(lambda: not known_to_the_plugin(), "bob's session is closed")
    wait_for(lambda: start_of(opener) < 0, "bob's sshd ends")
    empty_again()
    assert is_let_in("carol")


def test_no_error_in_the_plugin_is_behind_any_of_this(journal) -> None:
    with sleeper() as process:
        for number, text in enumerate((b"\xff" * 100, b"1 " * 8 + b"1", b" ".join([b"9" * 400] * 9))):
            link(f"{number}.{process.pid}.{start_of(process.pid)}", text)
            assert is_let_in("carol")
    assert not [line for line in journal() if "error in the plugin" in line]
