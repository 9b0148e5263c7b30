"""What ./install.sh SERVICE... promises: they are guarded besides, and stay so; a wrong name is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from machine import pam, run
from test_install import (
    CHECKOUT,
    ODD,
    PAM,
    PLACES,
    VENDOR,
    _put_back,
    _su_refuses_without_delay,
    before,
    complaints,
    install,
    nothing_installed,
    picture,
    services_here,
    told_guarded,
    uninstall,
)

__all__ = ["_put_back", "_su_refuses_without_delay", "nothing_installed"]  # fixtures


TYPES = ("auth", "account", "session")


def owned(service: str) -> int:
    """How many lines of ours a service has in its own file."""
    return (PAM / service).read_text().count("# pam-accesscontrol\n")


def test_su_when_named_is_guarded_in_both_its_forms_and_judged_once(
    nothing_installed: None, rules: Callable[[str], None], monthly_log: Callable[[], str]
) -> None:
    """Debian's su-l includes su, so that the lines of su are its own."""
    said = install(CHECKOUT, "su")
    assert (said.returncode, told_guarded(said)) == (0, [*services_here(), "su", "su-l"])
    assert (owned("su"), owned("su-l")) == (4, 0)
    for command in (["su", "bob", "-c", "true"], ["su", "-", "bob", "-c", "true"]):
        before = monthly_log()
        assert run(*command, check=False).returncode == 0
        assert [line.split()[5] for line in monthly_log()[len(before) :].splitlines()].count("granted") == 1
    rules("DEFAULT:OPEN\nSU CLOSE USER bob\n")
    for command in (["su", "bob", "-c", "true"], ["su", "-", "bob", "-c", "true"]):
        refused = run(*command, check=False)
        assert refused.returncode != 0 and "Access denied" in refused.stdout


def test_sudo_when_named_is_guarded_in_both_its_forms(nothing_installed: None) -> None:
    """Debian's sudo-i has a file of its own, that does not include sudo."""
    said = install(CHECKOUT, "sudo")
    assert told_guarded(said)[-2:] == ["sudo", "sudo-i"]
    assert (owned("sudo"), owned("sudo-i")) == (4, 4)


def test_a_later_run_keeps_guarded_what_is_and_uninstall_gives_it_back(nothing_installed: None) -> None:
    first = picture(PAM)
    install(CHECKOUT, "vsftpd", "su")
    guarded = picture(PAM)
    (PAM / "vsftpd").write_text((PAM / "vsftpd").read_text().replace("/lib/security/", "/older/"))
    said = install()
    assert (said.returncode, complaints(said)) == (0, [])
    assert told_guarded(said) == [*services_here(), "su", "su-l", "vsftpd"]
    assert picture(PAM) == guarded
    assert uninstall().returncode == 0
    assert picture(PAM) == first


def test_a_backup_of_a_guarded_file_is_no_service(nothing_installed: None) -> None:
    install()
    for name in ("sshd.dpkg-old", "sshd~", "sshd.rpmsave", "sshd.bak", "a copy of sshd"):
        (PAM / name).write_text((PAM / "sshd").read_text().replace("/lib/security/", "/older/"))
    backup = picture(PAM / "sshd.dpkg-old", moment=True)
    said = install()
    assert (said.returncode, told_guarded(said)) == (0, services_here())
    assert picture(PAM / "sshd.dpkg-old", moment=True) == backup


def test_of_services_that_include_one_another_each_is_guarded_and_a_second_call_does_no_harm(
    nothing_installed: None, rules: Callable[[str], None]
) -> None:
    (PAM / "tests-inner").write_bytes(before(ODD["slim"]))
    (PAM / "tests-middle").write_text("".join(f"{kind} include tests-inner\n" for kind in TYPES))
    (PAM / "tests-outer").write_text("@include tests-middle\nauth include tests-inner\n")
    said = install(CHECKOUT, "tests-outer", "tests-middle", "tests-inner")
    assert told_guarded(said) == [*services_here(), "tests-outer", "tests-middle", "tests-inner"]
    owns = {name: owned(f"tests-{name}") for name in ("inner", "middle", "outer")}
    assert owns == {"inner": 3, "middle": 4, "outer": 4}  # the last line of inner has no newline
    phases = ["authenticate", "setcred", "acct_mgmt", "open_session", "close_session"]
    rules("DEFAULT:CLOSE\nALL OPEN USER bob\nALL NUMBER USER bob:1\nALL NUMBER GROUP ALL:1\n")
    assert pam("tests-outer", "bob", *phases, input="bob-pw\nbob-pw\n").returncode == 0
    for phase in ("authenticate", "acct_mgmt", "open_session"):
        assert pam("tests-outer", "carol", phase, input="carol-pw\ncarol-pw\n").returncode != 0


def test_services_that_include_each_other_end_nothing(nothing_installed: None) -> None:
    (PAM / "tests-one").write_text("auth include tests-two\n")
    (PAM / "tests-two").write_text("auth include tests-one\n")
    assert told_guarded(install(CHECKOUT, "tests-one"))[-1] == "tests-one"


def test_a_name_is_taken_as_libpam_takes_it(nothing_installed: None) -> None:
    assert told_guarded(install(CHECKOUT, "VSFTPD"))[-1] == "vsftpd"


def test_a_named_service_that_only_has_a_vendors_file_gets_a_copy(nothing_installed: None) -> None:
    VENDOR.mkdir(exist_ok=True)
    (VENDOR / "tests-vendor").write_bytes(before(ODD["slim"]))
    assert told_guarded(install(CHECKOUT, "tests-vendor"))[-1] == "tests-vendor"
    assert owned("tests-vendor") == 4


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("now", "there is no PAM service now: no such file in /etc/pam.d /usr/lib/pam.d /usr/etc/pam.d"),
        ("", "not the name of a PAM service: '' (see --help)"),
        ("../passwd", "not the name of a PAM service: '../passwd' (see --help)"),
        ("/etc/passwd", "not the name of a PAM service: '/etc/passwd' (see --help)"),
        ("..", "not the name of a PAM service: '..' (see --help)"),
        ("su sudo", "not the name of a PAM service: 'su sudo' (see --help)"),
        ("su\nroot", "not the name of a PAM service: 'su?root' (see --help)"),
        ("*", "not the name of a PAM service: '*' (see --help)"),
        ("other", "other is not a service of its own, so it cannot be guarded (see --help)"),
        ("common-auth", "common-auth is not a service of its own, so it cannot be guarded (see --help)"),
        ("su.dpkg-old", "su.dpkg-old is not a service of its own, so it cannot be guarded (see --help)"),
        ("sddm-greeter", "sddm-greeter is a greeter, and no rule is for it (see --help)"),
    ],
)
def test_a_name_that_is_none_is_told_in_one_line_before_anything_is_changed(
    name: str, complaint: str, nothing_installed: None
) -> None:
    (PAM / "su.dpkg-old").write_bytes((PAM / "su").read_bytes())
    first = picture(*PLACES, moment=True)
    said = install(CHECKOUT, "su", name)
    assert (said.returncode, said.stdout, said.stderr) == (2, "", f"install.sh: {complaint}\n")
    assert picture(*PLACES, moment=True) == first
