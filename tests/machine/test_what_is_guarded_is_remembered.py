"""What install.sh guards, it guards again in a later run, whatever a package has put into the place of a PAM file."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from machine import run
from test_install import (
    CHECKOUT,
    PAM,
    PLACES,
    SERVICES,
    VENDOR,
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

__all__ = ["_put_back", "_su_refuses_without_delay", "nothing_installed"]  # fixtures

MARK = "# pam-accesscontrol\n"


def remembered() -> list[str]:
    return [line for line in SERVICES.read_text().splitlines() if not line.startswith("#")]


def test_the_list_is_roots_and_names_each_service_that_has_lines_of_ours(nothing_installed: None) -> None:
    """su-l has none: it includes su."""
    install(CHECKOUT, "su", "sudo")
    assert remembered() == [*services_here(), "su", "sudo", "sudo-i"]
    assert all(MARK in (PAM / name).read_text() for name in remembered())
    status = SERVICES.lstat()
    assert (status.st_uid, status.st_gid, status.st_mode) == (0, 0, 0o100644)
    assert SERVICES.read_text().startswith("# The PAM services that install.sh guards")


@pytest.mark.parametrize("named", [[], ["vsftpd"]])
def test_a_service_whose_package_has_put_its_own_file_in_place_is_guarded_again(
    named: list[str], nothing_installed: None
) -> None:
    packaged = {name: (PAM / name).read_bytes() for name in ("sshd", "su", "sudo")}
    install(CHECKOUT, "su", "sudo")
    guarded = picture(PAM)
    for name, content in packaged.items():
        (PAM / name).write_bytes(content)
    said = install(CHECKOUT, *named)
    assert (said.returncode, complaints(said)) == (0, [])
    assert sorted(told_guarded(said)) == sorted([*services_here(), "su", "su-l", "sudo", "sudo-i", *named])
    assert {path: what for path, what in picture(PAM).items() if "vsftpd" not in path} == {
        path: what for path, what in guarded.items() if "vsftpd" not in path
    }


def test_a_service_that_is_not_there_at_present_stays_remembered(nothing_installed: None) -> None:
    packaged = (PAM / "vsftpd").read_bytes()
    install(CHECKOUT, "vsftpd")
    (PAM / "vsftpd").unlink()
    said = install()
    assert (said.returncode, complaints(said)) == (0, [])
    assert "vsftpd" in remembered() and "vsftpd" not in told_guarded(said)
    (PAM / "vsftpd").write_bytes(packaged)
    assert "vsftpd" in told_guarded(install())
    assert MARK in (PAM / "vsftpd").read_text()


def test_one_that_cannot_be_guarded_any_more_stays_remembered_until_it_can(nothing_installed: None) -> None:
    reads = "auth required pam_env.so user_readenv=1\n"
    install(CHECKOUT, "su")
    (PAM / "su").write_text(reads + (PAM / "su").read_text())
    for _ in range(2):
        said = install()
        assert said.returncode == 1 and "su is NOT guarded" in said.stderr
        assert "su" in remembered()
    (PAM / "su").write_text((PAM / "su").read_text().removeprefix(reads))
    assert "su" in told_guarded(install())


def test_one_that_never_could_be_is_not_remembered(nothing_installed: None) -> None:
    assert install(CHECKOUT, "atd").returncode == 1
    assert "atd" not in remembered()


def test_names_that_are_none_are_ignored_with_a_sentence_each(nothing_installed: None) -> None:
    install(CHECKOUT, "vsftpd")
    kept = SERVICES.read_text()
    first = picture(*PLACES)
    names = ["../passwd", "other", "-x", "sddm-greeter", "vsftpd.dpkg-old", "*", "su;reboot", " VSFTPD # mine", "sshd"]
    SERVICES.write_text(kept + "\n".join(names) + "\n")
    (PAM / "vsftpd.dpkg-old").write_bytes((PAM / "su").read_bytes())
    said = install()
    (PAM / "vsftpd.dpkg-old").unlink()
    assert said.returncode == 0
    assert complaints(said) == [
        f"install.sh: {SERVICES}: ignored: {why}" for why in (
            "not the name of a PAM service: '../passwd'",
            "other is not a service of its own, so it cannot be guarded",
            "not the name of a PAM service: '-x'",
            "sddm-greeter is a greeter, and no rule is for it",
            "vsftpd.dpkg-old is not a service of its own, so it cannot be guarded",
            "not the name of a PAM service: '*'",
            "not the name of a PAM service: 'su;reboot'",
        )
    ]
    assert picture(*PLACES) == first


@pytest.mark.parametrize("kind", ["link", "fifo", "of bob"])
def test_a_list_that_is_no_plain_file_of_roots_becomes_one(kind: str, nothing_installed: None, tmp_path: Path) -> None:
    install()
    mine, text = tmp_path / "mine", SERVICES.read_text()
    mine.write_text("mine\n")
    SERVICES.unlink()
    if kind == "link":
        SERVICES.symlink_to(mine)
    elif kind == "fifo":
        os.mkfifo(SERVICES)
    else:
        SERVICES.write_text(text)
        SERVICES.chmod(0o666)
        shutil.chown(SERVICES, "bob", "bob")
    assert install().returncode == 0
    assert mine.read_text() == "mine\n"
    status = SERVICES.lstat()
    assert (status.st_mode, status.st_uid, status.st_gid) == (0o100644, 0, 0)
    assert set(services_here()) <= set(remembered())


def test_a_service_that_only_has_a_vendors_file_is_copied_anew(nothing_installed: None) -> None:
    VENDOR.mkdir(exist_ok=True)
    (VENDOR / "tests-vendor").write_text("account required pam_permit.so\n")
    install(CHECKOUT, "tests-vendor")
    copied = (PAM / "tests-vendor").read_bytes()
    (PAM / "tests-vendor").unlink()
    assert install().returncode == 0
    assert (PAM / "tests-vendor").read_bytes() == copied


@pytest.mark.parametrize("arguments", [[], ["--purge"]])
def test_uninstall_forgets(arguments: list[str], nothing_installed: None) -> None:
    install(CHECKOUT, "su")
    assert uninstall(*arguments).returncode == 0
    assert not SERVICES.exists()
    assert told_guarded(install()) == services_here()


def test_a_later_run_changes_nothing_in_it(nothing_installed: None) -> None:
    install(CHECKOUT, "su")
    first = picture(SERVICES, moment=True)
    run("sh", "-c", f"umask 077; {CHECKOUT}/install.sh")
    assert picture(SERVICES, moment=True) == first
