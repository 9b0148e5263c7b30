"""A host in a bad way gets the right verdict, or it gets nothing; never does somebody get in who should not.

What is asked about while the host is in a bad way is in test_ask_under_faults.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from faults import ALL, World
from host import PASSING, PERM_DENIED, SUCCESS
from limits import UNGUARDED, held_session
from machine import run
from odd_host import DiedError, OddHost

pytest_plugins = ["faults_fixtures", "limits_fixtures"]

# bob and dave may come in, but of users, to which alice and bob belong, only one; carol may not.
RULES = "ALL CLOSE USER carol\nALL OPEN USER alice,bob,dave\nALL NUMBER GROUP users:1\n"
MIB = 1 << 20


@pytest.fixture(autouse=True)
def _rules(rules) -> None:
    rules(RULES)


def tries(host: OddHost, handle: str, user: str, service: str = "scratch") -> list[int]:
    """What each phase returns to somebody."""
    assert host.do(f"start {handle} {service} {user} 10.1.2.3") == SUCCESS
    return [host.do(f"{operation} {handle}") for operation in ("auth", "acct", "open")]


def outcome(make: Callable[[], OddHost], user: str, service: str = "scratch") -> str:
    """in, refused, or, where the host does not live, what ended it."""
    try:
        with make() as host:
            return "in" if host.do(f"start A {service} {user} 10.1.2.3") + host.do("open A") == 0 else "refused"
    except DiedError as error:
        return str(error)


BAD_WAYS = {
    "descriptors 0 to 2 closed": ["closed 0", "closed 1", "closed 2"],
    "umask 0": ["umask 0"],
    "umask 0777": ["umask 0777"],
    "no working directory": ["folder gone"],
    "locale C": ["locale C"],
    "SIGCHLD ignored": ["sigchld ignore"],
    "SIGCHLD handled, and every child reaped": ["sigchld reap"],
    "16 descriptors": ["limit nofile 16"],
    "no process more": ["limit nproc 0"],
    "no stack more": ["limit stack 0"],
    "a clock of 1980": ["clock -1460000000"],
    "a clock of 2106": ["clock 2500000000"],
}


@pytest.mark.parametrize("way", BAD_WAYS)
def test_the_verdict_is_the_same(way: str, world: World) -> None:
    with world.host(*BAD_WAYS[way]) as host:
        assert tries(host, "B", "bob") == [SUCCESS, SUCCESS, SUCCESS]
        assert tries(host, "C", "carol")[1:] == [PERM_DENIED, PERM_DENIED]
        assert tries(host, "A", "alice")[1:] == [PERM_DENIED, PERM_DENIED]
        assert host.messages == [
            *["Access denied: carol may not log in over SCRATCH."] * 2,
            *["Access denied: users: 1 of 1 are logged in."] * 2,
        ]
        assert (host.do("close B"), host.do("end B")) == (SUCCESS, SUCCESS)
        assert tries(host, "D", "alice") == [SUCCESS, SUCCESS, SUCCESS]
    words = [line.split()[0] + " " + line.split(": ")[1].split()[0] for line in world.syslog()]
    assert len(words) == 13, words
    assert [line.split()[5] for line in world.monthly().splitlines()] == [
        "granted", *["denied"] * 5, "closed", "granted",
    ]


def test_however_few_descriptors_nobody_gets_in_who_may_not(world: World) -> None:
    found = {}
    for most in range(3, 17):
        found[most] = [outcome(lambda: world.host(f"limit nofile {most}"), user) for user in ("carol", "bob")]  # noqa: B023
    assert {carols for carols, _ in found.values()} == {"refused"}
    assert {bobs for _, bobs in found.values()} == {"refused", "in"}
    assert found[3][1] == "refused"
    assert found[16][1] == "in"


def test_however_little_memory_nobody_gets_in_who_may_not(world: World, service, nobody) -> None:
    """A session that logind alone knows counts, though the library that asks for it may find no room.

    With some sizes, Python 3.13 never ends starting: SIGKILL after three seconds of CPU time is not in, either.
    """
    service("unguarded", UNGUARDED)
    world.shows_logind()
    with held_session("unguarded", "bob"):

        def alice(most: int) -> str:
            got = outcome(lambda: world.host("limit cpu 3", f"limit as {most}"), "alice")
            lines = world.syslog()
            return "right" if any("users: 1 of 1 are logged in" in line for line in lines) else got

        enough, too_little = 256 * MIB, 4 * MIB
        assert alice(enough) == "right"
        assert alice(too_little) != "in"
        while enough - too_little > 64 << 10:
            half = (enough + too_little) // 2
            enough, too_little = (half, too_little) if alice(half) == "right" else (enough, half)
        step = (16 if ALL else 256) << 10
        found = {most: alice(most) for most in range(too_little - 6 * MIB, enough + MIB, step)}
        assert set(found.values()) >= {"refused", "right"}
        assert "in" not in found.values(), found


def test_a_limit_on_files_cuts_no_line_of_the_log_in_two(world: World) -> None:
    log = world.root / "var/log"
    for room in (1, 50, 100):
        assert outcome(world.host, "carol") == "refused"
        [file] = log.glob("*.log")
        before = file.read_text()
        assert outcome(lambda: world.host(f"limit fsize {len(before) + room}"), "carol") == "refused"  # noqa: B023
        assert file.read_text() == before


@pytest.mark.parametrize("kib", [8, 32, 64, 256])
def test_a_tiny_stack_lets_nobody_in_who_may_not(kib: int, world: World, empty) -> None:
    """Below some 48 KiB, pam_python itself runs out of it."""

    def make() -> OddHost:
        return OddHost(under=[*world.inside, "prlimit", f"--stack={kib << 10}"])

    carols = outcome(make, "carol")  # near the limit, one run may crash and the next one not
    assert carols == "refused" if kib == 256 else carols != "in"
    bobs, with_an_empty_plugin = outcome(make, "bob"), outcome(make, "bob", "empty")
    assert bobs == "in" if kib == 256 else bobs in ("in", with_an_empty_plugin, "SIGSEGV")


def test_from_a_second_thread_nobody_gets_in_who_may_not(world: World, empty) -> None:
    """pam_python crashes in a thread that has not loaded it, whatever plugin it has; what it does not, we decide."""

    def in_a_thread(user: str, service: str) -> str:
        try:
            with world.host(f"start A {service} {user} 10.1.2.3", *["auth A"] * (service == "empty")) as host:
                return "in" if host.do("threaded open A") == 0 else "refused"
        except DiedError as error:
            return str(error)

    assert in_a_thread("carol", "scratch") != "in"
    assert in_a_thread("bob", "scratch") in ("in", in_a_thread("bob", "empty"))


def test_two_handles_in_one_process_keep_each_others_place(world: World, rules) -> None:
    rules(RULES.replace(":1", ":2"))
    with world.host() as host:
        assert tries(host, "B", "bob") == [SUCCESS, SUCCESS, SUCCESS]
        assert tries(host, "A", "alice") == [SUCCESS, SUCCESS, SUCCESS]
        assert (host.do("close B"), host.do("end B")) == (SUCCESS, SUCCESS)
        rules(RULES)
        assert outcome(world.host, "bob") == "refused"  # alice is in
        assert (host.do("close A"), host.do("end A")) == (SUCCESS, SUCCESS)
        assert outcome(world.host, "bob") == "in"
    closed = [line for line in world.syslog() if "closed after" in line]
    assert [line.split()[2] for line in closed] == ["bob@10.1.2.3:", "alice@10.1.2.3:"]


def test_two_handles_of_one_person_are_two_sessions(world: World, rules) -> None:
    rules("ALL OPEN USER ALL\nALL NUMBER USER bob:2\n")
    with world.host() as host:
        for handle, returned in (("A", SUCCESS), ("B", SUCCESS), ("C", PERM_DENIED)):
            assert tries(host, handle, "bob")[2] == returned
        assert (host.do("end C"), host.do("close A"), host.do("end A")) == (SUCCESS, SUCCESS, SUCCESS)
        assert tries(host, "D", "bob")[2] == SUCCESS
        assert tries(host, "E", "bob")[2] == PERM_DENIED


def test_a_session_that_the_host_never_closes_ends_with_the_host(world: World) -> None:
    with world.host("start B scratch bob 10.1.2.3", "open B", "end B"):
        assert outcome(world.host, "alice") == "refused"
    assert outcome(world.host, "alice") == "in"
    assert not [line for line in world.syslog() if "closed" in line]


@pytest.fixture
def chroot(tmp_path: Path, service) -> Iterator[tuple[World, str]]:
    """A root folder in which everything is but for /dev, /run and /proc."""
    root = tmp_path / "root"
    root.mkdir()
    empty = "".join(f"mount -t tmpfs tests {root}/{name}\n" for name in ("dev", "run", "proc"))
    service("scratch", PASSING)
    world = World(tmp_path, f"mount --rbind / {root}\n{empty}")
    yield world, str(root)
    world.close()


def test_in_a_root_folder_without_dev_log_the_rules_decide(chroot: tuple[World, str]) -> None:
    world, root = chroot
    run(*world.inside, "mount", "--rbind", "/proc", f"{root}/proc")
    with world.host(f"chroot {root}") as host:
        assert tries(host, "B", "bob") == [SUCCESS, SUCCESS, SUCCESS]
        assert tries(host, "C", "carol")[1:] == [PERM_DENIED, PERM_DENIED]
        assert tries(host, "A", "alice")[1:] == [PERM_DENIED, PERM_DENIED]
    assert world.syslog() == []
    assert [line.split()[5] for line in world.monthly().splitlines()] == ["granted", *["denied"] * 5]


def test_in_a_root_folder_without_proc_nobody_is_taken_for_gone(chroot: tuple[World, str], rules) -> None:
    world, root = chroot
    with world.host(f"chroot {root}") as host:
        assert tries(host, "B", "bob") == [SUCCESS, PERM_DENIED, PERM_DENIED]
        assert host.messages == ["Access denied: it cannot be counted who is logged in."] * 2
        rules("ALL OPEN USER bob\n")
        assert tries(host, "D", "bob") == [SUCCESS, SUCCESS, SUCCESS]
