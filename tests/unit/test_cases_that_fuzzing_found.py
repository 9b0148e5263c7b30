"""Rule files on which accesscontrol.py and the reference once did not agree: found by tests/fuzz, kept for good."""

import pytest

from comparison import disagreements

NOBODY = ("sshd", "bob", "192.0.2.1", {})

CASES = {
    "any sign stood for the @ behind a closing quote":
        ('SSH OPEN USER "bob"x192.0.2.1', NOBODY),
    "a backslash did, too":
        ('SSH OPEN USER bob,"alice"\\0.0.0.0/00', NOBODY),
    "a long s was an S in the value of an option":
        ("DEFAULT:OPEN\nDEFAULT:CLO\u017fE", NOBODY),
    "a long s was an S in False":
        ("DEBUG:True\nDEBUG:FAL\u017fE", NOBODY),
    "a carriage return was part of a scope":
        ("TTY CLOSE USER root@fe80::1%eth0\r\r", NOBODY),
    "double quotes were part of a scope":
        ('TTY ASK GROUP lp@fe80::1%eth0"lp"', NOBODY),
    "and blanks in them":
        ('TTY ASK GROUP lp@fe80::1%" ",users', NOBODY),
    "a newline of another kind was part of a scope":
        ("SSH CLOSE USER root@fe80::1%\x0b/64", NOBODY),
    "more than six digits of REMEMBER were too many, but of TIMEOUT were not":
        ("TIMEOUT:0000007\nREMEMBER:0000007", NOBODY),
    "a host name refused people whom the entry with an address was not about":
        ("SSH CLOSE GROUP lp@10.0.0.0/8\nSSH OPEN USER bob", ("sshd", "bob", "host.example.org", {"lp": False})),
    "and so did a limit":
        ("SSH NUMBER GROUP lp@10.0.0.0/8:2\nSSH OPEN USER bob", ("sshd", "bob", "host.example.org", {"lp": False})),
}


@pytest.mark.parametrize(("text", "login"), CASES.values(), ids=list(CASES))
def test_the_two_agree_now(text, login):
    assert disagreements(text, [login]) == []
