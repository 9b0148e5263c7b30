"""A list of gids that has no room in an entry is cut at a gid and marked, and the directory is asked for the rest."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

import accesscontrol
import logins
from accesscontrol import CountedGroup, Session
from test_what_is_written_down_is_read_again import entry, text

MOST = 4095  # bytes, see symlink(2)


def listed(gids):
    return f",{','.join(map(str, gids))},"


def size(text):
    return len(text.encode("utf-8", "backslashreplace"))


@given(st.integers(0, 1200), st.integers(0, 2**32 - 1), st.text(max_size=250), st.integers(0, 12))
def test_as_many_gids_are_kept_as_there_is_room_for(count, first, who, digits):
    gids = [str(first + number)[digits // 2:] or "0" for number in range(count)]
    whole = listed(gids)
    written = text(who=accesscontrol.column(who) or "x", gids=whole)
    assert size(written) <= MOST
    kept = written.rpartition(" ")[2]
    if kept == whole:
        return
    assert kept.endswith(",+")
    assert whole.startswith(kept[:-1])
    following = whole[len(kept) - 1:].partition(",")[0]
    assert size(written) + len(following) + 1 > MOST


@pytest.mark.parametrize("spare", range(-15, 16))
def test_at_the_very_edge_too(spare, state):
    room = MOST - size(text(gids=""))
    gids = ",1000" * (room // 5 - 5)
    gids += "," + "7" * (room - len(gids) - 2 + spare) + ","
    written = text(gids=gids)
    assert len(gids) == room + spare
    assert size(written) <= MOST
    assert written.endswith(",+") == (spare > 0)
    ledger = accesscontrol.Sessions()
    ledger.put("1.2.3.4", written)
    assert ledger.text("1.2.3.4") == written


@pytest.mark.parametrize("length", [*range(4060, 4096), 5000])
def test_where_nothing_has_room_not_even_one_gid(length):
    """No name is so long; but a text that is longer than a link's could not be written at all."""
    written = text(who="x" * (length - 50), gids=listed(range(1000, 1010)))
    if size(text(who="x" * (length - 50), gids="")) < MOST:
        assert size(written) <= MOST


# --- who is in a group, then ------------------------------------------------------------------------------------------


class Directory:
    """Knows of a user with uid 1001 whether they are in the group with gid 500, and how often it was asked."""

    def __init__(self, is_in):
        self.is_in, self.asked = is_in, 0

    def getpwuid(self, uid):
        self.asked += 1
        if self.is_in is None:
            raise KeyError(uid)
        return struct_passwd(uid)


def struct_passwd(uid):
    import pwd

    return pwd.struct_passwd(("bob", "x", uid, uid, "", "/", "/bin/sh"))


@pytest.fixture
def group(monkeypatch):
    """group(IS_IN): a group with gid 500 and the one member carol, and a directory."""
    import grp

    def make(is_in):
        directory = Directory(is_in)
        monkeypatch.setattr(accesscontrol, "find_group", lambda _: grp.struct_group(("many", "x", 500, ["carol"])))
        monkeypatch.setattr(accesscontrol.pwd, "getpwuid", directory.getpwuid)
        monkeypatch.setattr(accesscontrol.Person, "belongs_to", lambda *_: directory.is_in)
        return CountedGroup("many"), directory

    return make


def session(gids, who="bob@host"):
    return Session(entry(), text(uid=1001, who=who, gids=gids))


LONG = range(100_000, 102_000)


@pytest.mark.parametrize("is_in", [True, False])
def test_for_a_list_that_was_cut_the_directory_is_asked_once(group, is_in):
    many, directory = group(is_in)
    cut = session(listed([*LONG, 999_999_999]))
    assert cut.gids.endswith("+")
    assert [many.has_session(cut) for _ in range(3)] == [is_in] * 3
    assert directory.asked == 1


def test_whom_the_directory_does_not_know_may_be_in_it(group):
    many, _ = group(None)
    assert many.has_session(session(listed(LONG)))


@pytest.mark.parametrize("is_in", [True, False])
def test_for_a_whole_list_it_is_not(group, is_in):
    many, directory = group(is_in)
    assert not many.has_session(session(listed([5, 50, 5000, 1500, 5001])))
    assert many.has_session(session(listed([5, 500])))
    assert directory.asked == 0


def test_nor_where_the_gid_is_in_what_was_kept_or_the_group_names_the_person(group):
    many, directory = group(False)
    assert many.has_session(session(listed([500, *LONG])))
    assert many.has_session(session(listed(LONG), who="carol@host"))
    assert directory.asked == 0


def test_a_gid_that_was_cut_in_the_middle_would_be_another():
    """The one at the cut is left out whole."""
    gids = session(listed([1] * 5 + [1_234_567_890] * 2000)).gids
    assert set(gids[:-1].strip(",").split(",")) == {"1", "1234567890"}


def test_who_is_in_two_thousand_groups_can_be_counted_by_each(state, monkeypatch):
    """Through a login and the ledger, and for the last of the groups, too."""
    import grp

    names = {f"g{number}": True for number in range(2000)}
    where = {"g0": 1000, "g1999": 1000 + sorted(names).index("g1999"), "last": 1000 + 1999}
    monkeypatch.setattr(accesscontrol, "find_group", lambda name: grp.struct_group((name, "x", where[name], [])))
    monkeypatch.setattr(accesscontrol.pwd, "getpwuid", struct_passwd)
    monkeypatch.setattr(accesscontrol.Person, "belongs_to", lambda _, group: group.gr_gid <= 2999)
    taken = logins.take(None, groups=names)
    assert taken.gids.endswith("+")
    for name in where:
        assert accesscontrol.OpenSessions(accesscontrol.Sessions()).people(CountedGroup(name)) == {os.getuid()}
