"""Where sshd_config keeps sshd from asking the guarded service, check, status and explain say so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from host import PASSING
from machine import Result, restart_sshd, run, ssh

CONFIG = Path("/etc/ssh/sshd_config.d/0-first.conf")
NO_PAM = "sshd_config: UsePAM is no, so no rule is asked"


@pytest.fixture
def configured() -> Iterator[Callable[[str], None]]:
    """configured("UsePAM no"): what sshd_config says first, within this test."""

    def configure(text: str) -> None:
        CONFIG.write_text(f"{text}\n")
        restart_sshd()

    yield configure
    CONFIG.unlink(missing_ok=True)
    restart_sshd()


def command(*arguments: str) -> Result:
    return run("pam-accesscontrol", *arguments, check=False)


def test_without_pam_everybody_gets_in_and_all_of_them_say_so(configured, rules) -> None:
    rules("DEFAULT:CLOSE\nALL OPEN USER root\n")
    configured("UsePAM no")
    told = command("explain", "SSH", "bob", "10.1.2.3")
    assert (told.returncode, told.stdout) == (0, f"let in: bob over SSH from 10.1.2.3: {NO_PAM}\n")
    assert ssh("bob").returncode == 0
    told = command("check")
    assert (told.returncode, told.stdout) == (1, f"{NO_PAM}\n")
    assert f"fault    {NO_PAM}" in command("status").stdout.splitlines()


def test_another_service_is_judged_by_the_rules_for_that(configured, rules, service) -> None:
    if run("sshd", "-t", "-o", "PAMServiceName=elsewhere", check=False).returncode != 0:
        pytest.skip("this sshd has no PAMServiceName")
    service("elsewhere", PASSING)
    rules("DEFAULT:OPEN\nELSEWHERE CLOSE USER bob\n")
    configured("PAMServiceName elsewhere")
    told = command("explain", "SSH", "bob", "10.1.2.3")
    assert told.returncode == 1
    assert told.stdout.startswith("refused: bob over ELSEWHERE from 10.1.2.3\n")
    assert ssh("bob").returncode != 0
    told = command("check")
    assert told.returncode == 1
    assert told.stdout == "sshd_config: PAMServiceName is elsewhere, so no rule for SSH is asked\n"


def test_who_cannot_read_the_configuration_is_told_what_the_rules_say(rules) -> None:
    rules("DEFAULT:OPEN\nSSH CLOSE USER bob\n")
    told = run("runuser", "-u", "bob", "--", "pam-accesscontrol", "explain", "SSH", "bob", check=False)
    assert (told.returncode, told.stdout.splitlines()[0]) == (1, "refused: bob over SSH from LOCAL")
