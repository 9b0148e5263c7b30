"""Over ssh the rules decide: by whom, by whatever proof, and from where; who is refused can do nothing at all."""

from __future__ import annotations

import pwd
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from host import nobody_is_about_to_leave
from machine import Result, password_of, run, ssh, ssh_command, wait_for

REFUSED_IN_SESSION = "SSH ASK USER bob\nSSH OPEN USER ALL\nUNATTENDED:CLOSE\n"  # there is nobody at the desktop
PROOFS = ["key", "password", "kbdint"]


def gets_in(user: str, **more: str) -> bool:
    login = ssh(user, "echo in", **more)
    assert login.returncode in (0, 255), login
    assert (login.stdout == "in\n") == (login.returncode == 0), login
    return login.returncode == 0


def those_who_get_in(*users: str, **more: str) -> set[str]:
    return {user for user in users if gets_in(user, **more)}


# ------------------------------------------------------------------------------------------------ the worked examples


def test_open_for_some_and_closed_for_the_rest(rules) -> None:
    rules("DEFAULT:CLOSE\nSSH OPEN USER bob,alice\n")
    assert those_who_get_in("alice", "bob", "carol", "dave", "erin") == {"alice", "bob"}


def test_closed_for_some_and_open_for_the_rest(rules) -> None:
    rules("DEFAULT:OPEN\nSSH CLOSE USER bob,alice\n")
    assert those_who_get_in("alice", "bob", "carol", "dave", "erin") == {"carol", "dave", "erin"}


def test_open_for_groups(rules) -> None:
    rules('DEFAULT:CLOSE\nSSH OPEN GROUP lp,"domain users"\n')
    assert those_who_get_in("alice", "bob", "carol", "dave", "erin") == {"bob", "dave"}


def test_open_for_a_group_but_for_one_of_it(rules) -> None:
    rules("SSH CLOSE USER bob\nSSH OPEN GROUP users\n")
    assert those_who_get_in("alice", "bob", "carol", "erin") == {"alice", "carol"}


def test_the_first_rule_that_fits_decides(rules) -> None:
    rules("SSH OPEN GROUP users\nSSH CLOSE USER bob\n")
    assert those_who_get_in("bob", "erin") == {"bob"}


def test_a_rule_for_everything_holds_for_ssh_and_one_for_something_else_does_not(rules) -> None:
    rules("TTY OPEN USER carol\nXDM OPEN USER carol\nALL OPEN USER bob\nSSHD OPEN USER dave\n")
    assert those_who_get_in("bob", "carol", "dave") == {"bob", "dave"}


def test_a_changed_rule_holds_for_the_next_login(rules) -> None:
    rules("SSH OPEN USER bob\n")
    assert gets_in("bob")
    rules("SSH CLOSE USER bob\n")
    assert not gets_in("bob")


# --------------------------------------------------------------------------------------------------------------- proofs


def login_by(proof: str, user: str) -> Result:
    return ssh(user, "echo in", **({} if proof == "key" else {proof: password_of(user)}))


@pytest.mark.parametrize("proof", PROOFS)
def test_whatever_the_proof_the_open_get_in_and_the_closed_do_not(proof: str, rules) -> None:
    rules("DEFAULT:OPEN\nSSH CLOSE USER bob\n")
    assert login_by(proof, "carol").stdout == "in\n"
    refused = login_by(proof, "bob")
    assert (refused.returncode, refused.stdout) == (255, "")


@pytest.mark.parametrize("proof", PROOFS)
def test_whatever_the_proof_a_refusal_in_session_runs_nothing(proof: str, rules) -> None:
    rules(REFUSED_IN_SESSION)
    assert login_by(proof, "carol").stdout == "in\n"
    refused = login_by(proof, "bob")
    assert refused.returncode == 254
    assert refused.stdout == "Access denied: there is nobody at the desktop who could allow it.\n"


def test_an_open_rule_stands_in_for_no_password(rules) -> None:
    rules("DEFAULT:OPEN\nALL OPEN USER ALL\n")
    for user, proof in (("bob", "wrong"), ("nobody-at-all", "wrong"), ("daemon", "")):
        login = ssh(user, password=proof)
        assert login.returncode in (5, 255) and "Permission denied" in login.stderr


def test_an_open_rule_stands_in_for_no_key(rules) -> None:
    rules("ALL OPEN USER ALL\n")
    assert gets_in("bob")
    assert not gets_in("bob", key="/root/keys/carol")


# ------------------------------------------------------------------------------------------------------------ addresses

HERE, NEIGHBOUR, ELSEWHERE, BY_IPV6 = "10.1.2.3", "10.1.2.4", "192.0.2.7", "2001:db8::7"


@pytest.mark.parametrize(
    ("entry", "sources"),
    [
        ("USER bob@10.1.2.3", {HERE}),
        ("USER bob@10.1.2.2/31", {HERE}),
        ("USER bob@10.0.0.0/8", {HERE, NEIGHBOUR}),
        ("USER bob@::ffff:10.1.2.3", {HERE}),
        ("USER bob@192.0.2.0/24", {ELSEWHERE}),
        ("USER bob@2001:DB8:0::7", {BY_IPV6}),
        ("USER bob@0.0.0.0/0", {HERE, NEIGHBOUR, ELSEWHERE}),
        ("USER bob@::/0", {BY_IPV6}),
        ("USER bob@LOCAL", set()),
        ("USER ALL@2001:db8::/32", {BY_IPV6}),
        ("GROUP lp@10.1.2.4/31", {NEIGHBOUR}),
        ("GROUP ALL@192.0.2.7,lp@2001:db8::/32", {ELSEWHERE, BY_IPV6}),
    ],
)
def test_a_rule_with_an_address_holds_for_logins_from_there(entry: str, sources: set[str], rules) -> None:
    rules(f"SSH OPEN {entry}\n")
    assert {source for source in (HERE, NEIGHBOUR, ELSEWHERE, BY_IPV6) if gets_in("bob", source=source)} == sources


def test_a_host_from_which_only_some_may_come(rules) -> None:
    rules("SSH OPEN USER bob@10.1.2.3\nSSH CLOSE USER ALL@10.1.2.3\nSSH OPEN USER ALL\n")
    assert those_who_get_in("bob", "carol", source=HERE) == {"bob"}
    assert those_who_get_in("bob", "carol", source=NEIGHBOUR) == {"bob", "carol"}


def test_a_host_from_which_nobody_may_come(rules) -> None:
    rules("DEFAULT:OPEN\nSSH CLOSE USER ALL@192.0.2.0/24,ALL@2001:db8::/32\n")
    assert [source for source in (HERE, ELSEWHERE, BY_IPV6) if gets_in("bob", source=source)] == [HERE]


# ------------------------------------------------------------------------------------------ files and forwarding

CLOSED, ASKED_WITH_NOBODY_THERE = "DEFAULT:OPEN\nSSH CLOSE USER bob\n", REFUSED_IN_SESSION
REFUSALS = pytest.mark.parametrize("refusal", [CLOSED, ASKED_WITH_NOBODY_THERE], ids=["closed", "refused in session"])


def copy(program: str, user: str, what: Path, to: str, tmp_path: Path) -> Result:
    """Copy a file over sftp or scp, to the user's home."""
    batch = tmp_path / "batch"
    batch.write_text(f"put {what} {to}\n")
    line, environment = ssh_command(user, program=(program, *(["-b", str(batch)] if program == "sftp" else ["-q"])))
    destination = f"{user}@127.0.0.1"
    line += [destination] if program == "sftp" else [str(what), f"{destination}:{to}"]
    return run(*line, env=environment, check=False)


@REFUSALS
@pytest.mark.parametrize("program", ["sftp", "scp"])
def test_who_is_refused_copies_nothing(program: str, refusal: str, rules, tmp_path: Path) -> None:
    rules(refusal)
    what = tmp_path / "what"
    what.write_text("all of it")
    for user in ("carol", "bob"):
        Path("/home", user, "copied").unlink(missing_ok=True)
        copied = copy(program, user, what, "copied", tmp_path)
        assert (copied.returncode == 0) == (user == "carol"), copied
    assert Path("/home/carol/copied").read_text() == "all of it"
    assert not Path("/home/bob/copied").exists()


@pytest.mark.parametrize("program", ["sftp", "scp"])
def test_what_they_show_of_a_refusal_in_session_is_what_the_readme_says(program: str, rules, tmp_path: Path) -> None:
    rules(REFUSED_IN_SESSION)
    (tmp_path / "what").write_text("all of it")
    shown = copy(program, "bob", tmp_path / "what", "copied", tmp_path).stderr
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    for line in shown.replace("\r", "").splitlines():
        assert f"`{line.removeprefix('scp: ')}`" in readme
    assert "Received message too long 1097032549" in shown


@contextmanager
def tunnel(user: str, *forwards: str) -> Iterator[subprocess.Popen[str]]:
    """`ssh -N` with the given -L or -R: a login without a session of its own."""
    line, environment = ssh_command(user, None, options=["-N", *forwards])
    with subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, text=True) as client:
        try:
            yield client
        finally:
            client.terminate()


def first_words(door: Path) -> bytes:
    """What comes out of a forwarded socket."""
    with socket.socket(socket.AF_UNIX) as inside:
        inside.settimeout(20)
        inside.connect(str(door))
        try:
            return inside.recv(8)
        except ConnectionResetError:
            return b""


@REFUSALS
def test_who_is_refused_forwards_nothing(refusal: str, rules, tmp_path: Path) -> None:
    rules(refusal)
    for user in ("carol", "bob"):
        door = tmp_path / user
        with tunnel(user, "-L", f"{door}:127.0.0.1:22") as client:
            wait_for(partial(over_or_there, client, door), "the tunnel is up, or ssh has given up")
            through = first_words(door) if door.exists() else b""
        assert through == (b"SSH-2.0-" if user == "carol" else b""), user


@REFUSALS
def test_who_is_refused_listens_nowhere(refusal: str, rules) -> None:
    rules(refusal)
    for user, port in (("carol", 2201), ("bob", 2202)):
        options = ["-o", "ExitOnForwardFailure=yes"]
        with tunnel(user, *options, "-R", f"127.0.0.1:{port}:127.0.0.1:22") as client:
            wait_for(partial(over_or_listening, client, port), "the port is open, or ssh has given up")
            assert listens(port) == (user == "carol"), client.poll()


def over_or_there(client: subprocess.Popen[str], door: Path) -> bool:
    return client.poll() is not None or door.exists()


def over_or_listening(client: subprocess.Popen[str], port: int) -> bool:
    return client.poll() is not None or listens(port)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_shared_connection_lets_in_nobody_who_is_refused(rules, tmp_path: Path) -> None:
    rules(REFUSED_IN_SESSION)
    for user in ("carol", "bob"):
        control = ["-o", f"ControlPath={tmp_path}/%r"]
        with tunnel(user, "-M", *control):
            wait_for((tmp_path / user).exists, "the connection is there to be shared")
            shared = ssh(user, "echo in", options=[*control, "-o", "ControlMaster=no"])
        assert ("in" in shared.stdout.splitlines()) == (user == "carol"), shared


# ------------------------------------------------------------------------------------------------- what the client sees


def test_a_refused_key_is_told_why(rules) -> None:
    rules("SSH CLOSE USER bob\n")
    refused = ssh("bob", "echo in")
    assert "Access denied: bob may not log in over SSH." in refused.stderr.splitlines()


def test_who_is_let_in_is_told_nothing(rules) -> None:
    rules("SSH OPEN USER bob\n")
    assert (ssh("bob").stdout, ssh("bob").stderr) == ("", "")


def test_who_is_refused_in_session_is_told_why_on_the_terminal(rules) -> None:
    rules(REFUSED_IN_SESSION)
    refused = ssh("bob", None, options=["-tt"])
    assert refused.returncode == 254
    assert refused.stdout.splitlines()[0].startswith("Access denied: there is nobody at the desktop")


STRANGE = "evil  bob@10.0.0.1 OPEN\u202e\udcff"  # no backslash in it: newer clients refuse to send one


@pytest.fixture
def _strange_user() -> Iterator[None]:
    """A user whose name is made to lie in a log, as a directory may have them; over ssh he shows carol's key."""
    users = Path("/etc/passwd")
    before = users.read_bytes()
    carol = pwd.getpwnam("carol")
    line = f"{STRANGE}:x:{carol.pw_uid}:{carol.pw_gid}::{carol.pw_dir}:/bin/bash\n"
    users.write_bytes(before + line.encode("utf-8", "surrogateescape"))
    yield
    users.write_bytes(before)


@pytest.mark.usefixtures("_strange_user")
def test_a_strange_user_name_is_one_line_and_one_column_in_the_logs(rules, journal, authlog, monthly_log) -> None:
    rules("DEFAULT:CLOSE\n")
    nobody_is_about_to_leave()
    shown = r"evil\x20\x20bob\x4010.0.0.1\x20OPEN\u202e\xff@10.1.2.3"
    assert not gets_in(STRANGE, key="/root/keys/carol")
    assert journal() == [f"SSH account {shown}: CLOSE, refused: pam-accesscontrol.conf:1: DEFAULT:CLOSE"]
    assert journal()[0] in authlog()
    assert monthly_log().split()[2:5] == ["SSH", "CLOSE", shown]
