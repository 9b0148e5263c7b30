"""Whatever a user makes of his own authorized_keys, a question about him comes up at once and costs little memory."""

from __future__ import annotations

import grp
import os
import pwd
import re
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from desktop import Desktop, askers
from host import PASSING
from limits import children_of, kill_and_wait, read
from machine import KEYS, run, wait_for

pytest_plugins = ["desktop_fixtures"]

PLACE = Path("/home/bob/.ssh/authorized_keys")
ROOTS_OWN = Path("/run/tests-roots-own")
MOST = 150 * 1024  # KiB; the plugin by itself takes some 40


@pytest.fixture(autouse=True)
def _rules(rules, service) -> Iterator[None]:
    rules("ALL ASK USER bob,carol\nDEFAULT:OPEN\nREMEMBER:0\n")
    service("scratch", PASSING)
    before = PLACE.read_text()
    PLACE.unlink()
    yield
    ROOTS_OWN.unlink(missing_ok=True)
    run("rm", "-rf", str(PLACE))
    PLACE.write_text(before)
    os.chown(PLACE, pwd.getpwnam("bob").pw_uid, pwd.getpwnam("bob").pw_gid)


def key() -> str:
    return (KEYS / "bob.pub").read_text()


def make_endless(path: Path) -> None:
    path.write_text(key())
    os.truncate(path, 1 << 40)


def make_link_to_roots_own(path: Path) -> None:
    ROOTS_OWN.write_text(key().replace("bob@laptop", "a word of root's"))
    ROOTS_OWN.chmod(0o600)
    path.symlink_to(ROOTS_OWN)


MADE: dict[str, Callable[[Path], object]] = {
    "a hundred thousand lines": lambda path: path.write_text((KEYS / "carol.pub").read_text() * 100_000),
    "one line of fifty million characters": lambda path: path.write_text("x" * 50_000_000),
    "a file without end": make_endless,
    "a FIFO": os.mkfifo,
    "a folder": os.mkdir,
    "a link to zeros without end": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path),
    "a link to somebody else's terminal": lambda path: path.symlink_to("/dev/console"),
    "a link to what only root can read": make_link_to_roots_own,
}


@contextmanager
def logs_in_by_the_key(under: Sequence[str] = ()) -> Iterator[subprocess.Popen[bytes]]:
    """Within the block, a host of our own logs bob in; sshd itself would have read the file by now."""
    proof = f"SSH_AUTH_INFO_0=publickey {' '.join(key().split()[:2])}"
    line = [*under, "pamtester", "-I", "rhost=10.1.2.3", "-E", proof, "scratch", "bob", "open_session"]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as host:
        try:
            yield host
        finally:
            for pid in children_of(host.pid):  # of strace's, which would ask on, in the middle of the next test
                os.kill(pid, signal.SIGKILL)
            host.kill()


@pytest.mark.parametrize("what", MADE)
def test_it_is(desktop: Desktop, what: str) -> None:
    MADE[what](PLACE)
    with logs_in_by_the_key():
        window = desktop.question()
        comment = "\n(bob@laptop)" if what == "a file without end" else ""
        assert re.fullmatch(r"key SHA256:\S{9,43}" + re.escape(comment), window.fact("Proved by"))
        status = Path(f"/proc/{askers()[0]}/status").read_text()
        assert int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) < MOST


def test_it_is_long_and_sshd_finds_the_key_in_it(desktop: Desktop) -> None:
    PLACE.write_text((KEYS / "carol.pub").read_text() * 20_000 + key())
    bob = desktop.knock("bob")
    window = desktop.question()
    assert re.fullmatch(r"key SHA256:\S{9,43}", window.fact("Proved by"))
    window.click("Allow")
    assert bob.is_let_in()


# --------------------------------------------------------------------------------------------------- read as the user


def test_no_file_of_the_users_choice_is_opened_as_root(desktop: Desktop, tmp_path: Path) -> None:
    target = PLACE.with_name("keys")
    target.write_text(key())
    PLACE.symlink_to(target)
    trace = tmp_path / "trace"
    try:
        with logs_in_by_the_key(["strace", "--output", str(trace), "--trace=setresuid,setreuid,openat"]):
            assert desktop.question().fact("Proved by").endswith("\n(bob@laptop)")
    finally:
        target.unlink()
    calls = trace.read_text().splitlines()
    became = [at for at, call in enumerate(calls) if re.match(rf"setre.*, {pwd.getpwnam('bob').pw_uid}\b", call)]
    opened = [at for at, call in enumerate(calls) if f'"{PLACE}"' in call]
    assert opened
    assert became[0] < min(opened)
    assert not any(call.startswith("setre") for call in calls[became[0] + 1 : max(opened)])


def test_a_file_that_only_a_group_of_the_users_can_read_is_read(desktop: Desktop) -> None:
    PLACE.write_text(key())
    os.chown(PLACE, 0, grp.getgrnam("lp").gr_gid)
    PLACE.chmod(0o640)
    with logs_in_by_the_key():
        assert desktop.question().fact("Proved by").endswith("\n(bob@laptop)")


# A file system of bob's own that takes every request, and answers none. See fusermount3(1) and fuse(4).
SILENT = """\
import array, os, socket, subprocess, sys, time
ours, theirs = socket.socketpair()
os.set_inheritable(theirs.fileno(), True)
subprocess.run(
    ["fusermount3", "-o", sys.argv[2], "--", sys.argv[1]],
    env={**os.environ, "_FUSE_COMMFD": str(theirs.fileno())}, close_fds=False, check=True,
)
_, [(_, _, data)], _, _ = ours.recvmsg(1, socket.CMSG_SPACE(4))
print("mounted", flush=True)
time.sleep(1000)
"""


@contextmanager
def silent_file_system(options: str) -> Iterator[None]:
    """Within the block, whoever looks into bob's ~/.ssh waits for ever, if they may look into it at all."""
    device, configuration = Path("/dev/fuse"), Path("/etc/fuse.conf")
    if not device.exists():
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(10, 229))
    device.chmod(0o666)
    before = configuration.read_text() if configuration.exists() else ""
    configuration.write_text("user_allow_other\n")
    as_bob = ["setpriv", "--reuid=bob", "--regid=bob", "--init-groups", "python3", "-c", SILENT]
    with subprocess.Popen([*as_bob, str(PLACE.parent), options], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None and server.stdout.readline() == "mounted\n"
            yield
        finally:
            server.kill()
            run("umount", "--lazy", str(PLACE.parent), check=False)
            configuration.write_text(before)


def test_it_is_on_a_file_system_of_the_users_own(desktop: Desktop) -> None:
    with silent_file_system("rw"), logs_in_by_the_key():
        assert re.fullmatch(r"key SHA256:\S{9,43}", desktop.question().fact("Proved by"))


def test_it_is_on_one_that_answers_nothing_to_anybody(desktop: Desktop) -> None:
    """That holds up bob, whose doing it is, and nobody else."""
    with silent_file_system("rw,allow_other"), logs_in_by_the_key() as host:
        wait_for(lambda: "fuse" in read(Path(f"/proc/{host.pid}/wchan")), "bob's login hangs")
        carol = desktop.knock("carol")
        desktop.question().click("Allow")
        assert carol.is_let_in()
        assert host.poll() is None
        kill_and_wait(host.pid)
