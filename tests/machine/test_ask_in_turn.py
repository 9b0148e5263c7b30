"""Many at once: one dialog on the screen, one after the other, and everybody gets an answer."""

from __future__ import annotations

import pytest

from desktop import Desktop

pytest_plugins = ["desktop_fixtures", "limits_fixtures"]

PEOPLE = ["bob", "carol", "dave", "erin"]


@pytest.fixture(autouse=True)
def _rules(rules) -> None:
    rules("SSH ASK USER bob,carol,dave,erin\nDEFAULT:OPEN\nREMEMBER:60\n")


def test_twenty_logins_of_four_people_are_four_dialogs_one_after_the_other(desktop: Desktop) -> None:
    with desktop.watched() as history:
        logins = {user: [desktop.knock(user) for _ in range(5)] for user in PEOPLE}
        asked, window = [], None
        while len(asked) < len(PEOPLE):
            window = desktop.question(*[window] if window else [])
            asked.append(window.title.split()[2])
            window.click("Allow" if asked[-1] in ("bob", "dave") else "Deny")
        for user in PEOPLE:
            assert [login.is_let_in() for login in logins[user]] == [user in ("bob", "dave")] * 5
    assert sorted(asked) == PEOPLE
    assert max(map(len, history)) == 1
    assert sum(bool(after) and not before for before, after in zip(history, history[1:])) == 4


def test_a_limit_that_was_reached_while_the_owner_thought_about_it_holds(desktop: Desktop, rules, groups) -> None:
    rules("SSH ASK USER bob\nSSH NUMBER GROUP lp:1\nDEFAULT:OPEN\n")
    groups("erin", "lp")
    bob = desktop.knock("bob")
    window = desktop.question()
    erin = desktop.knock("erin", stay=True).comes_in()
    window.click("Allow")
    assert bob.refusal() == "Access denied: lp: 1 of 1 are logged in."
    erin.leave()
