"""Who is denied, or not answered, is not asked about again for a while, and for twice as long each time after."""

import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

import accesscontrol
from accesscontrol import hold_seconds
from login_attempts import attempt

KEY, OTHER_KEY = "publickey ssh-ed25519 AAAA", "publickey ssh-ed25519 BBBB"


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


class Answers:
    """The file of answers, without a disk; and a clock, in seconds, that stands still until it is set."""

    def __init__(self, remember):
        self.rules = types.SimpleNamespace(remember=remember, timeout=60)
        self.answers, self.in_use, self.now = [], set(), 1000

    def read(self, name, kind):
        assert (name, kind) == ("answers", accesscontrol.Answer)
        return [kind.parse(answer.line()) for answer in self.answers]

    def write(self, name, answers):
        self.answers = list(answers)

    def answer_in_use(self, key):
        return key in self.in_use

    def question(self, user="bob", uid=1001, rhost="192.0.2.1", key=KEY):
        somebody = attempt(user=user, uid=uid, rhost=rhost)
        somebody.person.account = None
        return accesscontrol.Question(somebody, self.rules, key)

    def give(self, word, **question):
        """The owner answers a question that has just been asked."""
        accesscontrol.remember(self.question(**question), word, 1000, "alice", self)
        self.now += 1

    def holds(self, **question):
        """The answer that there is to a question asked now; empty where the owner must be asked."""
        answer = accesscontrol.known_answer(self.question(**question), self)
        return answer.word if answer else ""


@pytest.fixture
def answers(monkeypatch):
    answers = Answers(remember=60)
    monkeypatch.setattr(accesscontrol, "milliseconds_up", lambda: answers.now * 1000)
    return answers


@pytest.mark.parametrize("word", ["deny", "timeout"])
def test_a_refusal_holds_for_the_person_whatever_key_and_host_they_come_by(answers, word):
    answers.give(word)
    for key in (KEY, OTHER_KEY, "password"):
        for rhost in ("192.0.2.1", "198.51.100.1", "2001:db8::1", ""):
            assert answers.holds(key=key, rhost=rhost) == word
    assert answers.holds(user="bobadm") == word
    assert answers.holds(user="carol", uid=1002) == ""


def test_a_refusal_holds_for_twice_as_long_each_time_after(answers):
    for seconds in (60, 120, 240, 480, 960, 1920, 3600, 3600):
        answers.give("deny")
        begin = answers.now - 1
        answers.now = begin + seconds - 1
        assert answers.holds() == "deny"
        answers.now = begin + seconds + 1
        assert answers.holds() == ""


def test_who_was_allowed_begins_anew(answers):
    for _ in range(3):
        answers.give("deny")
    answers.now += 5000
    answers.give("allow")
    answers.now += 5000
    answers.give("deny")
    answers.now += 58
    assert answers.holds() == "deny"
    answers.now += 2
    assert answers.holds() == ""


def test_a_time_out_that_nobody_can_have_seen_holds_for_nobody_who_comes_later_but_counts(answers):
    waiting = answers.question()
    answers.give("unseen")
    assert answers.holds() == ""
    assert accesscontrol.known_answer(waiting, answers).word == "unseen"
    answers.give("deny")
    answers.now += 118
    assert answers.holds() == "deny"
    answers.now += 2
    assert answers.holds() == ""


def test_an_allow_holds_for_person_proof_and_host_alone(answers):
    answers.give("allow")
    assert answers.holds() == "allow"
    assert answers.holds(rhost="::ffff:192.0.2.1") == "allow"
    assert answers.holds(key=OTHER_KEY) == ""
    assert answers.holds(rhost="192.0.2.2") == ""
    assert answers.holds(user="carol", uid=1002) == ""


def test_an_ipv6_host_is_its_64(answers):
    answers.give("allow", rhost="2001:db8::1")
    assert answers.holds(rhost="2001:db8::ffff:2") == "allow"
    assert answers.holds(rhost="2001:db8:0:1::1") == ""


def test_an_allow_holds_while_a_session_lives_and_remember_seconds_besides(answers):
    answers.give("allow")
    answers.now += 58
    assert answers.holds() == "allow"
    answers.now += 2
    assert answers.holds() == ""
    answers.in_use = {answers.question().key}
    assert answers.holds() == "allow"


def test_an_answer_holds_for_those_who_were_waiting_when_it_was_given(answers):
    answers.rules.remember = 0
    for word in ("allow", "deny"):
        waiting = answers.question()
        answers.give(word)
        answers.now += 100
        assert answers.holds() == ""
        assert accesscontrol.known_answer(waiting, answers).word == word
