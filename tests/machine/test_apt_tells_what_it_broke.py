"""After each run of apt one line tells what it did to the logins, and what to do; nothing where all is well."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from machine import Result, run, ssh
from test_install import (
    CHECKOUT,
    HOOK,
    LOADER,
    MODULE,
    PAM,
    SERVICES,
    SHARE,
    VENDOR,
    _put_back,
    _su_refuses_without_delay,
    find_pam_module,
    install,
    keep,
    put_back,
    services_here,
    uninstall,
)

__all__ = ["_put_back", "_su_refuses_without_delay"]  # fixtures

MEND = f"run {SHARE}/install.sh\n"
MARK = "# pam-accesscontrol\n"


@pytest.fixture(autouse=True, scope="module")
def _guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """sshd, su and su-l, which includes su."""
    kept = tmp_path_factory.mktemp("kept") / "installed.tar"
    keep(kept)
    uninstall()
    for name in set(services_here()) - {"sshd"}:
        (PAM / name).unlink()
    assert install(CHECKOUT, "su").returncode == 0
    yield
    put_back(kept)


def hook(**environment: str) -> Result:
    return run(str(SHARE / "install.sh"), "--after-apt", env={**os.environ, **environment})


def told() -> str:
    said = hook()
    assert (said.returncode, said.stdout) == (0, "")
    return said.stderr


def as_packaged(service: str) -> None:
    """The file that its package brings is in the place of the guarded one."""
    path = PAM / service
    path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.endswith(MARK)))


@pytest.fixture
def away() -> Iterator[Callable[[Path], None]]:
    """away(path): it is not there, within this test."""
    moved: list[Path] = []

    def move(path: Path) -> None:
        path.rename(path.with_name(f"tests-{path.name}"))
        moved.append(path)

    yield move
    for path in moved:
        path.with_name(f"tests-{path.name}").rename(path)


# ------------------------------------------------------------------------------------------------- by a real run of apt


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Callable[[int], str]]:
    """package(2): the second version of a package that has a PAM service, for apt-get to install."""

    def build(version: int) -> str:
        folder = tmp_path / str(version)
        (folder / "DEBIAN").mkdir(parents=True)
        (folder / "etc/pam.d").mkdir(parents=True)
        (folder / "etc/pam.d/tests-ftpd").write_text(f"# {version}\naccount required pam_permit.so\n")
        (folder / "DEBIAN/conffiles").write_text("/etc/pam.d/tests-ftpd\n")
        fields = {"Package": "tests-ftpd", "Version": version, "Architecture": "all", "Maintainer": "tests"}
        control = "".join(f"{name}: {value}\n" for name, value in fields.items())
        (folder / "DEBIAN/control").write_text(f"{control}Description: tests\n")
        run("dpkg-deb", "--root-owner-group", "--build", str(folder), f"{tmp_path}/tests-ftpd_{version}_all.deb")
        return f"{tmp_path}/tests-ftpd_{version}_all.deb"

    yield build
    run("dpkg", "--purge", "tests-ftpd")


def apt_get(*arguments: str) -> list[str]:
    """What we say in a run of apt-get."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    said = run("apt-get", "-qq", "-y", *arguments, env=environment)
    return [line for line in (said.stdout + said.stderr).splitlines() if line.startswith("pam-accesscontrol: ")]


def test_a_package_that_puts_its_own_file_in_place_is_told_and_install_mends_it(package: Callable[[int], str]) -> None:
    assert apt_get("install", package(1)) == []
    assert install(CHECKOUT, "tests-ftpd").returncode == 0
    unguarded = f"pam-accesscontrol: tests-ftpd is not guarded any more, and obeys no rule: {MEND}"
    assert apt_get("-o", "DPkg::Options::=--force-confnew", "install", package(2)) == [unguarded.rstrip()]
    assert MARK not in (PAM / "tests-ftpd").read_text()
    run(str(SHARE / "install.sh"))
    assert (PAM / "tests-ftpd").read_text().count(MARK) >= 3
    assert apt_get("purge", "tests-ftpd") == []
    assert apt_get("install", package(3)) == [unguarded.rstrip()]
    run(str(SHARE / "install.sh"))
    assert told() == ""


def test_without_pam_python_it_is_told_and_install_that_brings_it_says_nothing_of_it() -> None:
    refused = f"pam-accesscontrol: pam_python.so is missing, so every login to sshd is refused: {MEND}"
    assert apt_get("remove", "libpam-python") == [refused.rstrip()]
    assert ssh("bob").returncode != 0
    said = run(str(SHARE / "install.sh"))
    assert "is missing" not in said.stdout + said.stderr
    assert ssh("bob").returncode == 0


def test_apt_fails_neither_without_us_nor_when_we_fail() -> None:
    assert apt_get("--reinstall", "install", "libpam-python") == []
    (SHARE / "install.sh").write_text("#!/bin/sh\nexit 3\n")
    assert apt_get("--reinstall", "install", "libpam-python") == []
    (SHARE / "install.sh").unlink()
    assert apt_get("--reinstall", "install", "libpam-python") == []


def test_uninstall_takes_the_hook_away_even_where_it_fails() -> None:
    (PAM / "su").write_text(f"account required pam_python.so {LOADER}\n")
    assert uninstall().returncode == 1
    assert not HOOK.exists()


def test_where_apt_has_no_folder_there_is_no_hook() -> None:
    line = f"mount -t tmpfs tests /etc/apt && {CHECKOUT}/install.sh >&2 && ls -A /etc/apt"
    assert run("unshare", "--mount", "sh", "-c", line).stdout == ""


# ------------------------------------------------------------------------------------------------------- what it says


def test_where_all_is_well_it_says_nothing() -> None:
    assert (PAM / "su-l").exists() and MARK not in (PAM / "su-l").read_text()  # it includes su
    assert told() == ""


def test_services_that_are_not_guarded_any_more_are_named() -> None:
    as_packaged("sshd")
    as_packaged("su")
    assert told() == f"pam-accesscontrol: sshd, su are not guarded any more, and obey no rule: {MEND}"


def test_a_service_that_lost_its_line_of_account_alone_is_named() -> None:
    path = PAM / "su"
    path.write_text("".join(row for row in path.read_text().splitlines(True) if not re.match("account.*py", row)))
    assert told() == f"pam-accesscontrol: su is not guarded any more, and obeys no rule: {MEND}"


def test_a_service_whose_file_is_gone_is_named_where_the_vendors_takes_its_place() -> None:
    (PAM / "su").unlink()
    assert told() == ""
    VENDOR.mkdir(exist_ok=True)
    (VENDOR / "su").write_text("account required pam_permit.so\n")
    assert told() == f"pam-accesscontrol: su is not guarded any more, and obeys no rule: {MEND}"


CALLED: dict[str, tuple[Callable[[], Path], str]] = {
    "pam_python.so": (lambda: find_pam_module("pam_python.so"), "sshd"),
    "pam_exec.so": (lambda: find_pam_module("pam_exec.so"), "su"),
    str(LOADER): (lambda: LOADER, "sshd, su"),
    str(MODULE): (lambda: MODULE, "sshd, su"),
    "/usr/bin/prlimit": (lambda: Path("/usr/bin/prlimit"), "su"),
}


@pytest.mark.parametrize("name", CALLED)
def test_what_is_missing_is_named_with_those_whom_that_refuses(name: str, away: Callable[[Path], None]) -> None:
    path, services = CALLED[name]
    away(path())
    assert told() == f"pam-accesscontrol: {name} is missing, so every login to {services} is refused: {MEND}"


def test_all_that_is_wrong_is_told_in_one_line(away: Callable[[Path], None]) -> None:
    away(LOADER)
    away(find_pam_module("pam_exec.so"))
    as_packaged("sshd")
    missing = f"pam_exec.so, {LOADER} are missing, so every login to su is refused"
    unguarded = "sshd is not guarded any more, and obeys no rule"
    assert told() == f"pam-accesscontrol: {missing}; {unguarded}: {MEND}"


# ----------------------------------------------------------------------------------------------- when and where it runs


def test_it_starts_no_python_and_takes_little_time(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    run("strace", "-f", "-e", "trace=execve", "-o", str(trace), str(SHARE / "install.sh"), "--after-apt")
    programs = re.findall(r'execve\("([^"]+)".* = 0', trace.read_text())
    assert {Path(program).name for program in programs} == {"install.sh", "grep"}
    began = time.monotonic()
    for _ in range(10):
        hook()
    assert (time.monotonic() - began) / 10 < 0.1


@pytest.mark.parametrize("environment", [{"LC_ALL": "tr_TR.UTF-8"}, {"LANG": "xx"}, {"POSIXLY_CORRECT": "1"}], ids=str)
def test_in_odd_locales_it_says_the_same(environment: dict[str, str]) -> None:
    assert hook(**environment).stderr == ""
    as_packaged("su")
    assert "su is not guarded any more" in hook(**environment).stderr


def test_while_usr_is_not_complete_it_says_nothing() -> None:
    as_packaged("su")
    said = hook(PATH="/nowhere")
    if Path("/usr/sbin").resolve() != Path("/usr/bin").resolve():
        assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


@pytest.mark.parametrize("text", [None, "", "# nothing\n", "\0\xff\n../su\n*\n$(reboot)\nno-such-service\n", "sshd"])
def test_whatever_stands_in_the_list_of_services_it_does_no_harm(text: str | None) -> None:
    SERVICES.unlink()
    if text is not None:
        SERVICES.write_text(text, encoding="latin-1")
    assert told() == ""
