"""Faults at every step: a login meets an error, or its end, at any system call that the plugin makes.

strace makes them, so nothing in the plugin knows of it. A login makes the same system calls each time: which ones is
found out first, and then one login after the other meets the fault at the next of them. Between them, only those that
have to do with the plugin's own work are taken one by one, and of the others (Python's loading of modules, most of
all) some; FAULTS=all in the environment takes each of them.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from limits import LOGIND_SESSIONS, children_of, state_of
from machine import run, wait_for
from odd_host import OddHost, compiled

ALL = os.environ.get("FAULTS") == "all"
SOME = 40  # of the steps that have nothing to do with the plugin's own work, each so-manieth is taken
OURS = re.compile(r"/etc/(passwd|group|pam-acc)|/run/(pam-acc|systemd)|/proc/|/sys/|/var/log|/dev/log|socket|kill")

# What may go wrong with a system call that does not mean that the machine itself is broken.
ERRORS = {
    "openat": ["EMFILE"],
    "read": ["EIO"],
    "write": ["ENOSPC"],
    "rename": ["ENOSPC"],
    "unlink": ["EROFS"],
    "symlink": ["ENOSPC"],
    "mkdir": ["ENOSPC"],
    "utimensat": ["EROFS"],
    "kill": ["EPERM"],
    "socket": ["EMFILE"],
    "connect": ["ECONNREFUSED"],
    "sendto": ["ENOBUFS"],
    "poll": ["ENOMEM"],
    "mmap": ["ENOMEM"],
    "getdents64": ["EIO"],
    "readlink": ["EIO"],
    "pipe2": ["EMFILE"],
    "vfork": ["EAGAIN"],
}
RARE_ERRORS = {
    "openat": ["EIO", "ENOMEM", "EMFILE+"],
    "brk": ["ENOMEM"],
    "mprotect": ["ENOMEM"],
    "mremap": ["ENOMEM"],
    "newfstatat": ["EIO"],
    "fcntl": ["ENOLCK"],
    "fstat": ["EIO"],
    "lseek": ["EIO"],
    "ioctl": ["EIO"],
    "close": ["EIO"],
}


class Step:
    """One system call of a login: its name, which of that name it is, and how strace shows it."""

    def __init__(self, call: str, number: int, text: str) -> None:
        self.call, self.number, self.text = call, number, text

    def __str__(self) -> str:
        return f"{self.call} {self.number}: {self.text}"

    def fails(self, error: str) -> str:
        """This call fails and, where the error has a + behind it, all behind it do, too."""
        return f"{self.call}:error={error.rstrip('+')}:when={self.number}{'+' * error.endswith('+')}"

    def kills(self) -> str:
        return f"{self.call}:signal=KILL:when={self.number}"

    def stops(self) -> str:
        """The process makes this call, and no further one, as after SIGSTOP."""
        return f"{self.call}:signal=STOP:when={self.number}"


class Attempt:
    """What became of a login: how its host ended, what libpam returned, what was logged, whether it met an error."""

    def __init__(self, code: int, said: str, syslog: list[str], monthly: str, met: bool) -> None:
        self.code, self.syslog, self.monthly, self.met = code, syslog, monthly, met
        self.returned = returned_by(said)

    def __repr__(self) -> str:
        return f"ended with {self.code}, returned {self.returned}, logged {self.syslog} and {self.monthly!r}"

    @property
    def tells_of_a_refusal(self) -> bool:
        return "refused" in " ".join(self.syslog) or " denied " in self.monthly


def returned_by(said: str) -> list[int]:
    """What libpam returned, as odd_host.c tells it, command by command."""
    return [int(line.split()[1]) for line in said.splitlines() if line.startswith("done ")]


class World:
    """A mount namespace that has a state folder, a folder of logs and a /dev/log of its own."""

    def __init__(self, folder: Path, more: str = ":") -> None:
        self.log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.log.bind(str(folder / "log"))
        self.log.setblocking(False)
        self.trace = folder / "trace"
        script = f"""set -e
            mkdir -p -m 700 /run/pam-accesscontrol
            mount --bind {folder}/log /dev/log
            mount -t tmpfs -o mode=700 tests /run/pam-accesscontrol
            mount -t tmpfs -o mode=755 tests /var/log
            {more}
            echo ready
            exec cat
        """
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.holder.stdout and self.holder.stdout.readline() == "ready\n"
        self.inside = ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt"]
        self.root = Path(f"/proc/{self.holder.pid}/root")
        self.state = self.root / "run/pam-accesscontrol"
        self.sessions = self.state / "sessions"

    def close(self) -> None:
        self.holder.communicate()
        self.log.close()

    def shows_logind(self) -> None:
        """From now on, the sessions that logind knows are to be seen."""
        run(*self.inside, "umount", str(LOGIND_SESSIONS))

    def host(self, *commands: str) -> OddHost:
        return OddHost(*commands, under=self.inside)

    def syslog(self) -> list[str]:
        """What has come to syslog since the last call."""
        lines = []
        while True:
            try:
                lines.append(self.log.recv(65536).decode("utf-8", "replace").partition("]: ")[2])
            except BlockingIOError:
                return lines

    def monthly(self) -> str:
        """What stands in the monthly log; it is empty afterwards."""
        text = ""
        for path in (self.root / "var/log").glob("pam-accesscontrol-*.log"):
            text += path.read_text()
            os.truncate(path, 0)
        return text

    def attempt(self, commands: Sequence[str], fault: str = "") -> Attempt:
        """A host that obeys these commands, and on its way meets this fault."""
        options = ["-y"]
        if fault:
            options = [f"--trace={fault.partition(':')[0]}", f"--inject={fault}"]
            if ":error=" in fault:
                options += ["--follow-forks", "--seccomp-bpf"]  # is quicker, but can send no signal
        done = subprocess.run(
            [*self.inside, "strace", "--output", str(self.trace), *options, compiled()],
            input="".join(f"{command}\n" for command in commands),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        met = "(INJECTED)" in self.trace.read_text(errors="replace")
        return Attempt(done.returncode, done.stdout, self.syslog(), self.monthly(), met)

    @contextmanager
    def stopped_at(self, commands: Sequence[str], step: Step) -> Iterator[tuple[int, Callable[[], list[int]]]]:
        """Within the block, a host that obeys these commands is stopped at a step: its pid and, to have it go on,
        something that returns what libpam has returned to it."""
        line = [*self.inside, "strace", "--output", str(self.trace), f"--trace={step.call}", f"--inject={step.stops()}"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.trace.write_text("")
        with subprocess.Popen([*line, compiled()], text=True, **pipes) as tracer:
            assert tracer.stdin and tracer.stdout
            for command in commands:
                print(command, file=tracer.stdin)
            tracer.stdin.close()
            # Not before: a tracer that goes away where the signal is only about to come takes it along.
            wait_for(lambda: "--- stopped by SIGSTOP ---" in self.trace.read_text(errors="replace"), f"{step} stops it")
            [pid] = children_of(tracer.pid)
            tracer.kill()
            wait_for(lambda: state_of(pid) == "T", "it stays stopped without strace")

            def go_on() -> list[int]:
                os.kill(pid, signal.SIGCONT)
                return returned_by(tracer.stdout.read())

            yield pid, go_on
            if state_of(pid) == "T":
                os.kill(pid, signal.SIGKILL)

    def steps(
        self, commands: Sequence[str], wanted: re.Pattern[str] = OURS, begin: str = "/pam-accesscontrol.conf",
        afresh: Callable[[], object] = lambda: None,
    ) -> list[Step]:
        """What the plugin does while a host obeys these, from where it opens the rule file: all of its system calls
        that are wanted, and some of the others. `afresh` is called before."""
        self.attempt(commands)  # the first one of all makes files that the others find
        afresh()
        done = self.attempt(commands)
        assert done.code == 0, done
        counts: dict[str, int] = {}
        found = []
        for line in self.trace.read_text(errors="replace").splitlines():
            call = re.match(r"[a-z0-9_]+(?=\()", line)
            if call:
                counts[call[0]] = counts.get(call[0], 0) + 1
                found.append(Step(call[0], counts[call[0]], line))
        first = next(at for at, step in enumerate(found) if begin in step.text)
        last = max(at for at, step in enumerate(found) if step.text.startswith("writev(901"))
        # What the host itself does, and libpam for the audit, is not the plugin's.
        steps = [step for step in found[first:last] if not re.search(r"^\w+\(90[01]<|AUDIT", step.text)]
        return steps if ALL else [step for at, step in enumerate(steps) if at % SOME == 0 or wanted.search(step.text)]

    def errors(self, commands: Sequence[str], wanted: re.Pattern[str] = OURS) -> list[tuple[Step, str]]:
        """The steps that can fail, each with each of its errors."""
        found = self.steps(commands, wanted)
        rare = RARE_ERRORS if ALL else {}
        return [(it, error) for it in found for error in (*ERRORS.get(it.call, ()), *rare.get(it.call, ()))]


@contextmanager
def odd_directory(folder: Path, *defined: str, passwd: str = "files") -> Iterator[World]:
    """A world that asks nss_odd.c for groups, too; made with these macros defined."""
    kind = run("gcc", "-print-multiarch").stdout.strip()
    library = Path(f"/usr/lib/{kind}/libnss_odd.so.2")
    source = Path(__file__).with_name("nss_odd.c")
    how = ["-Wall", "-Wextra", "-shared", "-fPIC", f'-DFOLDER="{folder}"', *(f"-D{macro}" for macro in defined)]
    run("gcc", *how, "-o", str(library), str(source))
    switch = folder / "nsswitch.conf"
    switch.write_text(f"passwd: {passwd}\ngroup: files odd\n")
    world = World(folder, f"mount --bind {switch} /etc/nsswitch.conf")
    try:
        yield world
    finally:
        world.close()
        library.unlink()
