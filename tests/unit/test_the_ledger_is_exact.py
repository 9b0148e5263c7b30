"""Of a limit, never one too many are in and never one too few, whoever is stopped or killed, and whenever.

The count to compare with is a file to which each process appends that it has come in, and that it is about to leave:
an append is whole and in order, needs no lock that a stopped process could keep, and at no moment are there fewer in
the ledger than in that file.

LEDGER_SECONDS=600 runs each of these tests for ten minutes; LEDGER_SEED=... makes the same stops again, as far as the
kernel does.
"""

import os
import random
import signal
import time

import pytest

import accesscontrol
import logins
from processes import Children, just_be_there

SECONDS = float(os.environ.get("LEDGER_SECONDS", "0.1"))
LIMIT, PEOPLE = 3, 8


@pytest.fixture
def chance():
    """Numbers by chance; a test that fails prints the seed."""
    seed = int(os.environ.get("LEDGER_SEED") or int.from_bytes(os.urandom(4), "big"))
    print(f"LEDGER_SEED={seed}")
    return random.Random(seed)


@pytest.fixture(params=["disk", "tmpfs"])
def state(request, state, monkeypatch, tmp_path):
    """The state folder, on a disk and in memory."""
    import shutil
    import tempfile

    if request.param == "disk":
        yield state
        return
    folder = tempfile.mkdtemp(dir="/dev/shm")
    monkeypatch.setattr(accesscontrol, "STATE", f"{folder}/state")
    yield state
    shutil.rmtree(folder)


# --- two ways to come in, by one ledger -------------------------------------------------------------------------------


def enter_by_hand(limit, _=None):
    """The ledger's steps 1 to 4, and no more; returns the name of the entry."""
    ledger = accesscontrol.Ledger("sessions")
    pid, full = os.getpid(), False
    start = accesscontrol.process_start(pid)
    while True:
        turn, inside = ledger.turn(), []
        for entry in ledger.entries():
            if entry.is_gone():
                ledger.remove(entry.link)
            else:
                inside.append(entry)
        if len(inside) >= limit:
            if full:
                return None
            full = True
            time.sleep(accesscontrol.LOOKS_AGAIN_AFTER)
            continue
        full = False
        link = ledger.add(turn, pid, start, "somebody")
        if link is not None:
            return link


def enter_by_login(limit, person=None):
    """A login attempt, as PAM would have it; of a person among many, or of one who may have so many sessions."""
    somebody = {} if person is None else {"counted": "GROUP ALL", "uid": 3000 + person}
    try:
        session = logins.take(limit, **somebody)
    except accesscontrol.Refused as refused:
        assert "cannot be counted" not in refused.decision.why, refused.decision.why
        return None
    assert session is not None, "let in, and not written down"
    return session.entry.link


WAYS = pytest.mark.parametrize("enter", [enter_by_hand, enter_by_login], ids=["ledger", "login"])


# --- never one over ---------------------------------------------------------------------------------------------------


def append(book, text):
    descriptor = os.open(book, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{text} {os.getpid()}\n".encode())
    os.close(descriptor)


def count_in(book, told):
    """How often the file tells of this."""
    if not os.path.exists(book):
        return 0
    with open(book, encoding="ascii") as file:
        return sum(line.startswith(told) for line in file)


def come_and_go(enter, book, seed, end, limit, person):
    """The task of somebody who comes and goes until the file `end` is there."""
    chance, ledger = random.Random(seed), accesscontrol.Sessions()
    while not os.path.exists(end):
        link = enter(limit, person)
        if link is None:
            append(book, "refused")
            continue
        append(book, "in")
        if chance.random() < 0.7:
            time.sleep(chance.random() * 0.001)
        append(book, "out")
        if chance.random() < 0.5 and enter is enter_by_login:
            os.rename(f"{ledger.path}/{link}", f"{ledger.path}/{link}{accesscontrol.LEFT}")
        else:
            ledger.remove(link)
    return "done"


def most_in(book, person_of):
    """How many people were in at once at most, how often somebody came in, and how often one was refused."""
    with open(book, encoding="ascii") as file:
        events = [line.split() for line in file]
    inside, most, entered, refused = set(), 0, 0, 0
    for event, pid in events:
        if event == "in":
            assert pid not in inside
            inside.add(pid)
            entered += 1
        elif event == "refused":
            refused += 1
        else:
            inside.discard(pid)
        most = max(most, len({person_of.get(int(pid), pid) for pid in inside}))
    return most, entered, refused


def kill(child, book):
    """Ends somebody who is stopped, and so comes in no more: whoever was in is out from now on."""
    descriptor = os.open(book, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"killed {child.pid}\n".encode())
    os.close(descriptor)
    child.kill()


@WAYS
def test_never_is_one_too_many_in(state, chance, tmp_path, enter):
    come_and_go_by_chance(chance, tmp_path, enter, [None] * PEOPLE)


def test_nor_is_one_person_too_many_where_each_has_two_logins_and_counts_once(state, chance, tmp_path, monkeypatch):
    monkeypatch.setattr(accesscontrol, "same_process", lambda pid, start, _: accesscontrol.process_start(pid) == start)
    come_and_go_by_chance(chance, tmp_path, enter_by_login, [*range(PEOPLE // 2)] * 2, limit=1)


def come_and_go_by_chance(chance, tmp_path, enter, people_by_number, limit=LIMIT):
    """Has these people come and go, stops them and kills some, and looks how many were in at once."""
    book, end = str(tmp_path / "book"), str(tmp_path / "end")
    deadline = time.monotonic() + SECONDS
    person_of = {}
    with Children() as start:

        def begin(person):
            child = start(come_and_go, enter, book, chance.random(), end, limit, person)
            if person is not None:
                person_of[child.pid] = person
            return child

        people, stopped = [begin(person) for person in people_by_number], []
        while time.monotonic() < deadline or (
            time.monotonic() < deadline + 20 and min(count_in(book, "in"), 20 * count_in(book, "refused")) < 20
        ):
            child = chance.choice(people)
            if child not in stopped and child.stop():
                stopped.append(child)
            assert not child.ended, child.result()
            if len(stopped) > chance.randrange(PEOPLE - 2) or chance.random() < 0.3:
                child = stopped.pop(chance.randrange(len(stopped)))
                if chance.random() < 0.1:
                    kill(child, book)
                    people[people.index(child)] = begin(person_of.get(child.pid))
                else:
                    child.go_on()
            time.sleep(chance.random() * 0.001)
        open(end, "w", encoding="ascii").close()
        for child in people:
            child.go_on()
        assert [child.result() for child in people] == ["done"] * PEOPLE
        assert {entry.left for entry in accesscontrol.Sessions().entries()} <= {True}
    most, entered, refused = most_in(book, person_of)
    assert most <= limit
    assert entered > 0
    assert refused > 0


# --- and never one too few --------------------------------------------------------------------------------------------


def come(enter, limit):
    """The task of one at the door, who stays where there is room."""
    return "in" if enter(limit) else "refused"


def stay(enter, limit, book):
    """The same; whoever is in stays there as a process, too."""
    told = come(enter, limit)
    append(book, told)
    if told == "in":
        just_be_there()
    return told


@WAYS
def test_of_m_people_at_k_free_places_exactly_as_many_get_in_as_there_is_room_for(state, chance, tmp_path, enter):
    deadline, rounds = time.monotonic() + SECONDS, 0
    while time.monotonic() < deadline or rounds == 0:
        rounds += 1
        book = str(tmp_path / f"book{rounds}")
        limit, dead = chance.randint(1, 4), chance.randint(0, 3)
        held, people = chance.randint(0, limit), chance.randint(1, 7)
        with Children() as start:
            for _ in range(dead):
                child = start(come, enter, limit)
                child.result()
            for _ in range(held):
                start(stay, enter, limit, book)
            while count_in(book, "in") < held:
                time.sleep(0.0002)
            door = [start(stay, enter, limit, book) for _ in range(people)]
            while count_in(book, "") < held + people:
                child = chance.choice(door)
                if not child.has_ended() and child.stop():
                    time.sleep(chance.random() * 0.002)
                    child.go_on()
            expected = held + min(limit - held, people)
            assert count_in(book, "in") == expected, f"limit {limit}, {held} in, {people} at the door"
            assert count_in(book, "refused") == held + people - expected
            assert len(logins.links()) >= expected


def test_whoever_waits_at_the_door_gets_the_place_of_one_who_is_killed(state, chance):
    with Children() as start:
        for _ in range(5):
            inside = start(just_be_there)
            assert logins.outcome(1, inside.pid) == "in"
            assert logins.outcome(1) == "refused"
            inside.signal(signal.SIGKILL)
            inside.kill()
            newcomer = start(just_be_there)
            assert logins.outcome(1, newcomer.pid) == "in"
            assert len(logins.links()) == 1
            newcomer.kill()
