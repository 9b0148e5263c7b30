"""A login imports what is listed here, and nothing else: nothing that reads the environment or a user's file.

Such as zoneinfo, which asks sysconfig, which imports a module that the environment names.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from desktop import Desktop
from host import LOADER, SUCCESS, WAYS, Told, host, passing

pytest_plugins = ["desktop_fixtures"]

PROBE, TOLD = Path("/usr/lib/tests-probe.py"), Path("/run/tests-imports")

# A loader that writes down, behind each call, what has been imported since Python began.
LOADER_THAT_TELLS = f"""
import sys
before = set(sys.modules)
sys.path.insert(0, "/usr/lib/pam-accesscontrol")
import accesscontrol
import os

def tell():
    with open("{TOLD}", "a") as file:
        file.write(" ".join(set(sys.modules) - before) + "\\n")

def call(name):
    def function(pamh, flags, argv):
        try:
            return getattr(accesscontrol, name)(pamh, flags, argv)
        finally:
            tell()
    return function

for name in ("authenticate", "setcred", "acct_mgmt", "open_session", "close_session"):
    globals()["pam_sm_" + name] = call("pam_sm_" + name)

def leave(status, exit=os._exit):
    tell()
    exit(status)

if __name__ == "__main__":
    if sys.argv[1:2] == ["pam"]:
        os._exit = leave
    accesscontrol.main(sys.argv[1:])
"""

ALWAYS = {"accesscontrol", "__future__", "_socket", "encodings.utf_8", "fcntl", "gc", "grp", "pwd"}
ASKED = {"_blake2", "_hashlib", "binascii", "hashlib"}
SHOWN = {"_json", "json", "json.decoder", "json.encoder", "json.scanner", "signal", "select", "subprocess"}
SHOWN |= {"_posixsubprocess", "_signal", "_weakrefset", "contextlib", "locale", "_locale", "math", "selectors"}
SHOWN |= {"encodings.ascii", "errno"}
SHOWN |= {"threading", "time", "types", "warnings", "weakref", "struct", "_struct", "_bisect", "bisect"}
# What pam_python has imported itself, for its tracebacks, or Python's site.
BY_ITSELF = {"_collections", "_collections_abc", "_functools", "_operator", "_sre", "_stat", "collections"}
BY_ITSELF |= {"collections.abc", "copyreg", "enum", "errno", "functools", "genericpath", "itertools", "keyword"}
BY_ITSELF |= {"operator", "os", "os.path", "posixpath", "re", "re._casefix", "re._compiler", "re._constants"}
BY_ITSELF |= {"re._parser", "reprlib", "resource", "select", "signal", "stat", "types"}
ENDED = {"_ctypes", "_struct", "ctypes", "ctypes._endian", "struct"}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, service) -> Iterator[str]:
    """The service scratch calls the plugin in this way, by the loader that tells."""
    PROBE.write_text(LOADER_THAT_TELLS)
    TOLD.unlink(missing_ok=True)
    service("scratch", passing(request.param).replace(LOADER, str(PROBE)))
    yield request.param
    PROBE.unlink()


def imported(way: str) -> set[str]:
    """What was imported at any call, without what Python imports by itself in that way."""
    found = set(TOLD.read_text().split())
    assert "accesscontrol" in found
    return found - (BY_ITSELF if way == WAYS[1] else set())


def log_in(user: str) -> Told:
    return host("scratch", user, "auth", "acct", "open", "close", rhost="10.1.2.3")


def test_a_login_that_is_counted(way: str, rules) -> None:
    rules("DEFAULT:CLOSE\nDEBUG:True\nbroken\nALL OPEN GROUP lp@10.0.0.0/8\nALL NUMBER GROUP ALL:100,users:100\n")
    assert set(log_in("bob").returned.values()) == {SUCCESS}
    assert imported(way) - ALWAYS == set()


def test_a_login_that_is_refused(way: str, rules) -> None:
    rules("DEFAULT:OPEN\nALL CLOSE GROUP lp\n")
    assert SUCCESS not in {*log_in("bob").returned.values()}
    assert imported(way) - ALWAYS == set()


def test_a_login_that_nobody_is_there_to_be_asked_about(way: str, rules, nobody_there) -> None:
    rules("ALL ASK USER ALL\nUNATTENDED:OPEN\n")
    assert set(log_in("bob").returned.values()) == {SUCCESS}
    assert imported(way) - (ALWAYS | ASKED) == set()


@pytest.mark.parametrize("button", ["Allow", "Deny"])
def test_a_login_that_the_owner_is_asked_about(way: str, button: str, desktop: Desktop, rules) -> None:
    rules("ALL ASK USER ALL\nREMEMBER:0\n")
    with ThreadPoolExecutor() as pool:
        told = pool.submit(host, "scratch", "bob", "acct")
        desktop.answer(button)
        assert (told.result().returned["acct"] == SUCCESS) == (button == "Allow")
    assert imported(way) - (ALWAYS | ASKED | SHOWN) == set()


def test_an_sshd_that_is_ended(rules) -> None:
    """Here a timer is needed, for which Python has no function."""
    PROBE.write_text(LOADER_THAT_TELLS)
    TOLD.unlink(missing_ok=True)
    rules("DEFAULT:CLOSE\n")
    text = Path("/etc/pam.d/sshd").read_text()
    Path("/etc/pam.d/sshd").write_text(text.replace(LOADER, str(PROBE)))
    try:
        assert SUCCESS not in host("sshd", "bob", "open").returned.values()
    finally:
        Path("/etc/pam.d/sshd").write_text(text)
        PROBE.unlink()
    assert imported(WAYS[0]) - (ALWAYS | ENDED) == set()
