"""Who starts a program that runs as root chooses its environment and its limits, and nothing of that runs as root.

pam_python.so alone gives Python no path of its program, so that Python looks for its library by the caller's $PATH.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from host import LOADER, host, passing
from hosts import PAM, as_user, files, guarded, on_terminal
from machine import password_of, run

HELPER = "/usr/lib/polkit-1/polkit-agent-helper-1"
SERVICES = ["su", "sudo", "sudo-i", "chfn", "chsh", "polkit-1"]  # su-l includes su
SUDOERS = "Defaults:erin !secure_path\nerin ALL=(ALL:ALL) ALL\n"

# Runs wherever Python reads it: as root, it leaves a file that nobody else can make.
DEED = """
try:
    import posix
    posix.close(posix.open("/root/tests-deed", posix.O_WRONLY | posix.O_CREAT, 0o600))
except OSError:
    pass
"""

WAYS = {
    "su": ["su", "erin", "-c", "true"],
    "su -": ["su", "-", "erin", "-c", "true"],
    "sudo": ["sudo", "-k", "true"],
    "sudo -i": ["sudo", "-k", "-i", "true"],
    "chfn": ["chfn", "-h", "12345", "erin"],
    "chsh": ["chsh", "-s", "/bin/sh"],
    "polkit's helper": [HELPER, "erin"],
}


@pytest.fixture(scope="module", autouse=True)
def _guarded() -> Iterator[None]:
    passwd = Path("/etc/passwd").read_bytes()
    with guarded(*SERVICES), files({"/etc/sudoers.d/tests": SUDOERS}, 0o440):
        yield
    Path("/etc/passwd").write_bytes(passwd)


@pytest.fixture(scope="module")
def hostile() -> Path:
    """A folder with a program bin/python3, beside which Python finds a library of somebody's own, and a module."""
    folder = Path("/tmp/tests-hostile")
    shutil.rmtree(folder, ignore_errors=True)
    version = run("/usr/bin/python3", "-c", "import sys; print('python%d.%d' % sys.version_info[:2])").stdout.strip()
    shutil.copytree(f"/usr/lib/{version}", folder / "lib" / version, symlinks=True)
    encodings = folder / "lib" / version / "encodings"
    shutil.rmtree(encodings / "__pycache__")
    with open(encodings / "__init__.py", "a", encoding="ascii") as module:
        module.write(DEED)
    (folder / "bin").mkdir()
    shutil.copy("/bin/true", folder / "bin/python3")
    (folder / "deed.py").write_text(f"{DEED}\nbuild_time_vars = {{'TZPATH': '/usr/share/zoneinfo'}}\n")
    return folder


def start(command: list[str], environment: dict[str, str]) -> None:
    """Runs a program as erin, and gives her password where it asks for one."""
    line = as_user("erin", "env", *(f"{name}={value}" for name, value in environment.items()), *command)
    if HELPER in command:
        run(*line, input=f"a cookie\n{password_of('erin')}\n", check=False)
    else:
        on_terminal(line, password_of("erin"))


@pytest.mark.parametrize("rule", ["DEFAULT:OPEN\n", "DEFAULT:OPEN\nALL CLOSE USER erin\n"], ids=["open", "closed"])
@pytest.mark.parametrize("way", WAYS)
def test_no_library_of_theirs_is_read_as_root(way: str, rule: str, hostile: Path, rules, journal) -> None:
    rules(rule)
    environment = {"PATH": f"{hostile}/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
    environment |= {"TZ": "x", "_PYTHON_SYSCONFIGDATA_NAME": "deed", "_PYTHON_SYSCONFIGDATA_PATH": str(hostile)}
    environment |= {"PYTHONPATH": str(hostile), "PYTHONHOME": str(hostile), "PYTHONSTARTUP": str(hostile / "deed.py")}
    try:
        start(WAYS[way], environment)
        assert not Path("/root/tests-deed").exists()
    finally:
        Path("/root/tests-deed").unlink(missing_ok=True)
    assert any("erin@LOCAL" in line for line in journal()), "nothing was judged"


def test_nothing_is_started_at_the_end_of_a_session(service, tmp_path: Path) -> None:
    """By then, variables of the user's may be in the environment of PAM, of which root's process takes LD_PRELOAD."""
    probe, calls = tmp_path / "accesscontrol.py", tmp_path / "calls"
    probe.write_text(f"import os\nwith open('{calls}', 'a') as file:\n    print(os.environ['PAM_TYPE'], file=file)\n")
    service("scratch", passing("pam_exec.so").replace(LOADER, str(probe)))
    host("scratch", "bob", "auth", "acct", "open", "close")
    assert calls.read_text().split() == ["auth", "account", "open_session"]


@pytest.mark.parametrize("way", WAYS)
def test_no_compiled_file_is_written_by_their_umask(way: str, tmp_path: Path, rules, journal) -> None:
    """Python has none of its own in the middle of an upgrade, and imports some modules before it reads a line."""
    rules("DEFAULT:OPEN\n")
    [compiled] = Path("/usr/lib").glob("python3.*/encodings/__pycache__")
    kept = Path(shutil.move(compiled, tmp_path))
    everybodys = ["sh", "-c", 'umask 0; exec "$@"', "sh"]
    try:
        start([*everybodys, *WAYS[way]], {})
        assert not compiled.exists()
    finally:
        shutil.rmtree(compiled, ignore_errors=True)
        shutil.move(kept, compiled.parent)
    assert any("erin@LOCAL" in line for line in journal()), "nothing was judged"


def test_with_an_empty_plugin_of_pam_python_it_is(hostile: Path, tmp_path: Path) -> None:
    """So that the tests above look for what does happen."""
    empty = tmp_path / "empty.py"
    empty.write_text("def pam_sm_acct_mgmt(pamh, flags, argv):\n    return pamh.PAM_IGNORE\n")
    su = PAM / "su"
    unguarded = "".join(row for row in su.read_text().splitlines(True) if "# pam-accesscontrol" not in row)
    with files({str(su): f"account optional pam_python.so {empty}\n{unguarded}"}):
        start(WAYS["su"], {"PATH": f"{hostile}/bin:/usr/bin:/bin"})
    try:
        assert Path("/root/tests-deed").exists()
    finally:
        Path("/root/tests-deed").unlink(missing_ok=True)
