"""The first OPEN, CLOSE or ASK that fits service, person and address is the verdict; where none fits, DEFAULT is."""

import pytest

import accesscontrol
from login_attempts import attempt, decide, limits, line, verdict


def outcome(text, *args, **kwargs):
    return verdict(text, *args, **kwargs), line(text, *args, **kwargs)


# --- first match, from top to bottom ----------------------------------------------------------------------------------


def test_with_no_rule_and_no_default_everything_is_closed():
    assert outcome("") == ("CLOSE", 0)


@pytest.mark.parametrize("first", ["OPEN", "CLOSE", "ASK"])
@pytest.mark.parametrize("second", ["OPEN", "CLOSE", "ASK"])
def test_the_first_rule_that_fits_decides(first, second):
    assert outcome(f"SSH {first} USER bob\nSSH {second} USER bob") == (first, 1)
    assert outcome(f"SSH {first} USER alice\nSSH {second} USER bob") == (second, 2)
    assert outcome(f"TTY {first} USER bob\nSSH {second} USER bob") == (second, 2)
    assert outcome(f"SSH {first} USER bob@10.0.0.0/8\nSSH {second} USER bob") == (second, 2)
    assert outcome(f"SSH {first} GROUP lp\nSSH {second} USER bob", groups={"lp": False}) == (second, 2)


@pytest.mark.parametrize("default", ["OPEN", "CLOSE"])
def test_default_decides_last_wherever_it_stands(default):
    for text in (f"DEFAULT:{default}\nSSH ASK USER bob\nSSH OPEN USER alice",
                 f"SSH ASK USER bob\nDEFAULT:{default}\nSSH OPEN USER alice",
                 f"SSH ASK USER bob\nSSH OPEN USER alice\nDEFAULT:{default}"):
        assert verdict(text, user="bob") == "ASK"
        assert verdict(text, user="alice") == "OPEN"
        assert verdict(text, user="carol") == default


def test_open_for_some_and_closed_for_the_rest():
    text = "SSH OPEN USER bob,alice\nSSH CLOSE USER ALL\nDEFAULT:OPEN"
    assert [verdict(text, user=user) for user in ("bob", "alice", "carol")] == ["OPEN", "OPEN", "CLOSE"]
    assert verdict(text, "login", "carol") == "OPEN"


def test_closed_for_some_and_open_for_the_rest():
    text = "SSH CLOSE GROUP guests\nSSH OPEN GROUP ALL"
    assert verdict(text, groups={"guests": True}) == "CLOSE"
    assert verdict(text, groups={"guests": False}) == "OPEN"


def test_a_host_from_which_only_some_may_come():
    text = "SSH OPEN USER bob@203.0.113.7\nSSH CLOSE USER ALL@203.0.113.7\nDEFAULT:OPEN"
    assert verdict(text, user="bob", rhost="203.0.113.7") == "OPEN"
    assert verdict(text, user="alice", rhost="203.0.113.7") == "CLOSE"
    assert verdict(text, user="alice", rhost="203.0.113.8") == "OPEN"


def test_every_entry_of_a_list_counts_not_only_the_first():
    assert [verdict("SSH OPEN USER a,b,c", user=user) for user in "abcd"] == ["OPEN", "OPEN", "OPEN", "CLOSE"]
    assert verdict("SSH OPEN GROUP a,b,c", groups={"a": False, "b": False, "c": True}) == "OPEN"


def test_a_user_rule_is_not_about_a_group_of_that_name_nor_the_other_way_round():
    assert verdict("SSH OPEN USER lp", user="bob", groups=["lp"]) == "CLOSE"
    assert verdict("SSH OPEN GROUP bob", user="bob", groups={"bob": False}) == "CLOSE"


def test_a_name_fits_whole():
    for user in ("bo", "bobb", "Bob", "BOB", " bob", "bob ", "", "bob@LOCAL", "bob,alice", "b\u00f6b", "bob\udcff",
        "bob\0"):
        assert verdict("SSH OPEN USER bob,alice", user=user) == "CLOSE"


def test_a_name_of_bytes_that_are_not_utf8_fits_the_same_bytes_and_no_others():
    assert verdict("SSH OPEN USER b\udcf6b", user="b\udcf6b") == "OPEN"
    assert verdict("SSH OPEN USER b\udcf6b", user="b\u00f6b") == "CLOSE"


# --- groups -----------------------------------------------------------------------------------------------------------


def test_a_group_that_does_not_exist_opens_for_nobody():
    assert outcome("SSH OPEN GROUP gone\nSSH ASK USER bob", groups={}) == ("ASK", 2)
    assert outcome("SSH OPEN GROUP gone,lp", groups=["lp"]) == ("OPEN", 1)


@pytest.mark.parametrize("action", ["CLOSE", "ASK"])
def test_a_group_that_does_not_exist_is_never_not_in_the_group_where_a_rule_closes(action):
    assert outcome(f"SSH {action} GROUP gone\nSSH OPEN USER bob\nDEFAULT:OPEN", groups={}) == ("CLOSE", 1)
    assert outcome(f"SSH {action} GROUP gone,lp\nSSH OPEN USER bob", groups={"lp": False}) == ("CLOSE", 1)


def test_another_entry_that_fits_takes_the_doubt_away():
    assert outcome("SSH ASK GROUP gone,lp", groups=["lp"]) == ("ASK", 1)
    assert outcome("SSH ASK GROUP lp,gone", groups=["lp"]) == ("ASK", 1)
    assert outcome("SSH ASK GROUP gone,ALL", groups={}) == ("ASK", 1)


def test_somebody_whom_the_directory_does_not_know_is_in_no_group_that_opens_and_refused_where_one_closes():
    def meets(text):
        return verdict(text, user="mallory", groups=None)

    assert meets("SSH OPEN GROUP users\nSSH ASK USER mallory") == "ASK"
    assert meets("SSH CLOSE GROUP users\nDEFAULT:OPEN") == "CLOSE"
    assert meets("SSH ASK GROUP users\nDEFAULT:OPEN") == "CLOSE"
    assert meets("SSH NUMBER GROUP users:2\nDEFAULT:OPEN") == "CLOSE"
    assert meets("SSH OPEN GROUP ALL") == "OPEN"


def test_by_another_name_it_is_the_same_person_whom_a_rule_closes_or_limits():
    """A directory may know bob as bob@EXAMPLE, too, and as BOB where case does not matter."""

    def meets(text):
        found = decide(text, user="bob@EXAMPLE", aliases=["bob"])
        return found.verdict, len(found.limits)

    assert meets("SSH CLOSE USER alice,bob\nDEFAULT:OPEN") == ("CLOSE", 0)
    assert meets("SSH CLOSE USER bob@192.0.2.0/24\nDEFAULT:OPEN") == ("CLOSE", 0)
    assert meets("SSH CLOSE USER bob@10.0.0.0/8\nDEFAULT:OPEN") == ("OPEN", 0)
    assert meets("SSH ASK USER bob\nDEFAULT:OPEN") == ("ASK", 0)
    assert meets("SSH NUMBER USER bob:1,bob@EXAMPLE:2\nDEFAULT:OPEN") == ("OPEN", 2)
    assert meets("SSH CLOSE USER bo,BOB,bob@example\nDEFAULT:OPEN") == ("OPEN", 0)
    assert meets("SSH OPEN USER bob") == ("CLOSE", 0)  # what opens is meant to the letter
    assert meets("SSH OPEN USER bob@EXAMPLE") == ("OPEN", 0)


def test_a_person_is_a_uid_and_every_login_name_of_it_closes_asks_and_limits():
    """Two lines of /etc/passwd may have one uid, as root and toor do."""
    toor = {"user": "toor", "aliases": ["root"], "uid": 0}
    assert outcome("SSH CLOSE USER root\nDEFAULT:OPEN", **toor) == ("CLOSE", 1)
    assert outcome("SSH ASK USER root\nDEFAULT:OPEN", **toor) == ("ASK", 1)
    assert limits("SSH NUMBER USER root:2\nDEFAULT:OPEN", **toor) == [(1, "USER", "root", 2)]
    assert outcome("SSH OPEN USER root\nSSH ASK USER toor", **toor) == ("ASK", 2)
    assert outcome("SSH CLOSE USER root@10.0.0.0/8\nDEFAULT:OPEN", **toor) == ("OPEN", 2)
    assert outcome("SSH CLOSE USER root@10.0.0.0/8\nDEFAULT:OPEN", rhost="host.example.org", **toor) == ("CLOSE", 1)


def test_the_names_of_somebody_unknown_are_the_one_that_was_typed():
    assert outcome("SSH CLOSE USER mallory\nDEFAULT:OPEN", user="mallory", groups=None) == ("CLOSE", 1)
    assert outcome("SSH CLOSE USER alice\nDEFAULT:OPEN", user="mallory", groups=None) == ("OPEN", 2)


def test_group_all_is_everyone_and_asks_nobody():
    somebody = attempt(groups={})
    rules = accesscontrol.parse("SSH NUMBER GROUP ALL:3\nSSH OPEN GROUP ALL", "/etc/rules")
    assert accesscontrol.decide(rules, somebody).verdict == "OPEN"
    assert somebody.person.asked == []


def test_the_rules_of_other_services_and_those_after_the_verdict_look_nothing_up():
    somebody = attempt(groups={})
    text = "TTY CLOSE GROUP gone\nSSH OPEN USER bob\nSSH CLOSE GROUP gone\nTTY NUMBER GROUP gone:1"
    rules = accesscontrol.parse(text, "/etc/rules")
    assert accesscontrol.decide(rules, somebody).verdict == "OPEN"
    assert somebody.person.asked == []


def test_what_comes_before_the_doubt_has_decided_already():
    assert outcome("SSH OPEN USER bob\nSSH CLOSE GROUP gone", groups={}) == ("OPEN", 1)
    assert outcome("SSH CLOSE GROUP gone\nSSH OPEN USER bob", groups={}) == ("CLOSE", 1)


# --- what is told about it --------------------------------------------------------------------------------------------


def test_a_decision_names_the_file_and_the_line():
    assert decide("\nSSH OPEN USER bob").where == "rules:2"
    assert decide("DEFAULT:OPEN").where == "rules:1"
    assert decide("").where == "rules"
    assert decide("SSH CLOSE GROUP gone").where == "rules:1"


def test_a_decision_says_why():
    assert "SSH OPEN USER bob" in decide("SSH OPEN USER bob").why
    assert "gone" in decide("SSH CLOSE GROUP gone").why
    assert decide("").why


def test_with_debug_every_rule_that_was_looked_at_is_named_with_its_part():
    text = """TTY OPEN USER bob
SSH OPEN USER alice
SSH NUMBER USER bob:2
SSH OPEN USER bob
SSH CLOSE USER ALL
DEFAULT:OPEN"""
    notes = []
    accesscontrol.decide(accesscontrol.parse(text, "/etc/rules"), attempt(), notes.append)
    assert [note.partition(" ")[0] for note in notes] == [f"rules:{number}:" for number in range(1, 6)]
    assert all(note.isprintable() for note in notes)
    assert len({note.rpartition(": ")[2] for note in notes}) == 5


def test_with_debug_the_rule_that_could_not_be_told_is_named_too():
    notes = []
    accesscontrol.decide(accesscontrol.parse("SSH CLOSE GROUP gone", "/etc/rules"), attempt(), notes.append)
    assert any(note.startswith("rules:1:") for note in notes)


def test_with_debug_what_no_rule_decides_names_the_default():
    notes = []
    rules = accesscontrol.parse("SSH OPEN USER alice\nDEFAULT:OPEN", "/etc/rules")
    accesscontrol.decide(rules, attempt(), notes.append)
    assert [note.partition(" ")[0] for note in notes] == ["rules:1:", "rules:2:"]


def test_a_file_that_is_not_to_be_trusted_closes_everything():
    rules = accesscontrol.load_rules("/nonexistent/rules")
    for service in ("sshd", "login", "sddm", "su"):
        for user in ("root", "bob"):
            found = accesscontrol.decide(rules, attempt(service, user, ""))
            assert (found.verdict, *found.limits) == ("CLOSE",)
            assert "/nonexistent/rules" in found.why
