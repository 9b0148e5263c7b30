"""odd_host.c: a PAM application that gets itself into whatever state a test wants."""

from __future__ import annotations

import functools
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from machine import run


class DiedError(Exception):
    """The host is no more: the name of the signal that ended it, or its exit status."""


class OddHost:
    """A process that obeys one command after the other, and says what libpam returned. It ends with the block."""

    def __init__(self, *commands: str, under: Sequence[str] = ()) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([*under, compiled()], stdin=pipe, stdout=pipe, text=True, bufsize=1)
        self.messages: list[str] = []
        for command in commands:
            returned = self.do(command)
            assert returned == 0, f"{command} returned {returned}"

    def __enter__(self) -> OddHost:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def do(self, command: str) -> int:
        """Returns what libpam, or libc, did. Raises DiedError where the host did not live to tell."""
        self.tell(command)
        return self.answer()

    def tell(self, command: str) -> None:
        assert self.process.stdin
        try:
            print(command, file=self.process.stdin)
        except BrokenPipeError:
            pass

    def answer(self) -> int:
        assert self.process.stdout
        for line in self.process.stdout:
            what, _, text = line.rstrip("\n").partition(" ")
            if what == "done":
                return int(text)
            self.messages.append(text)
        code = self.process.wait()
        raise DiedError(signal.Signals(-code).name if code < 0 else str(code))

    def end(self) -> None:
        """Ends the host as kill -9 does, and waits until it has gone."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                if pipe:
                    pipe.close()
            except BrokenPipeError:
                pass


@functools.cache
def compiled() -> str:
    program = Path(tempfile.mkdtemp(), "odd_host")
    source = Path(__file__).with_name("odd_host.c")
    run("gcc", "-Wall", "-Wextra", "-rdynamic", "-pthread", "-o", str(program), str(source), "-lpam", "-ldl")
    return str(program)
