"""What a login costs. tests/bench runs this; it is no test, and holds nothing against a clock.

CPU time is that of whole pamtester runs over the four phases, taken in turns with an empty plugin, so that whatever
else the machine does meets both alike.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import pytest

from desktop import Desktop
from host import PLUGIN, WAYS, passing
from limits import SESSIONS, start_of
from machine import run, ssh, ssh_command

pytest_plugins = ["desktop_fixtures", "command_fixtures"]

PAIRS = 61
CROWDS = 21
HERE = Path(__file__).parent
RESULTS = HERE.parent / "BENCHMARK.md"
PICTURE = HERE.parent / "pictures/benchmark.png"
SCRATCH = Path("/run/benchmark")
PHASES = ("authenticate", "acct_mgmt", "open_session", "close_session")
NAMES = ("authenticate", "setcred", "acct_mgmt", "open_session", "close_session")
EMPTY = "".join(f"def pam_sm_{name}(pamh, flags, argv):\n    return pamh.PAM_IGNORE\n" for name in NAMES)
SIZES = (10, 100, 1_000, 10_000, 100_000)
SLEEPERS = """
import os, signal, sys
for _ in range(int(sys.argv[1])):
    pid = os.fork()
    pid or signal.pause()
    print(pid)
signal.pause()
"""
ACCESS_GROUPS_MOST = 1_000  # with ten times as many, pam_access takes minutes

rows: list[tuple[str, str, str, str]] = []
curves: dict[str, list[tuple[int, float]]] = {}


# ----------------------------------------------------------------------------------------------------------- measuring


def cost_of(service: str) -> float:
    """Milliseconds of CPU that one pamtester run takes."""
    with subprocess.Popen(["pamtester", service, "bob", *PHASES], stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{service} does not let bob in"
    return 1000 * (usage.ru_utime + usage.ru_stime)


def in_turns(*services: str, pairs: int = PAIRS) -> list[list[float]]:
    """What each service costs, taken in turns, when each has run once before."""
    for service in services:
        cost_of(service)
    return list(zip(*([cost_of(service) for service in services] for _ in range(pairs))))


def ratio(some: Sequence[float], others: Sequence[float]) -> str:
    """The median of what two measurements that follow each other have between them: the machine's own pace drifts."""
    return f"{median(one / other for one, other in zip(some, others)):.2f}"


def memory(service: str) -> float:
    """The most memory that one run has, in MiB, by the median; a fork of us would be as large as we are."""
    line = ("/usr/bin/time", "--format=%M", "pamtester", service, "bob", *PHASES)
    return median(int(run(*line).stderr) for _ in range(PAIRS)) / 1024


def instructions(service: str) -> float:
    """Millions of instructions of one run outside of the kernel."""
    line = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
    said = run(*line, "pamtester", service, "bob", *PHASES, env={"PATH": os.environ["PATH"]}).stderr
    found = re.search(r"I +refs: +([0-9,]+)", said)
    assert found, said
    return int(found[1].replace(",", "")) / 1e6


def seconds(action: Callable[[], object]) -> float:
    begin = time.monotonic()
    action()
    return time.monotonic() - begin


def row(case: str, goal: str, ours: str, other: str) -> None:
    print(f"\n{case}: {ours}, goal {goal} ({other})", file=sys.stderr, flush=True)
    rows.append((case, ours, goal, other))


# ------------------------------------------------------------------------------------------------------- what is there


def stack(*lines: str) -> str:
    """A PAM service of these lines, where everybody else lets everybody in."""
    kinds = ("auth", "account", "session")
    return "".join(f"{kind} required {line}\n" for kind in kinds for line in (*lines, "pam_permit.so"))


@pytest.fixture(scope="module", autouse=True)
def _services() -> Iterator[None]:
    SCRATCH.mkdir()
    (SCRATCH / "empty.py").write_text(EMPTY)
    access = f"account required pam_access.so nodefgroup accessfile={SCRATCH}/access.conf\n"
    services = {"ours": stack(PLUGIN), "empty": stack(f"pam_python.so {SCRATCH}/empty.py"), "access": access + stack()}
    services |= {"exec": passing(WAYS[1]), "nothing": stack()}
    for name, text in services.items():
        Path("/etc/pam.d", f"bench-{name}").write_text(text)
    yield
    for name in services:
        Path("/etc/pam.d", f"bench-{name}").unlink()
    shutil.rmtree(SCRATCH)
    write_down()


def user_rules(number: int) -> str:
    return "DEFAULT:CLOSE\n" + "".join(f"ALL OPEN USER user{n}\n" for n in range(number - 1)) + "ALL OPEN USER bob\n"


def group_rules(number: int) -> str:
    return "DEFAULT:CLOSE\n" + "".join(f"ALL OPEN GROUP group{n}\n" for n in range(number - 1)) + "ALL OPEN GROUP lp\n"


def address_rules(number: int) -> str:
    """Half of them IPv4, half IPv6."""
    pairs = (
        f"ALL OPEN USER user{n}@10.{n // 256}.{n % 256}.0/24\nALL OPEN USER user{n}@2001:db8:{n:x}::/48\n"
        for n in range(number // 2)
    )
    return "DEFAULT:CLOSE\n" + "".join(pairs) + "ALL OPEN USER bob@LOCAL\n"


def write_access(*who: str) -> None:
    lines = [f"+:{name}:ALL\n" for name in who]
    (SCRATCH / "access.conf").write_text("".join(lines) + "-:ALL:ALL\n")


@contextmanager
def groups_in_etc(number: int) -> Iterator[None]:
    """Within the block, so many groups exist."""
    groups = Path("/etc/group")
    kept = groups.read_text()
    groups.write_text(kept + "".join(f"group{n}:x:{20_000 + n}:\n" for n in range(number)))
    yield
    groups.write_text(kept)


@contextmanager
def sessions_known(number: int) -> Iterator[None]:
    """Within the block, the plugin knows so many sessions of users, whose processes live."""
    line = [sys.executable, "-uc", SLEEPERS, str(number)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, start_new_session=True) as parent:
        assert parent.stdout
        pids = [int(parent.stdout.readline()) for _ in range(number)]
        entries = [SESSIONS / f"0.{pid}.{start_of(pid)}" for pid in pids]
        for pid, entry in zip(pids, entries):
            entry.symlink_to(f"1.000 {30_000 + pid} SSH u{pid}@10.0.0.1 - OPEN rules:1 - ,100,")
            os.utime(entry, (0, 0), follow_symlinks=False)
        yield
        os.killpg(parent.pid, 9)
    for entry in entries:
        entry.unlink(missing_ok=True)


@contextmanager
def sshd_has(plugin: str | None) -> Iterator[None]:
    """Within the block, sshd calls this plugin instead of ours; none at all, if it is None."""
    service = Path("/etc/pam.d/sshd")
    kept = service.read_text()
    lines = [line for line in kept.splitlines(True) if plugin or "accesscontrol" not in line]
    service.write_text("".join(lines).replace("/lib/security/accesscontrol.py", plugin or ""))
    yield
    service.write_text(kept)


# ----------------------------------------------------------------------------------------------------------- the cases


def against_empty(case: str, goal: str, text: str, rules: Callable[[str], None]) -> float:
    """A row that holds the plugin under some rules against an empty one; returns its ms."""
    rules(text)
    ours, empty = in_turns("bench-ours", "bench-empty")
    milliseconds = f"{median(ours):.1f} ms, an empty plugin {median(empty):.1f} ms"
    row(case, goal, ratio(ours, empty), milliseconds)
    return median(ours)


def test_pam_exec(rules) -> None:
    """Each of auth, account and session starts a Python of its own."""
    rules(user_rules(10))
    ours, nothing = in_turns("bench-exec", "bench-nothing")
    each = (median(ours) - median(nothing)) / 3
    other = f"{median(ours):.1f} ms for three, not guarded {median(nothing):.1f} ms"
    row("10 USER rules by pam_exec.so, each phase", "30 ms", f"{each:.1f} ms", other)


@pytest.mark.parametrize(("number", "goal"), [(10, "1.10"), (1_000, "1.12"), (10_000, "1.20"), (100_000, "1.9")])
def test_user_rules(number: int, goal: str, rules) -> None:
    against_empty(f"{number:,} USER rules", goal, user_rules(number), rules)


def test_instructions_and_memory_for_ten_rules(rules) -> None:
    rules(user_rules(10))
    ours, empty = instructions("bench-ours"), instructions("bench-empty")
    row("10 USER rules, instructions", "none", f"{ours / empty:.2f}", f"{ours:.0f} million, empty {empty:.0f} million")
    most, least = memory("bench-ours"), memory("bench-empty")
    row("10 USER rules, peak memory", "1.20", f"{most / least:.2f}", f"{most:.1f} MiB, empty {least:.1f} MiB")


def test_group_rules(rules) -> None:
    with groups_in_etc(1_000):
        ours = against_empty("1,000 GROUP rules", "1.15", group_rules(1_000), rules)
        write_access(*(f"(group{n})" for n in range(999)), "(lp)")
        [access] = in_turns("bench-access", pairs=5)
    times = f"{median(access) / ours:.1f} times"
    row("1,000 GROUP rules, pam_access against ours", "at least 15 times", times, f"{median(access):.0f} ms")


def test_rules_with_addresses(rules) -> None:
    against_empty("1,000 rules with addresses", "1.25", address_rules(1_000), rules)


def test_a_limit_with_a_thousand_sessions_known(rules) -> None:
    with sessions_known(1_000):
        text = "ALL OPEN USER bob\nALL NUMBER GROUP users:1200\n"
        against_empty("NUMBER, 1,000 sessions known", "1.6", text, rules)


def test_replay(rules, no_logs) -> None:
    month = time.strftime("%Y-%m")
    who = (f"user{n % 100}@10.0.{n % 7}.{n % 251}" for n in range(100_000))
    lines = (f"{month}-01 12:00:00  SSH       OPEN    {it:<28}  granted  x:1: DEFAULT:OPEN\n" for it in who)
    Path(f"/var/log/pam-accesscontrol-{month}.log").write_text("".join(lines))
    rules(user_rules(10))
    times = [seconds(lambda: run("pam-accesscontrol", "replay", check=False)) for _ in range(5)]
    row("replay, 100,000 lines", "2 s", f"{median(times):.2f} s", "100 users, 1,757 addresses, 10 USER rules")


def test_the_cost_grows_no_faster_than_the_file(rules) -> None:
    for name in ("this plugin", "an empty plugin", "pam_access, users", "pam_access, groups"):
        curves[name] = []
    for number in SIZES:
        rules(user_rules(number))
        write_access(*(f"user{n}" for n in range(number - 1)), "bob")
        costs = in_turns("bench-ours", "bench-empty", "bench-access", pairs=7)
        for name, cost in zip(curves, costs):
            curves[name].append((number, median(cost)))
        if number <= ACCESS_GROUPS_MOST:
            with groups_in_etc(number):
                write_access(*(f"(group{n})" for n in range(number - 1)), "(lp)")
                [access] = in_turns("bench-access", pairs=3)
            curves["pam_access, groups"].append((number, median(access)))


def test_ssh(rules) -> None:
    rules(user_rules(10))

    def login() -> None:
        ssh("bob", check=True)

    def crowd() -> None:
        line, environment = ssh_command("bob")
        clients = [subprocess.Popen(line, env=environment, stdin=subprocess.DEVNULL) for _ in range(50)]
        assert not any(client.wait() for client in clients)

    empty = str(SCRATCH / "empty.py")
    for case, action, pairs in (("ssh host true", login, PAIRS), ("50 parallel ssh logins", crowd, CROWDS)):
        ours, others, free = [], [], []
        action()
        for _ in range(pairs):
            ours.append(seconds(action))
            with sshd_has(empty):
                others.append(seconds(action))
            with sshd_has(None):
                free.append(seconds(action))
        times = f"{median(ours):.3f} s, an empty plugin {median(others):.3f} s"
        row(case, "1.05", ratio(ours, others), times)
        row(f"{case}, against what is not guarded", "none", ratio(ours, free), f"{median(free):.3f} s")
        row(f"{case}, an empty plugin against what is not guarded", "none", ratio(others, free), "")


def test_from_the_connection_to_the_dialog(desktop: Desktop, rules) -> None:
    rules("SSH ASK USER bob\n")
    times = []
    for _ in range(PAIRS):
        with desktop.beside("xprop", "-root", "-spy", "_NET_CLIENT_LIST") as watcher:
            assert watcher.stdout
            while "0x" in watcher.stdout.readline():  # until no window is left of the one before
                pass
            begin = time.monotonic()
            desktop.knock("bob")
            while "0x" not in watcher.stdout.readline():
                pass
            times.append(time.monotonic() - begin)
        desktop.answer("Deny")
        desktop.clear()
    spread = f"{min(times):.2f} to {max(times):.2f} s"
    row("from the connection to the dialog", "0.30 s", f"{median(times):.2f} s", spread)


# ------------------------------------------------------------------------------------------------------ what was found


def version(package: str) -> str:
    return run("dpkg-query", "--show", "--showformat", "${Version}", package).stdout


def write_down() -> None:
    """The table and the picture."""
    model = next((row.partition(":")[2].strip() for row in Path("/proc/cpuinfo").read_text().splitlines()
                  if row.startswith("model name")), platform.machine())
    system = next(row for row in Path("/etc/os-release").read_text().splitlines() if row.startswith("PRETTY_NAME"))
    load = Path("/proc/loadavg").read_text().split()[0]
    packages = ("libpam-python", "libpython3-stdlib", "libpam-runtime", "openssh-server")
    lines = [
        "# What a login costs",
        "",
        "Made by `tests/bench`. CPU time is that of whole `pamtester` runs over the four phases (authenticate,",
        f"acct_mgmt, open_session, close_session), taken in turns, the median of {PAIRS}; a ratio is to an empty",
        "pam_python plugin, or to what is not guarded. A login over ssh is wall time.",
        "",
        "| case | measured | goal, at most | |",
        "|---|---|---|---|",
        *(f"| {case} | {ours} | {goal} | {other} |" for case, ours, goal, other in rows),
        "",
        "![CPU time by number of rules](pictures/benchmark.png)",
        "",
        f"{time.strftime('%Y-%m-%d')}, {system.partition('=')[2].strip(chr(34))}, Linux {platform.release()}, {model},",
        f"{os.cpu_count()} CPUs, load {load} at the end. " + ", ".join(f"{it} {version(it)}" for it in packages) + ".",
        "",
    ]
    RESULTS.write_text("\n".join(lines))
    draw()


def draw() -> None:
    """CPU time against the number of rules, both logarithmic."""
    PICTURE.parent.mkdir(exist_ok=True)
    blocks = "".join(f"$c{n} << E\n" + "".join(f"{x} {y}\n" for x, y in curve) + "E\n"
                     for n, curve in enumerate(curves.values()))
    line = "with linespoints linewidth 2 pointtype 7"
    plots = ", ".join(f"$c{n} {line} title '{name}' noenhanced" for n, name in enumerate(curves))
    run("gnuplot", input=(
        f"set terminal pngcairo size 900,560 font 'DejaVu Sans,11' background '#ffffff'\nset output '{PICTURE}'\n"
        "set logscale xy\nset xlabel 'rules in the file'\nset ylabel 'CPU time of a login, ms'\nset key top left\n"
        f"set grid\nset format x '%.0f'\n{blocks}plot {plots}\n"
    ))

