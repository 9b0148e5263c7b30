"""Names and hosts come from strangers: whatever is in them, a log line stays one line with its columns in place."""

from __future__ import annotations

import re

import pytest

from host import PASSING, SUCCESS, host

STRANGE = {
    "newlines": ("bob\nNov 23 sshd[1]: root", r"bob\nNov\x2023\x20sshd[1]:\x20root"),
    "carriage returns": ("bob\rroot", r"bob\rroot"),
    "escapes of a terminal": ("\x1b[2J\x1b]0;owned\x07", r"\x1b[2J\x1b]0;owned\x07"),
    "controls of eight bits": ("bob\x9b2J\x85x", r"bob\x9b2J\x85x"),
    "lines of Unicode": ("bob\u2028root\u2029", r"bob\u2028root\u2029"),
    "text from right to left": ("bob\u202eroot", r"bob\u202eroot"),
    "bytes that are not UTF-8": ("bob\udcff\udcfe", r"bob\xff\xfe"),
    "half of a character": ("bob\udce2\udc80", r"bob\xe2\x80"),
    "blanks": ("bob  granted", r"bob\x20\x20granted"),
    "another host": ("bob@10.0.0.1", r"bob\x4010.0.0.1"),
    "backslashes": (r"EXAMPLE\bob", r"EXAMPLE\bob"),
    "letters of the world": ("bøb-鮑勃", "bøb-鮑勃"),
    "per cent": ("%s%n%n", "%s%n%n"),
    "nothing": ("", ""),
}


@pytest.fixture(autouse=True)
def _scratch(service) -> None:
    service("scratch", PASSING)


def logged(journal, authlog, monthly_log) -> str:
    """user@host as the three logs have it: all of them the same, in one line each."""
    (line,) = journal()
    assert authlog().count("pam-accesscontrol[") == 1
    in_auth_log = [text for text in re.split("\n", authlog()) if "pam-accesscontrol[" in text]
    assert in_auth_log[0].endswith(f": {line}")
    (in_monthly_log,) = monthly_log().removesuffix("\n").split("\n")
    who = line.split(" ")[2].removesuffix(":")
    assert in_monthly_log.split()[2:7] == ["SCRATCH", "CLOSE", who, "denied", "pam-accesscontrol.conf:1:"]
    return who


@pytest.mark.parametrize("what", STRANGE)
def test_in_a_name(what: str, rules, journal, authlog, monthly_log) -> None:
    name, shown = STRANGE[what]
    rules("DEFAULT:CLOSE\n")
    assert SUCCESS not in host("scratch", name, "acct", rhost="10.1.2.3").returned.values()
    assert logged(journal, authlog, monthly_log) == f"{shown}@10.1.2.3"


@pytest.mark.parametrize("what", STRANGE)
def test_in_a_host(what: str, rules, journal, authlog, monthly_log) -> None:
    name, shown = STRANGE[what]
    rules("DEFAULT:CLOSE\n")
    assert SUCCESS not in host("scratch", "bob", "acct", rhost=name).returned.values()
    assert logged(journal, authlog, monthly_log) == f"bob@{shown or 'LOCAL'}"


def test_one_of_great_length_is_cut_short(rules, journal, authlog, monthly_log) -> None:
    rules("DEFAULT:CLOSE\n")
    host("scratch", "b" * 5000, "acct", rhost="h" * 5000)
    assert len(logged(journal, authlog, monthly_log)) < 600


def test_a_message_to_the_person_has_no_escapes_in_it(rules) -> None:
    rules("DEFAULT:CLOSE\n")
    refused = host("scratch", "\x1b[2Jbob\nroot\udcff", "acct")
    assert refused.messages == [r"Access denied: \x1b[2Jbob\nroot\xff may not log in over SCRATCH."]


@pytest.mark.parametrize("user", ["bob\udcff", "b\u00f8b", "bob\n"])
def test_such_a_name_is_judged_by_the_rules_all_the_same(user: str, rules) -> None:
    rules("ALL OPEN USER ALL\n")
    assert host("scratch", user, "acct").returned == {"acct": SUCCESS}
    rules("ALL OPEN USER bob\n")
    assert SUCCESS not in host("scratch", user, "acct").returned.values()


def test_a_name_that_is_not_ascii_fits_its_own_rule(rules) -> None:
    rules("ALL OPEN USER b\u00f8b,\udcffx\n")
    for user in ("b\u00f8b", "\udcffx"):
        assert host("scratch", user, "acct").returned == {"acct": SUCCESS}
