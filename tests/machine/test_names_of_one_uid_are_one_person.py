"""Two names of one uid are one person: what closes, asks or limits means the person, and what opens the literal name.

bobadm is bob, and toor is root.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from host import PASSING
from limits import gets_in, refusal, wait_until_gone
from machine import KEYS, run, ssh, ssh_session

pytest_plugins = ["limits_fixtures"]

CLOSED = "Access denied: {} may not log in over SSH."
NOBODY_THERE = "Access denied: there is nobody at the desktop who could allow it."
OTHER = {"bob": "bobadm", "bobadm": "bob", "root": "toor", "toor": "root"}


@pytest.fixture(scope="module", autouse=True)
def _names() -> Iterator[None]:
    """Keys: everybody's is bob's. The second names come behind the first ones, and before them in no file."""
    uid, gid = (run("id", how, "bob").stdout.strip() for how in ("-u", "-g"))
    passwd = Path("/etc/passwd")
    for name, number, group, home in (("bobadm", uid, gid, "/home/bob"), ("toor", "0", "0", "/root")):
        how = ["--non-unique", "--uid", number, "--gid", group, "--no-create-home", "--home-dir", home]
        run("useradd", *how, "--shell", "/bin/bash", name)
    key = Path("/root/.ssh/authorized_keys")
    key.parent.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(KEYS / "bob.pub", key)
    yield
    key.unlink()
    for path in (passwd, Path("/etc/shadow")):
        kept = [line for line in path.read_text().splitlines(True) if not line.startswith(("bobadm:", "toor:"))]
        path.write_text("".join(kept))


@pytest.fixture(autouse=True)
def _scratch(service, nobody) -> None:
    service("guarded", PASSING)


def ssh_as(name: str) -> str:
    return refusal(ssh(name, key=KEYS / "bob"))


@pytest.mark.parametrize("named", OTHER)
def test_what_closes(named: str, rules) -> None:
    rules(f"SSH CLOSE USER {named}\nDEFAULT:OPEN\n")
    assert ssh_as(named) == CLOSED.format(named)
    assert ssh_as(OTHER[named]) == CLOSED.format(OTHER[named])
    assert ssh_as("root" if named in ("bob", "bobadm") else "bob") == ""


@pytest.mark.parametrize("named", OTHER)
def test_what_closes_from_an_address(named: str, rules) -> None:
    rules(f"SSH CLOSE USER {named}@10.0.0.0/8\nDEFAULT:OPEN\n")
    assert ssh_as(OTHER[named]) == CLOSED.format(OTHER[named])
    assert refusal(ssh(OTHER[named], key=KEYS / "bob", source="192.0.2.7")) == ""


@pytest.mark.parametrize("named", OTHER)
def test_what_asks(named: str, rules) -> None:
    rules(f"SSH ASK USER {named}\nUNATTENDED:CLOSE\nDEFAULT:OPEN\n")
    assert ssh_as(named) == ssh_as(OTHER[named]) == NOBODY_THERE


@pytest.mark.parametrize("named", ["bob", "bobadm"])
def test_what_limits_counts_the_sessions_of_both(named: str, rules) -> None:
    rules(f"SSH NUMBER USER {named}:1\nDEFAULT:OPEN\n")
    for first in ("bob", "bobadm"):
        with ssh_session(first, key=KEYS / "bob"):
            for second in ("bob", "bobadm"):
                assert ssh_as(second) == f"Access denied: {second}: 1 of 1 sessions are open."
        wait_until_gone(["bob", "bobadm"])


def test_one_person_is_one_person_under_a_limit_of_people(rules) -> None:
    rules("SSH NUMBER GROUP users:1\nDEFAULT:OPEN\n")
    with ssh_session("bob"):
        assert ssh_as("bobadm") == ""
        assert not gets_in("carol")
    wait_until_gone(["bob", "bobadm"])


@pytest.mark.parametrize("rule", ["CLOSE GROUP {}", "ASK GROUP {}", "NUMBER GROUP {}:0"])
@pytest.mark.parametrize("group", ["lp", "users"])
def test_what_closes_asks_or_limits_a_group_in_which_the_other_name_is(rule: str, group: str, rules) -> None:
    """/etc/group names bob; getgrouplist(3) of bobadm does not tell of it."""
    rules(f"SSH {rule.format(group)}\nUNATTENDED:CLOSE\nDEFAULT:OPEN\n")
    assert ssh_as("bob") != ""
    assert ssh_as("bobadm") != ""
    assert ssh_as("root") == ""


def test_who_came_in_by_the_other_name_fills_a_place_of_the_group(rules) -> None:
    rules("SSH NUMBER GROUP lp:1\nDEFAULT:OPEN\n")
    run("gpasswd", "--add", "carol", "lp")
    try:
        with ssh_session("bobadm", key=KEYS / "bob"):
            assert ssh_as("bob") == ""
            assert not gets_in("carol")
    finally:
        run("gpasswd", "--delete", "carol", "lp")
        wait_until_gone(["bob", "bobadm", "carol"])


@pytest.mark.parametrize("named", OTHER)
def test_what_opens_is_meant_to_the_letter(named: str, rules) -> None:
    rules(f"SSH OPEN USER {named}\n")
    assert ssh_as(named) == ""
    assert ssh_as(OTHER[named]) == CLOSED.format(OTHER[named])


def test_a_long_file_says_the_same(rules) -> None:
    """Of which lines are left out that name somebody else."""
    padding = "".join(f"SSH OPEN USER somebody-else-{number}\n" for number in range(1000))
    rules(f"{padding}SSH CLOSE USER bob\nDEFAULT:OPEN\n")
    assert ssh_as("bobadm") == CLOSED.format("bobadm")
    rules(f"{padding}SSH OPEN USER bob\n")
    assert ssh_as("bobadm") == CLOSED.format("bobadm")
    assert ssh_as("bob") == ""


@pytest.mark.parametrize("named", OTHER)
def test_explain_agrees(named: str, rules) -> None:
    def told(user: str) -> int:
        return run("pam-accesscontrol", "explain", "SSH", user, "10.1.2.3", check=False).returncode

    rules(f"SSH CLOSE USER {named}\nDEFAULT:OPEN\n")
    assert told(named) == told(OTHER[named]) == 1
    rules(f"SSH OPEN USER {named}\n")
    assert (told(named), told(OTHER[named])) == (0, 1)
