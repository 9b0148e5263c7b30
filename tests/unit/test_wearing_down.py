"""Who is denied, or not answered, is not asked about again for a while, and for twice as long each time after.

And an answer is for whom it was given: an Allow for one person, proof, host and service; a refusal for the person.
"""

import os
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

import accesscontrol
from accesscontrol import Answers, hold_seconds
from login_attempts import attempt

KEY, OTHER_KEY = "publickey ssh-ed25519 AAAA", "publickey ssh-ed25519 BBBB"
UIDS = {"bob": 1001, "carol": 1002, "erin": 1003, "root": 0}


# --- how long it holds ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("remember", "seconds"), [
    (60, [60, 120, 240, 480, 960, 1920, 3600, 3600]),
    (0, [0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]),
    (1, [1, 2, 4, 8]),
    (1800, [1800, 3600, 3600]),
    (3600, [3600, 3600, 3600]),
    (5000, [5000, 5000, 5000]),
])
def test_a_refusal_holds_for_remember_seconds_and_twice_as_long_each_time_up_to_an_hour(remember, seconds):
    assert [hold_seconds(remember, strikes) for strikes in range(1, len(seconds) + 1)] == seconds


@given(st.integers(0, 999_999), st.integers(1, 10_000))
def test_it_is_never_shorter_than_the_time_before_and_never_without_end(remember, strikes):
    assert remember <= hold_seconds(remember, strikes) <= hold_seconds(remember, strikes + 1) <= max(remember, 3600)


# --- for whom ---------------------------------------------------------------------------------------------------------


class Owner:
    """Alice, who answers what she is asked, and a clock that stands still until it is set."""

    def __init__(self):
        self.rules = types.SimpleNamespace(remember=60, timeout=60)
        self.now = 1000.0

    def question(self, user="bob", uid=None, rhost="192.0.2.1", key=KEY, service="sshd", requester=""):
        somebody = attempt(user=user, uid=UIDS.get(user, 1999) if uid is None else uid, rhost=rhost, service=service)
        if uid == -1:
            somebody.person.uid = -1
        somebody.person.account = None
        if requester:
            somebody.requester = somebody.asked_by = requester
        return accesscontrol.Question(somebody, self.rules, key)

    def give(self, word, given=None, **question):
        """She answers a question that has just been asked."""
        given = self.now if given is None else given
        Answers().give(self.question(**question), word, 1000, "alice", given)
        self.now += 1

    def holds(self, **question):
        """The answer that there is to a question asked now; empty where the owner must be asked."""
        answer = Answers().known(self.question(**question))
        return answer.word if answer else ""

    def to_one_who_waits(self, since, **question):
        """The answer that there is for one who has waited since then."""
        answer = Answers().known(self.question(**question), since)
        return answer.word if answer else ""

    def ends(self, **question):
        """After how many seconds, whole ones, what holds now holds no more."""
        before, now = self.holds(**question), self.now
        while self.holds(**question) == before:
            self.now += 1
            assert self.now < now + 20_000
        seconds, self.now = self.now - now, now
        return seconds

    def let_in(self, **question):
        """A session that lives, and that this question's answer let in; returns the function that ends it."""
        ledger, pid = accesscontrol.Sessions(), os.getpid()
        answer = self.question(**question).key
        text = accesscontrol.session_text(1, os.getuid(), "SSH", "x@y", "", "ASK", "r:1", answer, ",")
        link = ledger.add(ledger.turn(), pid, accesscontrol.process_start(pid), text)
        return lambda: ledger.remove(link)


@pytest.fixture
def alice(state, monkeypatch):
    alice = Owner()
    monkeypatch.setattr(accesscontrol, "seconds_up", lambda: alice.now)
    monkeypatch.setattr(accesscontrol, "Person", lambda user: types.SimpleNamespace(user=user, uid=UIDS.get(user, -1)))
    return alice


@pytest.mark.parametrize("word", ["deny", "timeout"])
def test_a_refusal_holds_for_the_person_whatever_way_they_come(alice, word):
    alice.give(word)
    for key in (KEY, OTHER_KEY, "password"):
        for rhost in ("192.0.2.1", "198.51.100.1", "2001:db8::1", ""):
            for service in ("sshd", "login", "sudo"):
                assert alice.holds(key=key, rhost=rhost, service=service) == word
    assert alice.holds(user="bobadm", uid=1001) == word
    assert alice.holds(user="carol") == ""


def test_a_refusal_holds_for_twice_as_long_each_time_after(alice):
    for seconds in (60, 120, 240, 480, 960, 1920, 3600, 3600):
        alice.give("deny")
        begin = alice.now - 1
        alice.now = begin + seconds - 1
        assert alice.holds() == "deny"
        alice.now = begin + seconds
        assert alice.holds() == ""


def test_the_strikes_of_one_are_not_anothers(alice):
    for _ in range(4):
        alice.give("deny", user="carol")
    alice.give("deny")
    assert alice.ends() == 59
    assert alice.ends(user="carol") == 478


def test_who_was_allowed_begins_anew(alice):
    for _ in range(3):
        alice.give("deny")
    alice.now += 5000
    alice.give("allow")
    alice.now += 5000
    alice.give("deny")
    assert alice.ends() == 59


def test_a_time_out_that_nobody_can_have_seen_holds_for_nobody_who_comes_later_but_counts(alice):
    since = alice.now
    alice.give("unseen")
    assert alice.holds() == ""
    assert alice.to_one_who_waits(since) == "unseen"
    assert alice.to_one_who_waits(alice.now) == ""
    alice.give("deny")
    assert alice.ends() == 119


def test_with_remember_0_an_answer_is_for_those_who_wait_and_the_second_refusal_is_not(alice):
    alice.rules.remember = 0
    for word in ("allow", "deny"):
        since = alice.now
        alice.give(word)
        assert alice.holds() == ""
        assert alice.to_one_who_waits(since) == word
        assert alice.to_one_who_waits(alice.now) == ""
    alice.give("deny")
    assert alice.ends() == 1


@pytest.mark.parametrize("word", ["allow", "deny", "timeout", "unseen"])
def test_an_answer_holds_for_those_who_were_waiting_when_it_was_given(alice, word):
    alice.rules.remember = 0
    since = alice.now
    alice.give(word)
    alice.now += 100
    assert alice.holds() == ""
    assert alice.to_one_who_waits(since) == alice.to_one_who_waits(since - 50) == word
    assert alice.to_one_who_waits(since + 0.5) == ""


# --- an Allow ---------------------------------------------------------------------------------------------------------


def test_an_allow_holds_for_person_proof_host_and_service_alone(alice):
    since = alice.now
    alice.give("allow")
    for holds in (alice.holds, lambda **question: alice.to_one_who_waits(since, **question)):
        assert holds() == "allow"
        assert holds(rhost="::ffff:192.0.2.1") == "allow"
        assert holds(user="bobadm", uid=1001) == "allow"
        assert holds(key=OTHER_KEY) == ""
        assert holds(rhost="192.0.2.2") == ""
        assert holds(rhost="") == ""
        assert holds(user="carol") == ""
        for service in ("login", "sudo", "su", "lightdm", "cockpit"):
            assert holds(service=service) == ""


def test_an_allow_for_the_console_is_none_to_become_root(alice):
    alice.give("allow", service="login", rhost="", key="")
    assert alice.holds(service="login", rhost="", key="") == "allow"
    assert alice.holds(service="sudo", rhost="", key="") == ""


def test_an_ipv6_host_is_its_64(alice):
    alice.give("allow", rhost="2001:db8::1")
    assert alice.holds(rhost="2001:db8::ffff:2") == "allow"
    assert alice.holds(rhost="2001:db8:0:1::1") == ""


def test_an_allow_holds_while_a_session_lives_and_remember_seconds_besides(alice):
    alice.give("allow")
    assert alice.ends() == 59
    end = alice.let_in()
    alice.now += 5000
    assert alice.holds() == "allow"
    assert alice.holds(key=OTHER_KEY) == ""
    end()
    assert alice.holds() == ""


def test_remember_0_holds_while_a_session_lives_and_no_longer(alice):
    alice.rules.remember = 0
    alice.give("allow")
    end = alice.let_in()
    assert alice.holds() == "allow"
    end()
    assert alice.holds() == ""


def test_an_allow_counts_from_its_last_use(alice):
    """A playbook with one sudo every three seconds is not asked about again in the middle."""
    question = {"service": "sudo", "rhost": "", "key": ""}
    alice.give("allow", **question)
    for number in range(1, 40):
        assert alice.holds(**question) == "allow"
        Answers().use(alice.question(**question).key)
        assert [answer.number for answer in Answers().found] == [number]
        alice.now += 30
    assert alice.ends(**question) == 30
    alice.now += 31
    assert alice.holds(**question) == ""


def test_a_use_of_one_that_holds_no_more_does_not_bring_it_to_life_again(alice):
    """A process that was stopped between the answer and its use."""
    alice.give("allow")
    alice.now += 61
    Answers().use(alice.question().key)
    assert alice.holds() == ""


def test_a_use_of_one_allow_is_none_of_another(alice):
    alice.give("allow")
    alice.give("allow", service="login")
    alice.now += 50
    Answers().use(alice.question().key)
    alice.now += 50
    assert alice.holds() == "allow"
    assert alice.holds(service="login") == ""


def test_a_use_makes_no_answer_of_what_was_lifted(alice):
    alice.give("allow")
    alice.give("deny")
    Answers().use(alice.question().key)
    Answers().use("0123")
    assert alice.holds() == "deny"
    alice.now += 61
    assert alice.holds() == ""


def test_two_uses_at_once_are_two(alice, monkeypatch):
    """The other one comes between each two of the calls of the first."""
    for call in ("rename", "utime"):
        for link in Answers().names():
            Answers().remove(link)
        alice.give("allow")
        real, key = getattr(os, call), alice.question().key

        def other_first(*args, real=real, call=call, key=key, **kwargs):
            monkeypatch.setattr(os, call, real)
            Answers().use(key)
            return real(*args, **kwargs)

        monkeypatch.setattr(os, call, other_first)
        Answers().use(key)
        assert [answer.number for answer in Answers().found] == [2], call


def test_the_time_of_a_link_that_was_never_used_is_no_use(alice):
    """It is the clock's, and somebody may have set that."""
    alice.give("allow")
    link, = Answers().names()
    for seconds in (0, 5, 999, 10**6, 2 * 10**9):
        Answers().touch(link, seconds)
        assert alice.ends() == 59


def test_answers_that_hold_no_more_go_when_another_one_is_given(alice):
    alice.give("allow")
    alice.give("allow", service="login")
    end = alice.let_in()
    alice.now += 1000
    alice.give("allow", user="carol")
    assert len(Answers().found) == 2
    assert alice.holds() == "allow"
    end()
    alice.give("deny", user="carol")
    assert {answer.who for answer in Answers().found} == {"carol", "carol@192.0.2.1"}


# --- a refusal is looked at first -------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["deny", "timeout", "unseen"])
def test_a_refusal_ends_every_allow_of_the_person(alice, word):
    ways = [{}, {"key": OTHER_KEY}, {"service": "login"}, {"service": "sudo"}]
    for way in ways:
        alice.give("allow", **way)
    end = alice.let_in()
    alice.give("allow", user="carol")
    since = alice.now
    alice.give(word, key="password")
    told = "" if word == "unseen" else word
    assert [alice.holds(**way) for way in ways] == [told] * 4
    assert alice.to_one_who_waits(since) == word
    alice.now += 61
    assert [alice.holds(**way) for way in ways] == [""] * 4, "they do not come to life again"
    end()
    alice.now -= 61
    assert alice.holds(user="carol") == "allow"


def test_of_an_allow_and_a_deny_for_one_who_waited_through_both_the_last_one_counts(alice):
    since = alice.now
    alice.give("allow")
    alice.give("deny", key=OTHER_KEY)
    assert alice.to_one_who_waits(since) == "deny"
    alice.now += 100
    alice.give("allow")
    assert alice.to_one_who_waits(since) == "allow"


def test_an_allow_that_is_written_late_does_not_outlive_the_deny_after_it(alice):
    """By a process that was stopped between the answer and its writing."""
    given = alice.now
    alice.now += 20
    alice.give("deny", key=OTHER_KEY)
    alice.now += 20
    alice.give("allow", given=given)
    assert alice.holds() == "deny"
    assert alice.to_one_who_waits(given - 1) == "deny"
    end = alice.let_in()
    alice.now += 100
    assert alice.holds() == ""
    Answers().use(alice.question().key)
    assert alice.holds() == ""
    end()
    alice.give("deny")
    assert alice.ends() == 119, "and the person has not begun anew"


def test_a_deny_that_is_written_late_does_not_end_the_allow_after_it(alice):
    given = alice.now
    alice.now += 20
    alice.give("allow")
    alice.give("deny", given=given, key=OTHER_KEY)
    since = alice.now - 30
    assert alice.to_one_who_waits(since) == "allow"


def test_an_allow_lifts_the_refusals_before_it(alice):
    for _ in range(3):
        alice.give("deny")
    alice.give("allow")
    assert alice.holds() == "allow"
    assert alice.holds(service="login") == ""
    assert [answer.word for answer in Answers().found] == ["allow"]


def test_an_allow_does_not_bring_to_life_what_a_deny_between_has_ended(alice):
    alice.give("allow")
    alice.let_in()
    alice.give("deny")
    alice.give("allow", service="login")
    assert alice.holds(service="login") == "allow"
    assert alice.holds() == ""
    alice.give("allow", user="carol")
    assert alice.holds() == ""


# --- who is behind it -------------------------------------------------------------------------------------------------


def test_a_deny_of_erins_su_is_erins_and_not_bobs(alice):
    alice.give("deny", user="bob", service="su", requester="erin")
    assert alice.holds(user="bob") == ""
    assert alice.holds(user="bob", service="su", requester="carol") == ""
    assert alice.holds(user="bob", service="su", requester="erin") == "deny"
    assert alice.holds(user="root", service="su", requester="erin") == "deny"
    assert alice.holds(user="erin") == "deny"
    assert [(answer.who, answer.person) for answer in Answers().found] == [("erin", "uid-1003")]


def test_a_deny_for_bob_does_not_keep_erin_from_su(alice):
    alice.give("deny", user="bob")
    assert alice.holds(user="bob", service="su", requester="erin") == ""
    assert alice.holds(user="root", service="su", requester="bob") == "deny"


def test_an_allow_for_su_is_for_whoever_asked_and_whom_they_become(alice):
    since = alice.now
    alice.give("allow", user="bob", service="su", requester="erin")
    for holds in (alice.holds, lambda **question: alice.to_one_who_waits(since, **question)):
        assert holds(user="bob", service="su", requester="erin") == "allow"
        assert holds(user="bob", service="su", requester="carol") == ""
        assert holds(user="root", service="su", requester="erin") == ""
        assert holds(user="bob") == ""


def test_a_deny_of_hers_ends_erins_allow_to_become_bob_and_one_of_bobs_does_not(alice):
    alice.give("allow", user="bob", service="su", requester="erin")
    alice.give("deny", user="bob")
    assert alice.holds(user="bob", service="su", requester="erin") == "allow"
    alice.give("deny", user="root", service="su", requester="erin")
    assert alice.holds(user="bob", service="su", requester="erin") == "deny"


@pytest.mark.parametrize("service", ["vsftpd", "sshd", "exim4"])
def test_people_without_a_uid_are_told_apart_by_name(alice, service):
    one, other = ({"user": name, "uid": -1, "service": service} for name in ("virt1", "virt2"))
    alice.give("deny", **one)
    assert alice.holds(**one) == "deny"
    assert alice.holds(**other) == ""
    alice.give("allow", **other)
    assert alice.holds(**other) == "allow"
    assert alice.holds(**one) == "deny"
    alice.give("allow", **one)
    alice.give("deny", **other)
    assert alice.holds(**one) == "allow"
    assert alice.holds(**other) == "deny"


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_no_name_is_another_one_in_the_name_of_a_link(one, other):
    keys = [accesscontrol.person_key(types.SimpleNamespace(user=user, uid=-1)) for user in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)
    assert all(accesscontrol.ANSWER_NAME.fullmatch(f"deny-{key}-1.000000-1") for key in keys)


# --- the folder -------------------------------------------------------------------------------------------------------


def test_what_is_no_answer_in_the_folder_is_none(alice, state):
    alice.give("deny")
    folder = state / "answers"
    (folder / "a file").write_text("somebody's")
    (folder / "allow-0123-1.000000-0").write_text("somebody's")
    os.mkfifo(folder / "deny-uid-1001-2000.000000-1")
    (folder / "deny-uid-1001-2000.000000-2").mkdir()
    (folder / "deny-uid-1002-2000.000000-3").symlink_to("/etc/passwd")
    (folder / "deny-uid-1002-x-3").symlink_to("deny 60 uid-1002 1 alice carol - SSH")
    assert [answer.person for answer in Answers().found] == ["uid-1001"]
    assert alice.holds() == "deny"
    assert alice.holds(user="carol") == ""
    alice.give("allow")
    assert alice.holds() == "allow"
    assert len(list(folder.iterdir())) == 7


def test_an_answer_that_goes_while_it_is_read_is_none(alice, monkeypatch):
    alice.give("allow")
    alice.give("allow", user="carol")
    readlink = os.readlink

    def gone(path):
        monkeypatch.setattr(os, "readlink", readlink)
        os.unlink(path)
        return readlink(path)

    monkeypatch.setattr(os, "readlink", gone)
    assert len(Answers().found) == 1


def test_where_there_is_no_room_for_an_answer_it_lets_nobody_in(alice, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "symlink", fail)
        with pytest.raises(OSError, match="space"):
            alice.give("allow")
    assert alice.holds() == ""
    assert alice.to_one_who_waits(0) == ""


def test_a_long_name_has_room(alice):
    question = {"user": "\u00fc" * 256, "uid": -1, "rhost": "x" * 255}
    alice.give("deny", **question)
    assert alice.holds(**question) == "deny"


def test_an_allow_of_before_a_deny_stays_ended_where_the_one_after_it_was_killed(alice, monkeypatch):
    """Between its link and the removal of the others."""
    alice.give("allow")
    alice.give("deny", key=OTHER_KEY)
    with monkeypatch.context() as patch:
        patch.setattr(Answers, "remove", lambda *_: False)
        alice.give("allow", key="password")
    alice.give("allow", rhost="192.0.2.9")
    assert alice.holds() == ""
    assert alice.holds(rhost="192.0.2.9") == "allow"


def test_of_su_by_somebody_without_a_name_it_is_the_uid(alice):
    alice.give("deny", requester="4242", service="su")
    assert alice.holds(requester="4242", service="su") == "deny"
    assert alice.holds(requester="4243", service="su") == ""
    assert alice.holds() == ""
