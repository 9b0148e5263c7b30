"""Processes as the tests need them: one that does something and tells what came of it, and one that just is there."""

import contextlib
import os
import signal
import sys
import traceback

import accesscontrol

CALLS = (  # of os, by which accesscontrol.py changes and reads its state
    "chmod", "kill", "link", "listdir", "lstat", "makedirs", "mkdir", "readlink", "rename", "rmdir", "stat",
    "symlink", "unlink", "utime",
)


class Child:
    """A process that runs task(*arguments), which returns a text, and is killed at the latest when the test ends."""

    def __init__(self, task, *arguments):
        self.reader, writer = os.pipe()
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self.reader)
                told = task(*arguments)
            except BaseException:
                told = traceback.format_exc()
            with contextlib.suppress(BaseException):
                os.write(writer, str(told).encode()[-4000:])
            os._exit(0)
        os.close(writer)
        self.start = accesscontrol.process_start(self.pid)
        self.ended = False

    def signal(self, number):
        if not self.ended:
            os.kill(self.pid, number)

    def is_stopped(self):
        """Waits until it stops or ends; returns whether it has stopped."""
        _, status = os.waitpid(self.pid, os.WUNTRACED)
        self.ended = not os.WIFSTOPPED(status)
        return not self.ended

    def stop(self):
        """Stops it, and waits until it has; returns whether it has not ended before."""
        self.signal(signal.SIGSTOP)
        return not self.ended and self.is_stopped()

    def go_on(self):
        self.signal(signal.SIGCONT)

    def has_ended(self):
        """Whether it has ended by now."""
        if not self.ended:
            self.ended = os.waitpid(self.pid, os.WNOHANG)[0] == self.pid
        return self.ended

    def kill(self):
        """Ends it as kill -9 does, and waits for that."""
        self.signal(signal.SIGKILL)
        if not self.ended:
            os.waitpid(self.pid, 0)
            self.ended = True

    def result(self):
        """What it has to tell, when it has ended."""
        with open(self.reader, encoding="utf-8", closefd=False) as file:
            told = file.read()
        if not self.ended:
            os.waitpid(self.pid, 0)
            self.ended = True
        return told

    def close(self):
        self.kill()
        os.close(self.reader)


class Children:
    """`with Children() as start`: start(task, *arguments) is a Child, and none of them outlives the block."""

    def __enter__(self):
        self.started = []
        return self.begin

    def begin(self, task, *arguments):
        self.started.append(Child(task, *arguments))
        return self.started[-1]

    def __exit__(self, *_):
        for child in self.started:
            child.close()


def just_be_there():
    """The task of a process that has none."""
    while True:
        signal.pause()


def stopped_before(number, task, *arguments):
    """A task that stops its own process before that one of its system calls, counted from 1, and then does the rest."""

    def run():
        left = number

        def stopping(call):
            def before(*args, **kwargs):
                nonlocal left
                left -= 1
                if left == 0:
                    signal.raise_signal(signal.SIGSTOP)
                return call(*args, **kwargs)

            return before

        for name in CALLS:
            setattr(os, name, stopping(getattr(os, name)))
        return task(*arguments)

    return run


def each_moment(task, *arguments):
    """A stopped process for each moment between two system calls of a task: (moment, Child), until there is none."""
    number = 1
    while True:
        with Children() as start:
            child = start(stopped_before(number, task, *arguments))
            if not child.is_stopped():
                assert number > 3, f"it should have made some calls: {child.result()}"
                return
            yield number, child
        number += 1
