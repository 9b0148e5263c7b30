"""What is known of a person comes from NSS alone: the groups, the uid, and every login name of that uid.

A group that is unknown, or cannot be asked for, is never "not in the group" where a rule closes.
"""

import grp
import os
import pwd

import pytest

import accesscontrol

ME = pwd.getpwuid(os.getuid()).pw_name
MINE = sorted({grp.getgrgid(gid).gr_name for gid in os.getgrouplist(ME, pwd.getpwnam(ME).pw_gid)})
NOT_MINE = sorted({group.gr_name for group in grp.getgrall()} - set(MINE))
SOMEBODY = "nobody"  # who is not root
ODD = ["no-such-group", "", "a b", "a\0b", "a\nb", "gr\udcff", "gr\ud800", pytest.param("x" * 70000, id="long"), "ALL"]


@pytest.fixture
def passwd(monkeypatch):
    """passwd(LINE...): the passwd entries that NSS knows; and those lines of /etc/passwd that are named by `file`."""

    def have(*lines, file=""):
        entries = [pwd.struct_passwd([*fields[:2], *map(int, fields[2:4]), *fields[4:]])
                   for fields in (line.split(":") for line in lines)]

        def find(wanted, of):
            for entry in entries:
                if of(entry) == wanted:
                    return entry
            raise KeyError(wanted)

        monkeypatch.setattr(pwd, "getpwnam", lambda name: find(name.lower().partition("@")[0], lambda it: it.pw_name))
        monkeypatch.setattr(pwd, "getpwuid", lambda uid: find(uid, lambda it: it.pw_uid))
        monkeypatch.setattr(accesscontrol, "read_text", {"/etc/passwd": file}.__getitem__)

    return have


# --- groups -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("closing", [True, False])
def test_a_user_is_in_all_of_the_groups_that_the_system_says(closing):
    person = accesscontrol.Person(ME)
    assert person.group_names == frozenset(MINE)
    assert person.gids == frozenset(os.getgrouplist(ME, pwd.getpwnam(ME).pw_gid))
    assert all(person.is_in(name, closing) for name in MINE)
    assert not any(person.is_in(name, closing) for name in NOT_MINE)


@pytest.mark.parametrize("name", ODD)
def test_a_group_that_does_not_exist_cannot_be_known_where_a_rule_closes(name):
    with pytest.raises(accesscontrol.Unknown) as raised:
        accesscontrol.Person(SOMEBODY).is_in(name, True)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("name", ODD)
def test_a_group_that_does_not_exist_is_one_that_root_is_not_in(name):
    """Or a typing error in its name, or a directory that is away, would lock root out, who is to mend it."""
    assert not accesscontrol.Person("root").is_in(name, True)


@pytest.mark.parametrize("name", ODD)
def test_a_group_that_does_not_exist_opens_nothing(name):
    assert not accesscontrol.Person(ME).is_in(name, False)


@pytest.mark.parametrize("user", [name for name in ODD if name != "ALL"])
def test_the_groups_of_somebody_unknown_cannot_be_known_where_a_rule_closes_and_open_nothing(user):
    person = accesscontrol.Person(user)
    for _ in range(2):
        with pytest.raises(accesscontrol.Unknown) as raised:
            person.is_in(MINE[0], True)
        assert str(raised.value).isprintable()
        assert not person.is_in(MINE[0], False)
    assert person.group_names == frozenset()
    with pytest.raises(accesscontrol.Unknown):
        _ = person.gids


def test_a_directory_that_fails_cannot_be_known(monkeypatch):
    def fails(name):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(grp, "getgrnam", fails)
    with pytest.raises(accesscontrol.Unknown):
        accesscontrol.Person(SOMEBODY).is_in("no-such-group", True)
    assert not accesscontrol.Person("root").is_in("no-such-group", True)
    monkeypatch.undo()
    monkeypatch.setattr(pwd, "getpwnam", fails)
    with pytest.raises(accesscontrol.Unknown):
        accesscontrol.Person(ME).is_in(MINE[0], True)
    assert not accesscontrol.Person(ME).is_in(MINE[0], False)


def test_a_second_name_of_a_group_is_that_group_where_a_rule_closes(monkeypatch):
    """Two lines of /etc/group may have one number; members of the one are members of the other."""
    mine = grp.getgrnam(MINE[0])
    monkeypatch.setattr(grp, "getgrnam", lambda name: mine)
    assert accesscontrol.Person(ME).is_in("second-name", True)


def test_by_another_name_a_user_has_the_same_groups(monkeypatch):
    me = pwd.getpwnam(ME)
    monkeypatch.setattr(pwd, "getpwnam", lambda name: me)
    person = accesscontrol.Person(f"{ME}@EXAMPLE")
    assert person.uid == os.getuid()
    assert all(person.is_in(name, True) for name in MINE)


def test_whom_a_group_names_is_in_it_where_a_rule_closes(monkeypatch):
    """A directory that is away makes getgrouplist(3) tell less, not fail; a cache may still know the group."""
    group = grp.struct_group(("editors", "x", 4_000_000_000, ["someone", ME]))
    monkeypatch.setattr(grp, "getgrnam", lambda name: group)
    assert accesscontrol.Person(ME).is_in("editors", True)
    assert not accesscontrol.Person(ME).is_in("editors", False)


@pytest.mark.parametrize(("name", "nss"), [
    ("g\u00e4ste", "g\udcc3\udca4ste"), ("j\udcfcrgen", "j\udcfcrgen"), ("domain users", "domain users"),
])
def test_a_group_is_asked_for_by_its_utf8_bytes_and_known_by_them(monkeypatch, name, nss):
    group = grp.struct_group((nss, "x", 4_000_000_000, []))
    asked = []
    monkeypatch.setattr(grp, "getgrnam", lambda name: asked.append(name) or group)
    monkeypatch.setattr(grp, "getgrgid", lambda gid: group)
    person = accesscontrol.Person(ME)
    assert not accesscontrol.Person("no-such-user").is_in(name, False)
    assert person.group_names == {name}
    assert person.is_in(name, True)
    assert person.is_in(name, False)
    assert accesscontrol.find_group(name) is group
    assert asked == [nss]


def test_the_directory_is_asked_once_for_all_rules_that_open(monkeypatch):
    asked = []
    getpwnam = pwd.getpwnam
    monkeypatch.setattr(pwd, "getpwnam", lambda name: asked.append(name) or getpwnam(name))
    monkeypatch.setattr(grp, "getgrnam", asked.append)
    text = "".join(f"SSH OPEN GROUP group{number}\n" for number in range(1000))
    rules = accesscontrol.parse(text, "/etc/rules")
    assert accesscontrol.decide(rules, accesscontrol.LoginAttempt("sshd", ME, "")).verdict == "CLOSE"
    assert asked == [ME]


def test_nobody_is_looked_up_before_a_rule_needs_it(monkeypatch):
    monkeypatch.setattr(pwd, "getpwnam", lambda name: pytest.fail("looked up"))
    rules = accesscontrol.parse("SSH OPEN USER bob\nSSH CLOSE GROUP ALL", "/etc/rules")
    assert accesscontrol.decide(rules, accesscontrol.LoginAttempt("sshd", "bob", "")).verdict == "OPEN"
    assert accesscontrol.decide(rules, accesscontrol.LoginAttempt("sshd", "mallory", "")).verdict == "CLOSE"


# --- names ------------------------------------------------------------------------------------------------------------


def test_the_names_of_a_user_are_those_of_the_uid():
    uid = os.getuid()
    person = accesscontrol.Person(ME)
    assert person.uid == uid
    assert person.names == {entry.pw_name for entry in pwd.getpwall() if entry.pw_uid == uid}


def test_a_directory_may_know_a_user_by_more_names_than_one(passwd):
    passwd("bob:x:1001:1001::/home/bob:/bin/sh")
    assert accesscontrol.Person("bob@EXAMPLE").names == {"bob@EXAMPLE", "bob"}
    assert accesscontrol.Person("BOB").names == {"BOB", "bob"}
    assert accesscontrol.Person("BOB").uid == 1001


def test_two_lines_of_etc_passwd_with_one_uid_are_one_person(passwd):
    lines = ["root:x:0:0::/root:/bin/sh", "toor:x:0:0::/root:/bin/sh", "bob:x:1001:0::/home/bob:/bin/sh"]
    passwd(*lines, file="\n".join([*lines, "", "# comment", "+", "admin:x:0", "x:y"]) + "\n")
    for name in ("root", "toor"):
        assert accesscontrol.Person(name).names == {"root", "toor", "admin"}
    assert accesscontrol.Person("bob").names == {"bob"}


@pytest.mark.parametrize("user", ODD)
def test_somebody_unknown_has_no_uid_and_the_name_that_was_typed(user):
    person = accesscontrol.Person(user)
    assert (person.uid, person.names) == (-1, frozenset([user]))


def test_a_name_that_is_not_ascii_is_asked_for_and_known_by_its_utf8_bytes(passwd):
    passwd("j\udcc3\udcbcrgen:x:1001:1001::/home/j:/bin/sh")
    assert accesscontrol.Person("j\u00fcrgen").names == {"j\u00fcrgen"}
    assert accesscontrol.Person("j\u00fcrgen").uid == 1001
