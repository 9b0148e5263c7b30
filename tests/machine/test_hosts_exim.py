"""Exim asks PAM as a user of its own, in a daemon that ignores SIGCHLD, and is itself set-user-ID."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest

from hosts import as_user, files, guarded, running
from machine import password_of, run
from test_hosts_that_their_caller_starts import hostile

__all__ = ["hostile"]  # a fixture

PORT = 2525
CONFIG = f"""\
daemon_smtp_ports = {PORT}
local_interfaces = 127.0.0.1
auth_advertise_hosts = *
tls_advertise_hosts =
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if pam{{$auth2:${{sg{{$auth3}}{{:}}{{::}}}}}}{{yes}}{{no}}}}
  server_set_id = $auth2
"""


@pytest.fixture(scope="module", autouse=True)
def _exim() -> Iterator[None]:
    """As its user, Exim needs the group shadow to have a password checked."""
    groups = Path("/etc/group").read_bytes()
    run("usermod", "--append", "--groups", "shadow", "Debian-exim")
    with guarded("exim"), files({"/etc/exim4/exim4.conf": CONFIG}), running("exim4", PORT):
        yield
    Path("/etc/group").write_bytes(groups)


def login(user: str, password: str = "") -> bool:
    with smtplib.SMTP("127.0.0.1", PORT, timeout=60) as client:
        client.ehlo("tests")
        try:
            client.login(user, password or password_of(user))
        except smtplib.SMTPAuthenticationError:
            return False
        return True


def test_the_rules_decide(rules, journal) -> None:
    rules("DEFAULT:OPEN\nEXIM CLOSE USER carol\n")
    assert [login("bob"), login("carol"), login("bob", "wrong")] == [True, False, False]
    assert any(line.startswith("EXIM auth carol@LOCAL: CLOSE, refused") for line in journal())
    rules("DEFAULT:CLOSE\nEXIM OPEN USER carol@LOCAL\n")
    assert [login("bob"), login("carol")] == [False, True]


def test_what_is_asked_or_counted_is_refused_since_exim_is_not_root(rules) -> None:
    rules("DEFAULT:OPEN\nEXIM ASK USER bob\n")
    assert not login("bob")
    rules("DEFAULT:OPEN\nEXIM NUMBER GROUP ALL:5\n")
    assert not login("bob")


@pytest.mark.parametrize("how", ["-be", "-bs"])
def test_whoever_starts_it_has_no_library_of_theirs_read(how: str, hostile: Path, rules, journal) -> None:
    """Exim clears its environment, so that pam_python.so may call the plugin in it. By -be it is nothing but erin."""
    rules("DEFAULT:OPEN\nEXIM CLOSE USER carol\n")
    (hostile / "log").unlink(missing_ok=True)
    encodings = next(hostile.glob("lib/python3*/encodings/__init__.py"))
    deed = encodings.read_text()
    encodings.write_text(f"{deed}\nopen('{hostile}/log', 'a').close()\n")
    hostile.chmod(0o777)
    asked = "${if pam{erin:erin-pw}{yes}{no}}\n" if how == "-be" else "EHLO tests\nAUTH PLAIN AGNhcm9sAGNhcm9sLXB3\n"
    line = as_user("erin", "env", f"PATH={hostile}/bin:/usr/bin:/bin", "/usr/sbin/exim4", how)
    try:
        said = run(*line, input=asked, check=False)
        assert "yes" in said.stdout if how == "-be" else "535" in said.stdout, said
        assert how == "-be" or any("EXIM auth carol@" in line for line in journal())
        assert not (hostile / "log").exists()
    finally:
        encodings.write_text(deed)
