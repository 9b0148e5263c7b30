"""Groups come from NSS alone.

One that is unknown, or cannot be asked for, is never "not in the group" where a rule closes.
"""

import grp
import os
import pwd

import pytest

import accesscontrol

ME = pwd.getpwuid(os.getuid()).pw_name
MINE = sorted({grp.getgrgid(gid).gr_name for gid in os.getgrouplist(ME, pwd.getpwnam(ME).pw_gid)})
NOT_MINE = sorted({group.gr_name for group in grp.getgrall()} - set(MINE))
ODD = ["no-such-group", "", "a b", "a\0b", "a\nb", "gr\udcff", "gr\ud800", "x" * 70000, "ALL"]


@pytest.mark.parametrize("closing", [True, False])
def test_a_user_is_in_all_of_the_groups_that_the_system_says(closing):
    groups = accesscontrol.Groups(ME)
    assert all(groups.has(name, closing) for name in MINE)
    assert not any(groups.has(name, closing) for name in NOT_MINE)


@pytest.mark.parametrize("name", ODD)
def test_a_group_that_does_not_exist_cannot_be_told_where_a_rule_closes(name):
    with pytest.raises(accesscontrol.CannotTell) as raised:
        accesscontrol.Groups(ME).has(name, True)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("name", ODD)
def test_a_group_that_does_not_exist_opens_nothing(name):
    assert not accesscontrol.Groups(ME).has(name, False)


@pytest.mark.parametrize("user", [name for name in ODD if name != "ALL"])
@pytest.mark.parametrize("closing", [True, False])
def test_the_groups_of_somebody_unknown_cannot_be_told(user, closing):
    groups = accesscontrol.Groups(user)
    for _ in range(2):
        with pytest.raises(accesscontrol.CannotTell) as raised:
            groups.has(MINE[0], closing)
        assert str(raised.value).isprintable()


def test_a_directory_that_fails_cannot_be_told(monkeypatch):
    def fails(name):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(grp, "getgrnam", fails)
    with pytest.raises(accesscontrol.CannotTell):
        accesscontrol.Groups(ME).has("no-such-group", True)
    monkeypatch.setattr(pwd, "getpwnam", fails)
    for closing in (True, False):
        with pytest.raises(accesscontrol.CannotTell):
            accesscontrol.Groups(ME).has(MINE[0], closing)


def test_a_second_name_of_a_group_is_that_group_where_a_rule_closes(monkeypatch):
    """Two lines of /etc/group may have one number; members of the one are members of the other."""
    mine = grp.getgrnam(MINE[0])
    monkeypatch.setattr(grp, "getgrnam", lambda name: mine)
    assert accesscontrol.Groups(ME).has("second-name", True)


def test_by_another_name_a_user_has_the_same_groups(monkeypatch):
    me = pwd.getpwnam(ME)
    monkeypatch.setattr(pwd, "getpwnam", lambda name: me)
    groups = accesscontrol.Groups(f"{ME}@EXAMPLE")
    assert groups.own_name() == ME
    assert all(groups.has(name, True) for name in MINE)


@pytest.mark.parametrize("user", ODD)
def test_somebody_unknown_has_the_name_that_was_typed(user):
    assert accesscontrol.Groups(user).own_name() == user


def test_whom_a_group_names_is_in_it_where_a_rule_closes(monkeypatch):
    """A directory that is away makes getgrouplist(3) tell less, not fail; a cache may still know the group."""
    group = grp.struct_group(("editors", "x", 4_000_000_000, ["someone", ME]))
    monkeypatch.setattr(grp, "getgrnam", lambda name: group)
    assert accesscontrol.Groups(ME).has("editors", True)
    assert not accesscontrol.Groups(ME).has("editors", False)


def test_the_directory_is_asked_once_for_all_rules_that_open(monkeypatch):
    asked = []
    getpwnam = pwd.getpwnam
    monkeypatch.setattr(pwd, "getpwnam", lambda name: asked.append(name) or getpwnam(name))
    monkeypatch.setattr(grp, "getgrnam", asked.append)
    text = "".join(f"SSH OPEN GROUP group{number}\n" for number in range(1000))
    rules = accesscontrol.parse(text, "/etc/rules")
    assert accesscontrol.decide(rules, accesscontrol.Login("sshd", ME, "")).verdict == "CLOSE"
    assert asked == [ME]


def test_nobody_is_looked_up_before_a_rule_needs_it(monkeypatch):
    monkeypatch.setattr(pwd, "getpwnam", lambda name: pytest.fail("looked up"))
    rules = accesscontrol.parse("SSH OPEN USER bob\nSSH CLOSE GROUP ALL", "/etc/rules")
    assert accesscontrol.decide(rules, accesscontrol.Login("sshd", "bob", "")).verdict == "OPEN"
    assert accesscontrol.decide(rules, accesscontrol.Login("sshd", "mallory", "")).verdict == "CLOSE"
