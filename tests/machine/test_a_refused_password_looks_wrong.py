"""The right password of somebody who is refused is answered as a wrong one is: nobody learns that it was right."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from host import AUTH_ERR, PASSING, PLUGIN, SUCCESS, host
from hosts import as_user, guarded
from machine import run, ssh

RULES = "DEFAULT:OPEN\nALL CLOSE USER bob\n"  # bob is refused, carol is not
TRIES = 20
DELAY = 2_000_000  # microseconds, what pam_unix asks for after a wrong password

# As Debian has it: a wrong password ends at pam_deny, a right one jumps across it to the plugin.
DEBIAN = f"""\
auth [success=1 default=ignore] pam_unix.so nullok
auth requisite pam_deny.so
auth required pam_permit.so
auth required {PLUGIN}
"""


@pytest.mark.parametrize("method", ["password", "kbdint"])
def test_ssh_shows_no_difference(method: str, rules, journal) -> None:
    rules(RULES)
    tries = [("bob", "bob-pw"), ("bob", "wrong"), ("carol", "wrong"), ("carol", "carol-pw")]
    with ThreadPoolExecutor() as pool:
        logins = list(pool.map(lambda one: ssh(one[0], **{method: one[1]}), tries))
    refused_right, refused_wrong, wrong, right = (
        (login.returncode, login.stdout, login.stderr.replace("bob", "carol")) for login in logins
    )
    assert refused_right == refused_wrong == wrong
    assert right == (0, "", "")
    assert any("SSH auth bob@10.1.2.3: CLOSE" in line for line in journal())


def test_pam_shows_no_difference(rules, service) -> None:
    rules(RULES)
    service("scratch", DEBIAN)
    wrong = host("scratch", "carol", "auth", password="wrong")
    refused = host("scratch", "bob", "auth", password="bob-pw")
    assert wrong.returned == refused.returned == {"auth": AUTH_ERR}
    assert wrong.messages == refused.messages == []
    assert max(wrong.asked) == max(refused.asked) == DELAY
    assert [why for why, _ in wrong.delayed] == [why for why, _ in refused.delayed] == ["failure"]
    for _, made in wrong.delayed + refused.delayed:
        assert DELAY / 2 <= made <= DELAY * 3 / 2  # libpam scatters it


def test_the_plugin_asks_for_the_delay_itself(rules, service) -> None:
    rules(RULES)
    service("scratch", PASSING)
    assert host("scratch", "bob", "auth").asked == [DELAY]
    assert host("scratch", "carol", "auth").asked == []


def test_who_is_let_in_waits_for_nothing(rules, service) -> None:
    rules(RULES)
    service("scratch", PASSING)
    let_in = host("scratch", "carol", "auth", "acct", "open", "close")
    assert set(let_in.returned.values()) == {SUCCESS}
    assert let_in.delayed == [("success", 0)]


def test_account_and_session_make_nobody_wait(rules, service) -> None:
    rules(RULES)
    service("scratch", PASSING)
    refused = host("scratch", "bob", "acct", "open")
    assert (refused.asked, refused.delayed) == ([], [])
    assert SUCCESS not in refused.returned.values()


def test_su_takes_as_long_for_a_right_password_as_for_a_wrong_one(rules) -> None:
    """Twenty of each, one beside the other: neither kind is the slower one, by their ranks (Mann and Whitney)."""
    rules(RULES)

    def seconds(password: str) -> float:
        begin = time.monotonic()
        told = run(*as_user("erin", "su", "bob", "-c", "true"), input=f"{password}\n", check=False)
        assert (told.returncode, told.stdout) == (1, "") and "Authentication failure" in told.stderr, told
        return time.monotonic() - begin

    with guarded("su"), ThreadPoolExecutor(8) as pool:
        took = list(pool.map(seconds, ["bob-pw", "wrong"] * TRIES))
    right, wrong = took[::2], took[1::2]
    assert min(took) > 1
    slower = sum(one > other for one in right for other in wrong)
    sigma = (TRIES * TRIES * (2 * TRIES + 1) / 12) ** 0.5
    assert abs(slower - TRIES * TRIES / 2) < 4.5 * sigma, (right, wrong)
