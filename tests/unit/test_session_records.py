"""What is written down in the state folder is read again as it was; a damaged line is no record, and does no harm."""

import os
import string
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import accesscontrol
from accesscontrol import Answer, Missed, SessionRecord, Waiting
from login_attempts import attempt

KINDS = (SessionRecord, Waiting, Answer, Missed)
numbers = st.integers(-(2**63), 2**63)
texts = st.text(max_size=30).map(lambda text: text.translate(dict.fromkeys(map(ord, "\t\n"))))


def records(kind):
    fields = kind.__annotations__.items()
    return st.builds(kind, **{name: numbers if of == "int" else texts for name, of in fields})


def fields_of(record):
    return {name: getattr(record, name) for name in type(record).__annotations__}


def session(**fields):
    """A session of this very process, so that it lives."""
    pid = os.getpid()
    usual = {
        "pid": pid, "start": accesscontrol.process_start(pid), "began": 1, "uid": os.getuid(), "gids": ",100,1001,",
        "since": 1_700_000_000, "name": "SSH", "who": "bob@192.0.2.1", "action": "OPEN", "where": "rules:3",
        "answer": accesscontrol.NOT_ASKED,
    }
    return SessionRecord(**{**usual, **fields})


def lines_of(sessions):
    return [found.line() for found in sessions]


# --- lines ------------------------------------------------------------------------------------------------------------


def test_a_session_is_one_line_of_fields_parted_by_tabs():
    it = session(pid=7, start=9, uid=1001)
    assert it.line() == "7\t9\t1\t1001\t,100,1001,\t1700000000\tSSH\tbob@192.0.2.1\tOPEN\trules:3\t-\n"


@settings(max_examples=200)
@given(st.one_of(*map(records, KINDS)))
def test_a_record_that_is_written_is_read_as_it_was(record):
    again = type(record).parse(record.line())
    assert fields_of(again) == fields_of(record)
    assert again.line() == record.line()
    assert record.line().count("\n") == 1


@given(st.one_of(*map(records, KINDS)), st.data())
def test_a_record_that_was_read_and_changed_is_written_as_it_is_then(record, data):
    again = type(record).parse(record.line())
    name = data.draw(st.sampled_from(list(fields_of(record))))
    value = data.draw(numbers if isinstance(fields_of(record)[name], int) else texts)
    setattr(again, name, value)
    assert fields_of(type(record).parse(again.line())) == {**fields_of(record), name: value}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("line", [
    "", "\n", "\t\n", "bob\n", "\0" * 100 + "\n", "7\t9\n", "\t" * 10 + "\n", "\t" * 50 + "\n",
])
def test_what_is_no_line_of_it_is_no_record(kind, line):
    assert kind.parse(line) is None


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_line_is_no_record(data):
    record = data.draw(st.one_of(*map(records, KINDS)))
    kind = type(record)
    fields = record.line()[:-1].split("\t")
    at = data.draw(st.integers(0, len(fields) - 1))
    assert kind.parse(record.line()[:-1]) is None
    assert kind.parse("\t".join(fields[:at] + fields[at + 1:]) + "\n") is None
    assert kind.parse("\t".join([*fields[:at], "more", *fields[at:]]) + "\n") is None
    if list(kind.__annotations__.values())[at] == "int":
        for damage in ("", "x", "1.5", "0x1", "1e3", "--1", "None", "9" * 5000 + "x"):
            assert kind.parse("\t".join([*fields[:at], damage, *fields[at + 1:]]) + "\n") is None


@given(st.sampled_from(KINDS), st.text(max_size=60) | st.text("0123456789\t\n-", max_size=40))
def test_no_line_whatever_it_is_does_harm(kind, line):
    record = kind.parse(line)
    if record is not None:
        assert fields_of(kind.parse(record.line())) == fields_of(record)


# --- the state folder -------------------------------------------------------------------------------------------------


@pytest.fixture
def state(tmp_path, monkeypatch):
    """A state folder of our own."""
    monkeypatch.setattr(accesscontrol, "STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def read_back():
    with accesscontrol.SessionRegistry() as registry:
        return registry.sessions


def test_a_session_that_was_added_is_there_for_the_next_one_to_read(state):
    one, other = session(), session(began=2, who="carol@localhost")
    for it in (one, other):
        with accesscontrol.SessionRegistry() as registry:
            registry.add(it)
    assert lines_of(read_back()) == lines_of([one, other])
    assert state.stat().st_mode & 0o7777 == 0o700
    assert {path.stat().st_mode & 0o7777 for path in state.iterdir()} == {0o600}


def test_damaged_lines_are_left_out_and_the_rest_stays(state):
    one, other = session(), session(began=2)
    with accesscontrol.SessionRegistry():
        (state / "sessions").write_bytes(b"\xff\0\n" + one.line().encode() + b"7\t9\tbob\n\n" + other.line().encode()
                                         + one.line().encode()[:-1])
    assert lines_of(read_back()) == lines_of([one, other])
    with accesscontrol.SessionRegistry() as registry:
        registry.add(session(began=3))
    assert lines_of(read_back()) == lines_of([one, other, session(began=3)])


@pytest.mark.parametrize("pid", [0, -1, -os.getpid(), 2**31 - 1, 2**70, -(2**70)])
def test_a_session_is_none_where_no_single_process_is_meant(state, pid):
    with accesscontrol.SessionRegistry() as registry:
        registry.add(session(pid=pid))
    assert read_back() == []


def test_a_session_lives_while_its_process_does():
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as process:
        it = session(pid=process.pid, start=accesscontrol.process_start(process.pid))
        assert it.lives()
    assert not it.lives()


@pytest.mark.skipif(os.getuid() != 0, reason="of a user's own process, it is not asked when it started")
def test_a_session_whose_pid_is_by_now_another_process_of_roots_does_not_live():
    for start in (session().start - 1, session().start + 1, 0, -1):
        assert not session(start=start).lives()


def test_a_session_whose_pid_is_by_now_a_process_of_somebody_else_does_not_live():
    other = {"user": 65534} if os.getuid() == 0 else {}
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, **other) as process:
        assert not session(pid=process.pid, uid=1001).lives()


def test_a_closed_session_is_kept_while_its_process_lives(state):
    it = session()
    with accesscontrol.SessionRegistry() as registry:
        registry.add(it)
    with accesscontrol.SessionRegistry() as registry:
        registry.close(it)
    closed, = read_back()
    assert (closed.pid, closed.uid, closed.answer) == (it.pid, it.uid, accesscontrol.CLOSED)
    assert accesscontrol.OpenSessions([closed], []).count(it.uid) == 0


@given(st.text(max_size=40) | st.text("\t\n\r\x0b\x0c\x1c\x85\u2028\udc80 @\\", max_size=10), st.text(max_size=40))
def test_no_name_and_no_host_spoils_a_line(user, rhost):
    it = session(who=str(attempt(user=user, rhost=rhost)))
    assert set(it.who) & set(string.whitespace) == set()
    assert it.who.encode("utf-8").decode("utf-8").splitlines() == [it.who]
    assert SessionRecord.parse(it.line()).who == it.who


@pytest.mark.parametrize("name", ["lock", "sessions", "queue", "answers", "missed", "sessions.new"])
def test_what_lies_in_the_place_of_a_state_file_is_not_written_through(state, tmp_path, name):
    target = tmp_path / "target"
    target.write_text("as it was")
    state.mkdir(0o700)
    (state / name).symlink_to(target)
    with accesscontrol.SessionRegistry() as registry:
        registry.add(session())
    assert target.read_text() == "as it was"
    assert lines_of(read_back()) == [session().line()]


def test_a_state_folder_that_others_can_write_is_not_used(state):
    state.mkdir()
    state.chmod(0o777)
    with pytest.raises(OSError):
        read_back()
