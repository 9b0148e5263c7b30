"""For the tests of ASK by su: somebody becomes somebody else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pexpect

from limits import descendant
from machine import password_of


def su(user: str, *how: str, caller: str = "erin") -> pexpect.spawn:
    """Somebody becomes somebody else, up to where the password is typed in."""
    line = ["-u", caller, "--", "su", *how, user, "-c", "echo i am $(id -un)"]
    child = pexpect.spawn("runuser", line, encoding="utf-8", timeout=30, env={"PATH": os.environ["PATH"]})
    child.expect("Password: ")
    child.sendline(password_of(user))
    return child


@contextmanager
def su_of_erin(user: str = "bob") -> Iterator[int]:
    """Within the block, erin is asked about; the pid of her su."""
    child = su(user)
    try:
        yield descendant(child.pid, "su")
    finally:
        child.close(force=True)
