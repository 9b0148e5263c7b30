"""What an upgrade promises: with its PAM lines in place, a login at any moment is judged, by the old plugin or the new.

Once the plugin was one file, /lib/security/accesscontrol.py, which the PAM lines still name. Now that is the loader.
"""

from __future__ import annotations

import json
import operator
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from faults import World
from limits import STATE, entries, read, refusal, wait_until_gone
from machine import run, ssh, ssh_session, wait_for
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


pytest_plugins = ["faults_fixtures", "limits_fixtures"]

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
    rounds = [0, 0]
    done = threading.Event()

    def log_in(number: int) -> None:
        while not done.is_set():
            rounds[number] += 1
            bob = run("pamtester", "sshd", "bob", "acct_mgmt", "open_session", "close_session", check=False)
            carol = run("pamtester", "sshd", "carol", "acct_mgmt", check=False)
            if bob.returncode != 0 or carol.returncode == 0:
                wrong.append(bob.stderr + carol.stdout)

    threads = [threading.Thread(target=log_in, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            assert install(quick).returncode == 0
            LOADER.with_name("one-file").write_bytes(MODULE.read_bytes())
            LOADER.with_name("one-file").rename(LOADER)  # as an older install.sh would
            # A login that has opened the loader of before is still to import the module.
            over = [number + 1 for number in rounds]
            wait_for(lambda over=over: all(map(operator.ge, rounds, over)), "the logins of before are over")
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


# ------------------------------------------------------- who is in, as the version before wrote it down: version_2_0.py

STILL_THE_OLD_CODE = Path("/run/tests-closed")  # how version_2_0.py's close of a session went
FULL = "Access denied: users: 2 of 2 are logged in."
TAKES_OVER = re.compile(r"/run/pam-accesscontrol")
LIMITED = "ALL OPEN USER ALL\nALL NUMBER GROUP users:2\n"


@pytest.fixture
def state_of_before(_put_back: None, nobody: None, rules) -> Iterator[None]:
    """The version before is installed, for sshd and in these few lines, and nobody is in."""
    rules(LIMITED)
    shutil.rmtree(STATE, ignore_errors=True)
    LOADER.with_name("old").write_text(Path(__file__).with_name("version_2_0.py").read_text())
    LOADER.with_name("old").rename(LOADER)
    STILL_THE_OLD_CODE.unlink(missing_ok=True)
    yield
    shutil.rmtree(STATE, ignore_errors=True)
    STATE.mkdir(mode=0o700)


def test_who_was_in_before_is_counted(state_of_before: None) -> None:
    with ssh_session("bob"):
        assert (STATE / "sessions").is_file()
        assert install().returncode == 0
        with ssh_session("carol"):
            assert refusal(ssh("alice")) == FULL
            assert refusal(ssh("bob")) == ""
            [bob] = [session for session in open_sessions() if session["who"] == "bob@10.1.2.3"]
            assert (bob["service"], bob["rule"]) == ("SSH", "pam-accesscontrol.conf:1")
            assert time.time() - 60 < bob["since"] <= time.time()
        wait_until_gone(["carol"])
        assert refusal(ssh("alice")) == ""


def open_sessions() -> list[dict[str, object]]:
    return json.loads(run("pam-accesscontrol", "status", "--json").stdout)["in"]


def test_its_end_by_the_code_of_before_frees_its_place_and_loses_nobody_elses(state_of_before: None) -> None:
    with ssh_session("bob") as bob:
        assert install().returncode == 0
        with ssh_session("carol"):
            carols = [entry for entry in entries() if entry.user == "carol"]
            assert refusal(ssh("alice")) == FULL
            before = sorted(path.name for path in STATE.iterdir())
            bob.stdin.close()
            wait_for(lambda: read(STILL_THE_OLD_CODE), "the old code closes bob's session")
            wait_until_gone(["bob"])
            assert "not a folder of root's alone" in STILL_THE_OLD_CODE.read_text()
            assert sorted(path.name for path in STATE.iterdir()) == before
            assert [entry for entry in entries() if entry.user == "carol"] == carols
            with ssh_session("alice"):
                assert refusal(ssh("bob")) == FULL


def test_one_who_left_before_the_first_login_of_the_new_version_has_no_place(state_of_before: None) -> None:
    with ssh_session("bob"):
        assert install().returncode == 0
    wait_for(lambda: read(STILL_THE_OLD_CODE), "the old code closes bob's session")
    assert STILL_THE_OLD_CODE.read_text() == "written down\n"
    wait_until_gone(["bob"])
    with ssh_session("carol"), ssh_session("alice"):
        assert refusal(ssh("bob")) == FULL


def test_many_who_come_at_once_after_it_are_counted_right(state_of_before: None, rules) -> None:
    """Of those two who are in already, four times six, nobody is refused; of others, nobody gets in."""
    with ssh_session("bob"), ssh_session("carol"):
        assert install().returncode == 0
        kept = {path.name: path.read_bytes() for path in STATE.iterdir()}
        for _ in range(4):
            shutil.rmtree(STATE, ignore_errors=True)
            STATE.mkdir(mode=0o700)
            for name, text in kept.items():
                (STATE / name).write_bytes(text)
            line = ["pamtester", "sshd"]
            people = ["bob", "carol", "alice"] * 6
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            clients = [subprocess.Popen([*line, it, "open_session", "close_session"], **quiet) for it in people]
            assert [client.wait(60) == 0 for client in clients] == [user != "alice" for user in people]
            assert sorted(path.name for path in STATE.iterdir()) == ["lock", "sessions"]


def test_one_that_is_killed_while_it_takes_over_leaves_that_to_the_next_one(
    state_of_before: None, world: World, rules
) -> None:
    kill = ["start A scratch alice", "open A"]
    with ssh_session("bob"), ssh_session("carol"):
        assert install().returncode == 0
        lines = (STATE / "sessions").read_text()

        def before() -> None:
            for path in world.state.iterdir():
                path.unlink() if not path.is_dir() else shutil.rmtree(path)
            world.sessions.write_text(lines)
            world.state.chmod(0o700)

        steps = [step for step in world.steps(kill, TAKES_OVER, afresh=before) if TAKES_OVER.search(step.text)]
        assert {"linkat", "unlink", "symlink", "rename", "mkdir"} <= {step.call for step in steps}
        for step in steps:
            before()
            assert world.attempt(kill, step.kills()).code == -signal.SIGKILL
            with world.host("start B scratch bob", "open B"), world.host("start C scratch dave", "open C"):
                pass
            with world.host("start A scratch alice") as alice:
                assert alice.do("open A") != 0, step
