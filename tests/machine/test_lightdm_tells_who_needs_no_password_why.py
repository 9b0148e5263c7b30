"""Of whom lightdm asks no password, as of nopasswdlogin on Ubuntu, is refused in account, and reads why."""

from __future__ import annotations

from pathlib import Path

import pytest

from greeters import Lightdm
from limits import known_to_logind

pytest_plugins = ["desktop_fixtures", "greeters_fixtures"]
pytestmark = pytest.mark.parametrize("managed", [Lightdm], ids=["lightdm"], indirect=True)

BECAUSE = "Access denied: bob may not log in at the desktop."


def test_the_greeter_shows_the_sentence(greeter: Lightdm, rules) -> None:
    rules("XDM CLOSE USER bob\nDEFAULT:OPEN\n")
    service = Path("/etc/pam.d/lightdm")
    before = service.read_text()
    service.write_text(f"auth sufficient pam_succeed_if.so user = bob\n{before}")
    try:
        greeter.send_name("bob")
        assert greeter.wait_for(BECAUSE, "Failed to authenticate") == BECAUSE
    finally:
        service.write_text(before)
    greeter.take("told-why")
    assert known_to_logind() == []
