"""utmp tells of sessions where no logind runs; whatever stands in it, it does no harm."""

import os
import struct

import pytest

import accesscontrol

RECORD = "hxxi32s4s32s256s52x"  # struct utmp, see utmp(5)
USER_PROCESS, DEAD_PROCESS = 7, 8


def record(pid, kind=USER_PROCESS, line=b"tty1", user=b"root", host=b""):
    return struct.pack(RECORD, kind, pid, line, b"", user, host)


@pytest.fixture
def utmp(tmp_path, monkeypatch):
    """utmp(RECORD...): the sessions that are seen in such a file."""
    assert accesscontrol.utmp_sessions  # which has UTMP unfolded

    def sessions(*records):
        (tmp_path / "utmp").write_bytes(b"".join(records))
        monkeypatch.setattr(accesscontrol, "UTMP", str(tmp_path / "utmp"))
        return accesscontrol.utmp_sessions()

    return sessions


def test_a_session_is_seen_whose_process_is_there(utmp):
    me = os.getpid()
    assert utmp(record(me), record(me, line=b"tty7", host=b":0")) == [(me, 0, "tty1"), (me, 0, ":0")]


@pytest.mark.parametrize("pid", [0, -1, -os.getpid(), 2**31 - 1])
def test_no_session_is_seen_where_no_single_process_is_meant(utmp, pid):
    assert utmp(record(pid)) == []


def test_what_is_no_session_of_somebody_known_is_not_seen(utmp):
    me = os.getpid()
    assert utmp(record(me, kind=DEAD_PROCESS), record(me, user=b"no-such-user"), record(me)[:100]) == []
