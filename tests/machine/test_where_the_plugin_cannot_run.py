"""Where the plugin cannot run at all, nobody gets in by what it guards; from a root shell, there are two ways out.

uninstall.sh takes our lines out, whatever is broken (see test_uninstall.py for more of what may be), and install.sh
mends what it brings itself, or changes nothing and says so. What is not guarded works as ever.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from faults import World
from machine import RULE_FILE, console, run, ssh, ssh_command
from odd_host import DiedError
from test_install import (
    CHECKOUT,
    LOADER,
    MODULE,
    PAM,
    _put_back,
    _su_refuses_without_delay,
    altered,
    find_pam_module,
    install,
    left_over,
    picture,
    quick,
    uninstall,
)
from test_uninstall import marked, remove_pam_python, take_away

__all__ = ["_put_back", "_su_refuses_without_delay", "altered", "quick"]  # fixtures
pytest_plugins = ["faults_fixtures"]


def libpython() -> Path:
    """What pam_python.so is linked with, and what an upgrade of Python takes away."""
    rows = run("ldd", str(find_pam_module("pam_python.so"))).stdout.splitlines()
    return Path(next(row.split()[2] for row in rows if "libpython" in row)).resolve()


# What is broken, and whether install.sh mends it.
BROKEN: dict[str, tuple[Callable[[], object], bool]] = {
    "libpam-python removed": (remove_pam_python, True),
    "pam_python.so gone": (lambda: find_pam_module("pam_python.so").unlink(), True),
    "pam_python.so rubbish": (lambda: take_away(find_pam_module("pam_python.so")), False),
    "Python upgraded under it": (lambda: libpython().rename(libpython().with_name("tests-libpython")), False),
    "the module gone": (MODULE.unlink, True),
    "the module half written": (lambda: MODULE.write_text(MODULE.read_text()[:50000]), True),
}


@pytest.fixture
def mended() -> Iterator[None]:
    library = libpython()
    yield
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for place in [place for place in mounts if place.startswith("/usr/")]:
        run("umount", place)
    if library.with_name("tests-libpython").exists():
        library.with_name("tests-libpython").rename(library)
    if not list(Path("/usr/lib").glob("*/security/pam_python.so")):
        run("apt-get", "-qq", "-y", "--no-install-recommends", "--reinstall", "install", "libpam-python")
    assert ssh("bob").returncode == 0


def gets_in_at_the_console() -> bool:
    login = console("bob")
    inside = login.expect([r"\$ ", "login: ", "[Ii]ncorrect", "[Uu]nknown", "[Dd]enied", "[Ee]rror", pexpect.EOF]) == 0
    login.close(force=True)
    return inside


def ways_in() -> dict[str, bool]:
    """Whether bob gets in, by each way."""
    line, environment = ssh_command("bob", password="bob-pw")
    with subprocess.Popen(line, env=environment, stderr=subprocess.DEVNULL) as by_password:  # it takes some seconds
        return {
            "console": gets_in_at_the_console(),
            "key": ssh("bob").returncode == 0,
            "su": run("su", "bob", "-c", "true", check=False).returncode == 0,
            "password": by_password.wait(60) == 0,
        }


@pytest.mark.parametrize("fault", BROKEN)
def test_nobody_gets_in_and_there_is_a_way_out(fault: str, mended: None, quick: Path) -> None:
    break_it, can_be_mended = BROKEN[fault]
    break_it()
    assert ways_in() == {"key": False, "password": False, "console": False, "su": True}
    before = picture(PAM)
    said = install(quick)
    assert said.returncode == (0 if can_be_mended else 1), said
    assert picture(PAM) == before
    assert left_over() == []
    if not can_be_mended:
        assert "no service was changed, because of the proof before that" in said.stderr
        assert uninstall().returncode == 0
        assert marked() == []
    assert ssh("bob").returncode == 0


def test_uninstall_needs_neither_pam_python_nor_libpython(mended: None) -> None:
    libpython().rename(libpython().with_name("tests-libpython"))
    find_pam_module("pam_python.so").unlink()
    shutil.rmtree(MODULE.parent)
    said = uninstall()
    assert (said.returncode, said.stderr, marked()) == (0, "", [])
    assert ssh("bob").returncode == 0


BROKEN_BESIDE_SU: dict[str, tuple[Callable[[], object], str]] = {
    "prlimit rubbish": (lambda: take_away(Path("/usr/bin/prlimit")), ""),
    "python3 rubbish": (lambda: take_away(Path("/usr/bin/python3").resolve()), ""),
    "the loader gone": (LOADER.unlink, "No such file or directory"),
    "the module gone": (MODULE.unlink, "Access denied: the plugin does not run: ModuleNotFoundError: No module named"),
    "the module half written": (
        lambda: MODULE.write_text(MODULE.read_text()[:50000]),
        "Access denied: the plugin does not run: ",
    ),
    "the rules gone": (RULE_FILE.unlink, "Access denied: bob may not log in over SU."),
}


@pytest.mark.parametrize("fault", BROKEN_BESIDE_SU)
def test_su_that_is_guarded_lets_nobody_in_and_there_is_a_way_out(fault: str, mended: None) -> None:
    """pam_exec.so calls the plugin there. Root is told the reason in one line, where Python has come so far."""
    break_it, told = BROKEN_BESIDE_SU[fault]
    assert install(CHECKOUT, "su").returncode == 0
    break_it()
    su = run("su", "bob", "-c", "true", check=False)
    assert su.returncode != 0 and told in su.stdout and su.stdout.count("\n") <= 1, su
    assert uninstall().returncode == 0
    assert run("su", "bob", "-c", "true", check=False).returncode == 0


def test_without_pythons_own_modules_the_host_lets_nobody_in(world: World) -> None:
    """As in the middle of an upgrade: Python cannot start, and takes the host with it."""
    [folder] = [path for path in Path("/usr/lib").glob("python3.*") if (path / "encodings").exists()]
    run(*world.inside, "mount", "-t", "tmpfs", "tests", str(folder))
    for phase in ("auth", "acct", "open"):
        try:
            with world.host("start B scratch bob") as host:
                assert host.do(f"{phase} B") != 0
        except DiedError:
            pass
