"""For the tests of NUMBER: who is in, seen from outside, and the ways to be in."""

from __future__ import annotations

import functools
import os
import re
import select
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pexpect
import pytest

from machine import Result, console, run, ssh, ssh_session, wait_for

STATE = Path("/run/pam-accesscontrol")
SESSIONS = STATE / "sessions"
LOGIND = "systemd-logind.service"
LOGIND_SESSIONS = Path("/run/systemd/sessions")

# A service that the plugin does not guard, whose sessions logind knows.
UNGUARDED = """\
auth required pam_unix.so
account required pam_permit.so
session required pam_systemd.so class=user
"""


# --------------------------------------------------------------------------------------------------------------- logind


def logind_runs() -> bool:
    return run("systemctl", "is-active", LOGIND, check=False).stdout == "active\n"


# All other tests hold as well where whoever starts them has masked logind and stopped it.
needs_logind = pytest.mark.skipif(not logind_runs(), reason="this is about logind, and somebody has stopped it")


@contextmanager
def logind_masked() -> Iterator[None]:
    """Within the block, no logind runs, and none is started."""
    if not logind_runs():
        yield
        return
    socket = "systemd-logind-varlink.socket"  # of systemd 258 and later; it fails if it finds logind masked
    units = [unit for unit in (socket, LOGIND) if Path("/usr/lib/systemd/system", unit).exists()]
    run("systemctl", "mask", "--runtime", "--now", *units)
    try:
        yield
    finally:
        run("systemctl", "unmask", "--runtime", *units)
        run("systemctl", "start", *units)


# ---------------------------------------------------------------------------------------------------------- at the door


def refusal(login: Result) -> str:
    """The sentence with which a login over ssh was refused, empty if it was let in.

    In account it comes as a banner, and sshd hangs up; in session it is what the command seems to say, before its 254.
    """
    if login.returncode == 0:
        return ""
    said = re.search(r"^Access denied: .*", {255: login.stderr, 254: login.stdout}[login.returncode], re.MULTILINE)
    assert said, login
    return said[0].rstrip()


def gets_in(user: str, **how: object) -> bool:
    """Whether a login over ssh, that ends at once, is let in; a refusal is one by a limit."""
    before = traces_of([user])
    sentence = refusal(ssh(user, **how))  # type: ignore[arg-type]
    wait_until_gone([user], before)
    assert re.fullmatch(r"Access denied: .*( are logged in| sessions are open)\.|", sentence), sentence
    return not sentence


@contextmanager
def inside(*users: str, **how: object) -> Iterator[None]:
    """Within the block, each of these has one session more, over ssh; behind it, every trace of that is gone."""
    before = traces_of(users)
    with ExitStack() as stack:
        for user in users:
            stack.enter_context(ssh_session(user, **{"timeout": 280, **how}))  # type: ignore[arg-type]
        yield
    wait_until_gone(users, before)


def traces_of(users: Iterable[str]) -> Counter[str]:
    """How many sessions of these users the plugin and logind know, one twice that both know."""
    return Counter(name for name in [*known_to_the_plugin(), *known_to_logind()] if name in users)


def wait_until_gone(users: Iterable[str], before: Counter[str] | None = None) -> None:
    """Wait until no more sessions of these users are known than there were before, none if that is left out."""
    wait_for(lambda: not traces_of(users) - (before or Counter()), f"nothing is left of {', '.join(users)}")


@contextmanager
def inside_at_a_console(user: str) -> Iterator[pexpect.spawn]:
    """Within the block, the user has a session more, of login(1); behind it, every trace of that is gone."""
    before = traces_of([user])
    login = console(user)
    try:
        login.expect(r"\$ ")
        yield login
    finally:
        login.close(force=True)
    wait_until_gone([user], before)


@contextmanager
def held_session(service: str, user: str) -> Iterator[pexpect.spawn]:
    """Within the block, somebody has a session in a PAM service, whose auth asks for a password and waits."""
    operations = ["open_session", "authenticate", "close_session", "authenticate"]

    def asked() -> pexpect.spawn | None:
        process = pexpect.spawn("pamtester", [service, user, *operations], timeout=20)
        return process if process.expect(["Password: ", pexpect.EOF]) == 0 else None

    # Debian 12's logind makes no session for somebody whose service manager it is just about to stop.
    process = wait_for(asked, f"{user} has a session in {service}")
    try:
        yield process
    finally:
        process.close(force=True)


# ------------------------------------------------------------------------------------------------ the plugin's sessions


class Entry(NamedTuple):
    """A link in the folder of sessions: its name, and the fields of its text that tests need."""

    name: str
    pid: int
    start: int
    closed: bool
    uid: int
    service: str
    user: str
    text: str


def entries() -> list[Entry]:
    """The sessions that the plugin has written down, those of processes that have ended among them."""
    found = []
    for name in os.listdir(SESSIONS) if SESSIONS.is_dir() else []:
        numbers = re.fullmatch(r"[0-9]+\.([0-9]+)\.([0-9]+)(\.left)?", name)
        try:
            fields = numbers and os.readlink(SESSIONS / name).split(" ")
        except OSError:  # it has just gone, or is none of the plugin's
            continue
        if numbers and fields and len(fields) == 9:
            pid, start, left = int(numbers[1]), int(numbers[2]), bool(numbers[3])
            user = fields[3].partition("@")[0]
            found.append(Entry(name, pid, start, left, int(fields[1]), fields[2], user, " ".join(fields)))
    return found


def write_entry(
    user: str, pid: int, start: int, turn: int = 0, folder: Path = SESSIONS, **more: object
) -> Path:
    """Writes a session down as the plugin does, as if a process had opened it in that turn."""
    entry = {"uid": ids_of(user)[0], **more}
    path = folder / f"{turn}.{pid}.{start}"
    make_ledger(folder)
    path.symlink_to(f"1.000 {entry['uid']} SSH {user}@10.1.2.3 - OPEN rules:1 - ,{','.join(ids_of(user)[1:])},")
    os.utime(path, (0, 0), follow_symlinks=False)  # it will not be taken back
    return path


@functools.cache
def ids_of(user: str) -> list[str]:
    """The uid of a user, and the gids."""
    return [run("id", "-u", user).stdout.strip(), *run("id", "-G", user).stdout.split()]


def make_ledger(path: Path) -> None:
    """An empty ledger, where there is none."""
    if not path.is_dir():
        (path / "turn").mkdir(parents=True)
        (path / "turn/0").symlink_to(str(os.stat("/proc/self/ns/pid").st_ino))


def read(path: Path) -> str:
    """A file's text, empty if there is none."""
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""


def opener_of(user: str) -> int:
    """The pid of the process that opened the one session of this user that the plugin knows, and that lives."""
    [pid] = [entry.pid for entry in living() if entry.user == user]
    return pid


def living() -> list[Entry]:
    """The sessions that are not closed, and whose process is there, and is the one that is meant."""
    return [entry for entry in entries() if not entry.closed and start_of(entry.pid) == entry.start]


def known_to_the_plugin() -> list[str]:
    """The names of those whose session the plugin let in, and whose process lives."""
    return [entry.user for entry in living()]


def known_to_logind() -> list[str]:
    """The names of those who have a session in logind's eyes, as sd-login(3) reads it: no managers, nobody leaving."""
    found = []
    for path in LOGIND_SESSIONS.glob("*[!f]"):  # N is a session, N.ref a pipe
        try:
            facts = dict(line.partition("=")[::2] for line in path.read_text().splitlines())
        except FileNotFoundError:
            continue
        if facts.get("CLASS", "").startswith("user") and facts.get("STATE") != "closing":
            found.append(facts["USER"])
    return found


def nobody_is_in() -> bool:
    return not [*known_to_logind(), *known_to_the_plugin()]


def start_of(pid: int) -> int:
    """When a process started, in ticks since the boot; -1 where there is none, or a zombie. See proc(5)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return -1
    return -1 if fields[0] in "ZX" else int(fields[19])


# ------------------------------------------------------------------------------------------------------------ processes


@contextmanager
def await_end(pid: int) -> Iterator[None]:
    """Behind the block, the process has ended: the kernel says so."""
    process = os.pidfd_open(pid)
    try:
        yield
        assert select.select([process], [], [], 20)[0], f"{pid} does not end"
    finally:
        os.close(process)


def kill_and_wait(pid: int) -> None:
    """kill -9, until the process has ended."""
    with await_end(pid):
        os.kill(pid, signal.SIGKILL)


def parent_of(pid: int) -> int:
    """See proc_pid_status(5)."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("PPid:")[2].split()[0])


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def descendant(pid: int, command: str) -> int:
    """The process of this name below another."""
    below = children_of(pid)
    while below:
        child = below.pop()
        if Path(f"/proc/{child}/comm").read_text() == f"{command}\n":
            return child
        below += children_of(child)
    raise AssertionError(f"{pid} has no {command}: {run('pstree', '-p', str(pid)).stdout}")


def state_of(pid: int) -> str:
    """R, S, T and so on, see proc(5); empty where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return ""


@contextmanager
def stopped_at(call: str, path: Path | None, *command: str, input: str = "") -> Iterator[int]:
    """Within the block, a process below this command is stopped where it has made a system call, of a path if one is
    given, for the first time; yields its pid. Behind the block it has ended.

    strace sends the signal, and then goes away.
    """
    stop = [f"--trace={call}", f"--inject={call}:signal=STOP:when=1", *[f"--trace-path={path}"] * (path is not None)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with tempfile.NamedTemporaryFile("r") as seen:
        line = ["strace", "--follow-forks", f"--output={seen.name}", *stop, *command]
        with subprocess.Popen(line, stdin=subprocess.PIPE, start_new_session=True, text=True, **quiet) as tracer:
            assert tracer.stdin
            tracer.stdin.write(input)
            tracer.stdin.flush()
            found: list[int] = []
            try:
                # Not before: a tracer that goes away where the signal is only about to come takes it along.
                wait_for(lambda: "--- stopped by SIGSTOP ---" in Path(seen.name).read_text(), "somebody is stopped")
                rows = [row.split() for row in Path(seen.name).read_text().splitlines()]
                [pid] = {int(row[0]) for row in rows if row[1:4] == ["---", "stopped", "by"]}
                found.append(pid)
                tracer.kill()
                wait_for(lambda: state_of(pid) == "T", "it stays stopped without strace")
                yield pid
            finally:
                tracer.kill()
                for pid in found:
                    with suppress(ProcessLookupError):
                        kill_and_wait(pid)


@contextmanager
def logind_stopped() -> Iterator[None]:
    """Within the block, logind is there, but does not get to do anything: it learns only behind it who has gone."""
    pid = int(run("systemctl", "show", LOGIND, "--property=MainPID", "--value").stdout)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def as_user(user: str) -> list[str]:
    """The beginning of a command line that makes the rest of it the user's own."""
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]


@contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """Within the block, processes stand in a cgroup that is frozen, and are stopped by nothing else; then they end.

    See cgroups(7).
    """
    hybrid = Path("/sys/fs/cgroup/unified")
    group = (hybrid if hybrid.exists() else hybrid.parent) / "tests-frozen"
    group.mkdir()
    try:
        for pid in pids:
            (group / "cgroup.procs").write_text(str(pid))
        (group / "cgroup.freeze").write_text("1")
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        wait_for(lambda: "frozen 1" in (group / "cgroup.events").read_text(), "the cgroup is frozen")
        yield
    finally:
        (group / "cgroup.kill").write_text("1")
        (group / "cgroup.freeze").write_text("0")
        wait_for(lambda: not (group / "cgroup.procs").read_text(), "nobody is in the cgroup")
        group.rmdir()
