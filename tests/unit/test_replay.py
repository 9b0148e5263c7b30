"""replay reads in the log what a login was, and decides it as the login itself would be decided."""

import os
import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import accesscontrol
import rulefiles
from accesscontrol import (
    Replay,
    Unknown,
    UsageError,
    column,
    comes_from,
    day,
    first_of_last_month,
    logged_rule,
    logged_text,
    networks_with,
    parse,
    rule_in_words,
)
from login_attempts import attempt, decide

READABLE = st.characters().filter(str.isprintable)
BYTES = st.integers(0x80, 0xFF).map(lambda byte: chr(0xDC00 + byte))  # that are not UTF-8
PIECES = st.one_of(READABLE, BYTES, st.sampled_from(" @\\x0aäü張"))


# --- names and hosts --------------------------------------------------------------------------------------------------


@given(st.lists(PIECES, max_size=40).map("".join))
@example("domain user")
@example("bob@ad.example.org")
@example("AD\\bob")
@example("AD\\\udcff")
@example("j\udcfcrgen")
@example("\udcc3\udca4")
@example("\\x")
@example("\\x1b")
def test_a_name_is_read_as_it_was_before_it_was_written(name):
    if not re.search(r"\\x(20|40|[89a-f][0-9a-f])", name):  # who has that in their name is taken for another
        assert logged_text(column(name)) == name


@given(st.text(max_size=40))
def test_what_was_never_written_so_does_no_harm(text):
    assert isinstance(logged_text(text), str)


# --- the rule in the log ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("why", "rule"),
    [
        ("pam-accesscontrol.conf:1: SSH OPEN USER bob", "SSH OPEN USER bob"),
        ("pam-accesscontrol.conf:12: DEFAULT:CLOSE", "DEFAULT:CLOSE"),
        ("pam-accesscontrol.conf: no DEFAULT, which means CLOSE", "no DEFAULT, which means CLOSE"),
        ("own.conf:3: ALL ASK USER bob,carol: nobody to ask", "ALL ASK USER bob,carol"),
        ("own.conf:3: ALL ASK USER bob: nobody to ask, UNATTENDED is OPEN", "ALL ASK USER bob"),
        ("own.conf:3: SU ASK USER bob: asked by erin, allowed by alice", "SU ASK USER bob"),
        ("own.conf:3: SU OPEN USER bob: asked by erin", "SU OPEN USER bob"),
        ("own.conf:3: DEFAULT:OPEN: asked by erin", "DEFAULT:OPEN"),
        ("own.conf:2: SSH NUMBER GROUP lp:2: lp: 2 of 2 are logged in", "SSH NUMBER GROUP lp:2"),
        ('own.conf:2: SSH OPEN GROUP "domain users",lp', 'SSH OPEN GROUP "domain users",lp'),
        ('own.conf:2: SSH ASK USER "a: b": denied by alice', 'SSH ASK USER "a: b"'),
        ("own.conf:2: SSH OPEN USER bob@2001:db8::/32: asked by x", "SSH OPEN USER bob@2001:db8::/32"),
        (
            "own.conf: /etc/own.conf is not owned by root, so everything is CLOSE",
            "/etc/own.conf is not owned by root, so everything is CLOSE",
        ),
        ("", ""),
        ("no colon at all", ""),
    ],
)
def test_the_rule_is_told_without_its_file_and_without_what_came_of_it(why, rule):
    assert logged_rule(why) == rule


@given(st.binary(min_size=1, max_size=300).map(rulefiles.Choices).map(rulefiles.a_file))
@example("SSH OPEN USER bob\nDEFAULT:CLOSE")
def test_each_rule_of_a_file_is_found_again_in_what_is_logged_of_it(text):
    for rule in parse(text).rules:
        if len(rule.text) < 240 and rule.text.isprintable():
            for came_of_it in ("", ": asked by erin", ": nobody to ask, UNATTENDED is OPEN"):
                assert logged_rule(f"pam-accesscontrol.conf:{rule.line}: {rule.text}{came_of_it}") == rule.text


# --- the rule now -----------------------------------------------------------------------------------------------------


def words(text, *args, **kwargs):
    decision = decide(text, *args, **kwargs)
    return rule_in_words(decision, accesscontrol.closing_rule(decision))


def test_the_rule_behind_a_decision_comes_with_its_line():
    assert words("# ours\nSSH  open USER\tbob # now\n") == "line 2 (SSH open USER bob)"
    assert words("SSH OPEN USER carol\n\nDEFAULT:CLOSE\n") == "line 3 (DEFAULT:CLOSE)"
    assert words("SSH OPEN USER carol\n") == "no DEFAULT, which means CLOSE"
    assert words("DEFAULT:OPEN\nSSH NUMBER USER bob:0\n") == "line 2 (SSH NUMBER USER bob:0)"
    assert words("DEFAULT:OPEN\nSSH NUMBER USER bob:1\n") == "line 1 (DEFAULT:OPEN)"
    assert words('SSH OPEN USER "b\udcffb",bob\n') == 'line 1 (SSH OPEN USER "b\\xffb",bob)'


def test_a_file_that_cannot_be_read_is_the_reason_itself():
    rules = accesscontrol.load_rules("/no/such/file")
    decision = accesscontrol.decide(rules, attempt())
    assert rule_in_words(decision, accesscontrol.closing_rule(decision)) == rules.error
    assert "everything is CLOSE" in rules.error


# --- from when --------------------------------------------------------------------------------------------------------


@pytest.fixture
def now(monkeypatch):
    """now("2026-01-31 23:59:59"): it is that, by the clock of the place where we are."""
    real = time.localtime

    def set_clock(moment):
        seconds = time.mktime(time.strptime(moment, "%Y-%m-%d %H:%M:%S"))
        monkeypatch.setattr(accesscontrol.time, "localtime", lambda at=None: real(seconds if at is None else at))

    return set_clock


@pytest.fixture(params=["UTC", "Pacific/Auckland", "Pacific/Pago_Pago", "Europe/Berlin"])
def _place(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_place")
@pytest.mark.parametrize(
    ("moment", "first"),
    [
        ("2026-01-01 00:00:00", "2025-12-01"),
        ("2026-01-31 23:59:59", "2025-12-01"),
        ("2026-02-28 12:00:00", "2026-01-01"),
        ("2026-03-31 00:30:00", "2026-02-01"),
        ("2024-03-30 23:30:00", "2024-02-01"),
        ("2026-12-31 23:59:59", "2026-11-01"),
    ],
)
def test_logs_are_read_from_the_first_of_last_month(moment, first, now):
    now(moment)
    assert first_of_last_month() == first


@pytest.mark.parametrize(
    ("text", "date"), [("2026-11-01", "2026-11-01"), ("2026-1-2", "2026-01-02"), ("2024-02-29", "2024-02-29")]
)
def test_a_date_is_a_day(text, date):
    assert day(text) == date


@pytest.mark.parametrize("text", ["", "2026-02-29", "2026-13-01", "yesterday", "2026-11", "1.11.2026", "2026-11-01 x"])
def test_what_is_no_date_is_told(text):
    with pytest.raises(UsageError, match="is no date: YYYY-MM-DD"):
        day(text)


# --- hosts in the same networks are decided alike ---------------------------------------------------------------------

NETWORKS = frozenset(
    entry.network
    for rule in parse("".join(f"ALL CLOSE USER ALL@{place}\n" for place in rulefiles.PLACES)).rules
    for entry in rule.entries
)
ADDRESSES = (st.ip_addresses(v=4) | st.ip_addresses(v=6)).map(str)
NEAR = st.builds("{}{}".format, st.sampled_from(["10.0.0.", "192.0.2.", "2001:db8::"]), st.integers(0, 255))
HOSTS = st.sampled_from(rulefiles.HOSTS) | ADDRESSES | NEAR | ADDRESSES.map("::ffff:{}".format)


def comes(host, network):
    """Whether a login comes from there; None where that cannot be known."""
    try:
        return comes_from(attempt(rhost=host), network)
    except Unknown:
        return None


def as_logged(host):
    return str(attempt(rhost=host)).partition("@")[2]


@given(HOSTS, st.frozensets(st.sampled_from(sorted(NETWORKS))))
@example("LOCAL", NETWORKS)
@example("fe80::1%a@b", NETWORKS)
@example("fe80::1% ", NETWORKS)
def test_the_networks_of_a_host_in_the_log_are_those_it_came_from(host, networks):
    told = as_logged(host)
    known = networks_with("" if told == "LOCAL" else logged_text(told), networks)
    if isinstance(known, frozenset):
        assert known == {network for network in networks if comes(host, network)}
        assert None not in {comes(host, network) for network in networks}
    else:
        assert {comes(host, network) for network in networks - {accesscontrol.LOCAL}} <= {None, False}


# --- whole logs -------------------------------------------------------------------------------------------------------


@pytest.fixture
def log(tmp_path, monkeypatch):
    """log(TEXT): the log of 2026-11."""
    monkeypatch.setattr(accesscontrol, "LOG_FOLDER", str(tmp_path))

    def write(text):
        tmp_path.joinpath("pam-accesscontrol-2026-11.log").write_bytes(text.encode("utf-8", "surrogateescape"))

    return write


def logged(user="bob", host="10.0.0.1", outcome="granted", why="x:1: SSH OPEN USER bob", at="2026-11-02 10:00:00"):
    return "%s  %-8s  %-6s  %-28s  %-7s  %s\n" % (at, "SSH", "OPEN", f"{user}@{host}", outcome, why)


CLOSED = parse("ALL CLOSE USER ALL\n")


def test_a_login_is_read_with_the_columns_that_are_full(log):
    log(logged("a" * 200, "2001:db8::1%" + "b" * 100))
    [line] = Replay(CLOSED, "2026-11-01").lines()
    assert line.startswith("a" * 200 + " over SSH from 2001:db8::1%" + "b" * 100 + ", 1 login, last 2026-11-02: let in")


def test_many_addresses_are_one_kind_and_the_last_day_is_told(log):
    days = [f"2026-11-{number:02} 10:00:00" for number in (9, 28, 3)]
    log("".join(logged(host=f"10.0.0.{number}", at=at) for number, at in enumerate(days)) + logged("carol"))
    assert list(Replay(CLOSED, "2026-11-01").lines()) == [
        "bob over SSH from 3 addresses, 3 logins, last 2026-11-28: let in then (SSH OPEN USER bob), refused now by"
        " line 1 (ALL CLOSE USER ALL)",
        "carol over SSH from 10.0.0.1, 1 login, last 2026-11-02: let in then (SSH OPEN USER bob), refused now by"
        " line 1 (ALL CLOSE USER ALL)",
    ]


def test_hosts_that_look_alike_in_the_log_alone_are_not_decided_alike(log):
    """A scope with a blank in it is none, so that host is a name; in the log it is escaped, and would be a scope."""
    hosts = ["fe80::1%a b", "fe80::1"]
    log("".join(logged(host=as_logged(host)) for host in hosts))
    [line] = Replay(parse("ALL OPEN USER ALL@fe80::/10\n"), "2026-11-01").lines()  # a name can be forged: CLOSE
    assert line.startswith("bob over SSH from fe80::1%a\\x20b, 1 login, ")


ODD = [
    "", "\n", "\0\n", "before\n", logged()[:30] + "\n", logged()[:-30], "  " + logged(), logged(outcome="closed"),
    logged(outcome="GRANTED"), logged().replace("@", " "), logged().replace("  ", " "), logged(at="02.11.2026 10:00"),
    logged(at="2026-11-02T10:00:00"), "\udcff" + logged(), "\x1b[2J" + logged(),
]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_line_is_no_login_and_hides_none(odd, log):
    log(logged("carol") + odd + ("" if odd.endswith("\n") or not odd else "\n") + logged("erin"))
    told = Replay(CLOSED, "2026-11-01")
    users = [line.split()[0] for line in told.lines()]
    assert {"carol", "erin"} <= set(users) <= {"carol", "erin", "bob"}
    assert told.count == len(users)


@given(st.lists(st.binary(max_size=60).map(os.fsdecode) | st.sampled_from(ODD), max_size=6))
def test_whatever_is_in_a_log_is_read(lines):
    with pytest.MonkeyPatch.context() as patch:
        import io

        text = "".join(lines) + "\n" + logged("carol")
        patch.setattr("glob.glob", lambda _: ["/var/log/pam-accesscontrol-2026-11.log"])
        patch.setattr(accesscontrol, "open", lambda *_, **__: io.StringIO(text), raising=False)
        assert [line for line in Replay(CLOSED, "2026-11-01").lines() if line.startswith("carol over SSH")]


def test_what_others_have_put_beside_the_logs_is_none(log, tmp_path):
    log("")
    for name in ("pam-accesscontrol-2026-11.log.1", "pam-accesscontrol-20261-1.log", "pam-accesscontrol-2026-11.log~"):
        tmp_path.joinpath(name).write_text(logged())
    assert Replay(CLOSED, "2026-11-01").count == 0


def test_the_day_named_is_the_first_that_is_read(log, tmp_path):
    log("".join(logged(at=f"2026-11-{number:02} 00:00:00") for number in range(1, 31)))
    tmp_path.joinpath("pam-accesscontrol-2026-10.log").write_text(logged(at="2026-10-31 23:59:59"))
    for since, count in (("2026-11-30", 1), ("2026-11-01", 30), ("2026-10-31", 31), ("2026-12-01", 0)):
        assert Replay(CLOSED, since).count == count
