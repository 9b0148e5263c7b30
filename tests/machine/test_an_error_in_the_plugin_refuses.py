"""What must not happen, happens: then the login is refused, and one line of the log has the traceback."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from host import AUTH_ERR, PASSING, PERM_DENIED, PLUGIN, SUCCESS, host
from odd_host import DiedError, OddHost

MODULE = Path("/usr/lib/pam-accesscontrol/accesscontrol.py")
# Behind the plugin's own text, and so instead of its own function.
INSTEAD = """

real_decide = decide


def decide(*given):
    {statement}
    return real_decide(*given)
"""


@pytest.fixture
def broken(service, tmp_path: Path) -> Callable[..., None]:
    """broken(STATEMENT): the service named scratch has a plugin in which every decision first runs this statement."""

    def make(statement: str, name: str = "scratch") -> None:
        copy = tmp_path / "accesscontrol.py"
        copy.write_text(MODULE.read_text() + INSTEAD.format(statement=statement))
        service(name, PASSING.replace(PLUGIN, f"pam_python.so {copy}"))

    return make


ERRORS = [
    "raise ValueError('two\\nlines')",
    "raise Exception('\\udcff')",
    "raise SystemExit(0)",
    "raise KeyboardInterrupt",
    "raise MemoryError",
    "raise BaseException",
    "sys.exit()",
    "(lambda f: f(f))(lambda f: f(f))",
    "1 / 0",
    "raise BaseExceptionGroup('both', [ValueError(), KeyboardInterrupt()]) if sys.version_info >= (3, 11) else OSError",
]


@pytest.mark.parametrize("error", ERRORS)
def test_it_refuses_and_logs_one_line(error: str, broken, journal, authlog) -> None:
    broken("pass")
    assert host("scratch", "bob", "auth", "acct", "open").returned == {
        "auth": SUCCESS,
        "acct": SUCCESS,
        "open": SUCCESS,
    }
    before = len(journal())
    broken(error)
    refused = host("scratch", "bob", "auth", "acct", "open")
    assert refused.returned == {"auth": AUTH_ERR, "acct": PERM_DENIED, "open": PERM_DENIED}
    lines = journal()[before:]
    assert len(lines) == 3, lines
    for phase, line in zip(("auth", "account", "session"), lines):
        assert line.startswith(f"{phase}: refused, ")
        assert "Traceback (most recent call last)" in line
        assert "in decide" in line and "\n" not in line
        assert f"]: {line}\n" in authlog()


def test_a_plugin_that_python_cannot_read_refuses(service, tmp_path: Path) -> None:
    copy = tmp_path / "accesscontrol.py"
    service("scratch", PASSING.replace(PLUGIN, f"pam_python.so {copy}"))
    for text in ("def", "import no_such_module", ""):
        copy.write_text(text)
        assert SUCCESS not in host("scratch", "bob", "auth", "acct", "open").returned.values()


def test_the_log_shows_the_line_of_an_error(broken, journal) -> None:
    broken("parse_entry('bob', limited=True)")
    host("scratch", "bob", "auth", check=False)
    [line] = journal()
    number = next(number for number, row in enumerate(MODULE.read_text().split("\n"), 1) if "has no limit" in row)
    assert re.search(rf'/accesscontrol\.py", line {number}, in parse_entry \| +raise \w+\(.*has no limit', line), line


ENDS = {  # display managers that go on after a refused session, and the status with which their process must end
    "wdm": "1",
    "lxdm": "1",
}


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("error", ["1 / 0", "global refuse; refuse = None", "global refuse; refuse = tell = sys.exit"])
def test_a_host_that_goes_on_after_a_refused_session_is_ended_all_the_same(error, name, broken, rules) -> None:
    """The decision fails, or it refuses and the refusal fails: the log, or the message to the person."""
    broken(error, name)
    rules("DEFAULT:CLOSE\n")
    with OddHost(f"start A {name} bob") as odd, pytest.raises(DiedError, match=f"^{ENDS[name]}$"):
        odd.do("open A")
