"""ASK about people of a directory (LDAP): the owner of the desktop sees who it is, whatever group or name it was by."""

from __future__ import annotations

import pytest

from desktop import NOT_ALLOWED, Desktop
from directory import Directory
from machine import KEYS

pytest_plugins = ["directory_fixtures", "desktop_fixtures"]


@pytest.fixture(autouse=True)
def _answers(directory: Directory) -> None:
    directory.answer()


def test_the_owner_is_asked_about_whoever_is_in_the_group(desktop: Desktop, rules) -> None:
    rules('SSH ASK GROUP "night shift"\nDEFAULT:OPEN\nREMEMBER:0\n')
    gina = desktop.knock("gina")
    window = desktop.question()
    assert window.title == "SSH login: gina from 10.1.2.3"
    assert window.fact("Full name") == "Gina Example"
    assert desktop.knock("hugo").is_let_in()
    window.click("Allow")
    assert gina.is_let_in()


@pytest.mark.parametrize("asked_directory", ["sssd"], indirect=True)
def test_an_answer_holds_by_whatever_name_the_same_person_comes(desktop: Desktop, rules) -> None:
    rules("SSH ASK USER gina\nDEFAULT:OPEN\nREMEMBER:60\nTIMEOUT:5\n")
    gina = desktop.knock("gina")
    desktop.answer("Deny")
    assert gina.refusal() == NOT_ALLOWED
    with desktop.watched() as history:
        assert desktop.knock("gina@LDAP", key=KEYS / "gina").refusal() == NOT_ALLOWED
    assert len(set().union(*history)) == 0
