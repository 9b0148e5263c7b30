"""A service of which no list knows whether it opens a session: by pam_exec.so, the month has its line all the same.

pwauth, which web servers ask, opens none.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hosts import guarded
from machine import password_of, run


@pytest.fixture(autouse=True)
def _pwauth() -> Iterator[None]:
    with guarded("pwauth"):
        yield


def lets_in(user: str, password: str = "") -> bool:
    answer = run("pwauth", input=f"{user}\n{password or password_of(user)}\n", check=False)
    return answer.returncode == 0


def test_the_month_has_one_line_for_who_is_let_in_and_one_for_who_is_refused(rules, monthly_log) -> None:
    rules("PWAUTH OPEN USER bob\n")
    assert lets_in("bob") and not lets_in("carol") and not lets_in("bob", "wrong")
    told = [line.split()[2:6] for line in monthly_log().splitlines()]
    assert told == [["PWAUTH", "OPEN", "bob@LOCAL", "granted"], ["PWAUTH", "CLOSE", "carol@LOCAL", "denied"]]


def test_check_says_what_a_limit_means_there(rules) -> None:
    rules("DEFAULT:OPEN\nPWAUTH NUMBER USER bob:1\n")
    told = run("pam-accesscontrol", "check", check=False)
    assert told.returncode == 0
    assert ":2: warning: it is not known whether pwauth opens a session: if not, " in told.stdout
    assert lets_in("bob") and lets_in("bob")  # as it says
