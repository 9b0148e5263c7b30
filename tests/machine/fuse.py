"""A file system of an ordinary user's that keeps waiting whoever closes a file on it; see fuse_that_hangs.c."""

from __future__ import annotations

import functools
import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from limits import as_user
from machine import run, wait_for

FUSE = Path("/dev/fuse")


@functools.cache
def compiled() -> str:
    program = Path(tempfile.mkdtemp(), "fuse_that_hangs")
    source = Path(__file__).with_name("fuse_that_hangs.c")
    run("gcc", "-Wall", "-Wextra", "-I/usr/include/fuse3", "-o", str(program), str(source), "-lfuse3")
    program.parent.chmod(0o755)
    return str(program)


@contextmanager
def file_system_that_hangs(user: str, place: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Within the block, the user has such a file system, of this process. When that ends, whoever waits goes on."""
    if not FUSE.exists():
        os.mknod(FUSE, stat.S_IFCHR | 0o666, os.makedev(10, 229))
    FUSE.chmod(0o666)
    run(*as_user(user), "mkdir", "-p", str(place))
    with subprocess.Popen([*as_user(user), compiled(), "-f", str(place)]) as server:
        wait_for(lambda: f" {place} fuse" in Path("/proc/mounts").read_text(), "the file system is there")
        try:
            yield server
        finally:
            server.kill()
    run("umount", "--lazy", str(place))
