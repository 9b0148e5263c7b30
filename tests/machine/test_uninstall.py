"""What uninstall.sh promises: it gives every PAM file back as it was, from a root shell, whatever else is broken."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from machine import RULE_FILE, run, ssh
from test_install import (
    CHECKOUT,
    COMMANDS,
    INCLUDED,
    LIBRARY,
    LOADER,
    MODULE,
    ODD,
    OURS,
    PAM,
    PLACES,
    SERVICES,
    SHARE,
    VENDOR,
    WITH_IT,
    Stepper,
    _put_back,
    _su_refuses_without_delay,
    assert_whole_and_open,
    before,
    find_pam_module,
    install,
    keep,
    left_over,
    picture,
    put_back,
    situation,
    stepper,
    uninstall,
)

__all__ = ["_put_back", "_su_refuses_without_delay", "stepper"]  # fixtures
LOGS = Path("/var/log")


def marked() -> list[str]:
    return [file.name for file in PAM.iterdir() if file.is_file() and b"# pam-accesscontrol" in file.read_bytes()]


# ----------------------------------------------------------------------------------------------------- as it was before


def test_every_file_comes_back_byte_for_byte_with_owner_mode_and_access_list() -> None:
    uninstall()
    for name, text in ODD.items():
        (PAM / name).write_bytes(before(text))
    for name, text in INCLUDED.items():
        (PAM / name).write_text(text)
    (PAM / "xdm").rename(PAM / "display-manager")
    (PAM / "xdm").symlink_to("display-manager")
    shutil.chown(PAM / "sshd", "bob", "lp")
    (PAM / "sshd").chmod(0o640)
    run("setfacl", "-m", "user:bob:r", str(PAM / "sshd"), str(PAM / "slim"))
    first = picture(PAM, VENDOR)
    assert install().returncode == 0
    assert set(marked()) >= {"sshd", "login", "slim", "sddm", "display-manager"}
    assert uninstall().returncode == 0
    assert picture(PAM, VENDOR) == first


def test_the_plugin_its_command_and_its_state_go() -> None:
    assert ssh("bob").returncode == 0
    assert Path("/run/pam-accesscontrol").exists()
    said = uninstall()
    assert (said.returncode, said.stderr) == (0, "")
    gone = [LOADER, LIBRARY, *COMMANDS, "/run/pam-accesscontrol", SERVICES, *WITH_IT]
    assert not any(map(os.path.lexists, gone))
    assert not LOADER.parent.exists() or list(LOADER.parent.iterdir())  # Debian 13 has no such folder by itself
    assert left_over() == []
    assert ssh("bob").returncode == 0


def test_twice_is_fine() -> None:
    assert uninstall().returncode == 0
    first = picture(*PLACES, moment=True)
    again = uninstall()
    assert (again.returncode, again.stderr) == (0, "")
    assert picture(*PLACES, moment=True) == first


@pytest.mark.parametrize("folder", [LIBRARY, SHARE])
def test_what_somebody_else_put_into_its_folder_stays_and_is_told(folder: Path) -> None:
    (folder / "theirs").touch()
    said = uninstall()
    assert (said.returncode, said.stderr) == (0, f"uninstall.sh: {folder} stays: there is something else in it\n")
    assert [path.name for path in folder.iterdir()] == ["theirs"]
    shutil.rmtree(folder)


def test_a_file_without_our_lines_is_not_touched() -> None:
    other = {path: what for path, what in picture(PAM, moment=True).items() if Path(path).name not in marked()}
    uninstall()
    now = picture(PAM, moment=True)
    assert {path: now[path] for path in other} == other


def test_lines_that_the_admin_put_elsewhere_go_too(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    texts = {PAM / "su": (PAM / "su").read_text(), PAM / "slim~": "", elsewhere: "account required pam_unix.so\n"}
    for path, text in texts.items():
        path.write_text(text + OURS["account"] + " \t\r\n")
    (PAM / "tests-link").symlink_to(elsewhere)
    assert uninstall().returncode == 0
    assert {path: path.read_text() for path in texts} == texts
    assert os.readlink(PAM / "tests-link") == str(elsewhere)


BY_HAND = {
    "pam_python.so": "account required pam_python.so accesscontrol.py",
    "pam_exec.so": "account required pam_exec.so quiet stdout /usr/bin/python3 -IBS /lib/security/accesscontrol.py pam",
}


@pytest.mark.parametrize("way", BY_HAND)
def test_a_line_without_our_mark_keeps_the_plugin_until_it_is_gone(way: str) -> None:
    su = PAM / "su"
    text = su.read_text()
    su.write_text(f"{BY_HAND[way]}\n# {BY_HAND[way]}\n{text}")
    said = uninstall()
    assert said.returncode == 1
    assert "/etc/pam.d/su:1 still calls the plugin" in said.stderr and "su:2" not in said.stderr
    assert LOADER.exists() and MODULE.exists() and marked() == []
    su.write_text(text)
    assert uninstall().returncode == 0
    assert not LOADER.exists() and not MODULE.exists()


def test_a_line_that_names_the_module_itself_keeps_it_until_it_is_gone() -> None:
    su = PAM / "su"
    text = su.read_text()
    su.write_text(f"account required pam_python.so {MODULE}\n{text}")
    assert uninstall().returncode == 1
    assert MODULE.exists()
    su.write_text(text)
    assert uninstall().returncode == 0
    assert not MODULE.exists()


def test_a_file_that_cannot_be_written_keeps_the_plugin() -> None:
    sshd = PAM / "sshd"
    run("mount", "--bind", str(sshd), str(sshd))
    try:
        said = uninstall()
        assert said.returncode == 1
        assert "/etc/pam.d/sshd cannot be written" in said.stderr
        assert LOADER.exists() and MODULE.exists() and marked() == ["sshd"]
        assert ssh("bob").returncode == 0
    finally:
        run("umount", str(sshd))
    assert uninstall().returncode == 0


# -------------------------------------------------------------------------------------- what a vendor's file was copied


@pytest.fixture
def copied() -> Iterator[Path]:
    """A service of which only the vendor had a file, after install.sh."""
    VENDOR.mkdir(exist_ok=True)
    (VENDOR / "slim").write_bytes(before(ODD["slim"]))
    install()
    assert (PAM / "slim").exists()
    return PAM / "slim"


def test_a_copy_that_the_admin_has_changed_stays_without_our_lines(copied: Path) -> None:
    copied.write_bytes(copied.read_bytes() + b"\nsession optional pam_umask.so\n")
    assert uninstall().returncode == 0
    assert copied.read_bytes() == before(ODD["slim"]) + b"\nsession optional pam_umask.so\n"


def test_a_copy_stays_when_the_vendors_file_is_gone(copied: Path) -> None:
    (VENDOR / "slim").unlink()
    assert uninstall().returncode == 0
    assert copied.read_bytes() == before(ODD["slim"])


# ------------------------------------------------------------------------------------------------------- rules and logs


def test_rules_and_logs_stay() -> None:
    (log := LOGS / "pam-accesscontrol-1999-12.log").write_text("kept\n")
    first = picture(RULE_FILE, log, moment=True)
    uninstall()
    assert picture(RULE_FILE, log, moment=True) == first
    assert [path.name for path in RULE_FILE.parent.iterdir()] == [RULE_FILE.name]
    log.unlink()


def test_purge_takes_rules_and_logs_and_nothing_else() -> None:
    for name in ("pam-accesscontrol-1999-12.log", "pam-accesscontrol-1999-12.log.2.gz", "pam-accesscontrol-notes.log"):
        (LOGS / name).write_text("x\n")
    (RULE_FILE.parent / "sftp.conf").write_text("DEFAULT:OPEN\n")
    assert uninstall("--purge").returncode == 0
    assert not RULE_FILE.parent.exists()
    assert [path.name for path in LOGS.glob("pam-accesscontrol-*")] == ["pam-accesscontrol-notes.log"]
    (LOGS / "pam-accesscontrol-notes.log").unlink()
    assert uninstall("--purge").returncode == 0


# ------------------------------------------------------------------------------------------------------ when all breaks


def take_away(path: Path) -> None:
    run("mount", "--bind", "/dev/null", str(path))


def broken_python() -> None:
    for python in {Path("/usr/bin/python3").resolve(), *Path("/usr/lib").glob("*/libpython3*.so*")}:
        if not python.is_symlink():
            take_away(python)


def remove_pam_python() -> None:
    run("dpkg", "--remove", "--force-depends", "libpam-python")


BREAK = {
    "libpam-python removed": remove_pam_python,
    "pam_python.so is rubbish": lambda: take_away(find_pam_module("pam_python.so")),
    "python broken": broken_python,
    "the module gone": MODULE.unlink,
    "the module has a syntax error": lambda: MODULE.write_text("def def\n"),
    "the folder of the module gone": lambda: shutil.rmtree(LIBRARY),
    "the loader gone": LOADER.unlink,
    "the loader has a syntax error": lambda: LOADER.write_text("def def\n"),
    "the folder of the loader gone": lambda: shutil.rmtree(LOADER.parent),
    "the rules closed": lambda: RULE_FILE.write_text("DEFAULT:CLOSE\n"),
    "the rules gone": lambda: shutil.rmtree(RULE_FILE.parent),
}


@pytest.fixture
def mended() -> Iterator[None]:
    yield
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for place in [place for place in mounts if place.startswith("/usr/")]:
        run("umount", place)
    run("apt-get", "-qq", "-y", "--no-install-recommends", "install", "libpam-python")


@pytest.mark.parametrize("fault", BREAK)
def test_it_is_the_way_out_when_nobody_gets_in_any_more(fault: str, mended: None) -> None:
    BREAK[fault]()
    assert ssh("bob").returncode != 0
    said = run(str(CHECKOUT / "uninstall.sh"), check=False, env={"PATH": "/usr/bin:/bin"})
    assert (said.returncode, said.stderr) == (0, "")
    assert marked() == []
    assert ssh("bob").returncode == 0


def test_killed_at_any_step_uninstall_leaves_logins_working_and_can_be_run_again(
    tmp_path: Path, stepper: Stepper
) -> None:
    keep(tmp_path / "everything.tar")
    everything = picture(*PLACES)
    assert stepper.run(CHECKOUT / "uninstall.sh").returncode == 0
    steps, nothing = stepper.steps(), picture(*PLACES)
    assert len(steps) > 15
    judged = situation()
    for at in steps:
        put_back(tmp_path / "everything.tar")
        assert picture(*PLACES) == everything
        assert stepper.run(CHECKOUT / "uninstall.sh", at).returncode == -signal.SIGKILL
        if situation() != judged:
            assert_whole_and_open(nothing, everything)
            judged = situation()
        assert uninstall().returncode == 0
        assert picture(*PLACES) == nothing, f"killed at step {at}"
        assert left_over() == []


# --------------------------------------------------------------------------------------------------------- what it says


def test_what_it_says_fits_the_screen() -> None:
    (LIBRARY / "theirs").touch()
    for arguments in ([], ["--purge"], ["--help"]):
        said = run(str(CHECKOUT / "uninstall.sh"), *arguments)
        assert max(map(len, [*said.stdout.splitlines(), *said.stderr.splitlines()])) <= 80
    shutil.rmtree(LIBRARY)


@pytest.mark.parametrize("missing", [[], ["qtwayland5"], ["python3-pyqt5", "qtwayland5"]], ids=str)
def test_it_tells_how_to_remove_the_packages_that_stay(missing: list[str], mended: None) -> None:
    packages = [name for name in ("libpam-python", "python3-pyqt5", "qtwayland5") if name not in missing]
    if missing:
        run("apt-get", "-qq", "-y", "--purge", "remove", *missing)
    said = run(str(CHECKOUT / "uninstall.sh"))
    for name in missing:
        run("apt-get", "-qq", "-y", "--no-install-recommends", "install", name)
    told = "uninstall.sh: packages that install.sh may have brought stay; to remove them:\n"
    assert said.stdout.endswith(f"{told}    apt-get remove {' '.join(packages)}\n")


def test_where_none_of_them_is_installed_it_tells_nothing_of_packages(mended: None, tmp_path: Path) -> None:
    (tmp_path / "dpkg-query").write_text("#!/bin/sh\necho no packages found >&2\nexit 1\n")
    (tmp_path / "dpkg-query").chmod(0o755)
    said = run(str(CHECKOUT / "uninstall.sh"), env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert "packages" not in said.stdout and said.stderr == ""
