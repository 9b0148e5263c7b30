"""A NUMBER rule never opens: it limits what the verdict would let in, and every limit that fits must have room."""

import pytest

from login_attempts import limits, line, verdict


def test_a_limit_alone_opens_for_nobody():
    assert verdict("SSH NUMBER USER bob:2") == "CLOSE"
    assert verdict("SSH NUMBER GROUP ALL:2") == "CLOSE"


def test_a_limit_is_no_verdict_for_the_rules_below_it():
    assert line("SSH NUMBER USER bob:2\nSSH OPEN USER bob") == 2
    assert line("SSH NUMBER USER bob:0\nSSH ASK USER bob") == 2


def test_every_limit_that_fits_is_there_in_the_order_of_the_file():
    text = """SSH NUMBER USER bob:1
              SSH OPEN USER bob
              ALL NUMBER GROUP lp:2,users:3,wheel:4
              SSH NUMBER GROUP ALL:5
              TTY NUMBER USER bob:6
              SSH NUMBER USER alice:7,ALL:8
              SSH CLOSE USER ALL
              SSHD NUMBER USER bob:9"""
    assert limits(text, groups={"lp": True, "users": False, "wheel": True}) == [
        (1, "USER", "bob", 1), (3, "GROUP", "lp", 2), (3, "GROUP", "wheel", 4), (4, "GROUP", None, 5),
        (6, "USER", None, 8),
        (8, "USER", "bob", 9)]


@pytest.mark.parametrize("opens", ["SSH OPEN USER bob", "SSH ASK USER bob", "DEFAULT:OPEN"])
def test_a_limit_holds_whatever_lets_in_and_wherever_it_stands(opens):
    assert [found[2:] for found in limits(f"SSH NUMBER USER bob:2\n{opens}")] == [("bob", 2)]
    assert [found[2:] for found in limits(f"{opens}\nSSH NUMBER USER bob:2")] == [("bob", 2)]


@pytest.mark.parametrize(("count", "most"), [("0", 0), ("1", 1), ("007", 7), ("000000000", 0),
    ("999999999", 999999999)])
def test_a_count_has_one_to_nine_digits(count, most):
    assert limits(f"DEFAULT:OPEN\nSSH NUMBER USER bob:{count}") == [(2, "USER", "bob", most)]


def test_two_entries_for_one_group_are_two_limits():
    assert limits("DEFAULT:OPEN\nSSH NUMBER GROUP lp:3,lp:1", groups=["lp"]) == [(2, "GROUP", "lp", 3),
        (2, "GROUP", "lp", 1)]


def test_a_limit_with_an_address_holds_for_logins_from_there():
    text = "DEFAULT:OPEN\nSSH NUMBER USER bob@10.0.0.0/8:1,bob@LOCAL:2,ALL@2001:db8::/32:3"
    assert limits(text, rhost="10.0.0.1") == [(2, "USER", "bob", 1)]
    assert limits(text, rhost="") == [(2, "USER", "bob", 2)]
    assert limits(text, rhost="2001:db8::1", user="alice") == [(2, "USER", None, 3)]
    assert limits(text, rhost="192.0.2.1") == []


@pytest.mark.parametrize("text", [
    "SSH NUMBER GROUP gone:2\nSSH OPEN USER bob",
    "SSH OPEN USER bob\nSSH NUMBER GROUP gone:2",
    "SSH ASK USER bob\nSSH NUMBER GROUP gone:2",
    "DEFAULT:OPEN\nSSH NUMBER GROUP gone:2",
    "SSH OPEN USER bob\nSSH NUMBER GROUP lp:9,gone:2",
    "SSH OPEN USER bob\nSSH NUMBER GROUP gone:2,lp:9",
    "SSH OPEN USER bob\nSSH NUMBER GROUP ALL:9,gone:2",
])
def test_a_limit_on_a_group_that_does_not_exist_refuses_and_is_named(text):
    number = next(at for at, rule in enumerate(text.split("\n"), 1) if "gone" in rule)
    assert (verdict(text, groups=["lp"]), line(text, groups=["lp"])) == ("CLOSE", number)


@pytest.mark.parametrize("text", [
    "SSH NUMBER GROUP gone:2\nSSH OPEN USER root",
    "DEFAULT:OPEN\nSSH NUMBER GROUP gone:2",
    "SSH OPEN USER root\nSSH NUMBER GROUP gone:0,gone-too:0",
    "SSH OPEN USER root\nSSH NUMBER GROUP gone@192.0.2.0/24:2",
])
def test_a_limit_on_a_group_that_cannot_be_looked_up_never_refuses_root(text):
    root = {"user": "root", "uid": 0, "groups": {}}
    assert verdict(text, **root) == "OPEN"
    assert limits(text, **root) == []
    assert verdict(text.replace("root", "toor"), **{**root, "user": "toor"}) == "OPEN"
    assert verdict(text.replace("root", "bob"), groups={}) == "CLOSE"
    assert verdict(text.replace("root", "mallory"), user="mallory", groups=None) == "CLOSE"


def test_any_other_limit_holds_for_root_too():
    root = {"user": "root", "uid": 0, "groups": {"lp": True}}
    assert limits("DEFAULT:OPEN\nSSH NUMBER GROUP gone:2,lp:3,ALL:4", **root) == [
        (2, "GROUP", "lp", 3), (2, "GROUP", None, 4)]
    assert limits("DEFAULT:OPEN\nSSH NUMBER USER root:1", **root) == [(2, "USER", "root", 1)]
    assert verdict("DEFAULT:OPEN\nSSH NUMBER GROUP lp@10.0.0.0/8:3", rhost="host.example.org", **root) == "CLOSE"


@pytest.mark.parametrize("action", ["CLOSE", "ASK"])
@pytest.mark.parametrize("service", ["SSH", "ALL"])
def test_nor_does_a_rule_that_closes_or_asks_over_such_a_group_concern_root(action, service):
    text = f"DEFAULT:OPEN\n{service} {action} GROUP gone"
    for root in ("root", "toor"):
        assert verdict(text, user=root, uid=0, groups={}) == "OPEN"
    assert verdict(text, groups={}) == "CLOSE"
    assert verdict(f"{text},lp", user="root", uid=0, groups={"lp": True}) == action


def test_it_does_not_take_the_blame_for_a_verdict_that_closes_anyway():
    text = "SSH CLOSE USER bob\nSSH NUMBER GROUP gone:2"
    assert (verdict(text, groups={}), line(text, groups={})) == ("CLOSE", 1)


def test_a_limit_for_another_service_is_none_of_ours():
    assert verdict("SSH OPEN USER bob\nTTY NUMBER GROUP gone:2", groups={}) == "OPEN"
    assert limits("SSH OPEN USER bob\nTTY NUMBER USER bob:2") == []
