"""The rule file is replaced, cut short, locked, taken away in the middle of a read: what is obeyed is a whole file, or
none, and none closes everything. What may lie in its place all along is in test_a_rule_file_that_cannot_be_trusted.py.
"""

from __future__ import annotations

import fcntl
import os
import random
import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from desktop import held_by
from faults import ALL, World
from host import PASSING, PERM_DENIED, PLUGIN, SUCCESS
from limits import descendant
from machine import wait_for
from odd_host import OddHost, compiled

pytest_plugins = ["faults_fixtures"]

# Wherever they are cut off, carol does not get in.
RULES = "ALL CLOSE USER carol\nALL OPEN USER bob\n"
ALL_OF_THEM = re.compile("")


@pytest.fixture
def path(world: World, tmp_path: Path, service) -> Path:
    """The rule file of the service named scratch."""
    (tmp_path / "folder").mkdir()
    rule_file = tmp_path / "folder/rules"
    service("scratch", PASSING.replace(PLUGIN, f"{PLUGIN} conf={rule_file}"))
    rule_file.write_text(RULES)
    return rule_file


def put(path: Path, text: str) -> None:
    """Puts a whole new file in the place of the old one."""
    new = path.with_name("new")
    new.write_text(text)
    if path.is_dir():
        path.rmdir()
    os.replace(new, path)


def take_away(path: Path) -> None:
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def put_a_folder(path: Path) -> None:
    take_away(path)
    path.mkdir()


def put_a_fifo(path: Path) -> None:
    take_away(path)
    os.mkfifo(path)


def put_a_gibibyte(path: Path) -> None:
    put(path, RULES)
    os.truncate(path, 1 << 30)


def cut(path: Path) -> None:
    put(path, RULES)
    os.truncate(path, random.randrange(len(RULES)))


def append(path: Path) -> None:
    put(path, RULES)
    with path.open("a") as file:
        for _ in range(20):
            file.write("ALL OPEN USER dave\n")
            file.flush()


def write_over(path: Path) -> None:
    put(path, RULES + "# " + "x" * 5000)
    path.write_text(RULES)


CHANGES: list[Callable[[Path], None]] = [
    *[lambda path: put(path, RULES)] * 4,
    *[lambda path: put(path, f"# {'x' * random.randrange(100000)}\n{RULES}")] * 2,
    lambda path: path.chmod(0o666) if path.is_file() else None,
    lambda path: shutil.chown(path, "bob") if path.is_file() else None,
    *[put_a_folder, put_a_fifo, put_a_gibibyte, take_away, cut, append, write_over] * 2,
]


@contextmanager
def changing(path: Path) -> Iterator[list[int]]:
    """Within the block, the file is another one all the time; yields how often it has been."""
    end, times = threading.Event(), [0]

    def change() -> None:
        while not end.is_set():
            random.choice(CHANGES)(path)
            times[0] += 1

    changer = threading.Thread(target=change)
    changer.start()
    try:
        yield times
    finally:
        end.set()
        changer.join()


def test_while_it_is_replaced_all_the_time(world: World, path: Path) -> None:
    outcomes: dict[int, int] = {SUCCESS: 0, PERM_DENIED: 0}
    reasons: set[str] = set()
    with world.host("start B scratch bob", "start C scratch carol") as host, changing(path) as times:
        for attempts in range(50000):
            if attempts >= (20000 if ALL else 1000) and min(outcomes.values()) > 10 and len(reasons) > 4:
                break
            outcomes[host.do("acct B")] += 1
            assert host.do("acct C") == PERM_DENIED
            refused = [line for line in world.syslog() if "CLOSE, refused: " in line]
            assert [line.split()[2] for line in refused if "carol@" in line] == ["carol@LOCAL:"]
            reasons |= {line.rpartition(str(path))[2] for line in refused if "so everything is CLOSE" in line}
    assert (min(outcomes.values()) > 10, len(reasons) > 4, times[0] > 10) == (True, True, True), (outcomes, reasons)


@contextmanager
def in_the_middle_of_a_read(world: World, path: Path) -> Iterator[tuple[OddHost, Callable[[], None]]]:
    """In the block, the plugin has opened the file and looked at it, and reads it when it is told to go on."""
    steps = world.steps(["start B scratch bob", "acct B"], ALL_OF_THEM, str(path))
    at = next(at for at, step in enumerate(steps) if step.call == "read" and str(path) in step.text)
    before = steps[at - 1]
    fault = f"--inject={before.call}:signal=STOP:when={before.number}"
    strace = ["strace", "--output", str(world.trace), f"--trace={before.call}", fault]
    with OddHost("start B scratch bob", under=[*world.inside, *strace]) as host:
        host.tell("acct B")
        wait_for(lambda: "stopped by SIGSTOP" in world.trace.read_text(errors="replace"), "it is about to read")
        pid = descendant(host.process.pid, Path(compiled()).name)
        assert str(path) in held_by(pid)
        world.syslog()
        yield host, lambda: os.kill(pid, signal.SIGCONT)


BEHIND_ITS_BACK: dict[str, tuple[Callable[[Path], object], bool]] = {
    "taken away": (take_away, True),
    "replaced by one that closes everything": (lambda path: put(path, "DEFAULT:CLOSE\n"), True),
    "cut short": (lambda path: os.truncate(path, 10), False),
    "emptied": (lambda path: os.truncate(path, 0), False),
    "longer than it was": (lambda path: path.open("a").write("DEFAULT:OPEN\n"), False),
}


@pytest.mark.parametrize("how", BEHIND_ITS_BACK)
def test_in_the_middle_of_a_read(how: str, world: World, path: Path) -> None:
    """It is the file that was there, whole; or it is not believed."""
    change, obeyed = BEHIND_ITS_BACK[how]
    with in_the_middle_of_a_read(world, path) as (host, goes_on):
        change(path)
        goes_on()
        assert host.answer() == (SUCCESS if obeyed else PERM_DENIED)
    told = [line for line in world.syslog() if "changed while it was read, so everything is CLOSE" in line]
    assert len(told) == (0 if obeyed else 1)


def test_a_lock_on_it_holds_nobody_up(world: World, path: Path) -> None:
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        fcntl.lockf(file, fcntl.LOCK_EX)
        with world.host("start B scratch bob") as host:
            assert host.do("acct B") == SUCCESS


def test_who_has_it_to_himself_for_a_while_closes_it_so_long(world: World, path: Path) -> None:
    """A lease, see fcntl(2): whoever opens the file would wait for 45 seconds."""
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    with path.open("r+") as file, world.host("start B scratch bob") as host:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        assert host.do("acct B") == PERM_DENIED
        assert "cannot be read (Resource temporarily unavailable), so everything is CLOSE" in world.syslog()[-1]
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        assert host.do("acct B") == SUCCESS
    signal.signal(signal.SIGIO, before)
