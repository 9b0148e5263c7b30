"""ASK about people of a directory (LDAP): the owner of the desktop is asked, and sees who it is."""

from __future__ import annotations

import pytest

from desktop import Desktop
from directory import Directory

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
