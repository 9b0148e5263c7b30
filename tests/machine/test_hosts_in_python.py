"""A program that is itself Python and calls PAM, such as JupyterHub, is guarded, and so is one that has threads."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from desktop import NOT_ALLOWED, Desktop
from host import SUCCESS, SYSTEM_ERR, WAYS, passing
from hosts import guarded
from machine import password_of
from odd_host import OddHost

pytest_plugins = ["desktop_fixtures"]

HUB = '''
import ctypes, sys, threading

service, user, password = sys.stdin.read().split("\\n")[:3]
libc, libpam = ctypes.CDLL(None), ctypes.CDLL("libpam.so.0")
libc.calloc.restype, libc.strdup.restype = ctypes.c_void_p, ctypes.c_void_p


class Message(ctypes.Structure):
    _fields_ = [("style", ctypes.c_int), ("text", ctypes.c_char_p)]


class Response(ctypes.Structure):
    _fields_ = [("text", ctypes.c_void_p), ("code", ctypes.c_int)]


Talk = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.POINTER(Message)),
                        ctypes.POINTER(ctypes.POINTER(Response)), ctypes.c_void_p)


class Conversation(ctypes.Structure):
    _fields_ = [("talk", Talk), ("data", ctypes.c_void_p)]


@Talk
def talk(count, messages, responses, _):
    place = libc.calloc(count, ctypes.sizeof(Response))
    responses[0] = ctypes.cast(place, ctypes.POINTER(Response))
    for number in range(count):
        if messages[number].contents.style <= 2:
            responses[0][number].text = libc.strdup(password.encode())
        else:
            print(messages[number].contents.text.decode(), flush=True)
    return 0


def log_in():
    handle = ctypes.c_void_p()
    libpam.pam_start(service.encode(), user.encode(), ctypes.byref(Conversation(talk)), ctypes.byref(handle))
    calls = (libpam.pam_authenticate, libpam.pam_acct_mgmt, libpam.pam_open_session)
    print("in" if all(call(handle, 0) == 0 for call in calls) else "out", flush=True)


for how in sys.argv[1:]:
    if how == "thread":
        thread = threading.Thread(target=log_in)
        thread.start()
        thread.join()
    else:
        log_in()
'''


@pytest.fixture(scope="module", autouse=True)
def _guarded() -> Iterator[None]:
    with guarded("tests-hub"):
        yield


def hub(user: str, *how: str, password: str = "") -> list[str]:
    """What the program says to somebody who logs in, once for each word, by its service."""
    line = ["/usr/bin/python3", "-c", HUB, *how]
    given = f"tests-hub\n{user}\n{password or password_of(user)}\n"
    done = subprocess.run(line, input=given, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done
    return done.stdout.splitlines()


@pytest.mark.parametrize("how", ["itself", "thread"])
def test_it_lets_in_whom_the_rules_let_in(how: str, rules, monthly_log) -> None:
    rules("DEFAULT:CLOSE\nTESTS-HUB OPEN USER bob\n")
    assert hub("bob", how, how, how) == ["in"] * 3
    assert hub("bob", how, password="wrong") == ["out"]
    assert hub("carol", how) == ["out"]
    lines = [line.split()[2:6] for line in monthly_log().splitlines()]
    assert lines == [["TESTS-HUB", "OPEN", "bob@LOCAL", "granted"]] * 3 + [
        ["TESTS-HUB", "CLOSE", "carol@LOCAL", "denied"]
    ]


@pytest.mark.parametrize("how", ["itself", "thread"])
def test_it_is_told_of_a_full_limit(how: str, rules) -> None:
    rules("DEFAULT:OPEN\nTESTS-HUB NUMBER GROUP ALL:0\n")
    assert hub("bob", how) == ["Access denied: everybody: 0 of 0 are logged in.", "out"]


@pytest.mark.parametrize("how", ["itself", "thread"])
def test_who_is_asked_about_is_asked_about(how: str, desktop: Desktop, rules) -> None:
    rules("TESTS-HUB ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\n")
    with ThreadPoolExecutor() as pool:
        for button, said in (("Deny", [NOT_ALLOWED, "out"]), ("Allow", ["in"])):
            answer = pool.submit(hub, "bob", how)
            window = desktop.question()
            assert "TESTS-HUB" in window.title
            window.click(button)
            assert answer.result() == said


def test_a_thread_of_a_host_in_c(rules, service) -> None:
    rules("DEFAULT:CLOSE\nALL OPEN USER bob\n")
    service("scratch", passing(WAYS[1]))
    with OddHost("start A scratch bob 10.1.2.3", "start B scratch carol 10.1.2.3") as host:
        assert [host.do(f"threaded {phase} A") for phase in ("auth", "acct", "open")] == [SUCCESS] * 3
        assert [host.do(f"threaded {phase} B") for phase in ("acct", "open")] == [SYSTEM_ERR] * 2
