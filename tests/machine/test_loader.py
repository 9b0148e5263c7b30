"""What the loader promises: a login is judged the same whatever has become of the compiled module, at most slower.

The PAM lines and the command name the loader. It imports the module, which Python compiles once and reads back.
"""

from __future__ import annotations

import os
import py_compile
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from host import PASSING, PERM_DENIED, PLUGIN, SUCCESS
from machine import run, ssh
from odd_host import OddHost
from test_install import (
    CACHE,
    CHECKOUT,
    LIBRARY,
    LOADER,
    MODULE,
    _put_back,
    _su_refuses_without_delay,
    compiled,
    install,
    keep,
    picture,
    put_back,
)

__all__ = ["_put_back", "_su_refuses_without_delay"]  # fixtures

HEADER = 16  # bytes; see importlib/_bootstrap_external.py


@pytest.fixture(autouse=True, scope="module")
def _su_is_guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    kept = tmp_path_factory.mktemp("kept") / "without-su.tar"
    keep(kept)
    assert install(CHECKOUT, "su").returncode == 0
    yield
    put_back(kept)


@pytest.fixture(autouse=True)
def _rules(rules: Callable[[str], None]) -> None:
    rules("DEFAULT:CLOSE\nALL OPEN USER bob,root\n")


def replace(change: Callable[[bytes], bytes]) -> Callable[[], object]:
    """Puts something else into the compiled file."""
    return lambda: compiled().write_bytes(change(compiled().read_bytes()))


def name_it_for_another_python() -> None:
    compiled().rename(CACHE / "accesscontrol.cpython-36.pyc")


def put_a_folder_in_its_place() -> None:
    path = compiled()
    path.unlink()
    path.mkdir()


def put_a_link_to_nothing_in_its_place() -> None:
    path = compiled()
    path.unlink()
    path.symlink_to("/nowhere/accesscontrol.pyc")


DAMAGE: dict[str, Callable[[], object]] = {
    "none": lambda: compiled().unlink(),
    "no folder for it": lambda: shutil.rmtree(CACHE),
    "for another Python, by its name": name_it_for_another_python,
    "for another Python, by its first bytes": replace(lambda data: b"\x00\x00\r\n" + data[4:]),
    "older than its source": lambda: os.utime(MODULE, (1, 1)),
    "empty": replace(lambda data: b""),
    "cut off in its header": replace(lambda data: data[: HEADER - 1]),
    "cut off behind its header": replace(lambda data: data[:HEADER]),
    "cut off in the middle": replace(lambda data: data[: len(data) // 2]),
    "zeros behind its header": replace(lambda data: data[:HEADER] + bytes(len(data) - HEADER)),
    "garbage behind its header": replace(lambda data: data[:HEADER] + b"\xfe\x81garbage" * 1000),
    "something else behind its header": replace(lambda data: data[:HEADER] + b"i\x01\x00\x00\x00"),
    "an unknown kind of header": replace(lambda data: data[:4] + b"\xff\xff\xff\xff" + data[8:]),
    "a folder": put_a_folder_in_its_place,
    "a link to nothing": put_a_link_to_nothing_in_its_place,
}


def assert_logins_are_judged() -> None:
    """By ssh and by su: bob is let in, and carol refused with the message."""
    assert ssh("bob", password="bob-pw").returncode == 0
    assert run("su", "bob", "-c", "true", check=False).returncode == 0
    for refused in (ssh("carol"), run("su", "-", "carol", "-c", "true", check=False)):
        assert refused.returncode != 0
        assert "Access denied: carol may not log in" in refused.stdout + refused.stderr


@pytest.mark.parametrize("damage", DAMAGE)
def test_logins_are_judged_as_ever_and_write_nothing(damage: str) -> None:
    DAMAGE[damage]()
    first = picture(LIBRARY, CACHE, LOADER.parent, moment=True)
    assert_logins_are_judged()
    assert picture(LIBRARY, CACHE, LOADER.parent, moment=True) == first


def test_a_compiled_file_that_fits_is_what_is_used(tmp_path: Path) -> None:
    """Or nothing here would say anything. It is told by another text, compiled, behind the header of the real one."""
    header = compiled().read_bytes()[:HEADER]
    other = tmp_path / "other.py"
    other.write_text(MODULE.read_text().replace("may not log in", "MAY NOT LOG IN"))
    py_compile.compile(str(other), str(tmp_path / "other.pyc"), doraise=True)
    compiled().write_bytes(header + (tmp_path / "other.pyc").read_bytes()[HEADER:])
    assert "Access denied: carol MAY NOT LOG IN" in ssh("carol").stderr
    os.utime(MODULE, (1, 1))
    assert "Access denied: carol may not log in" in ssh("carol").stderr


@pytest.mark.parametrize("damage", DAMAGE)
def test_the_command_renews_it_as_root_and_works_for_everybody(damage: str) -> None:
    good = compiled()
    DAMAGE[damage]()
    first = picture(LIBRARY, CACHE)
    as_bob = run("setpriv", "--reuid=bob", "--regid=bob", "--clear-groups", "pam-accesscontrol", "--version")
    assert (as_bob.stderr, picture(LIBRARY, CACHE)) == ("", first)
    said = run("pam-accesscontrol", "--version")
    assert (said.stdout, said.stderr) == (as_bob.stdout, "")
    if damage != "a folder":  # which Python leaves alone, and so do we
        assert fits(good)


def fits(path: Path) -> bool:
    data = path.read_bytes()
    _, flags, changed, size = struct.unpack("<4sIII", data[:HEADER])
    status = MODULE.stat()
    about = (flags, changed, size) == (0, int(status.st_mtime), status.st_size)
    checks = "import marshal, sys; marshal.loads(open(sys.argv[1], 'rb').read()[16:]).co_name"
    return about and run("/usr/bin/python3", "-I", "-c", checks, str(path), check=False).returncode == 0


def test_nothing_in_the_callers_environment_or_folder_is_imported(tmp_path: Path) -> None:
    for name in ("accesscontrol", "contextlib", "argparse"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not ours')\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONPYCACHEPREFIX": str(tmp_path / "cache")}
    run("pam-accesscontrol", "--version", cwd=tmp_path, env=environment)
    assert run("su", "bob", "-c", "true", cwd=tmp_path, env=environment, check=False).returncode == 0
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("damage", ["", "zeros behind its header"])
def test_several_handles_of_one_process_are_judged_each_for_itself(damage: str, service) -> None:
    service("scratch", PASSING)
    if damage:
        DAMAGE[damage]()
    with OddHost("start A scratch bob", "start B scratch carol", "start C scratch bob", "acct A", "open A") as host:
        assert host.do("acct B") == PERM_DENIED
        assert [host.do(f"{call} C") for call in ("auth", "acct", "open", "close", "end")] == [SUCCESS] * 5
        assert [host.do(f"{call} A") for call in ("close", "end")] == [SUCCESS] * 2
        assert host.do("start D scratch carol") == SUCCESS
        assert host.do("acct D") == PERM_DENIED


def test_the_module_named_on_a_pam_line_itself_works_as_well(service) -> None:
    service("scratch", PASSING.replace(PLUGIN, f"pam_python.so {MODULE}"))
    with OddHost("start A scratch bob", "auth A", "acct A", "open A", "close A", "start B scratch carol") as host:
        assert host.do("acct B") == PERM_DENIED


def test_a_module_that_cannot_be_loaded_refuses_and_the_log_has_the_reason(authlog: Callable[[], str]) -> None:
    MODULE.write_text("import no_such_module\n")
    assert ssh("bob").returncode != 0
    assert run("su", "bob", "-c", "true", check=False).returncode != 0
    assert "ModuleNotFoundError: No module named 'no_such_module'" in authlog()
