"""What is written down in the state folder is read again as it was; a damaged text is nothing, and does no harm."""

import os
import string
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

import accesscontrol
import logins
from accesscontrol import Answer, LedgerEntry, Session, Waiting
from login_attempts import attempt

ME = os.getpid()
START = accesscontrol.process_start(ME)
words = st.text(max_size=30).map(accesscontrol.column).filter(bool)  # as what comes from strangers is written down
seconds = st.floats(0, 1e9).map(lambda number: round(number, 6))
uids = st.integers(0, 2**32)


def entry(name=f"1.{ME}.{START}"):
    return LedgerEntry(name, accesscontrol.ENTRY_NAME.fullmatch(name))


def text(**fields):
    """The text of a session of this very process's."""
    usual = {
        "began": 1.5, "uid": os.getuid(), "service": "SSH", "who": "bob@192.0.2.1", "asked_by": "", "action": "OPEN",
        "rule": "rules:3", "answer": accesscontrol.NOT_ASKED, "gids": ",100,1001,",
    }
    return accesscontrol.session_text(**{**usual, **fields})


def add(name="", **fields):
    """Adds a session; returns its link."""
    ledger = accesscontrol.Sessions()
    values = {"pid": ME, "start": START, **fields}
    pid, start = values.pop("pid"), values.pop("start")
    name = name or f"{len(ledger.names()) + 100}.{pid}.{start}"
    ledger.put(name, text(**values))
    return name


def everybody():
    ledger = accesscontrol.Sessions()
    return ledger.read(ledger.entries())


# --- texts ------------------------------------------------------------------------------------------------------------


def test_a_session_is_one_line_for_people_to_read():
    assert text() == f"1.500 {os.getuid()} SSH bob@192.0.2.1 - OPEN rules:3 - ,100,1001,"
    assert text(asked_by="erin").split(" ")[4] == "erin"
    rule = "rules:3: SSH OPEN USER bob"
    assert text(rule=rule).split(" ")[6] == rule.replace(" ", "\\x20")
    for told in (rule, 'rules:3: SSH OPEN USER "a\\x20b","c d",\\x5c,\\'):
        assert Session(entry(), text(rule=told)).rule == told


@given(seconds, uids, words, words, words | st.just(""), words, words, words, st.lists(uids, max_size=5))
def test_a_session_that_is_written_is_read_as_it_was(began, uid, service, who, asked_by, action, rule, answer, gids):
    if asked_by == "-":
        asked_by = ""
    gids = f",{','.join(map(str, gids))},"
    it = Session(entry(), accesscontrol.session_text(began, uid, service, who, asked_by, action, rule, answer, gids))
    assert abs(it.began - began) < 0.001
    assert (it.uid, it.service, it.who, it.asked_by, it.action, it.rule, it.answer, it.gids) == (
        uid, service, who, asked_by, action, rule, answer, gids)


NO_TEXTS = ["", "\n", " ", "bob", "\0" * 100, "7 9", " " * 8, " " * 5, " " * 7, " " * 50, "\udc80 " * 8]


@pytest.mark.parametrize("kind", [Session, Waiting])
@pytest.mark.parametrize("damaged", NO_TEXTS)
def test_what_is_no_text_of_it_is_nothing(kind, damaged):
    with pytest.raises(ValueError):
        kind(entry(), damaged)


@pytest.mark.parametrize("damaged", NO_TEXTS)
def test_what_is_no_text_of_an_answer_is_none(damaged):
    with pytest.raises(ValueError):
        Answer("allow-0123-1.000000-0", damaged, 0)


@pytest.mark.parametrize(("make", "whole", "numbers"), [
    (lambda damaged: Session(entry(), damaged), text(), {0, 1}),
    (lambda damaged: Waiting(entry(), damaged), "waits uid-1 1.5 SSH bob@host -", {2}),
    (lambda damaged: Answer("deny-uid-1-1.000000-3", damaged, 0), "deny 60 uid-1 1000 alice bob - SSH", {1, 3}),
], ids=["session", "waiting", "answer"])
def test_a_damaged_text_is_nothing(make, whole, numbers):
    fields = whole.split(" ")
    make(" ".join(fields))
    for at in range(len(fields)):
        for damaged in (fields[:at] + fields[at + 1:], [*fields[:at], "more", *fields[at:]]):
            with pytest.raises(ValueError):
                make(" ".join(damaged))
        for damage in ("", "x", "0x1", "--1", "None", "9" * 5000 + "x") if at in numbers else ():
            with pytest.raises(ValueError):
                make(" ".join([*fields[:at], damage, *fields[at + 1:]]))


@given(st.text(max_size=60) | st.text("0123456789 \t\n-.", max_size=40))
def test_no_text_whatever_it_is_does_harm(anything):
    for make in (lambda: Session(entry(), anything), lambda: Waiting(entry(), anything),
                 lambda: Answer("deny-uid-1-1.000000-3", anything, 0), lambda: Answer(anything, anything, 0)):
        try:
            make()
        except ValueError:
            pass


@given(st.text(max_size=40) | st.text("\t\n\r\x0b\x0c\x1c\x85\u2028\udc80 @\\", max_size=10), st.text(max_size=40))
def test_no_name_and_no_host_spoils_a_text(user, rhost):
    it = Session(entry(), text(who=str(attempt(user=user, rhost=rhost))))
    assert set(it.who) & set(string.whitespace) == set()
    assert it.who.encode("utf-8").decode("utf-8").splitlines() == [it.who]
    assert it.who == str(attempt(user=user, rhost=rhost))
    assert it.gids == ",100,1001,"


def test_what_is_not_utf_8_is_read_again_all_the_same(state):
    add(who="bj\u00f6rn\udc80@host")
    assert [it.who for it in everybody()] == ["bj\u00f6rn\\udc80@host"]


# --- the names of entries ---------------------------------------------------------------------------------------------


@given(*[st.integers(0, 10**digits - 1) for digits in (18, 10, 19)], st.booleans())
def test_the_name_of_an_entry_says_whose_it_is(turn, pid, start, left):
    it = entry(f"{turn}.{pid}.{start}{'.left' if left else ''}")
    assert (it.turn, it.pid, it.start, it.left) == (turn, pid, start, left)


@pytest.mark.parametrize("name", [
    "", "turn", ".", "1", "1.2", "1.2.3.4", "1.2.3.lef", "1.2.3.left.left", "-1.2.3", "1.-2.3", "1.2.3\n",
    "\n1.2.3", "1.2.", "a.b.c", "\u0661.2.3", "1.2.3~", "sessions.old",
    "9" * 19 + ".2.3.4", f"1.{'9' * 11}.3.4",
])
def test_what_has_no_name_of_an_entry_is_none(name):
    assert accesscontrol.ENTRY_NAME.fullmatch(name) is None


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_a_session_that_was_added_is_there_for_the_next_one_to_read(state):
    assert logins.take(2, rhost="192.0.2.7").who == "bob@192.0.2.7"
    assert logins.take(2, user="carol", rhost="").who == "carol@LOCAL"
    assert sorted(it.who for it in everybody()) == ["bob@192.0.2.7", "carol@LOCAL"]
    assert (state / "sessions" / "turn" / "3").is_symlink()


@pytest.mark.parametrize("pid", [0, 2**31 - 1, 2**31, 2**32 + ME, 9_999_999_999])
def test_a_session_is_none_where_no_single_process_is_meant(state, pid):
    link = add(pid=pid)
    ledger = accesscontrol.Sessions()
    [gone] = ledger.entries()
    assert gone.is_gone()
    assert ledger.living() == []
    assert accesscontrol.OpenSessions(ledger).sessions == []
    assert logins.outcome(1) == "in"
    assert link not in logins.links()


@pytest.mark.parametrize("pid", [0, -1, -ME, 2**31, 2**70, -(2**70)])
def test_such_a_pid_is_not_in_use(pid):
    assert not accesscontrol.pid_in_use(pid)
    assert not accesscontrol.is_alive(pid)


def test_a_session_lives_while_its_process_does(state):
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as process:
        add(pid=process.pid, start=accesscontrol.process_start(process.pid))
        it, = everybody()
        assert it.lives()
    assert not it.lives()


@pytest.mark.skipif(os.getuid() != 0, reason="of a user's own process, it is not asked when it started")
@pytest.mark.parametrize("start", [START - 1, START + 1, 0])
def test_a_session_whose_pid_is_by_now_another_process_of_roots_does_not_live(state, start):
    add(start=start)
    assert not everybody()[0].lives()


def test_a_session_whose_pid_is_by_now_a_process_of_somebody_else_does_not_live(state):
    other = {"user": 65534} if os.getuid() == 0 else {}
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, **other) as process:
        add(pid=process.pid, uid=1001 + os.getuid())
        assert not everybody()[0].lives()


def test_a_closed_session_does_not_count_and_is_kept_while_its_process_lives(state):
    assert logins.outcome(1) == "in"
    began, = logins.links()
    logins.close(ME)
    assert logins.links() == {began + ".left"}
    ledger = accesscontrol.Sessions()
    assert accesscontrol.OpenSessions(ledger).count(os.getuid()) == 0
    assert accesscontrol.OpenSessions(ledger).people(None) == set()
    assert ledger.living() == []
    assert ledger.open_in(logins.SomeHost(), attempt(user="bob", uid=os.getuid())) is None
    assert logins.outcome(1) == "in"
    assert len(logins.links()) == 2


def test_logind_does_not_know_better_of_a_closed_session(state, tmp_path):
    """It learns of the end a little later, and would count the person as one who is in by another way."""
    (tmp_path / "logind").mkdir()
    (tmp_path / "logind" / "3").write_text(f"UID={os.getuid()}\nLEADER={ME}\nCLASS=user\nSTATE=active\n")
    assert logins.outcome(1) == "refused"
    assert logins.outcome(2) == "in"
    assert logins.outcome(1) == "refused"
    logins.close(ME)
    assert logins.outcome(1) == "in"


def test_an_answer_is_in_use_while_a_session_lives_that_it_let_in(state):
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as process:
        link = add(pid=process.pid, start=accesscontrol.process_start(process.pid), answer="0123")
        ledger = accesscontrol.Sessions()
        assert ledger.answer_in_use("0123")
        assert not ledger.answer_in_use("4567")
        ledger.close(*everybody())
        assert not ledger.answer_in_use("0123")
        os.rename(f"{ledger.path}/{link}.left", f"{ledger.path}/{link}")
        assert ledger.answer_in_use("0123")
    assert not ledger.answer_in_use("0123")


def test_a_host_has_opened_the_session_of_this_service_and_person_alone(state):
    assert logins.outcome(2) == "in"
    opened = accesscontrol.Sessions().open_in
    host, me = logins.SomeHost(), os.getuid()
    assert opened(host, attempt(user="bob", uid=me)).entry.pid == ME
    assert opened(host, attempt(user="bob", uid=me, service="sudo")) is None
    assert opened(host, attempt(user="carol", uid=me)) is None
    assert opened(host, attempt(user="bob", uid=me, rhost="192.0.2.9")) is None
    assert opened(logins.SomeHost(os.getppid()), attempt(user="bob", uid=me)) is None


def test_of_a_session_that_is_found_ended_the_log_is_told_once(state):
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as process:
        assert logins.outcome(5, process.pid) == "in"
        with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as other:
            assert logins.outcome(5, other.pid) == "in"
            logins.close(other.pid)
    for limit in (5, None, 5):
        assert logins.outcome(limit) == "in"
    assert state.logged == ["SSH session bob@192.0.2.1: found ended"]
    assert len(logins.links()) == 3
