"""A login that is stopped between any two of its system calls keeps its own entry at most, and nobody waits for it."""

import os
import signal

import pytest

import accesscontrol
import logins
from processes import CALLS, Children, each_moment, just_be_there

LIMIT = 2


@pytest.fixture
def hosts():
    """Processes by which others are in."""
    with Children() as start:
        yield [start(just_be_there) for _ in range(LIMIT + 1)]


@pytest.fixture
def at_once(monkeypatch):
    """Has every login look at most so often: whoever waits for somebody else looks again and again."""
    looks = []
    turn = accesscontrol.Ledger.turn
    monkeypatch.setattr(accesscontrol.Ledger, "turn", lambda self: looks.append(self) or turn(self))

    def outcome(pid):
        looks.clear()
        told = logins.outcome(LIMIT, pid)
        assert len(looks) <= 3, "it had to look again and again"  # one of them, whose ledger it is
        return told

    monkeypatch.setattr(accesscontrol, "TRIED_FOR", 0.1)
    return outcome


@pytest.fixture(params=["no state folder", "nobody was in", "one was killed and one has left"])
def before(request, state, hosts):
    """What there is before the login comes, made anew: before()."""

    def make():
        import shutil

        shutil.rmtree(state, ignore_errors=True)
        if request.param == "no state folder":
            return
        accesscontrol.Sessions()
        if request.param == "nobody was in":
            return
        with Children() as start:
            assert logins.outcome(LIMIT, start(just_be_there).pid) == "in"
        assert logins.outcome(LIMIT, hosts[-1].pid) == "in"
        logins.close(hosts[-1].pid)

    return make


def entries_of(*processes):
    """Their entries, but for those of sessions that PAM has closed."""
    pids = {process.pid for process in processes}
    return [entry for entry in accesscontrol.Sessions().entries() if entry.pid in pids and not entry.left]


def moments(before):
    before()
    for number, child in each_moment(logins.outcome, LIMIT):
        yield number, child
        before()


def test_while_others_come_and_stay(before, hosts, at_once):
    for moment, child in moments(before):
        kept = len(entries_of(child))
        told = [at_once(host.pid) for host in hosts]
        assert kept <= 1
        assert told == ["in"] * (LIMIT - kept) + ["refused"] * (1 + kept), moment
        child.go_on()
        assert child.result() == ("in" if kept else "refused"), moment
        assert len(entries_of(child, *hosts)) == LIMIT, moment


def test_while_others_come_and_go(before, hosts, at_once):
    for moment, child in moments(before):
        kept = len(entries_of(child))
        for host in hosts * 2:
            assert at_once(host.pid) == "in", moment
            entry, = entries_of(host)
            assert accesscontrol.Sessions().remove(entry.link)
        assert len(entries_of(child)) == kept, "others have removed what is not theirs"
        child.go_on()
        assert child.result() == "in", moment
        assert len(entries_of(child)) == 1, moment


def test_when_it_is_killed_its_place_is_free_and_nothing_of_it_stays(before, hosts, at_once):
    for moment, child in moments(before):
        assert at_once(hosts[0].pid) == "in", moment
        child.kill()
        assert [at_once(host.pid) for host in hosts[1:]] == ["in", "refused"], moment
        assert {entry.pid for entry in accesscontrol.Sessions().entries()} <= {host.pid for host in hosts}, moment
        assert len(entries_of(*hosts)) == LIMIT, moment


def test_when_the_process_beside_a_host_is_killed_the_host_can_try_again(before, hosts, at_once):
    """As pam_exec.so starts it: the entry is the host's, who lives on, and so is one that was not taken back."""
    before()
    for moment, child in each_moment(logins.outcome, LIMIT, hosts[0].pid):
        child.kill()
        assert at_once(hosts[0].pid) == "in", moment
        before()


def test_one_that_closes_its_session(state, hosts, at_once):
    def come_and_leave():
        told = logins.outcome(LIMIT)
        if told == "in":
            logins.close(os.getpid())
        return told

    for moment, child in each_moment(come_and_leave):
        told = [at_once(host.pid) for host in hosts]
        assert told.count("in") in (LIMIT - 1, LIMIT), moment
        child.go_on()
        assert child.result() in ("in", "refused" if told.count("in") == LIMIT else "in"), moment
        assert len(entries_of(child, *hosts)) == told.count("in"), moment
        for entry in entries_of(*hosts):
            accesscontrol.Sessions().remove(entry.link)


def test_one_that_takes_back_what_it_has_added_too_late_keeps_nobody_out(state, hosts, monkeypatch):
    def goes_on(_):
        """A moment later, in which whoever was stopped has gone on to where it is stopped the next time."""
        child.go_on()
        child.is_stopped()

    accesscontrol.Sessions()
    with Children() as start:
        child = start(stop_before_taking_back)
        assert child.is_stopped()
        assert logins.outcome(1, hosts[0].pid) == "in"
        assert accesscontrol.Sessions().remove(*logins.links())
        child.go_on()
        assert child.is_stopped()
        assert len(entries_of(child)) == 1
        monkeypatch.setattr(accesscontrol.time, "sleep", goes_on)
        assert logins.outcome(1, hosts[1].pid) == "in"
        child.go_on()
        assert child.result() == "refused"


def test_one_that_has_added_too_late_does_not_make_its_person_one_who_is_in_already(state, hosts, monkeypatch):
    """Who is in already does not count again; but the entry of one at the door may have to be taken back."""
    monkeypatch.setattr(accesscontrol, "same_process", lambda pid, start, _: accesscontrol.process_start(pid) == start)
    carols, bobs = {"counted": "GROUP ALL", "user": "carol", "uid": logins.ME + 1}, {"counted": "GROUP ALL"}
    accesscontrol.Sessions()
    with Children() as start:
        child = start(stop_before_the_turn, bobs)
        assert child.is_stopped()
        assert logins.outcome(1, hosts[0].pid, **carols) == "in"
        child.go_on()
        assert child.is_stopped()
        assert len(entries_of(child)) == 1
        assert logins.outcome(1, hosts[1].pid, **bobs) == "refused"
        child.go_on()
        assert child.result() == "refused"


def stop_before_the_turn(person):
    """The task of one that is stopped before it adds its entry, and before it takes the turn for that."""
    symlink, rename = os.symlink, os.rename

    def stop_and_symlink(*arguments):
        os.kill(os.getpid(), signal.SIGSTOP)
        symlink(*arguments)

    def stop_and_rename(*arguments):
        os.kill(os.getpid(), signal.SIGSTOP)
        os.symlink, os.rename = symlink, rename
        rename(*arguments)

    os.symlink, os.rename = stop_and_symlink, stop_and_rename
    return logins.outcome(1, **person)


def stop_before_taking_back():
    """The task of one that is stopped before it adds its entry, before it takes that back, and after that."""
    symlink, unlink = os.symlink, os.unlink

    def stop_and_symlink(*arguments):
        os.kill(os.getpid(), signal.SIGSTOP)
        os.symlink = symlink
        symlink(*arguments)

    def stop_and_unlink(path):
        os.kill(os.getpid(), signal.SIGSTOP)
        unlink(path)
        os.kill(os.getpid(), signal.SIGSTOP)

    os.symlink, os.unlink = stop_and_symlink, stop_and_unlink
    return logins.outcome(1)


def test_these_are_all_calls_by_which_the_state_is_changed_or_read():
    """Another one would be a moment that is not tried."""
    import re

    with open(accesscontrol.__file__, encoding="utf-8") as file:
        text = file.read()
    begin, end = text.index("\nclass Links:"), text.index("\nclass LogindSession:")
    called = set(re.findall(r"\bos\.(\w+)\(", text[begin:end]))
    assert called - {"getpid", "geteuid", "urandom"} <= set(CALLS)
