"""Fixtures of the tests of faults, for a test module that says `pytest_plugins = ["faults_fixtures"]`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from faults import World
from host import PASSING
from limits import LOGIND_SESSIONS


@pytest.fixture
def world(tmp_path: Path, service) -> Iterator[World]:
    """A state folder and logs of this test's own, and a service named scratch that only the plugin may refuse.

    No session of logind's is to be seen, unless shows_logind() is called: a user's manager of an earlier test ends
    while this one counts system calls.
    """
    service("scratch", PASSING)
    made = World(tmp_path, f"mkdir -p {LOGIND_SESSIONS}; mount -t tmpfs -o mode=755 tests {LOGIND_SESSIONS}")
    yield made
    made.close()


@pytest.fixture
def empty(tmp_path: Path, service) -> None:
    """A service named empty, whose plugin does nothing at all."""
    module = tmp_path / "empty.py"
    kinds = ("authenticate", "setcred", "acct_mgmt", "open_session", "close_session")
    module.write_text("".join(f"def pam_sm_{kind}(pamh, flags, argv):\n    return pamh.PAM_IGNORE\n" for kind in kinds))
    service("empty", PASSING.replace("/lib/security/accesscontrol.py", str(module)))
