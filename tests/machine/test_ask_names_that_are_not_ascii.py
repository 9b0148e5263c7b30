"""Names are UTF-8 text, whatever the locale of the host: of who wants in, of the owner, of the owner's files."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from desktop import (
    AUTOLOGIN,
    Desktop,
    Window,
    active_session,
    alice_is_there,
    comes_up,
    free_the_display,
    manages_windows,
)
from host import PASSING
from limits import needs_logind
from machine import KEYS, run, wait_for

pytest_plugins = ["desktop_fixtures"]

Host = subprocess.Popen  # of bytes
LOCALES = [{"LC_ALL": "C"}, {"LC_ALL": "POSIX"}, {"LC_ALL": "C.UTF-8"}, {}]


@pytest.fixture(autouse=True)
def _rules(rules, service) -> None:
    rules("SSH ASK USER bob\nSCRATCH ASK USER ALL\nDEFAULT:OPEN\nREMEMBER:0\n")
    service("scratch", PASSING)


@pytest.fixture(scope="module")
def juergen() -> Iterator[str]:
    """A user whose login name has an umlaut; his full name and his group have more."""
    name = "jürgen"
    line = f"{name}:x:4711:4711:Jürgen Žižka,日本:/home/{name}:/bin/bash\n"
    passwd, group, shadow = (Path("/etc", it) for it in ("passwd", "group", "shadow"))
    before = [path.read_text() for path in (passwd, group, shadow)]
    passwd.write_text(before[0] + line)
    group.write_text(before[1] + f"{name}:x:4711:\n")
    shadow.write_text(before[2] + f"{name}:!:19000:0:99999:7:::\n")
    home = Path("/home", name)
    home.mkdir()
    os.chown(home, 4711, 4711)
    yield name
    run("rm", "-rf", str(home))
    for path, text in zip((passwd, group, shadow), before):
        path.write_text(text)


@contextmanager
def asked_about(desktop: Desktop, user: str, locale: dict[str, str]) -> Iterator[tuple[Window, Host]]:
    """Within the block, the owner is asked about somebody, by a host in this locale."""
    environment = {"PATH": os.environ["PATH"], **locale}
    line = ["pamtester", "-I", "rhost=10.1.2.3", "scratch", user, "acct_mgmt", "open_session"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as host:
        try:
            yield desktop.question(), host
        finally:
            host.kill()


@pytest.mark.parametrize("locale", LOCALES, ids=lambda it: it.get("LC_ALL", "none"))
def test_of_who_wants_in(desktop: Desktop, juergen: str, locale: dict[str, str], journal) -> None:
    with asked_about(desktop, juergen, locale) as (window, host):
        assert window.title == "SCRATCH login: jürgen from 10.1.2.3"
        assert window.look()["texts"][0] == "jürgen wants to log in"
        assert window.fact("Full name") == "Jürgen Žižka"
        window.click("Allow")
        assert host.wait(20) == 0
    assert any("jürgen@10.1.2.3" in line and line.endswith("allowed by alice") for line in journal())


def test_of_a_key(desktop: Desktop) -> None:
    authorized = Path("/home/bob/.ssh/authorized_keys")
    before = authorized.read_text()
    authorized.write_text(re.sub(r" \S+\n$", " bobs schöner Läptop №1\n", (KEYS / "bob.pub").read_text()))
    try:
        desktop.knock("bob")
        assert desktop.question().fact("Proved by").endswith("\n(bobs schöner Läptop №1)")
    finally:
        authorized.write_text(before)


# ------------------------------------------------------------------------------------------------------ of the owner

ON_THE_SEAT = "account required pam_permit.so\nsession required pam_systemd.so\n"
ON_DISPLAY_1 = "XDG_SEAT=seat0 XDG_VTNR=0 XDG_SESSION_TYPE=x11 XDG_SESSION_CLASS=user DISPLAY=:1".split()
HIS_DESKTOP = """
Xvfb :1 -screen 0 1024x768x24 -nolisten tcp -noreset &
until xprop -root >/dev/null 2>&1; do sleep 0.1; done
exec openbox
"""


@needs_logind
@pytest.mark.parametrize("locale", LOCALES[:3], ids=lambda it: it["LC_ALL"])
def test_of_the_owner(nobody_there: Desktop, juergen: str, service, locale: dict[str, str], journal) -> None:
    service("tests-desktop", ON_THE_SEAT)
    free_the_display(1)
    how = ["--property=PAMName=tests-desktop", "--property=User=4711", *(f"--setenv={fact}" for fact in ON_DISPLAY_1)]
    run("systemd-run", "--unit=tests-desktop", "--collect", *how, "sh", "-c", HIS_DESKTOP)
    try:
        wait_for(lambda: manages_windows(":1", ""), "his desktop is there")
        assert active_session()["Name"] == juergen
        with asked_about(Desktop(":1", ""), "bob", locale) as (window, host):
            window.click("Allow")
            assert host.wait(20) == 0
    finally:
        run("systemctl", "kill", "--signal=KILL", "tests-desktop", check=False)
        run("loginctl", "kill-user", "--signal=KILL", "4711", check=False)
        wait_for(lambda: active_session() == {}, "his desktop has gone")
    assert any(line.endswith("allowed by jürgen") for line in journal())


@pytest.fixture
def hidden_authority(desktop: Desktop, lightdm) -> Iterator[str]:
    """The file without which no program gets onto alice's display lies in a folder whose name is not ASCII."""
    place = "/home/alice/Schlüssel Ä"
    script = Path("/home/alice/.xsessionrc")
    script.write_text(f"mkdir -p '{place}'\nmv ~/.Xauthority '{place}/x'\nexport XAUTHORITY='{place}/x'\n")
    comes_up(lambda: lightdm(AUTOLOGIN), alice_is_there, "alice is logged in")
    assert not Path("/home/alice/.Xauthority").exists()
    yield f"{place}/x"
    script.unlink()
    comes_up(lambda: lightdm(AUTOLOGIN), alice_is_there, "alice is logged in")


@pytest.mark.parametrize("locale", LOCALES, ids=lambda it: it.get("LC_ALL", "none"))
def test_of_the_owners_files(desktop: Desktop, hidden_authority: str, locale: dict[str, str]) -> None:
    with asked_about(desktop, "bob", locale) as (window, host):
        window.click("Allow")
        assert host.wait(20) == 0
