"""A server that opens no session has account alone: there it is asked, and there the limit is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from hosts import files, ftp, guarded, imap, running
from limits import inside
from machine import password_of
from test_hosts_that_go_past_pam import pure_ftpd

pytest_plugins = ["desktop_fixtures"]

SERVERS = {"vsftpd": (21, ftp), "dovecot": (143, imap)}
# Dovecot's 256 MB are too little for a window. The plugin lifts that limit, which root may not do in every container.
MORE_MEMORY = {"/etc/dovecot/conf.d/99-tests.conf": "default_vsz_limit = 1G\n"}
LoginTo = Callable[..., str]


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, LoginTo]]:
    """The SERVICE by which rules name a real server, which is guarded and runs, and what a login there is answered."""
    name = request.param
    port, login = SERVERS[name]
    with guarded(name), files(MORE_MEMORY if name == "dovecot" else {}), running(name, port):
        yield name.upper(), login


def test_who_is_asked_about_is_asked_about(server: tuple[str, LoginTo], desktop, rules) -> None:
    service, login = server
    rules(f"DEFAULT:CLOSE\n{service} ASK USER bob\nREMEMBER:0\n")
    with ThreadPoolExecutor() as pool:
        for button in ("Deny", "Allow"):
            answer = pool.submit(login, "bob")
            window = desktop.question()
            assert service in window.title and "bob" in window.title and "127.0.0.1" in window.title
            window.click(button)
            assert (answer.result() == "") == (button == "Allow")


def test_with_nobody_to_ask_unattended_decides(server: tuple[str, LoginTo], nobody_there, rules) -> None:
    service, login = server
    rules(f"DEFAULT:CLOSE\n{service} ASK USER bob\nUNATTENDED:CLOSE\n")
    assert login("bob") != ""
    rules(f"DEFAULT:CLOSE\n{service} ASK USER bob\nUNATTENDED:OPEN\n")
    assert login("bob") == ""


def test_a_full_limit_refuses_and_takes_no_place(server: tuple[str, LoginTo], nobody_there, rules) -> None:
    service, login = server
    rules(f"DEFAULT:OPEN\n{service} NUMBER GROUP ALL:1\n")
    with inside("erin"):
        assert login("bob") != ""
        assert login("erin") == ""  # who is in already
    assert login("bob") == ""
    assert login("carol") == ""


def test_a_limit_of_none_refuses_everybody(server: tuple[str, LoginTo], rules) -> None:
    service, login = server
    rules(f"DEFAULT:OPEN\n{service} NUMBER USER ALL:0\n")
    assert login("bob") != ""


def test_rules_name_it_by_its_own_name(server: tuple[str, LoginTo], rules) -> None:
    service, login = server
    rules(f"DEFAULT:CLOSE\n{service} OPEN USER bob@127.0.0.1\n")
    assert login("bob") == ""
    assert login("carol") != ""
    assert login("bob", "wrong") != ""


def test_a_right_password_is_refused_as_a_wrong_one_is(server: tuple[str, LoginTo], rules) -> None:
    service, login = server
    rules(f"{service} CLOSE USER bob\nDEFAULT:OPEN\n")
    assert login("bob") == login("bob", "wrong") != ""


def test_the_month_has_a_line_for_who_is_let_in(server: tuple[str, LoginTo], rules, monthly_log) -> None:
    service, login = server
    rules(f"DEFAULT:CLOSE\n{service} OPEN USER bob\n")
    assert login("bob", password_of("bob")) == ""
    told = [line.split()[2:6] for line in monthly_log().splitlines()]
    assert told == [[service, "OPEN", "bob@127.0.0.1", "granted"]]


def test_it_has_one_line_where_the_server_opens_a_session_and_heeds_no_refusal_of_it(rules, monthly_log) -> None:
    rules("DEFAULT:CLOSE\nPURE-FTPD OPEN USER bob\n")
    with pure_ftpd(goes_past=False):
        assert ftp("bob") == ""
        assert ftp("carol") != ""
    told = [line.split()[4:6] for line in monthly_log().splitlines()]
    assert [(who.partition("@")[0], outcome) for who, outcome in told] == [("bob", "granted"), ("carol", "denied")]
