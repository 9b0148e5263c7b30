"""Names that are not ASCII are names like any others: in rules, in the groups of the machine, in each host's locale.

jürgen is in the group gäste, as is carol; bob is not. A host's own locale is no matter: C, POSIX and C.UTF-8 are one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from host import PASSING
from hosts import guarded
from limits import inside, refusal, wait_until_gone
from machine import KEYS, Result, console, pam, run, ssh, ssh_session

pytest_plugins = ["limits_fixtures"]

LOCALES = ["C", "POSIX", "C.UTF-8"]
JUERGEN, GAESTE = "jürgen", "gäste"
LATIN = "g\udce4ste"  # as an editor of another age writes it: one byte, that is no UTF-8
UID, GID, LATIN_GID = 30001, 30002, 30003
FILES = [Path("/etc", name) for name in ("passwd", "shadow", "group")]


@pytest.fixture(scope="module", autouse=True)
def _people() -> Iterator[None]:
    """They are written by hand: useradd takes no such names, and a directory may well have them."""
    kept = {path: path.read_bytes() for path in FILES}
    more = (
        f"{JUERGEN}:x:{UID}:{UID}:Jürgen Müller:/home/{JUERGEN}:/bin/bash\n",
        f"{JUERGEN}:{run('openssl', 'passwd', '-6', 'juergen-pw').stdout.strip()}:19000:0:99999:7:::\n",
        f"{JUERGEN}:x:{UID}:\n{GAESTE}:x:{GID}:{JUERGEN},carol\n{LATIN}:x:{LATIN_GID}:carol\n",
    )
    for path, text in zip(FILES, more):
        write_anew(path, kept[path] + text.encode("utf-8", "surrogateescape"))
    home = Path("/home", JUERGEN)
    (home / ".ssh").mkdir(parents=True)
    shutil.copy(KEYS / "carol.pub", home / ".ssh/authorized_keys")
    run("chown", "-R", f"{UID}:{UID}", str(home))
    yield
    wait_until_gone([JUERGEN])
    run("systemctl", "stop", f"user@{UID}.service", check=False)
    for path, data in kept.items():
        write_anew(path, data)
    shutil.rmtree(home)


def write_anew(path: Path, data: bytes) -> None:
    new = path.with_name("tests-new")
    new.write_bytes(data)
    shutil.copystat(path, new)
    shutil.chown(new, "root", path.stat().st_gid)
    os.replace(new, path)


def over_ssh(user: str) -> bool:
    said = ssh(user, "id -u", key=KEYS / ("carol" if user in (JUERGEN, "root") else user))
    assert (said.returncode == 0) is (refusal(said) == "")
    return said.returncode == 0


def by_su(locale: str) -> Callable[[str], bool]:
    """su - as root, who is not asked for a password, in that locale."""
    environment = {"LC_ALL": locale, "PATH": os.environ["PATH"]}
    return lambda user: run("su", user, "-c", "true", env=environment, check=False).returncode == 0


WAYS: dict[str, Callable[[str], bool]] = {
    "sshd": over_ssh,
    **{f"su in {locale}": by_su(locale) for locale in LOCALES},
}


@pytest.fixture(params=WAYS)
def gets_in(request: pytest.FixtureRequest) -> Iterator[Callable[[str], bool]]:
    with guarded("su"):
        yield WAYS[request.param]


@pytest.fixture
def _roots_key() -> Iterator[None]:
    place = Path("/root/.ssh/authorized_keys")
    place.parent.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(KEYS / "carol.pub", place)
    yield
    place.unlink()


def explained(user: str, service: str = "SSH", locale: str = "C.UTF-8") -> Result:
    environment = {"LC_ALL": locale, "PATH": os.environ["PATH"]}
    return run("pam-accesscontrol", "explain", service, user, "10.1.2.3", env=environment, check=False)


def verdict(user: str, locale: str) -> int:
    """The status of explain: 0 is OPEN, 1 is CLOSE."""
    return explained(user, locale=locale).returncode


# ---------------------------------------------------------------------------------------------------------------- rules


@pytest.mark.usefixtures("_roots_key")
def test_a_group_that_is_closed_keeps_its_members_out_and_nobody_else(gets_in, rules, journal) -> None:
    rules(f"ALL CLOSE GROUP {GAESTE}\nDEFAULT:OPEN\n")
    assert not gets_in(JUERGEN)
    assert f": CLOSE, refused: pam-accesscontrol.conf:1: ALL CLOSE GROUP {GAESTE}" in journal()[-1]
    assert f" {JUERGEN}@" in journal()[-1]
    assert not gets_in("carol")
    assert gets_in("bob")
    assert gets_in("root")


def test_a_group_that_is_opened_lets_its_members_in_and_nobody_else(gets_in, rules) -> None:
    rules(f"ALL OPEN GROUP {GAESTE}\n")
    assert gets_in(JUERGEN)
    assert gets_in("carol")
    assert not gets_in("bob")


def test_rules_over_other_groups_judge_whoever_has_such_a_name(gets_in, rules) -> None:
    rules("ALL CLOSE GROUP lp\nALL CLOSE GROUP users\nDEFAULT:OPEN\n")
    assert gets_in(JUERGEN)
    assert not gets_in("bob")
    rules("ALL OPEN GROUP lp\n")
    assert not gets_in(JUERGEN)
    assert gets_in("bob")


def test_rules_over_users_fit_by_such_a_name(gets_in, rules) -> None:
    rules(f"ALL CLOSE USER {JUERGEN}\nDEFAULT:OPEN\n")
    assert not gets_in(JUERGEN)
    assert gets_in("bob")
    rules(f'ALL OPEN USER "{JUERGEN}"\n')
    assert gets_in(JUERGEN)
    assert not gets_in("bob")


def test_a_limit_over_such_a_group_counts_its_members(gets_in, rules) -> None:
    rules(f"ALL NUMBER GROUP {GAESTE}:1\nDEFAULT:OPEN\n")
    with inside("carol"):
        assert not gets_in(JUERGEN)
        assert gets_in("carol")
        assert gets_in("bob")
    wait_until_gone(["carol", JUERGEN])
    with ssh_session(JUERGEN, key=KEYS / "carol"):
        assert gets_in(JUERGEN)
        assert not gets_in("carol")
    wait_until_gone(["carol", JUERGEN])


def test_a_question_about_such_a_group_is_about_its_members(gets_in, rules) -> None:
    rules(f"ALL ASK GROUP {GAESTE}\nUNATTENDED:CLOSE\nDEFAULT:OPEN\n")
    assert not gets_in(JUERGEN)
    assert gets_in("bob")


def test_a_name_that_is_no_utf_8_is_a_name_all_the_same(gets_in, rules) -> None:
    rules(f"ALL CLOSE GROUP {LATIN}\nDEFAULT:OPEN\n")
    assert not gets_in("carol")
    assert gets_in(JUERGEN)
    rules(f"ALL OPEN GROUP {LATIN}\n")
    assert gets_in("carol")
    assert not gets_in(JUERGEN)


# ---------------------------------------------------------------------------------------------------------------- hosts


@pytest.mark.parametrize("password", ["juergen-pw", "wrong"])
def test_on_the_console(rules, password: str) -> None:
    rules(f"TTY OPEN GROUP {GAESTE}\n")
    login = console(JUERGEN, password)
    inside_if_right = [r"[$] ", "Login incorrect"]
    assert login.expect([*inside_if_right, pexpect.EOF]) == (0 if password == "juergen-pw" else 1)
    login.close(force=True)


def test_a_password_over_ssh(rules) -> None:
    rules(f"SSH OPEN GROUP {GAESTE}\n")
    assert ssh(JUERGEN, password="juergen-pw").returncode == 0
    rules(f"SSH CLOSE GROUP {GAESTE}\nDEFAULT:OPEN\n")
    assert ssh(JUERGEN, password="juergen-pw").returncode == 255


@pytest.mark.parametrize("locale", LOCALES)
def test_a_host_that_has_set_its_locale(locale: str, rules, service) -> None:
    """pamtester sets none; what another host sets is no matter either: pam_python has begun before, or begins then."""
    service("guarded", PASSING)
    rules(f"ALL CLOSE GROUP {GAESTE}\nALL NUMBER GROUP {GAESTE}:1,users:1\nDEFAULT:OPEN\n")
    for user, phases in ((JUERGEN, ["acct_mgmt"]), (JUERGEN, ["open_session"])):
        assert pam("guarded", user, *phases).returncode != 0
    rules(f"ALL NUMBER GROUP {GAESTE}:1\nDEFAULT:OPEN\n")
    environment = {"LC_ALL": locale, "LANG": locale, "PATH": os.environ["PATH"]}
    line = ["pamtester", "guarded", JUERGEN, "authenticate", "acct_mgmt", "open_session", "close_session"]
    assert run(*line, env=environment, check=False).returncode == 0


# ----------------------------------------------------------------------------------------------------- what is told


@pytest.mark.parametrize("locale", LOCALES)
def test_explain_agrees(locale: str, rules) -> None:
    rules(f"SSH CLOSE GROUP {GAESTE}\nDEFAULT:OPEN\n")
    assert (verdict(JUERGEN, locale), verdict("carol", locale), verdict("bob", locale)) == (1, 1, 0)
    told = explained(JUERGEN, locale=locale).stdout
    assert JUERGEN in told and f"SSH CLOSE GROUP {GAESTE}" in told
    [groups] = [line for line in explained("carol", locale=locale).stdout.splitlines() if line.startswith("groups")]
    assert GAESTE in groups
    rules(f"SSH OPEN GROUP {GAESTE}\n")
    assert (verdict(JUERGEN, locale), verdict("carol", locale), verdict("bob", locale)) == (0, 0, 1)
    rules(f"SSH OPEN USER {JUERGEN}\n")
    assert (verdict(JUERGEN, locale), verdict("carol", locale)) == (0, 1)


@pytest.mark.parametrize("locale", LOCALES)
def test_check_knows_the_names(locale: str, rules) -> None:
    rules(f"SSH OPEN GROUP {GAESTE}\nSSH OPEN USER {JUERGEN}\nSSH CLOSE GROUP gästin\nDEFAULT:CLOSE\n")
    environment = {"LC_ALL": locale, "PATH": os.environ["PATH"]}
    told = run("pam-accesscontrol", "check", env=environment, check=False).stdout.splitlines()
    assert [line for line in told if "pam-accesscontrol.conf:" in line and "there is no" in line] == [
        "/etc/pam-accesscontrol/pam-accesscontrol.conf:3: "
        "warning: there is no group gästin, so this rule refuses everybody but root"
    ]


@pytest.mark.parametrize("locale", LOCALES)
def test_status_tells_who_is_in(locale: str, rules) -> None:
    rules(f"SSH NUMBER GROUP {GAESTE}:3\nDEFAULT:OPEN\n")
    environment = {"LC_ALL": locale, "PATH": os.environ["PATH"]}
    with ssh_session(JUERGEN, key=KEYS / "carol"):
        told = run("pam-accesscontrol", "status", env=environment).stdout
    assert f"{JUERGEN}@10.1.2.3" in told
    assert f"{GAESTE}: 1 of 3 are logged in" in told
    wait_until_gone([JUERGEN])


def test_the_monthly_log_has_the_names_as_they_are(rules, monthly_log) -> None:
    rules(f"SSH CLOSE GROUP {GAESTE}\nDEFAULT:OPEN\n")
    assert not over_ssh(JUERGEN)
    assert monthly_log().split()[2:6] == ["SSH", "CLOSE", f"{JUERGEN}@10.1.2.3", "denied"]
