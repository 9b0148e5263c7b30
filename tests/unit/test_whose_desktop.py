"""Whose desktop it is, logind and the kernel tell. Nobody there is only what is known to be nobody."""

import os
import subprocess
import time
from pathlib import Path

import pytest

import accesscontrol
from accesscontrol import CannotAsk, LogindSession, choose_desktop

pytestmark = pytest.mark.usefixtures("state")
SESSION = "/user.slice/user-1000.slice/session-2.scope"
ME = os.getpid()  # a leader that lives


def written(**fields):
    """What logind writes down of a session; of alice at the seat, on X11, if nothing else is said."""
    usual = {"UID": 1000, "LEADER": ME, "TYPE": "x11", "CLASS": "user", "SEAT": "seat0", "STATE": "active", "REMOTE": 0}
    return "# private\n" + "".join(f"{key}={value}\n" for key, value in {**usual, **fields}.items())


def session(name, **fields):
    return LogindSession(name, written(**fields))


# --- of the people at the seat, the one who is asked ------------------------------------------------------------------


def test_a_seat_without_people_has_nobody():
    assert choose_desktop([], "") is None
    assert choose_desktop([], "c1") is None  # a greeter is on the screen


@pytest.mark.parametrize("kind", ["x11", "wayland", "mir", "tty"])
def test_whose_session_is_on_the_screen_is_asked(kind):
    people = [session("1"), session("2", TYPE=kind), session("3", TYPE="tty")]
    assert choose_desktop(people[1:], "2") is people[1]
    if kind != "tty":
        assert choose_desktop(people, "2") is people[1]


@pytest.mark.parametrize("active", ["c1", "", "3"], ids=["greeter", "none", "console"])
@pytest.mark.parametrize("kind", ["x11", "wayland", "mir"])
def test_who_has_a_desktop_that_is_not_on_the_screen_is_not_nobody(active, kind):
    with pytest.raises(CannotAsk):
        choose_desktop([session("2", TYPE=kind), session("3", TYPE="tty")], active)


@pytest.mark.parametrize("active", ["c1", ""], ids=["greeter", "none"])
@pytest.mark.parametrize("kind", ["tty", "unspecified", ""])
def test_who_has_a_session_of_another_type_while_none_is_active_is_not_known_to_be_nobody(active, kind):
    with pytest.raises(CannotAsk):
        choose_desktop([session("3", TYPE=kind)], active)


# --- who is at the seat, as logind has written it down ----------------------------------------------------------------


@pytest.fixture
def seat(tmp_path, monkeypatch):
    """seat(ACTIVE, {NAME: FIELDS...}): whose desktop is found, and who else, where logind has written this."""
    sessions, seats = tmp_path / "sessions", tmp_path / "seats"
    sessions.mkdir()
    monkeypatch.setattr(accesscontrol, "LOGIND_SESSIONS", str(sessions))
    monkeypatch.setattr(accesscontrol, "LOGIND_SEATS", str(seats))

    def find(active, known):
        seats.mkdir()
        (seats / "seat0").write_text(f"IS_SEAT0=1\nACTIVE={active}\nACTIVE_UID=1\n" if active else "IS_SEAT0=1\n")
        for name, fields in known.items():
            (sessions / name).write_text(written(**fields))
            (sessions / f"{name}.ref").write_text("")
        desktop, others = accesscontrol.find_desktop()
        return desktop and desktop.id, sorted(it.id for it in others)

    return find


def test_it_is_the_active_one_and_the_rest_of_the_people_are_the_others(seat):
    assert seat("2", {"2": {}, "3": {"TYPE": "tty"}, "c1": {"CLASS": "greeter"}}) == ("2", ["3"])


@pytest.mark.parametrize("fields", [
    {"REMOTE": 1, "SEAT": ""}, {"REMOTE": 1}, {"SEAT": "seat1"}, {"SEAT": ""}, {"CLASS": "greeter"},
    {"CLASS": "manager"}, {"CLASS": "lock-screen"}, {"CLASS": "background"}, {"STATE": "closing"},
    {"LEADER": 2**22 + 1}, {"LEADER": ""}, {"LEADER": 0},
])
def test_what_is_no_session_of_a_person_at_the_seat_is_nobody(seat, fields):
    assert seat("c1", {"2": fields, "c1": {"CLASS": "greeter"}}) == (None, [])


@pytest.mark.parametrize("kind", ["user", "user-early", "user-light", "user-incomplete"])
def test_every_class_of_user_is_a_person(seat, kind):
    assert seat("2", {"2": {"CLASS": kind}}) == ("2", [])


def test_a_desktop_behind_a_greeter_is_not_nobody(seat):
    with pytest.raises(CannotAsk):
        seat("c1", {"2": {}, "c1": {"CLASS": "greeter"}})


def test_a_seat_with_people_and_none_active_is_not_nobody(seat):
    with pytest.raises(CannotAsk):
        seat("", {"2": {}})


def test_a_session_that_has_just_begun_is_not_nobody(seat):
    with pytest.raises(CannotAsk):
        seat("4", {"c1": {"CLASS": "greeter"}})


def test_where_there_is_no_logind_nobody_is_known_to_be_nobody(seat):
    with pytest.raises(CannotAsk):
        accesscontrol.find_desktop()


# --- what the desktop's owner can name is read as a name --------------------------------------------------------------


@pytest.fixture
def process():
    """process(ENVIRONMENT): the pid of a process that has it."""
    started = []

    def start(environment):
        started.append(subprocess.Popen(["/bin/sleep", "600"], env=environment, stderr=subprocess.DEVNULL))
        pid = started[-1].pid
        while not Path(f"/proc/{pid}/environ").read_bytes():  # the kernel fills it in a little after execve(2)
            time.sleep(0.001)
        return pid

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_its_environment_is_taken_over_by_name(process):
    known = {b"DISPLAY": b":0\nLD_PRELOAD=x", b"LANG": b"\xff" * 100_000, b"WAYLAND_DISPLAY": b"wayland-0"}
    unknown = (
        *("LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "QT_PLUGIN_PATH", "QT_QPA_PLATFORM_PLUGIN_PATH"),
        *("PATH", "HOME", "USER", "IFS", "ENV", "BASH_ENV", "display", "DISPLAY ", " DISPLAY"),
    )
    pid = process({**known, **{name.encode(): b"/tmp/evil" for name in unknown}, b"XAUTHORITY": b""})
    assert accesscontrol.display_environment(pid) == known


@pytest.mark.parametrize(("display", "known_as"), [
    (b":0", b":0"), (b":0.0", b":0"), (b":1.1", b":1"), (b"host.example:10.0", b"host.example:10"), (b"x", b"x"),
])
def test_a_display_is_known_without_its_screen(process, display, known_as):
    assert accesscontrol.display_environment(process({b"DISPLAY": display})) == {b"DISPLAY": known_as}


def test_a_process_that_has_ended_has_no_environment():
    assert accesscontrol.display_environment(2**22 + 1) == {}
