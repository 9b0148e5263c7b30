"""Rule files on which accesscontrol.py and the reference once did not agree: found by tests/fuzz, kept for good."""

import pytest

from comparison import disagreements
from login_attempts import Case

BOB = Case("sshd", "bob", "192.0.2.1", {})

CASES = {
    "any sign stood for the @ behind a closing quote":
        ('SSH OPEN USER "bob"x192.0.2.1', BOB),
    "a backslash did, too":
        ('SSH OPEN USER bob,"alice"\\0.0.0.0/00', BOB),
    "a long s was an S in the value of an option":
        ("DEFAULT:OPEN\nDEFAULT:CLO\u017fE", BOB),
    "a long s was an S in False":
        ("DEBUG:True\nDEBUG:FAL\u017fE", BOB),
    "a carriage return was part of a scope":
        ("TTY CLOSE USER root@fe80::1%eth0\r\r", BOB),
    "double quotes were part of a scope":
        ('TTY ASK GROUP lp@fe80::1%eth0"lp"', BOB),
    "and blanks in them":
        ('TTY ASK GROUP lp@fe80::1%" ",users', BOB),
    "a newline of another kind was part of a scope":
        ("SSH CLOSE USER root@fe80::1%\x0b/64", BOB),
    "more than six digits of REMEMBER were too many, but of TIMEOUT were not":
        ("TIMEOUT:0000007\nREMEMBER:0000007", BOB),
    "a host name refused people whom the entry with an address was not about":
        ("SSH CLOSE GROUP lp@10.0.0.0/8\nSSH OPEN USER bob", Case("sshd", "bob", "host.example.org", {"lp": False})),
    "and so did a limit":
        ("SSH NUMBER GROUP lp@10.0.0.0/8:2\nSSH OPEN USER bob", Case("sshd", "bob", "host.example.org", {"lp": False})),
    "a login name that has an @ was not known by it, where a rule closes and it is another name of the person":
        ("SSH CLOSE USER alice@LOCAL\nDEFAULT:OPEN", Case("sshd", "bob", "192.0.2.1", {}, {"alice@LOCAL"})),
    "what is quoted was part of a longer name":
        ('SSH OPEN USER "bob"@10.0.0.1', Case("sshd", "bob@10.0.0.1", "192.0.2.1", {})),
    "more digits than Python takes for a number were an error":
        ("TIMEOUT:" + "9" * 5000, BOB),
    "and so were as many zeros":
        ("REMEMBER:" + "0" * 5000 + "7", BOB),
}


@pytest.mark.parametrize(("text", "case"), CASES.values(), ids=list(CASES))
def test_the_two_agree_now(text, case):
    assert disagreements(text, [case]) == []
