"""A login reads only those lines of a long file as rules that may have a say in it; none of those is lost."""

import pytest

import accesscontrol
from comparison import decision
from door import GroupsFrom

MANY = 3 * accesscontrol.MANY
AT = 2 * accesscontrol.MANY  # well within the part of which only the odd lines are looked at


def file(line, start="SSH OPEN USER", end="\n"):
    """A rule file of many rules about others, and one line that is not like them."""
    rows = [f"{start} user{number}" for number in range(MANY)]
    rows[AT - 1] = line
    return end.join(["DEFAULT:CLOSE", *rows[1:], ""])


def kept(text, groups=()):
    login = accesscontrol.Login("sshd", "bob", "192.0.2.1", GroupsFrom(dict.fromkeys(groups, True)))
    return [line for line, _ in accesscontrol.sieve(text, login)[0] if line not in (1, MANY + 1)]


@pytest.mark.parametrize("line", [
    "SSH OPEN USER bob", "SSH OPEN USER ALL", "SSH OPEN USER alice,bob", "SSH OPEN USER bob@192.0.2.0/24",
    "SSH OPEN USER bob@LOCAL", 'SSH OPEN USER "bob"', "SSH  OPEN USER bob", "ssh open user bob", "ALL OPEN USER bob",
    "SSH CLOSE USER bob", "SSH ASK USER bob", "SSH NUMBER USER bob:1", "SSH OPEN GROUP ALL", "SSH CLOSE GROUP lp",
    "\tSSH OPEN USER bob", "SSH OPEN USER bob # comment", "SSH OPEN USER\tbob", "SSH OPEN USER bob\r",
    "TIMEOUT:5", "DEBUG:True", "DEFAULT:OPEN", "UNATTENDED:CLOSE",
    "SSH OPEN USER user1,", "SSH OPEN USER ,user1", "SSH OPEN USER user1,,user2", "SSH OPEN USER user1@10.0.0.0/33",
    "SSH OPEN USER user1@nowhere", "SSH OPEN USER user1:2", 'SSH OPEN USER "user1', "SSH OPEN USER user1#",
    "SSH OPEN USER", "SSH OPEN USER user1 user2", "SSH OPEN GROUPS lp", "nonsense", "SSH OPEN USER user1\x01",
    "SSH OPEN USER \udcff",
])
def test_a_line_that_may_have_a_say_is_kept_wherever_it_stands(line):
    assert kept(file(line)) == [AT]
    assert kept(file(line, end="\r\n")) == [AT]


@pytest.mark.parametrize("line", [
    "", "  ", "# SSH OPEN USER bob", "SSH OPEN USER bobby", "SSH OPEN USER bo", "SSH OPEN USER BOB",
    "SSH OPEN USER all", "SSH OPEN USER alice,carol", "TTY CLOSE USER bob",
    "SSH OPEN USER alice@10.0.0.0/8,carol@2001:db8::/32,erin",
])
def test_a_line_about_others_is_left_out(line):
    assert kept(file(line)) == []


def test_whom_a_rule_closes_is_told_by_another_name_as_well():
    for start in ("SSH CLOSE USER", "SSH OPEN USER"):
        bob = accesscontrol.Login("sshd", "bob@EXAMPLE", "192.0.2.1", GroupsFrom({}, name="bob"))
        rows, _ = accesscontrol.sieve(file(f"{start} bob", start), bob)
        assert (AT in [line for line, _ in rows]) == (start == "SSH CLOSE USER")


def test_groups_are_told_by_their_names():
    assert kept(file("SSH OPEN GROUP user7", "SSH OPEN GROUP"), ["user7", "users"]) == [8, AT]
    assert kept(file("SSH OPEN GROUP lp", "SSH OPEN GROUP"), ["lp"]) == [AT]
    assert kept(file("SSH OPEN GROUP lp", "SSH OPEN GROUP"), ["users"]) == []


@pytest.mark.parametrize("line", ["SSH OPEN USER bob", "SSH CLOSE USER ALL", "SSH ASK USER bob@LOCAL", "DEBUG:True"])
@pytest.mark.parametrize("start", ["SSH OPEN USER", "SSH CLOSE USER", "TTY OPEN USER", "SSH OPEN GROUP"])
def test_the_verdict_is_that_of_the_whole_file(line, start):
    text = file(line, start)
    login = ("sshd", "bob", "192.0.2.1", {})
    rows, plain = accesscontrol.sieve(text, accesscontrol.Login(*login[:3], GroupsFrom({})))
    whole = decision(accesscontrol.parse(text, "/etc/rules"), login)
    assert decision(accesscontrol.parse_rows(rows, "/etc/rules"), login) == whole
    if plain:
        found = accesscontrol.plain_verdict(rows, "rules")
        assert (found.verdict, found.where) == (whole[0], f"rules:{whole[1]}")
