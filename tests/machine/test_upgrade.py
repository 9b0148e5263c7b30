"""What an upgrade promises: with its PAM lines in place, a login at any moment is judged, by the old plugin or the new.

Once the plugin was one file, /lib/security/accesscontrol.py, which the PAM lines still name. Now that is the loader.
"""

from __future__ import annotations

import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from machine import run, ssh, ssh_session
from odd_host import OddHost
from test_install import (
    CACHE,
    CHECKOUT,
    COMMANDS,
    LIBRARY,
    LOADER,
    MODULE,
    PAM,
    PLACES,
    Stepper,
    _put_back,
    _su_refuses_without_delay,
    altered,
    compiled,
    install,
    keep,
    left_over,
    picture,
    put_back,
    quick,
    situation,
    stepper,
    uninstall,
)

__all__ = ["_put_back", "_su_refuses_without_delay", "altered", "quick", "stepper"]  # fixtures


MARK = "# pam-accesscontrol\n"


@pytest.fixture(autouse=True)
def _rules(rules: Callable[[str], None]) -> None:
    rules("DEFAULT:CLOSE\nALL OPEN USER bob,root\n")


def as_one_file() -> None:
    """Installed as it was when the plugin was one file."""
    shutil.copy(MODULE, LOADER)
    LOADER.chmod(0o755)
    shutil.rmtree(LIBRARY)
    COMMANDS[0].unlink()


def as_an_older_module() -> None:
    MODULE.write_text(MODULE.read_text() + "# older\n")
    run("pam-accesscontrol", "--version")  # compiles it


OLD: dict[str, Callable[[], object]] = {"one file": as_one_file, "an older module": as_an_older_module}


@pytest.fixture(params=OLD)
def old(request: pytest.FixtureRequest, _put_back: None) -> Iterator[None]:
    OLD[request.param]()
    assert_logins_are_judged()
    yield


def assert_logins_are_judged() -> None:
    assert ssh("bob", password="bob-pw").returncode == 0
    refused = ssh("carol")
    assert refused.returncode != 0
    assert "Access denied: carol may not log in" in refused.stderr


def test_install_brings_the_new_one_and_touches_no_pam_file(old: None) -> None:
    first = picture(PAM, moment=True)
    said = install()
    assert said.returncode == 0
    assert picture(PAM, moment=True) == first
    assert MODULE.read_bytes() == (CHECKOUT / "accesscontrol.py").read_bytes()
    assert "import accesscontrol" in LOADER.read_text()
    assert compiled().stat().st_mtime >= MODULE.stat().st_mtime
    assert [command.resolve() for command in COMMANDS] == [LOADER.resolve()] * 2
    assert_logins_are_judged()


def test_after_it_uninstall_gives_everything_back(old: None) -> None:
    install()
    assert uninstall().returncode == 0
    assert not LIBRARY.exists() and not LOADER.exists()
    assert not any(b"# pam-accesscontrol" in path.read_bytes() for path in PAM.iterdir() if path.is_file())
    assert ssh("carol").returncode == 0


def test_a_session_that_is_open_meanwhile_is_closed_as_ever(old: None, monthly_log: Callable[[], str]) -> None:
    with ssh_session("bob"):
        install()
    ssh("bob")
    assert [line.split()[5] for line in monthly_log().splitlines()].count("closed") >= 1


def test_killed_at_any_step_logins_are_judged_and_the_next_run_completes_it(
    old: None, quick: Path, stepper: Stepper, tmp_path: Path
) -> None:
    keep(tmp_path / "old.tar")
    assert stepper.run(quick / "install.sh").returncode == 0
    steps, newest = stepper.steps(), picture(*PLACES)
    assert len(steps) > 8
    put_back(tmp_path / "old.tar")
    judged = situation()
    for at in steps:
        assert stepper.run(quick / "install.sh", at).returncode == -signal.SIGKILL
        if situation() != judged:
            assert_logins_are_judged()
            judged = situation()
        assert install(quick).returncode == 0
        assert picture(*PLACES) == newest, f"killed at step {at}"
        assert left_over() == []
        put_back(tmp_path / "old.tar")
    assert_logins_are_judged()


def test_logins_in_the_midst_of_upgrades_are_judged(quick: Path) -> None:
    """One process after the other goes through PAM, while one layout is put in the place of the other."""
    install(quick)
    as_one_file()
    wrong: list[str] = []
    done = threading.Event()

    def log_in() -> None:
        while not done.is_set():
            bob = run("pamtester", "sshd", "bob", "acct_mgmt", "open_session", "close_session", check=False)
            carol = run("pamtester", "sshd", "carol", "acct_mgmt", check=False)
            if bob.returncode != 0 or carol.returncode == 0:
                wrong.append(bob.stderr + carol.stdout)

    threads = [threading.Thread(target=log_in) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            assert install(quick).returncode == 0
            LOADER.with_name("one-file").write_bytes(MODULE.read_bytes())
            LOADER.with_name("one-file").rename(LOADER)  # as an older install.sh would
            shutil.rmtree(CACHE)
            MODULE.unlink()
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert wrong == []


# --------------------------------------------------------------------- su and sudo, which pam_python.so called before

OLD_LINES = {
    "auth": "auth       required     pam_python.so /lib/security/accesscontrol.py # pam-accesscontrol\n",
    "account": "account    requisite    pam_python.so /lib/security/accesscontrol.py # pam-accesscontrol\n",
    "session": "session    requisite    pam_python.so /lib/security/accesscontrol.py # pam-accesscontrol\n",
}


def with_old_lines(text: str) -> str:
    """A PAM file as an earlier install.sh left it: auth behind the last of its type, the others before the first."""
    rows = [row for row in text.splitlines(True) if not row.endswith(MARK)]
    for kind, line in OLD_LINES.items():
        found = [at for at, row in enumerate(rows) if re.match(rf"-?{kind}\s|@include common-{kind}", row)]
        assert found
        rows.insert(found[-1] + 1 if kind == "auth" else found[0], line)
    return "".join(rows)


def put(path: Path, text: str) -> None:
    """By a rename, as every version of install.sh does it."""
    path.with_name(f"{path.name}.new").write_text(text)
    path.with_name(f"{path.name}.new").rename(path)


@pytest.fixture
def su_and_sudo(_put_back: None) -> dict[Path, str]:
    """They are guarded by old lines; the files as this install.sh leaves them."""
    assert install(CHECKOUT, "su", "sudo").returncode == 0
    files = [PAM / name for name in ("sshd", "login", "su", "sudo", "sudo-i")]
    newest = {path: path.read_text() for path in files}
    for path in files:
        put(path, with_old_lines(path.read_text()))
    return newest


def test_the_lines_of_su_and_sudo_become_those_of_pam_exec(su_and_sudo: dict[Path, str]) -> None:
    faults = run("pam-accesscontrol", "check", check=False).stdout.splitlines()
    assert {fault.split(":")[0] for fault in faults if "can run as root what they like" in fault} == {
        "/etc/pam.d/su", "/etc/pam.d/sudo", "/etc/pam.d/sudo-i",
    }
    assert install().returncode == 0
    assert {path: path.read_text() for path in su_and_sudo} == su_and_sudo
    assert run("pam-accesscontrol", "check").returncode == 0


def test_the_rule_file_that_a_line_named_is_kept(su_and_sudo: dict[Path, str]) -> None:
    path = PAM / "su"
    old = path.read_text().replace("accesscontrol.py #", "accesscontrol.py conf=/etc/other.conf #")
    put(path, old)
    assert install().returncode == 0
    lines = [row for row in path.read_text().splitlines() if "accesscontrol.py" in row]
    assert len(lines) == 3 and all("accesscontrol.py pam conf=/etc/other.conf #" in row for row in lines)


def test_no_login_fails_while_they_become_those(su_and_sudo: dict[Path, str], quick: Path, rules) -> None:
    old = {path: path.read_text() for path in su_and_sudo}
    wrong: list[str] = []
    done = threading.Event()
    counts = dict.fromkeys(("su", "sudo", "sshd"), 0)

    def log_in(service: str) -> None:
        phases = ["acct_mgmt"] if service == "sudo" else ["acct_mgmt", "open_session", "close_session"]
        while not done.is_set():
            bob = run("pamtester", service, "bob", *phases, check=False)
            carol = run("pamtester", service, "carol", "acct_mgmt", check=False)
            counts[service] += 1
            if bob.returncode != 0 or carol.returncode == 0:
                wrong.append(f"{service}: {bob.stderr}{carol.stdout}")

    threads = [threading.Thread(target=log_in, args=(service,)) for service in counts]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2):
            before = dict(counts)
            assert install(quick).returncode == 0
            assert (PAM / "su").read_text() == su_and_sudo[PAM / "su"]
            for path, text in old.items():
                put(path, text)
            assert all(counts[service] > before[service] for service in counts)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_a_session_of_the_old_lines_is_closed_as_ever(su_and_sudo: dict[Path, str], rules, monthly_log) -> None:
    with OddHost("start B su bob", "acct B", "open B") as host:
        assert install().returncode == 0
        assert host.do("close B") == 0
    assert [line.split()[5] for line in monthly_log().splitlines() if " SU " in line] == ["granted", "closed"]
