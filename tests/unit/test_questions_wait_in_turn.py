"""One question is on the screen; the others wait in turn, and whoever does not say again and again that it waits, and
lives, has lost its place. Who takes questions back, one after the other, is not asked about for a while.
"""

import os
import types

import pytest

import accesscontrol
from accesscontrol import Answers, LostPlace, Outcome, Place, Questions
from login_attempts import attempt
from processes import Children, each_moment

UIDS = {name: 2000 + number for number, name in enumerate("bob carol dave erin frank grace heidi ivan root".split())}
SUSPENDED = 500  # seconds for which the machine has slept: of two clocks, one counts them
KEPT = accesscontrol.PLACE_KEPT
DESKTOP = accesscontrol.LogindSession("1", "UID=54321\nTYPE=x11\n")


class Desk:
    """A queue before alice's desktop, and a clock that stands still until somebody waits."""

    def __init__(self):
        self.now = 10_000.0
        self.remember = 60
        self.time = types.SimpleNamespace(monotonic=lambda: self.now, sleep=None, time=lambda: 0)

    def question(self, user="bob", service="sshd", requester=""):
        somebody = attempt(user=user, uid=UIDS[user], service=service)
        somebody.person.account = None
        somebody.requester = somebody.asked_by = requester
        return accesscontrol.Question(somebody, types.SimpleNamespace(remember=self.remember, timeout=60), "")

    def come(self, user="bob", **question):
        """Somebody who takes a place in the queue; or the word that there is none."""
        place = Place(self.question(user, **question))
        word, _ = place.enter()
        return word or place

    def is_shown(self, place):
        """Whether it is this one's turn; it is on the screen then."""
        turn, queue, answers = place.ledger.turn(), place.ledger.look(), Answers()
        return queue.next_link(answers) == place.link and place.add(turn, "asked")

    def wait(self, seconds, *places):
        """Time passes, in which these places are renewed and others are not."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + accesscontrol.RENEWED_EVERY)
            for place in places:
                place.renew()

    def leave(self, place, word="gone", shown=True):
        outcome = Outcome(word)
        outcome.shown = shown
        place.leave(outcome)

    def answer(self, place, word="allow"):
        Answers().give(place.question, word, 54321, "alice", accesscontrol.seconds_up())
        self.leave(place, word)

    def take_back(self, user="bob", **question):
        """Somebody is shown to alice, and gone."""
        place = self.come(user, **question)
        assert isinstance(place, Place), place
        assert self.is_shown(place)
        self.leave(place)
        self.now += 1

    def kept_out(self, user="bob"):
        """For how many seconds somebody is not asked about."""
        person = accesscontrol.person_key(types.SimpleNamespace(user=user, uid=UIDS[user]))
        return max(0, Questions().look().kept_out_for(person, Answers(), self.remember))


@pytest.fixture
def desk(state, monkeypatch):
    desk = Desk()
    monkeypatch.setattr(accesscontrol, "time", desk.time)
    monkeypatch.setattr(accesscontrol, "seconds_up", lambda: desk.now + SUSPENDED)
    monkeypatch.setattr(accesscontrol, "Person", lambda user: types.SimpleNamespace(user=user, uid=UIDS.get(user, -1)))
    monkeypatch.setattr(accesscontrol, "find_desktop", lambda: (DESKTOP, []))
    monkeypatch.setattr(accesscontrol, "user_name", lambda uid: {54321: "alice"}[uid])
    return desk


def links():
    return {entry.link for entry in Questions().entries()}


# --- in turn ----------------------------------------------------------------------------------------------------------


def test_who_came_first_is_shown_first_and_one_at_a_time(desk):
    people = [desk.come(user) for user in ("bob", "carol", "dave")]
    for number, place in enumerate(people):
        assert [desk.is_shown(other) for other in people[number + 1:]] == [False] * (2 - number)
        assert desk.is_shown(place)
        assert not any(desk.is_shown(other) for other in people[number:])
        desk.answer(place)
    assert links() == set()


def test_five_people_wait_behind_the_one_that_is_asked_about(desk):
    people = [desk.come(user) for user in ("bob", "carol", "dave", "erin", "frank", "grace")]
    assert desk.is_shown(people[0])
    assert desk.come("heidi") == "busy"
    assert isinstance(desk.come("grace"), Place), "who waits already may come once more"
    assert isinstance(desk.come("bob"), Place)
    desk.leave(people[3], shown=False)
    assert isinstance(desk.come("heidi"), Place)


def test_twenty_logins_of_one_person_wait(desk):
    for _ in range(20):
        assert isinstance(desk.come("bob"), Place)
    assert desk.come("bob") == "busy"
    assert isinstance(desk.come("carol"), Place)
    assert desk.come("bob", service="login") == "busy"


def test_about_whom_the_owner_has_been_asked_goes_behind_all_others(desk):
    bobs = [desk.come("bob") for _ in range(3)]
    carol, dave = desk.come("carol"), desk.come("dave")
    desk.wait(1, *bobs, carol, dave)
    assert desk.is_shown(bobs[0])
    desk.wait(1, *bobs[1:], carol, dave)
    desk.leave(bobs[0])
    assert [desk.is_shown(place) for place in (bobs[1], bobs[2], dave, carol)] == [False, False, False, True]
    desk.wait(1, *bobs[1:], dave)
    desk.leave(carol)
    assert [desk.is_shown(place) for place in (bobs[1], dave)] == [False, True]
    desk.leave(dave)
    assert [desk.is_shown(place) for place in (bobs[2], bobs[1])] == [False, True]


def test_so_does_one_who_has_had_an_answer_since(desk):
    bobs = [desk.come("bob"), desk.come("bob", service="login")]
    carol = desk.come("carol")
    assert desk.is_shown(bobs[0])
    desk.wait(1, bobs[1], carol)
    desk.answer(bobs[0])
    assert not desk.is_shown(bobs[1])
    assert desk.is_shown(carol)


def test_who_was_asked_about_before_it_came_is_not_put_behind_for_that(desk):
    desk.take_back("bob")
    bob, carol = desk.come("bob"), desk.come("carol")
    assert not desk.is_shown(carol)
    assert desk.is_shown(bob)


def test_somebody_who_was_faster_makes_one_look_again(desk):
    """Two who have read the same turn are not both on the screen, nor is a sixth one waiting."""
    bob = desk.come("bob")
    turn = bob.ledger.turn()
    carol = desk.come("carol")
    assert not bob.add(turn, "asked")
    assert [it.person for it in Questions().look().asked] == []
    assert bob.link in links()
    assert len(links()) == 2
    assert not desk.is_shown(carol)
    assert desk.is_shown(bob)


# --- a place that is lost ---------------------------------------------------------------------------------------------


def test_who_renews_keeps_the_place_for_as_long_as_it_takes(desk):
    bob, carol = desk.come("bob"), desk.come("carol")
    desk.wait(500, bob, carol)
    assert not desk.is_shown(carol)
    assert desk.is_shown(bob)


@pytest.mark.parametrize("how", ["renew", "add"])
def test_who_has_not_renewed_for_too_long_has_lost_it(desk, how):
    bob, carol = desk.come("bob"), desk.come("carol")
    desk.wait(KEPT, carol)
    assert not desk.is_shown(carol), "bob may still go on"
    desk.wait(0.1, carol)
    assert desk.is_shown(carol)
    desk.leave(carol, shown=False)
    with pytest.raises(LostPlace):
        if how == "renew":
            bob.renew()
        else:
            desk.is_shown(bob) or bob.add(bob.ledger.turn(), "asked")
    assert Questions().look().asked == []


def test_the_window_of_one_that_has_lost_its_place_does_not_keep_others_waiting(desk):
    bob, carol = desk.come("bob"), desk.come("carol")
    assert desk.is_shown(bob)
    desk.wait(KEPT + 0.1, carol)
    assert [it.entry.link for it in Questions().look().taken_back] == [bob.link]
    assert desk.is_shown(carol)


def test_the_places_of_others_count_no_more_either(desk):
    for user in ("bob", "carol", "dave", "erin", "frank", "grace"):
        desk.come(user)
    assert desk.come("heidi") == "busy"
    desk.wait(KEPT + 0.1)
    assert isinstance(desk.come("heidi"), Place)


def stopped_before(monkeypatch, owner, name, then):
    """Has `then` happen once, before this function."""
    real = getattr(owner, name)

    def late(*args, **kwargs):
        monkeypatch.setattr(owner, name, real)
        then()
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, late)


def test_one_that_is_stopped_between_its_look_at_the_clock_and_the_touch_has_lost_it_too(desk, monkeypatch):
    bob, carol = desk.come("bob"), desk.come("carol")
    stopped_before(monkeypatch, os, "utime", lambda: desk.wait(100, carol))
    bob.renew()
    assert desk.is_shown(carol)
    with pytest.raises(LostPlace):
        bob.renew()


@pytest.mark.parametrize("call", ["symlink", "utime", "rename"])
def test_one_that_is_stopped_while_it_comes_to_the_screen_has_lost_it_too(desk, monkeypatch, call):
    bob, carol = desk.come("bob"), desk.come("carol")
    stopped_before(monkeypatch, os, call, lambda: desk.wait(100, carol))
    assert desk.is_shown(bob)
    with pytest.raises(LostPlace):
        bob.renew()
    assert Questions().look().asked == []
    assert desk.is_shown(carol)


def test_whose_entry_is_gone_has_lost_it(desk):
    bob = desk.come("bob")
    assert Questions().remove(bob.link)
    with pytest.raises(LostPlace):
        bob.renew()


@pytest.mark.parametrize("kind", ["waits", "asked"])
def test_who_was_killed_has_lost_it_at_once(desk, kind):
    def task():
        place = desk.come("bob")
        return place.link if kind == "waits" or desk.is_shown(place) else "not shown"

    with Children() as start:
        link = start(task).result()
    assert link in links()
    carol = desk.come("carol")
    assert desk.is_shown(carol)
    assert (link in links()) == (kind == "asked"), "what was on the screen stays, as a question that was taken back"


def test_one_that_is_stopped_for_ever_at_any_moment_keeps_nobody_waiting(desk):
    def task():
        place = desk.come("bob")
        place.renew()
        assert desk.is_shown(place)
        place.renew()
        desk.answer(place)
        return "done"

    for moment, _ in each_moment(task):
        carol = desk.come("carol")
        desk.wait(KEPT + 0.1, carol)
        assert desk.is_shown(carol), moment
        desk.answer(carol)
        desk.now += 1000
        for folder in (Questions(), Answers()):
            for link in folder.names():
                folder.remove(link)


def test_strangers_and_damaged_entries_in_the_queue_do_no_harm(desk, state):
    """Of a process that lives, and that comes before all others."""
    bob = desk.come("bob")
    pid, start = bob.pid, bob.start
    folder = state / "questions"
    for turn, text in enumerate(["", "waits", "asked uid-1 x SSH a@b -", "waits uid-1 1 SSH a@b - more", "\udc80"]):
        bob.ledger.put(f"{turn}000.{pid}.{start}", text or "x")
    (folder / f"7000.{pid}.{start}").mkdir()
    os.mkfifo(folder / f"8000.{pid}.{start}")
    (folder / "asked").write_text("")
    (folder / "0.1").symlink_to("asked uid-1 10000 SSH a@b -")
    queue = Questions().look()
    assert [it.entry.link for it in queue.waiting] == [bob.link]
    assert queue.asked == queue.taken_back == []
    assert desk.is_shown(bob)


# --- questions that are taken back ------------------------------------------------------------------------------------


def test_two_may_be_taken_back_and_from_the_third_on_the_person_is_kept_out(desk):
    for _ in range(2):
        desk.take_back()
        assert desk.kept_out() == 0
    for seconds in (60, 120, 240, 480, 960, 1920, 3600):
        desk.take_back()
        assert desk.kept_out() == pytest.approx(seconds - 1)
        assert desk.come() == "too often"
        assert isinstance(desk.come("carol"), Place), "nobody else is"
        desk.wait(seconds - 1.5)
        assert desk.come() == "too often"
        desk.wait(1)


def test_questions_that_were_never_shown_are_not_counted(desk):
    for _ in range(10):
        desk.leave(desk.come(), shown=False)
    assert desk.kept_out() == 0
    assert links() == set()


@pytest.mark.parametrize("word", ["allow", "deny", "timeout", "unseen"])
def test_an_answer_begins_anew(desk, word):
    for _ in range(2):
        desk.take_back()
        desk.take_back("carol")
    desk.wait(60)
    bob = desk.come()
    assert desk.is_shown(bob)
    desk.answer(bob, word)
    assert len(links()) == 2, "carol's are still there"
    desk.now += 1
    desk.take_back("carol")
    assert desk.kept_out("carol") > 0
    for _ in range(2):
        desk.take_back()
        assert desk.kept_out() == 0
    desk.take_back()
    assert desk.kept_out() == pytest.approx(59)


def test_so_it_does_where_the_entries_of_those_before_have_stayed(desk, monkeypatch):
    for _ in range(2):
        desk.take_back()
    bob = desk.come()
    assert desk.is_shown(bob)
    with monkeypatch.context() as killed:
        killed.setattr(Questions, "look", lambda _: types.SimpleNamespace(taken_back=[]))
        desk.answer(bob)
    desk.now += 1
    assert len(links()) == 2
    desk.take_back()
    assert desk.kept_out() == 0


def test_after_an_hour_it_is_not_in_a_row(desk):
    for _ in range(2):
        desk.take_back()
    desk.wait(accesscontrol.HOLD_MOST + 1)
    for _ in range(2):
        desk.take_back()
        assert desk.kept_out() == 0
    desk.take_back()
    assert desk.kept_out() > 0


def test_of_su_they_are_those_of_whoever_asked(desk):
    for _ in range(3):
        desk.take_back("bob", service="su", requester="erin")
    assert desk.kept_out("bob") == 0
    assert desk.come("root", service="su", requester="erin") == "too often"
    assert desk.come("erin") == "too often"
    assert isinstance(desk.come("bob"), Place)


def test_with_remember_0_the_third_is_free_and_the_next_ones_are_not(desk):
    desk.remember = 0
    for _ in range(3):
        desk.take_back()
        assert desk.kept_out() == 0
    desk.take_back()
    assert desk.kept_out() == pytest.approx(1)


def test_who_was_killed_has_taken_it_back(desk):
    def task():
        return "shown" if desk.is_shown(desk.come()) else "not shown"

    for number in range(3):
        with Children() as start:
            assert start(task).result() == "shown"
        desk.now += 1
        assert (desk.kept_out() > 0) == (number == 2)


# --- an answer is for whoever has a place when it is given ------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch):
    """The people whom alice is asked about by accesscontrol.ask(), and what she answers."""
    asked = types.SimpleNamespace(about=[], answer="deny", meanwhile=[])

    def show(place, outcome, *_):
        asked.about.append(str(place.question.attempt))
        outcome.shown, outcome.word = True, asked.answer
        Answers().give(place.question, asked.answer, 54321, "alice", accesscontrol.seconds_up())

    def has_happened(_, seconds):
        if seconds:
            assert asked.meanwhile, "it would wait for ever"
            asked.meanwhile.pop(0)()
        return False

    monkeypatch.setattr(accesscontrol, "show", show)
    monkeypatch.setattr(accesscontrol, "has_happened", has_happened)
    return asked


def ask(question):
    outcome = accesscontrol.ask(question, "", {})
    return outcome.word, outcome.earlier


def test_one_who_waits_has_part_in_the_answer_to_another_login_of_the_same_person(desk, asked):
    other = desk.come("bob")
    assert desk.is_shown(other)
    asked.meanwhile = [lambda: desk.wait(2, other), lambda: desk.answer(other)]
    assert ask(desk.question("bob")) == ("allow", False)
    assert asked.about == []
    assert links() == set()


def test_one_that_was_stopped_meanwhile_has_none_when_the_answer_holds_no_more(desk, asked):
    """84 su of erin's, stopped before an Allow for another one of hers, would have become bob long after."""
    question = {"user": "bob", "service": "su", "requester": "erin"}
    other = desk.come(**question)
    assert desk.is_shown(other)
    asked.meanwhile = [lambda: (desk.answer(other), desk.wait(desk.remember + 1))]
    assert ask(desk.question(**question)) == ("deny", False)
    assert asked.about == ["bob@192.0.2.1"]


def test_nor_when_a_deny_has_come_after_it(desk, asked):
    other, later = desk.come(), desk.come(service="login")
    assert desk.is_shown(other)

    def meanwhile():
        desk.answer(other)
        desk.wait(1, later)
        desk.answer(later, "deny")

    asked.meanwhile = [meanwhile]
    assert ask(desk.question()) == ("deny", False)
    assert asked.about == []


def test_while_the_answer_holds_it_is_for_the_stopped_one_as_for_anybody_who_comes(desk, asked):
    other = desk.come()
    assert desk.is_shown(other)
    asked.meanwhile = [lambda: (desk.answer(other), desk.wait(KEPT + 1))]
    asked.answer = "deny"
    assert ask(desk.question())[0] == "allow"
    assert asked.about == []
    assert links() == set()


def test_one_whose_entry_others_have_removed_waits_again_at_the_end(desk, asked, monkeypatch):
    """It was shown, stopped, and another login of the same person was answered meanwhile."""
    show = accesscontrol.show
    shown = []

    def stopped_in_the_middle(place, outcome, *rest):
        shown.append(place.link)
        if len(shown) > 1:
            return show(place, outcome, *rest)
        outcome.shown = True
        desk.wait(KEPT + 1)
        other = desk.come(service="login")
        assert desk.is_shown(other)
        desk.answer(other)
        assert place.link not in links()
        return place.renew()

    asked.answer = "allow"
    monkeypatch.setattr(accesscontrol, "show", stopped_in_the_middle)
    assert ask(desk.question()) == ("allow", False)
    assert len(set(shown)) == 2


def test_an_answer_that_holds_is_told_at_once_and_as_an_earlier_one(desk, asked):
    other = desk.come()
    assert desk.is_shown(other)
    desk.answer(other)
    assert ask(desk.question()) == ("allow", True)
    assert ask(desk.question("carol")) == ("deny", False)
    assert ask(desk.question("carol", service="sudo")) == ("deny", True)
    assert asked.about == ["carol@192.0.2.1"]


def test_whoever_is_kept_out_while_it_waits_is_told_so(desk, asked):
    for _ in range(2):
        desk.take_back()
    other = desk.come()
    assert desk.is_shown(other)
    asked.meanwhile = [lambda: desk.leave(other)]
    assert ask(desk.question())[0] == "too often"
    assert asked.about == []


def test_a_question_that_is_taken_back_while_it_waits_leaves_nothing(desk, asked, monkeypatch):
    other = desk.come("carol")
    assert desk.is_shown(other)
    monkeypatch.setattr(accesscontrol, "has_happened", lambda _, seconds: seconds > 0)
    assert ask(desk.question())[0] == "gone"
    assert links() == {other.link}
    assert desk.kept_out() == 0


# --- what the window says ---------------------------------------------------------------------------------------------


class Window:
    """A window that says these words, one after the other; a function among them is called first."""

    def __init__(self, *script):
        self.script, self.words = [*script], self

    def next(self, _, __, renew):
        renew()
        word = self.script.pop(0)
        while callable(word):
            word()
            word = self.script.pop(0)
        return word

    def why(self):
        return "no display"

    def beat(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture
def window(monkeypatch):
    """window(WORDS): the next window."""
    def show(*script):
        it = Window(*script)
        monkeypatch.setattr(accesscontrol, "Unit", lambda *_: it)

    return show


@pytest.mark.parametrize("word", ["allow", "deny"])
def test_an_answer_is_written_down_before_the_place_is_given_back(desk, window, word):
    window("shown", lambda: desk.wait(1), word)
    assert ask(desk.question()) == (word, False)
    assert [answer.word for answer in Answers().found] == [word]
    assert links() == set()


@pytest.mark.parametrize("word", ["allow", "deny"])
def test_an_answer_to_one_that_was_stopped_meanwhile_is_none(desk, window, word):
    """Whoever is shown a window that has stood still must not press Allow for what is asked by then."""
    window("shown", lambda: desk.wait(KEPT + 1), word, "shown", "nobody")
    place = desk.come()
    outcome = Outcome()
    assert desk.is_shown(place)
    with pytest.raises(LostPlace):
        accesscontrol.show(place, outcome, DESKTOP, [], "", {})
    assert Answers().found == []
    assert outcome.word == "broken"


def test_a_deny_that_comes_between_the_answer_and_its_writing_counts(desk, window, monkeypatch):
    give = Answers.give

    def late(*arguments):
        monkeypatch.setattr(Answers, "give", give)
        desk.now += 2
        Answers().give(desk.question(service="login"), "deny", 54321, "alice", desk.now + SUSPENDED)
        desk.now += 1
        give(*arguments)

    monkeypatch.setattr(Answers, "give", late)
    window("shown", "allow")
    assert ask(desk.question())[0] == "deny"


@pytest.mark.parametrize("word", [None, "gone", "nonsense", "nobody"])
def test_what_is_no_answer_leaves_a_question_that_was_taken_back(desk, window, word):
    window("shown", word)
    told, _ = ask(desk.question())
    assert told == ("gone" if word in (None, "gone") else "broken"), "at an X11 desktop is somebody"
    assert Answers().found == []
    assert len(Questions().look().taken_back) == 1


def test_one_that_waits_for_a_slow_directory_is_not_counted_as_taken_back(desk, window, monkeypatch):
    """Or nobody could be asked about while a directory takes its time, and whoever comes is kept out for it."""
    slow = iter([lambda: desk.wait(KEPT + 1), lambda: desk.wait(KEPT + 1), lambda: None])
    monkeypatch.setattr(accesscontrol, "user_name", lambda uid: (next(slow)(), "alice")[1])
    window("shown", "allow")
    assert ask(desk.question()) == ("allow", False)
    assert desk.kept_out() == 0


def test_after_an_hour_of_being_kept_out_it_does_not_begin_anew(desk):
    """Questions that are taken back at once, each as soon as it may be asked: ever fewer."""
    begun, asked = desk.now, 0
    while desk.now < begun + 12 * 3600:
        seconds = desk.kept_out()
        if seconds > 0:
            desk.now += seconds
        else:
            desk.take_back()
            asked += 1
    assert asked < 24


def test_one_that_has_lost_its_place_leaves_no_entry(desk):
    for _ in range(30):
        desk.come("bob")
        desk.now += KEPT + 1
        Questions().look()
    assert links() == set()
