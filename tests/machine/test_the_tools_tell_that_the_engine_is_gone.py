"""check, status and explain say so where something that the lines of a service call is not there.

Without it every login to that service is refused, root's too, whatever the rules say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from command_fixtures import REMEMBERED
from host import PASSING, PLUGIN, SUCCESS, host
from hosts import files, guarded
from machine import RULE_FILE, Result, run, ssh

INSTALL = "/usr/share/pam-accesscontrol/install.sh"
PAM_PYTHON, PAM_EXEC = (
    next(path for place in ("*/security", "security") for path in Path("/lib").glob(f"{place}/{name}"))
    for name in ("pam_python.so", "pam_exec.so")
)
LOADER = Path("/lib/security/accesscontrol.py")
MODULE = Path("/usr/lib/pam-accesscontrol/accesscontrol.py")
BY_PAM_PYTHON, BY_PAM_EXEC = "sshd", "su"


@pytest.fixture(autouse=True)
def open_to_all(rules) -> Iterator[None]:
    rules("DEFAULT:OPEN\n")
    with files({str(REMEMBERED): REMEMBERED.read_text()}), guarded(BY_PAM_EXEC):
        yield


@contextmanager
def without(path: Path) -> Iterator[None]:
    hidden = path.with_name("hidden-" + path.name)
    path.rename(hidden)
    try:
        yield
    finally:
        hidden.rename(path)


def command(*arguments: str) -> Result:
    """The command, by the module itself where the loader is gone."""
    program = ["pam-accesscontrol"] if LOADER.exists() and MODULE.exists() else ["python3", "-I", str(CHECKOUT)]
    return run(*program, *arguments, check=False)


CHECKOUT = Path(__file__).parents[2] / "accesscontrol.py"


def told_of(service: str, name: str, what: str = "is missing") -> None:
    """Each of the tools names what is missing, and this service as one that refuses everybody."""
    sentence = rf"{re.escape(name)} {what}, so every login to [^:]*\b{service}\b[^:]* is refused: run {INSTALL}"
    checked = command("check")
    assert checked.returncode == 1
    assert re.search(rf"^{sentence}$", checked.stdout, re.MULTILINE), checked.stdout
    assert "no faults" not in checked.stdout
    assert re.search(rf"^fault    {sentence}$", command("status").stdout, re.MULTILINE)
    [missing] = json.loads(command("status", "--json").stdout)["refused"]
    assert re.fullmatch(sentence, missing)
    explained = command("explain", service, "bob")
    assert explained.returncode == 1
    assert explained.stdout.startswith("refused: bob over ")
    assert re.search(sentence, explained.stdout.splitlines()[0])


@pytest.mark.parametrize(
    ("path", "name", "service"),
    [
        (PAM_PYTHON, "pam_python.so", BY_PAM_PYTHON),
        (PAM_EXEC, "pam_exec.so", BY_PAM_EXEC),
        (LOADER, str(LOADER), BY_PAM_PYTHON),
        (LOADER, str(LOADER), BY_PAM_EXEC),
        (MODULE, str(MODULE), BY_PAM_PYTHON),
        (MODULE, str(MODULE), BY_PAM_EXEC),
        (Path("/usr/bin/prlimit"), "/usr/bin/prlimit", BY_PAM_EXEC),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_thing_that_a_line_calls(path: Path, name: str, service: str) -> None:
    assert command("check").returncode == 0
    with without(path):
        told_of(service, name)
        if service == BY_PAM_PYTHON:
            assert ssh("bob").returncode != 0
        else:
            assert run("su", "bob", "-c", "true", check=False).returncode != 0
    assert command("check").returncode == 0
    assert command("explain", service, "bob").returncode == 0


@pytest.mark.parametrize(
    ("path", "service"), [(PAM_PYTHON, BY_PAM_PYTHON), (PAM_EXEC, BY_PAM_EXEC)], ids=["pam_python", "pam_exec"]
)
def test_a_module_that_is_rubbish(path: Path, service: str) -> None:
    with without(path):
        path.write_bytes(b"\x7fELF rubbish")
        told_of(service, path.name, r"cannot be loaded \([^()]*\)")


def test_the_libpython_that_it_is_linked_with_is_gone() -> None:
    """As in the middle of an upgrade of Python."""
    [library] = (Path(line.split()[2]).resolve() for line in run("ldd", str(PAM_PYTHON)).stdout.splitlines()
                 if "libpython" in line)
    with without(library):
        told_of(BY_PAM_PYTHON, PAM_PYTHON.name, r"cannot be loaded \(libpython[^()]*\)")
        assert ssh("bob").returncode != 0


def test_the_package_that_is_removed_by_apt() -> None:
    """As somebody does who tidies up: apt says nothing of sshd."""
    run("apt-get", "-y", "remove", "libpam-python")
    try:
        told_of("sshd", "pam_python.so")
        assert ssh("root").returncode != 0
    finally:
        run(INSTALL)
    assert command("check").returncode == 0
    assert ssh("bob").returncode == 0


def test_a_service_of_the_other_way_is_not_said_to_refuse() -> None:
    with without(PAM_PYTHON):
        assert " su" not in command("check").stdout
        assert command("explain", "SU", "bob").returncode == 0
        assert run("su", "bob", "-c", "true").returncode == 0


def test_an_argument_that_is_none_refuses_everybody_and_they_say_so(service) -> None:
    line = f"account requisite {PLUGIN}"
    service("scratch", PASSING.replace(line, f"{line} rules=/etc/own.conf"))
    sentence = (
        "/etc/pam.d/scratch:3: the PAM line has an argument that is not conf=PATH: rules=/etc/own.conf, "
        "so every login to scratch is refused"
    )
    assert host("scratch", "bob", "acct").returned["acct"] != SUCCESS
    assert sentence in command("check").stdout.splitlines()
    assert command("check").returncode == 1
    assert f"fault    {sentence}" in command("status").stdout.splitlines()
    explained = command("explain", "scratch", "bob")
    assert (explained.returncode, explained.stdout) == (1, f"refused: bob over SCRATCH from LOCAL: {sentence}\n")


def test_an_argument_without_a_path_refuses_everybody_and_they_say_so(service) -> None:
    service("scratch", PASSING.replace(PLUGIN, f"{PLUGIN} conf="))
    assert host("scratch", "bob", "acct").returned["acct"] != SUCCESS
    sentence = "/etc/pam.d/scratch:3: conf= is not an absolute path, so every login to scratch is refused"
    assert sentence in command("check").stdout.splitlines()
    assert command("explain", "scratch", "bob").returncode == 1


@pytest.mark.parametrize("path", [LOADER, MODULE], ids=["loader", "module"])
def test_a_loader_or_a_module_that_is_cut_short_is_a_fault(path: Path) -> None:
    whole = path.read_bytes()
    with without(path):
        path.write_bytes(whole[: len(whole) // 2])
        try:
            told = run("python3", "-I", str(CHECKOUT), "check", check=False)
            assert f"{path}: is damaged, so no rule is asked: run {INSTALL}" in told.stdout.splitlines()
            assert told.returncode == 1
        finally:
            path.unlink()


def test_a_pam_file_that_is_gone_is_a_fault_where_the_program_is_there() -> None:
    """Its logins go by the service `other`."""
    with without(Path("/etc/pam.d/sshd")):
        sentence = f"/etc/pam.d/sshd: is gone, so sshd obeys no rule: bring it back, and run {INSTALL}"
        assert sentence in command("check").stdout.splitlines()
        assert f"fault    {sentence}" in command("status").stdout.splitlines()


def test_rules_that_close_everything_are_told_by_status(rules) -> None:
    run("chown", "bob", str(RULE_FILE))
    assert f"fault    {RULE_FILE} is not owned by root, so everything is CLOSE" in command("status").stdout.splitlines()
    run("chown", "root", str(RULE_FILE))
    with without(RULE_FILE.parent):
        told = command("check")
        assert (told.returncode, told.stderr) == (1, "")
        assert "so everything is CLOSE" in told.stdout


def test_lines_that_differ_are_told_by_explain(service, tmp_path: Path) -> None:
    line = f"session requisite {PLUGIN}"
    service("scratch", PASSING.replace(line, f"{line} conf={tmp_path}/own"))
    told = command("explain", "scratch", "bob").stdout.splitlines()
    assert told[1].startswith("fault   /etc/pam.d/scratch: its lines differ in how they call the plugin: account: ")


def test_without_an_output_there_is_no_traceback() -> None:
    assert "Traceback" not in run("sh", "-c", "pam-accesscontrol check >&-", check=False).stderr
