"""install.sh puts no line where it would make somebody root: pam_python.so in a program that its caller starts, and
pam_exec.so where users set variables of its environment. check names both."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from host import PLUGIN, lines
from hosts import as_user, files, on_terminal
from machine import password_of, run
from test_install import (
    CHECKOUT,
    PAM,
    _put_back,
    _su_refuses_without_delay,
    complaints,
    install,
    nothing_installed,
    picture,
    services_here,
    told_guarded,
    uninstall,
)
from test_login_and_su import on_console

__all__ = ["_put_back", "_su_refuses_without_delay", "nothing_installed"]  # fixtures

MARK = "# pam-accesscontrol\n"
AGAIN = "/usr/share/pam-accesscontrol/install.sh"
READS = "auth required pam_env.so user_readenv=1\n"
DEED = Path("/root/tests-deed")
USERS_LOAD = "by user_readenv=1, users can load a program of theirs into root's process: change it to user_readenv=0"


def check() -> list[str]:
    return run("pam-accesscontrol", "check", check=False).stdout.splitlines()


# ----------------------------------------------------------------------------------------- variables that users set


@pytest.mark.parametrize(
    "line",
    [READS, "session  [success=ok default=ignore]  pam_env.so readenv=1  user_readenv=01 envfile=/x\n"],
    ids=["auth", "session"],
)
@pytest.mark.parametrize("file", ["su", "common-auth", "common-session"])
def test_a_service_in_whose_stacks_users_set_variables_is_not_guarded(
    file: str, line: str, nothing_installed: None
) -> None:
    path = PAM / file
    path.write_text(line + path.read_text())
    first = picture(PAM / "su", moment=True)
    said = install(CHECKOUT, "su")
    why = f"/etc/pam.d/{file}:1: {USERS_LOAD}"
    assert said.returncode == 1
    assert f"install.sh: su is NOT guarded: {why}" in complaints(said)
    assert told_guarded(said) == services_here()
    assert picture(PAM / "su", moment=True) == first


def test_what_was_guarded_before_is_no_longer(nothing_installed: None) -> None:
    install(CHECKOUT, "su")
    guarded = (PAM / "su").read_text()
    (PAM / "su").write_text(READS + guarded)
    assert check() == [f"/etc/pam.d/su:1: {USERS_LOAD}"]
    said = install()
    assert said.returncode == 1 and "su is NOT guarded" in said.stderr
    assert MARK not in (PAM / "su").read_text()
    (PAM / "su").write_text((PAM / "su").read_text().removeprefix(READS))
    assert install(CHECKOUT, "su").returncode == 0
    assert (PAM / "su").read_text() == guarded


def test_where_it_is_turned_off_or_in_a_comment_it_does_no_harm(nothing_installed: None) -> None:
    path = PAM / "su"
    path.write_text(f"# {READS}auth required pam_env.so user_readenv=0\n{path.read_text()}")
    assert told_guarded(install(CHECKOUT, "su"))[-2:] == ["su", "su-l"]
    assert not [fault for fault in check() if "user_readenv" in fault]


def test_atd_as_debian_ships_it_is_one(nothing_installed: None) -> None:
    said = install(CHECKOUT, "atd")
    assert said.returncode == 1 and f"atd is NOT guarded: /etc/pam.d/atd:10: {USERS_LOAD}" in said.stderr


def test_a_service_of_pam_python_may_have_it(nothing_installed: None) -> None:
    """Debian's sshd and sddm have: there nothing of the environment of PAM is used."""
    (PAM / "sshd").write_text(READS + (PAM / "sshd").read_text())
    assert told_guarded(install()) == services_here()


@pytest.fixture
def su_with_it() -> Iterator[None]:
    """su is guarded all the same, by hand."""
    text = (PAM / "su").read_text()
    ours = {kind: lines("pam_exec.so", kind) for kind in ("auth", "account", "session")}
    with files({str(PAM / "su"): f"{ours['account']}{ours['session']}{READS}{text}{ours['auth']}"}):
        yield
    Path("/home/erin/.pam_environment").unlink(missing_ok=True)
    DEED.unlink(missing_ok=True)


@pytest.mark.parametrize("name", ["PAM_USER", "PAM_TYPE", "PAM_SERVICE"])
def test_guarded_by_hand_it_refuses_what_it_is_told_twice(name: str, su_with_it, rules, journal) -> None:
    rules("DEFAULT:OPEN\n")
    Path("/home/erin/.pam_environment").write_text(f"{name} DEFAULT=root\n")
    status, said = on_terminal(as_user("erin", "su", "erin", "-c", "id -un"), password_of("erin"))
    assert status != 0 and "erin" not in said.split("\n")
    assert f"pam: refused: {name} stands twice in the environment" in journal()


def test_guarded_by_hand_su_itself_keeps_a_library_out(su_with_it, rules, tmp_path: Path) -> None:
    """As long as the real uid is the caller's, see ld.so(8); where it is root's, nothing would."""
    rules("DEFAULT:OPEN\n")
    library = Path("/tmp/tests-deed.so")
    code = f'#include <fcntl.h>\n__attribute__((constructor)) static void deed(void) {{ creat("{DEED}", 0600); }}\n'
    run("gcc", "-shared", "-fPIC", "-x", "c", "-o", str(library), "-", input=code)
    Path("/home/erin/.pam_environment").write_text(f"LD_PRELOAD DEFAULT={library}\n")
    status, said = on_terminal(as_user("erin", "su", "erin", "-c", "id -un"), password_of("erin"))
    library.unlink()
    assert (status, said) == (0, "erin\n")
    assert not DEED.exists()


# ------------------------------------------------------------------------------------ programs that their caller starts


@pytest.fixture
def locker(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """locker("tests-locker"): a set-user-ID program of that name, that asks PAM for a service in its text."""
    made: list[Path] = []

    def make(name: str, text: str = "none", mode: int = 0o4755) -> Path:
        path = Path("/usr/local/bin", name)
        code = f'#include <security/pam_appl.h>\nint main(void) {{ return pam_start("{text}", 0, 0, 0); }}\n'
        run("gcc", "-Wno-nonnull", "-x", "c", "-o", str(path), "-", "-lpam", input=code)
        path.chmod(mode)
        made.append(path)
        return path

    yield make
    for path in made:
        path.unlink(missing_ok=True)


def by_its_name(locker: Callable[..., Path]) -> Path:
    (PAM / "tests-locker").write_text("auth include login\n")
    return locker("tests-locker")


def by_its_text(locker: Callable[..., Path]) -> Path:
    return locker("tests-other-name", "login")


def by_what_it_includes(locker: Callable[..., Path]) -> Path:
    (PAM / "tests-inner").write_text("@include login\n")
    (PAM / "tests-locker").write_text("account include tests-inner\n")
    return locker("tests-other-name", "tests-locker")


def by_its_group(locker: Callable[..., Path]) -> Path:
    (PAM / "tests-locker").write_text("auth include login\n")
    return locker("tests-locker", mode=0o2755)


@pytest.mark.parametrize("how", [by_its_name, by_its_text, by_what_it_includes, by_its_group])
def test_a_service_that_one_would_run_is_guarded_by_pam_exec(how, locker, nothing_installed: None, rules) -> None:
    install()
    pam_python = (PAM / "login").read_text()
    program = how(locker)
    [fault, *more] = [fault for fault in check() if "can run as root what they like" in fault]
    assert fault.startswith("/etc/pam.d/login:") and f"whoever starts {program} can" in fault
    assert len(more) == 2 and all(f"run {AGAIN} login" in line for line in (fault, *more))
    said = install()
    assert said.returncode == 0
    why = f"since {program} starts with its caller's environment"
    assert complaints(said) == [f"install.sh: login is guarded by pam_exec.so, {why}"]
    assert "pam_python" not in (PAM / "login").read_text() and MARK in (PAM / "login").read_text()
    assert check() == ["/etc/pam-accesscontrol/pam-accesscontrol.conf: no faults found"]
    rules("DEFAULT:CLOSE\nTTY OPEN USER carol\n")
    assert on_console("carol") and not on_console("bob")
    program.unlink()
    assert (install().returncode, (PAM / "login").read_text()) == (0, pam_python)
    assert uninstall().returncode == 0


def test_one_on_another_file_system_counts_if_that_heeds_its_mode(nothing_installed: None, tmp_path: Path) -> None:
    (PAM / "tests-locker").write_text("auth include login\n")
    place = tmp_path / "a name with blanks"
    place.mkdir()
    for options, way in (("nosuid", "pam_python.so"), ("suid", "pam_exec.so")):
        run("mount", "-t", "tmpfs", "-o", options, "tests", str(place))
        try:
            shutil.copy("/bin/true", place / "tests-locker")
            (place / "tests-locker").chmod(0o4755)
            assert install().returncode == 0
        finally:
            run("umount", str(place))
        assert way in (PAM / "login").read_text(), options


def test_one_that_has_a_service_of_its_own_or_no_libpam_is_none(locker, nothing_installed: None) -> None:
    (PAM / "tests-locker").write_text("auth required pam_unix.so\n")
    locker("tests-locker", "login")
    shutil.copy("/bin/true", "/usr/local/bin/tests-true")
    os.chmod("/usr/local/bin/tests-true", 0o4755)
    try:
        said = install()
    finally:
        Path("/usr/local/bin/tests-true").unlink()
    assert (said.returncode, complaints(said)) == (0, [])


@pytest.mark.parametrize("include", ["login", "/etc/pam.d/login", "../pam.d/login", "tests-link"])
def test_one_that_includes_a_file_of_pam_python_by_any_name_is_found(include: str, nothing_installed: None) -> None:
    (PAM / "tests-link").symlink_to(PAM / "login")
    (PAM / "chsh").write_text(f"auth substack {include}\n{(PAM / 'chsh').read_text()}")
    said = install(CHECKOUT, "login")
    assert said.returncode == 0
    assert "pam_python.so" not in (PAM / "login").read_text() and "pam_exec.so" in (PAM / "login").read_text()
    assert not [fault for fault in check() if "whoever starts" in fault]


@pytest.mark.parametrize("include", ["@include tests.d/calls", "[account] [include]tests.d/calls"])
def test_a_line_of_pam_python_in_a_folder_of_its_own_is_a_fault(include: str, nothing_installed: None) -> None:
    install()
    (PAM / "tests.d").mkdir()
    (PAM / "tests.d/calls").write_text(f"account required {PLUGIN}\n")
    (PAM / "su").write_text(f"{include}\n{(PAM / 'su').read_text()}")
    try:
        assert [fault for fault in check() if fault.startswith("/etc/pam.d/tests.d/calls:1: whoever starts")]
    finally:
        shutil.rmtree(PAM / "tests.d")


@pytest.mark.parametrize("service", ["su", "sudo", "chsh"])
def test_a_line_of_pam_python_in_one_by_hand_is_a_fault(service: str, nothing_installed: None) -> None:
    install()
    path = PAM / service
    path.write_text(f"account required {PLUGIN}\n{path.read_text()}")
    found = [fault for fault in check() if fault.startswith(f"/etc/pam.d/{service}:1: whoever starts")]
    assert len(found) == 1 and found[0].endswith(f": take the line out, and run {AGAIN} {service}")
    said = install(CHECKOUT, service)
    assert said.returncode == 1 and found[0].split(": ", 1)[1] in said.stdout
    assert found[0].replace(":1:", ":3:") in run("pam-accesscontrol", "status").stdout
    path.write_text(path.read_text().replace(f"account required {PLUGIN}\n", ""))
    install(CHECKOUT, service)
    assert not [fault for fault in check() if "whoever starts" in fault]
