"""Some servers, as they are set up, let in whom PAM refuses; check, explain and status say so, and name the remedy."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from command_fixtures import INSTALL, REMEMBERED
from host import LOADER, plugin
from hosts import answers, as_user, files, ftp, guarded, running
from machine import Result, password_of, run, wait_for

PROFTPD, SMB, UNIX = "/etc/proftpd/proftpd.conf", "/etc/samba/smb.conf", "/etc/pure-ftpd/conf/UnixAuthentication"
STOPS = "AuthOrder mod_auth_pam.c* mod_auth_unix.c\n"


@contextmanager
def server(port: int, *command: str) -> Iterator[None]:
    """Within the block, a server runs that was started by this command."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, start_new_session=True, **quiet) as process:
        try:
            wait_for(lambda: answers(port), f"{command[0]} answers")
            yield
        finally:
            process.terminate()


@contextmanager
def proftpd(goes_past: bool) -> Iterator[None]:
    """ProFTPD as Debian sets it up, or with the remedy."""
    text = Path(PROFTPD).read_text() + ("" if goes_past else STOPS)
    with guarded("proftpd"), files({PROFTPD: text}), server(21, "/usr/sbin/proftpd", "--nodaemon"):
        yield


@contextmanager
def pure_ftpd(goes_past: bool) -> Iterator[None]:
    """pure-ftpd as Debian sets it up, which has no fault, or with a second source of passwords."""
    text = "yes\n" if goes_past else "no\n"
    with guarded("pure-ftpd"), files({UNIX: text}), server(21, "/usr/sbin/pure-ftpd-wrapper"):
        yield


@contextmanager
def samba(goes_past: bool) -> Iterator[None]:
    """smbd as Debian sets it up, which has no fault, or without PAM."""
    text = Path(SMB).read_text()
    assert "obey pam restrictions = yes" in text
    text = text.replace("obey pam restrictions = yes", "obey pam restrictions = no") if goes_past else text
    run("smbpasswd", "-s", "-a", "bob", input=f"{password_of('bob')}\n" * 2)
    try:
        with guarded("samba"), files({SMB: text}), running("smbd", 445):
            yield
    finally:
        run("smbpasswd", "-x", "bob")


def smb(user: str) -> str:
    """What smbd says to a login: "" if it lets somebody in, or else its refusal."""
    login = run("smbclient", "-U", f"{user}%{password_of(user)}", f"//127.0.0.1/{user}", "-c", "ls", check=False)
    return "" if login.returncode == 0 else login.stdout + login.stderr


HOSTS: dict[str, tuple[Callable[[bool], AbstractContextManager[None]], Callable[[str], str], str]] = {
    "proftpd": (proftpd, ftp, f"proftpd.conf: whom a rule refuses is let in by the next module: write {STOPS.strip()}"),
    "pure-ftpd": (
        pure_ftpd,
        ftp,
        "/etc/pure-ftpd/conf: whom a rule refuses is let in by another source of passwords than PAM",
    ),
    "samba": (samba, smb, "smb.conf: obey pam restrictions is no, so smbd asks no rule"),
}


@pytest.fixture(params=HOSTS)
def name(request: pytest.FixtureRequest, rules) -> str:
    rules("DEFAULT:OPEN\n" + "".join(f"{service.upper()} CLOSE USER bob\n" for service in HOSTS))
    return str(request.param)


def told(*arguments: str) -> Result:
    return run("pam-accesscontrol", *arguments, check=False)


def test_it_lets_in_whom_a_rule_refuses_and_the_tools_say_so(name: str) -> None:
    host, login, why = HOSTS[name]
    with host(True):
        assert login("bob") == ""
        explained = told("explain", name, "bob", "127.0.0.1")
        assert explained.stdout == f"let in: bob over {name.upper()} from 127.0.0.1: {why}\n"
        assert explained.returncode == 0
        assert why in told("check").stdout.splitlines()
        assert f"fault    {why}" in told("status").stdout.splitlines()


def test_set_up_otherwise_it_refuses_and_the_tools_find_no_fault(name: str) -> None:
    host, login, why = HOSTS[name]
    with host(False):
        assert login("bob") != ""
        assert told("explain", name, "bob", "127.0.0.1").stdout.startswith("refused: bob ")
        explain = as_user("carol", "pam-accesscontrol", "explain", name, "bob", "127.0.0.1")
        assert run(*explain, check=False).stdout.startswith("refused: bob ")
        assert why not in told("check").stdout
        assert why not in told("status").stdout


@pytest.mark.parametrize(("text", "goes_past"), [
    (f"# {STOPS}", True),
    (f'{STOPS}AuthPAM "off"\n', True),
    (f"{STOPS}AuthPAM \\\n  off\n", True),
    (f"{STOPS}AuthPAMConfig other\n", True),
    (f"<IfModule mod_no_such.c>\n{STOPS}</IfModule>\n", True),
    (f"{STOPS}Include /etc/proftpd/tests-more\n", True),
    ("AuthOrder \\\n  mod_auth_pam.c* mod_auth_unix.c\n", False),
    ("AuthOrder mod_auth_pam.c mod_auth_unix.c\n", True),
    ("AuthOrder mod_auth_unix.c mod_auth_pam.c*\n", False),
    ("AuthOrder mod_auth_pam.c\n", False),
    ('authorder "mod_auth_pam.c*"   mod_auth_unix.c \n', False),
    (f"<Global>\n  AllowOverwrite on\n  {STOPS}</Global>\n", False),
])
def test_of_proftpd_they_tell_what_its_configuration_comes_to(rules, text: str, goes_past: bool) -> None:
    rules("DEFAULT:OPEN\nPROFTPD CLOSE USER bob\n")
    texts = {PROFTPD: Path(PROFTPD).read_text() + text, "/etc/proftpd/tests-more": "AuthPAM off\n"}
    with guarded("proftpd"), files(texts), server(21, "/usr/sbin/proftpd", "--nodaemon"):
        assert (ftp("bob") == "") == goes_past
        assert told("explain", "proftpd", "bob", "127.0.0.1").stdout.startswith("let in" if goes_past else "refused")


def test_a_virtual_server_of_proftpd_needs_an_order_of_its_own(rules) -> None:
    rules("DEFAULT:OPEN\nPROFTPD CLOSE USER bob\n")
    for own, goes_past in (("", True), (STOPS, False)):
        virtual = f"{STOPS}<VirtualHost 127.0.0.2>\n{own}</VirtualHost>\n"
        whole = Path(PROFTPD).read_text() + virtual
        with guarded("proftpd"), files({PROFTPD: whole}), server(21, "/usr/sbin/proftpd", "--nodaemon"):
            assert (ftp("bob", server="127.0.0.2") == "") == goes_past
            assert told("explain", "proftpd", "bob").stdout.startswith("let in" if goes_past else "refused")


@pytest.mark.parametrize(("unix", "pam"), [("yes\n", "no\n"), ("# as it was\nyes\nno\n", "yes\n"), (" ON\n", "yes\n")])
def test_of_pure_ftpd_they_tell_what_its_wrapper_makes_of_it(rules, unix: str, pam: str) -> None:
    rules("DEFAULT:OPEN\nPURE-FTPD CLOSE USER bob\n")
    with guarded("pure-ftpd"), files({UNIX: unix, UNIX.replace("Unix", "PAM"): pam}):
        with server(21, "/usr/sbin/pure-ftpd-wrapper"):
            assert ftp("bob") == ""
        assert told("explain", "pure-ftpd", "bob").stdout.startswith("let in: ")


@pytest.mark.parametrize("place", [SMB, UNIX, PROFTPD])
@pytest.mark.parametrize("what", [b"[global]\nb\xf6se = yes\n\0", None], ids=["of another character set", "a folder"])
def test_a_configuration_that_is_none_ends_no_tool(rules, place: str, what: bytes | None, tmp_path: Path) -> None:
    rules("DEFAULT:OPEN\n")
    with guarded("samba", "proftpd", "pure-ftpd"), files({place: ""}):
        if what is None:
            Path(place).unlink()
            Path(place).mkdir()
        else:
            Path(place).write_bytes(what)
        try:
            checked = told("check")
            assert (checked.returncode, checked.stderr) == (1, "")
            assert told("status").returncode == 0
            assert "samba pam_exec.so" in plugin("--plan", LOADER, str(tmp_path), "samba", "proftpd", "pure-ftpd")
        finally:
            if what is None:
                Path(place).rmdir()
                Path(place).touch()


def test_install_names_it(name: str) -> None:
    """It ends with what check finds."""
    host, _, why = HOSTS[name]
    with host(True), files({str(REMEMBERED): REMEMBERED.read_text()}):
        told = run(str(INSTALL), name)
        assert why in " ".join((told.stdout + told.stderr).split())
