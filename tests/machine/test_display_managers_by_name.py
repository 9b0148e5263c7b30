"""Display managers whose greeter does not run here: install.sh guards their PAM files, and the rules hold there.

The files are those of the Debian packages, where there is such a package; others include the common ones, as lightdm's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from host import AUTH_ERR, PERM_DENIED, SUCCESS, Told, host
from limits import inside, nobody_is_in
from machine import password_of, run, wait_for

PAM = Path("/etc/pam.d")
PACKAGED = Path("/usr/share/pam-files-of-others")
INSTALL = Path(__file__).parents[2] / "install.sh"
REMEMBERED = Path("/etc/pam-accesscontrol/services")

SHIPPED = ["gdm-password", "gdm-autologin", "gdm-fingerprint", "gdm-smartcard", "greetd", "lxdm", "slim", "wdm"]
NOT_SHIPPED = ["gdm", "kdm", "kdm-np", "ly", "plasmalogin", "plasmalogin-autologin", "cosmic-greeter", "lemurs"]
INSTALLED = [name for name in ("emptty", "nodm") if (PAM / name).exists()]  # not in every release
SERVICES = [*SHIPPED, *NOT_SHIPPED, *INSTALLED]
START_ALL_THE_SAME = {"lxdm", "wdm"}  # even where PAM refuses the session: only the end of their process stops them
COMMON = "".join(f"@include common-{kind}\n" for kind in ("auth", "account", "session", "password"))


@pytest.fixture(scope="module", autouse=True)
def guarded() -> Iterator[str]:
    """All of them are there, and install.sh has guarded them: what it said."""
    before, remembered = set(PAM.iterdir()), REMEMBERED.read_bytes()
    for path in PACKAGED.glob("*/*"):
        (PAM / path.name).write_bytes(path.read_bytes())
    (PAM / "gdm-smartcard").symlink_to("gdm-smartcard-pkcs11-exclusive")
    for name in NOT_SHIPPED:
        if not (PAM / name).exists():  # a later release may have it
            (PAM / name).write_text(COMMON)
    modules = Path(run("sh", "-c", "echo /usr/lib/*/security/pam_permit.so").stdout.strip()).parent
    readers = [modules / "pam_fprintd.so", modules / "pam_pkcs11.so"]
    for reader in readers:
        reader.symlink_to("pam_permit.so")  # it takes any finger and any card for the right one
    yield run(str(INSTALL)).stdout
    for reader in readers:
        reader.unlink()
    for path in set(PAM.iterdir()) - before:
        path.unlink()
    REMEMBERED.write_bytes(remembered)


@pytest.fixture(autouse=True)
def _nobody_is_in() -> None:
    wait_for(nobody_is_in, "nobody is in")


def logins(user: str) -> dict[str, Told]:
    """What becomes of somebody with the right password, at each of them."""

    def login(service: str) -> Told:
        operations = ("auth", "acct", "cred", "open", "close")
        return host(service, user, *operations, password=password_of(user), check=False)

    with ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        return dict(zip(SERVICES, pool.map(login, SERVICES)))


def answers(told: Told) -> dict[str, int]:
    """What was returned where the plugin has a say; nothing where the host got no answer."""
    return {phase: told.returned[phase] for phase in ("auth", "acct", "open") if phase in told.returned}


def test_install_guards_each_of_them(guarded: str) -> None:
    listed = guarded.partition("pam-accesscontrol guards: ")[2].partition("The rules: ")[0].split()
    assert set(SERVICES) <= set(listed)
    assert [name for name in listed if "greeter" in name] == ["cosmic-greeter"]  # where people log in


def test_who_may_is_let_in_and_out_by_each_of_them(rules, monthly_log) -> None:
    rules("XDM OPEN USER bob\n")
    let_in = dict.fromkeys(("auth", "acct", "open"), SUCCESS)
    assert {name: answers(told) for name, told in logins("bob").items()} == dict.fromkeys(SERVICES, let_in)
    told = [line.split()[2:6] for line in monthly_log().splitlines()]
    for outcome in ("granted", "closed"):
        assert told.count(["XDM", "OPEN", "bob@LOCAL", outcome]) == len(SERVICES)


def test_who_may_not_is_refused_by_each_of_them_in_each_phase(rules) -> None:
    rules("XDM CLOSE USER carol\nDEFAULT:OPEN\n")
    for name, told in logins("carol").items():
        ended = {} if name in START_ALL_THE_SAME else {"open": PERM_DENIED}
        assert answers(told) == {"auth": AUTH_ERR, "acct": PERM_DENIED, **ended}, name
        assert told.messages.count("Access denied: carol may not log in at the desktop.") == 2, name


def test_a_full_limit_keeps_others_out_of_each_of_them(rules) -> None:
    rules("XDM NUMBER GROUP ALL:1\nDEFAULT:OPEN\n")
    with inside("erin"):
        for name, told in logins("bob").items():
            ended = {} if name in START_ALL_THE_SAME else {"open": PERM_DENIED}
            assert answers(told) == {"auth": SUCCESS, "acct": PERM_DENIED, **ended}, name
            assert told.messages.count("Access denied: everybody: 1 of 1 are logged in.") == 2, name
