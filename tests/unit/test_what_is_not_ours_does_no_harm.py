"""The state folder is root's alone; what lies in it and is not ours is no entry, is not followed, and harms nobody."""

import os
import shutil
import stat
import tempfile

import pytest

import accesscontrol
import logins
from login_attempts import attempt
from processes import Children, just_be_there

ME = os.getpid()
START = accesscontrol.process_start(ME)


@pytest.fixture(params=["disk", "tmpfs"])
def state(request, state, monkeypatch):
    """The state folder, on a disk and in memory."""
    if request.param == "disk":
        yield state
        return
    folder = tempfile.mkdtemp(dir="/dev/shm")
    elsewhere = type(state)(f"{folder}/state")
    monkeypatch.setattr(accesscontrol, "STATE", str(elsewhere))
    yield elsewhere
    shutil.rmtree(folder)


@pytest.fixture
def other():
    """Another process that lives."""
    with Children() as start:
        yield start(just_be_there)


@pytest.fixture
def target(tmp_path):
    """A folder of somebody's, with a file; nothing of it may change."""
    folder = tmp_path / "target"
    folder.mkdir(mode=0o755)
    (folder / "file").write_text("as it was")
    os.utime(folder / "file", (1, 1))
    os.utime(folder, (1, 1))
    yield folder
    assert (folder / "file").read_text() == "as it was"
    assert [path.name for path in folder.iterdir()] == ["file"]
    assert folder.stat().st_mtime == (folder / "file").stat().st_mtime == 1
    assert folder.stat().st_mode & 0o777 == 0o755


def put_file(path):
    path.write_text("somebody's")


def put_socket(path):
    os.mknod(path, stat.S_IFSOCK | 0o600)


def put_folder(path):
    path.mkdir()
    (path / "in it").write_text("somebody's")


STRANGERS = pytest.mark.parametrize("put", [
    put_file, os.mkfifo, put_socket, put_folder, lambda path: path.symlink_to("/nowhere"),
], ids=["file", "fifo", "socket", "folder", "link"])


# --- the state folder -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702, 0o1777, 0o722, 0o760])
def test_a_state_folder_that_others_can_write_is_not_used(state, mode):
    state.mkdir()
    state.chmod(mode)
    for kind in (accesscontrol.Sessions, accesscontrol.Questions, accesscontrol.Answers):
        with pytest.raises(PermissionError):
            kind()
    assert list(state.iterdir()) == []
    assert logins.outcome(1).startswith("refused: ")
    assert logins.outcome(None) == "not written down"


@pytest.mark.parametrize("mode", [0o755, 0o711, 0o500])
def test_a_state_folder_that_others_could_read_is_made_private(state, mode):
    state.mkdir()
    state.chmod(mode)
    assert logins.outcome(1) == "in"
    assert state.stat().st_mode & 0o7777 == 0o700


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_state_folder_of_somebody_else_is_not_used(state):
    state.mkdir(0o700)
    os.chown(state, 1001, 1001)
    assert logins.outcome(1).startswith("refused: ")
    assert list(state.iterdir()) == []


def test_a_link_in_the_place_of_the_state_folder_is_not_followed(state, target):
    state.symlink_to(target)
    assert logins.outcome(1).startswith("refused: ")
    assert logins.outcome(None) == "not written down"


def test_every_folder_in_it_is_roots_alone_whatever_the_umask(state):
    before = os.umask(0)
    try:
        accesscontrol.Sessions(), accesscontrol.Questions(), accesscontrol.Answers()
    finally:
        os.umask(before)
    folders = [state, *(path for path in state.rglob("*") if path.is_dir())]
    assert {str(path): oct(path.stat().st_mode) for path in folders} == {str(path): oct(0o40700) for path in folders}


@pytest.mark.parametrize("name", ["sessions", "questions", "answers"])
@pytest.mark.parametrize("times", [1, 2])
def test_what_lies_in_the_place_of_a_folder_is_not_followed(state, target, name, times):
    """Also where something of the same kind has been put away before."""
    kind = getattr(accesscontrol, name.capitalize())
    state.mkdir(0o700)
    for _ in range(times):
        shutil.rmtree(state / name, ignore_errors=True)
        (state / name).symlink_to(target)
        folder = kind()
        folder.put("1.2.3", "text")
        assert accesscontrol.is_folder(folder.path)


# --- in a ledger ------------------------------------------------------------------------------------------------------


@STRANGERS
@pytest.mark.parametrize("name", ["somebody", "1.2", "99.1.1.1.left~", ".", "x" * 255])
def test_what_has_no_name_of_an_entry_is_left_alone(state, put, name):
    ledger = accesscontrol.Sessions()
    put(state / "sessions" / (name if name != "." else ".hidden"))
    there = sorted(os.listdir(ledger.path))
    assert ledger.entries() == []
    assert logins.outcome(1) == "in"
    assert logins.outcome(1) == "refused"
    assert logins.outcome(None) == "in"
    assert set(there) < set(os.listdir(ledger.path))


@STRANGERS
@pytest.mark.parametrize("alive", [True, False])
def test_what_has_a_name_of_an_entry_and_is_none_is_no_session(state, put, alive):
    ledger = accesscontrol.Sessions()
    put(state / "sessions" / f"99.{ME if alive else 2**31 - 1}.{START}")
    assert len(ledger.entries()) == 1
    assert ledger.read(ledger.entries()) == []
    assert ledger.living() == []
    assert logins.outcome(1) == "in"
    assert logins.outcome(1) == "refused"


def test_a_folder_cannot_be_removed_as_an_entry_can(state):
    ledger = accesscontrol.Sessions()
    put_folder(state / "sessions" / "99.1.1.1")
    assert not ledger.remove("99.1.1.1")
    assert not ledger.remove("99.1.1.2")
    assert ledger.names().count("99.1.1.1") == 1


@pytest.mark.parametrize("text", ["", "x", "1 2 3 4 5 6 7 8 9 10", "a b c d e f g h i", "\0", " " * 8, "9" * 4095])
def test_an_entry_with_a_damaged_text_is_no_session(state, text):
    ledger = accesscontrol.Sessions()
    if text not in ("", "\0"):
        ledger.put(f"99.{ME}.{START}", text)
    else:
        put_file(state / "sessions" / f"99.{ME}.{START}")
    assert logins.outcome(1) == "in"
    assert logins.outcome(1) == "refused"


@pytest.mark.parametrize("name", ["somebody", "x.1", "-1", "1.5", ""])
def test_what_is_no_turn_is_no_turn(state, name):
    assert logins.outcome(3) == "in"
    (state / "sessions" / "turn" / (name or ".x")).symlink_to("-")
    assert accesscontrol.Sessions().turn() == 2
    assert logins.outcome(3) == "in"


def test_where_the_turn_is_lost_nobody_is_counted_and_somebody_without_a_limit_gets_in(state):
    accesscontrol.Sessions().remove("turn/1")
    os.rmdir(state / "sessions" / "turn")
    assert logins.outcome(1).startswith("refused: ")
    assert logins.outcome(None) == "not written down"


def test_a_listing_that_falls_into_the_middle_of_a_rename_is_made_again(state, monkeypatch):
    ledger, listings, listdir = accesscontrol.Sessions(), [[], ["1", "2"]], os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: listings.pop() if listings else listdir(path))
    assert ledger.turn() == 1
    assert listings == []


def test_one_that_is_stopped_before_it_looks_for_the_turn_finds_it_all_the_same(state, monkeypatch):
    ledger, clock = accesscontrol.Sessions(), iter(range(0, 10**6, 100))
    monkeypatch.setattr(accesscontrol.time, "monotonic", lambda: next(clock))
    turn = ledger.turn()
    monkeypatch.undo()
    assert turn == 1


# --- entries of other processes ---------------------------------------------------------------------------------------


def put_entry(turn=99, pid=ME, start=START, uid=None, left=""):
    link = f"{turn}.{pid}.{start}{left}"
    uid = logins.ME if uid is None else uid
    text = accesscontrol.session_text(1, uid, "SSH", "bob@192.0.2.1", "", "OPEN", "rules:3", "-", ",1,")
    accesscontrol.Sessions().put(link, text)
    return link


@pytest.mark.skipif(os.getuid() != 0, reason="of a user's own process, it is not asked when it started")
@pytest.mark.parametrize("left", ["", accesscontrol.LEFT])
def test_where_the_pid_is_another_process_by_now_the_place_is_free_and_the_entry_goes(state, other, left):
    link = put_entry(pid=other.pid, start=other.start - 1, left=left)
    assert logins.outcome(1) == "in"
    assert link not in logins.links()


def test_where_the_pid_is_a_process_of_somebody_else_by_now_the_place_is_free_and_the_entry_goes(state, other):
    link = put_entry(pid=other.pid, start=other.start - 1, uid=logins.ME + 1)
    ledger = accesscontrol.Sessions()
    assert accesscontrol.OpenSessions(ledger).people(None) == set()
    assert ledger.living() == []
    rules = accesscontrol.parse("SSH OPEN USER ALL\nALL NUMBER GROUP ALL:1\n", "/etc/rules")
    bob = attempt(user="bob", uid=logins.ME)
    decision = accesscontrol.decide(rules, bob)
    assert accesscontrol.take_place(bob, decision, logins.SomeHost(), decision.limits, "-")
    assert link not in logins.links()


def test_entries_of_others_who_live_are_never_removed(state, other):
    links = {put_entry(turn=turn, pid=other.pid, start=other.start) for turn in range(90, 99)}
    for limit in (1, 9, 10, 20, None):
        logins.outcome(limit)
    ledger = accesscontrol.Sessions()
    assert not any(entry.is_gone() for entry in ledger.entries())
    assert links < logins.links()


@pytest.mark.parametrize("pid", [ME, 2**31 - 1], ids=["a pid that is in use here", "one that is not"])
def test_in_another_pid_namespace_nothing_is_swept_and_nothing_can_be_counted(state, pid):
    """And nothing is written down: nobody here could ever tell when that ends."""
    put_entry(pid=pid)
    [turn] = (state / "sessions/turn").iterdir()
    namespace = os.readlink(turn)
    turn.unlink()
    turn.symlink_to(str(int(namespace) + 1))
    before = sorted(os.listdir(state / "sessions"))
    with pytest.raises(OSError, match="another pid namespace"):
        accesscontrol.Sessions()
    told = logins.outcome(5)
    assert told.startswith("refused: ")
    assert "another pid namespace" in told
    assert logins.outcome(None) == "not written down"
    assert sorted(os.listdir(state / "sessions")) == before


# --- where there is no room -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["symlink", "rename", "utime"])
@pytest.mark.parametrize("number", [28, 12, 5, 30], ids=["ENOSPC", "ENOMEM", "EIO", "EROFS"])
def test_where_a_call_fails_no_entry_stays_and_the_turn_is_as_it_was(state, monkeypatch, call, number):
    ledger = accesscontrol.Sessions()

    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as broken:
        broken.setattr(os, call, fail)
        with pytest.raises(OSError, match=os.strerror(number)):
            ledger.add(ledger.turn(), ME, START, "text", 1.0)
        assert ledger.turn() == 1
        assert ledger.entries() == []
        if call != "utime":  # which is not needed for a session
            assert logins.outcome(1).startswith("refused: ")
            assert logins.outcome(None) == "not written down"
    assert ledger.turn() == 1
    assert ledger.entries() == []
    assert logins.outcome(1) == "in"


@pytest.mark.parametrize("first", range(1, 6))
def test_where_a_folder_cannot_be_made_nothing_of_it_stays(state, monkeypatch, first):
    """Without inodes, each login that tries would use up the next one."""
    made = []

    def some(call):
        def or_none(*args, **kwargs):
            made.append(args)
            if len(made) >= first:
                raise OSError(28, "No space left on device")
            return call(*args, **kwargs)

        return or_none

    with monkeypatch.context() as full:
        for call in ("mkdir", "symlink"):
            full.setattr(os, call, some(getattr(os, call)))
        logins.outcome(1)
    left = [path.name for path in state.iterdir()] if state.exists() else []
    assert set(left) <= {"sessions"}
    assert logins.outcome(1) == "in"


def test_what_cannot_be_removed_keeps_no_place(state, monkeypatch):
    put_entry(pid=2**31 - 1)

    def fail(*_):
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as broken:
        broken.setattr(os, "unlink", fail)
        assert logins.outcome(1) == "in"
    assert state.logged == []
