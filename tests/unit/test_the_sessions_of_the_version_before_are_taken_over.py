"""At an upgrade, the sessions in the file of the version before are entries of the ledger; it leaves that alone."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import accesscontrol
import logins
import version_before
from processes import Children, each_moment, just_be_there

ME = os.getpid()
START = accesscontrol.process_start(ME)
DEAD = 2**31 - 1  # a pid that nobody has


def line(pid=ME, start=START, **fields):
    usual = {
        "began": 5_250_000_000, "uid": os.getuid(), "gids": ",100,1001,", "since": 1_700_000_000, "name": "SSH",
        "who": "bob@192.0.2.1", "action": "OPEN", "where": "rules:3", "answer": accesscontrol.NOT_ASKED,
    }
    return version_before.session_line(pid, start, **{**usual, **fields})


@pytest.fixture
def others():
    """Two other processes that live."""
    with Children() as start:
        yield [start(just_be_there) for _ in range(2)]


@pytest.fixture
def left_behind(state):
    """left_behind(BYTES): the state folder of the version before, with all of its files."""

    def make(sessions):
        import shutil

        shutil.rmtree(state, ignore_errors=True)
        state.mkdir(0o700)
        for name in version_before.STATE_FILES:
            (state / name).write_bytes(b"1\t2\t3\n")
        (state / "sessions").write_bytes(sessions if isinstance(sessions, bytes) else "".join(sessions).encode())

    return make


def everybody():
    ledger = accesscontrol.Sessions()
    return ledger.read(ledger.entries())


# --- what is taken over -----------------------------------------------------------------------------------------------


def test_sessions_that_live_are_in_the_ledger_and_count(left_behind, others):
    left_behind([
        line(), line(others[0].pid, others[0].start, who="carol@localhost", answer="0123", gids=","), line(DEAD, 7),
    ])
    living = {it.entry.pid: it for it in accesscontrol.Sessions().living()}
    assert set(living) == {ME, others[0].pid}
    mine, carols = living[ME], living[others[0].pid]
    assert (mine.entry.start, mine.began, mine.uid, mine.gids, mine.service, mine.who, mine.asked_by, mine.action,
            mine.rule, mine.answer) == (
        START, 5.25, os.getuid(), ",100,1001,", "SSH", "bob@192.0.2.1", "", "OPEN", "rules:3", "-")
    assert (carols.who, carols.answer, carols.gids) == ("carol@localhost", "0123", ",")
    assert logins.outcome(2, others[1].pid) == "refused"
    assert logins.outcome(3, others[1].pid) == "in"
    assert {it.entry.pid for it in everybody()} == {ME, others[0].pid, others[1].pid}, "the dead one has been swept"


def test_it_is_taken_over_once(left_behind, state):
    left_behind([line()])
    assert len(everybody()) == 1
    assert accesscontrol.Sessions().remove(*logins.links())
    assert everybody() == []
    assert not (state / "sessions.old").exists()
    assert logins.outcome(1) == "in"


def test_a_session_that_pam_had_closed_is_not_taken_over(left_behind):
    left_behind([line(answer=version_before.CLOSED)])
    assert everybody() == []
    assert logins.outcome(1) == "in"


def test_one_process_with_two_sessions_has_two(left_behind):
    left_behind([line(), line(who="carol@host")])
    assert sorted(it.who for it in everybody()) == ["bob@192.0.2.1", "carol@host"]


def test_a_list_of_gids_that_is_too_long_is_cut(left_behind):
    left_behind([line(gids="," + "1234567890," * 1000)])
    assert everybody()[0].gids.endswith(",1234567890,+")


GONE = line(DEAD)
DAMAGED = {
    "nothing": b"\n",
    "no text": b"\xff\0\n",
    "nul": b"\0" * 100 + b"\n",
    "three fields": b"7\t9\tbob\n",
    "empty fields": b"\t" * 10 + b"\n",
    "too many empty fields": b"\t" * 50 + b"\n",
    "a field too few": line().replace("\tSSH", "").encode(),
    "a field too many": line().replace("\tOPEN", "\tOPEN\tmore").encode(),
    "no pid": line(pid="x").encode(),
    "a pid below 0": line(pid=-1).encode(),
    "a path for a pid": line(pid="../9").encode(),
    "a pid that is too long": line(pid="9" * 19).encode(),
    "no start": line(start="").encode(),
    "no beginning": line(began="").encode(),
    "a beginning with a point": line(began="1.5").encode(),
    "a uid that is too long": line(uid="9" * 5000).encode(),
    "a service with a blank": GONE.replace("SSH", "two words").encode(),
    "an empty rule": GONE.replace("rules:3", "").encode(),
    "a name that is not UTF-8": GONE.encode().replace(b"bob", b"\xff\xfe"),
    "half a character": GONE.encode().replace(b"OPEN", b"\xed\xa0\x80"),
    "a name that is too long": GONE.replace("bob", "x" * 5000).encode(),
    "a rule that is too long": GONE.replace("rules", "y" * 5000).encode(),
    "a name with a nul": GONE.replace("bob", "bo\0b").encode(),
}


@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED)
def test_damaged_lines_do_no_harm_and_the_rest_is_there(left_behind, others, damaged):
    whole = line(others[0].pid, others[0].start).encode()
    left_behind(damaged + line().encode() + damaged + whole)
    assert {ME, others[0].pid} == {it.entry.pid for it in accesscontrol.Sessions().living()}
    assert logins.outcome(2, others[1].pid) == "refused"
    assert logins.outcome(3, others[1].pid) == "in"


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=30) | st.sampled_from([b"\t", b"\n", line().encode()]), max_size=12))
def test_no_file_whatever_is_in_it_does_harm(tmp_path_factory, lines):
    before, state = accesscontrol.STATE, tmp_path_factory.mktemp("old") / "state"
    state.mkdir(0o700)
    (state / "sessions").write_bytes(b"".join(lines))
    accesscontrol.STATE = str(state)
    try:
        ledger = accesscontrol.Sessions()
        ledger.living()
        assert ledger.add(ledger.turn(), ME, START, "somebody")
    finally:
        accesscontrol.STATE = before


@pytest.mark.parametrize("name", version_before.STATE_FILES)
def test_what_lay_there_is_not_followed(state, tmp_path, name):
    target = tmp_path / "target"
    target.write_text("as it was")
    state.mkdir(0o700)
    (state / name).symlink_to(target)
    accesscontrol.Answers(), accesscontrol.Questions()
    assert logins.outcome(1) == "in"
    assert target.read_text() == "as it was"
    assert len(logins.links()) == 1


# --- while others take over, too --------------------------------------------------------------------------------------


def test_two_that_take_over_at_once_lose_nothing(left_behind, others):
    """The one is stopped at each moment, and the other takes over meanwhile."""
    lines = [line(it.pid, it.start) for it in others]
    left_behind(lines)
    told, moments = [], 0
    for moment, child in each_moment(logins.outcome, 3):
        moments += 1
        meanwhile = logins.outcome(2)
        child.go_on()
        then = child.result()
        if (meanwhile, then) != ("refused", "in") or {it.pid for it in others} - {it.entry.pid for it in everybody()}:
            told.append((moment, meanwhile, then))
        left_behind(lines)
    assert told == []
    assert moments > 20


def test_one_that_is_killed_in_the_middle_loses_nothing(left_behind, others):
    lines = [line(it.pid, it.start) for it in others]
    left_behind(lines)
    told = []
    for moment, child in each_moment(accesscontrol.Sessions):
        child.kill()
        first, then = logins.outcome(2), logins.outcome(3)
        if (first, then) != ("refused", "in"):
            told.append((moment, first, then))
        left_behind(lines)
    assert told == []


@pytest.mark.parametrize("kind", [accesscontrol.Answers, accesscontrol.Questions])
def test_nor_is_anybody_kept_from_the_other_folders(left_behind, kind):
    left_behind([])
    told = []
    for moment, child in each_moment(kind):
        child.kill()
        try:
            kind().put("1.2.3.4", "text")
        except OSError as error:
            told.append((moment, str(error)))
        left_behind([])
    assert told == []


def test_when_all_come_at_once_nothing_is_lost(left_behind, others):
    for _ in range(5):
        left_behind([line(it.pid, it.start) for it in others])
        with Children() as start:
            newcomers = [start(logins.outcome, 3) for _ in range(6)]
            told = [child.result() for child in newcomers]
        assert "in" in told
        assert {it.pid for it in others} <= {it.entry.pid for it in everybody()}


# --- the version before, which still runs in an sshd ------------------------------------------------------------------


def contents(state):
    return sorted(str(path.relative_to(state)) for path in state.rglob("*"))


@pytest.mark.parametrize("used", [
    (accesscontrol.Sessions,), (accesscontrol.Questions,), (accesscontrol.Answers,),
    (accesscontrol.Answers, accesscontrol.Questions, accesscontrol.Sessions),
], ids=lambda used: "+".join(kind.__name__ for kind in used))
def test_it_removes_nothing_afterwards(left_behind, state, used):
    """Its sessions file is there, or it would have nothing to close; the rest, only what it has needed."""
    left_behind([line()])
    for name in ("answers", "missed", "queue", "granted"):
        (state / name).unlink()
    for kind in used:
        kind().put("99.2.3.4", "text")
    before = contents(state)
    with pytest.raises(OSError):
        version_before.close_session([])
    assert contents(state) == before


def test_it_removes_nothing_after_each_later_login_either(left_behind, state):
    left_behind([line()])
    for _ in range(3):
        assert logins.outcome(None) == "in"
        accesscontrol.Answers(), accesscontrol.Questions()
        before = contents(state)
        with pytest.raises(PermissionError):
            version_before.close_session([])
        assert contents(state) == before


def test_the_end_of_its_session_frees_the_place(left_behind):
    with Children() as start:
        sshd = start(just_be_there)
        left_behind([line(sshd.pid, sshd.start)])
        assert logins.outcome(1) == "refused"
        with pytest.raises(PermissionError):
            version_before.close_session([])
        assert logins.outcome(1) == "refused"
        sshd.kill()
        assert logins.outcome(1) == "in"


def test_the_group_that_the_mode_names_can_do_nothing_there(left_behind, state):
    left_behind([line()])
    accesscontrol.Sessions()
    assert state.stat().st_mode & 0o7777 == accesscontrol.TAKEN_OVER
    assert not state.stat().st_mode & 0o017, "who may not search a folder can change nothing in it"
