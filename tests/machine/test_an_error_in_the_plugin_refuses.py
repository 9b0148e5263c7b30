"""What must not happen, happens: then the login is refused, and one line of the log has the traceback."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from host import AUTH_ERR, PASSING, PERM_DENIED, PLUGIN, SESSION_ERR, SUCCESS, host

MODULE = Path("/lib/security/accesscontrol.py")
# Behind the plugin's own text, and so instead of its own function.
INSTEAD = """

real_judge = judge


def judge(*given):
    {statement}
    return real_judge(*given)
"""


@pytest.fixture
def broken(service, tmp_path: Path) -> Callable[[str], None]:
    """broken(STATEMENT): the service named scratch has a plugin in which every decision first runs this statement."""

    def make(statement: str) -> None:
        copy = tmp_path / "accesscontrol.py"
        copy.write_text(MODULE.read_text() + INSTEAD.format(statement=statement))
        service("scratch", PASSING.replace(PLUGIN, f"pam_python.so {copy}"))

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
    assert refused.returned == {"auth": AUTH_ERR, "acct": PERM_DENIED, "open": SESSION_ERR}
    lines = journal()[before:]
    assert len(lines) == 3, lines
    for phase, line in zip(("auth", "account", "session"), lines):
        assert line.startswith(f"{phase}: refused, ")
        assert "Traceback (most recent call last)" in line
        assert "in judge" in line and "\n" not in line
        assert f"]: {line}\n" in authlog()


def test_a_plugin_that_python_cannot_read_refuses(service, tmp_path: Path) -> None:
    copy = tmp_path / "accesscontrol.py"
    service("scratch", PASSING.replace(PLUGIN, f"pam_python.so {copy}"))
    for text in ("def", "import no_such_module", ""):
        copy.write_text(text)
        assert SUCCESS not in host("scratch", "bob", "auth", "acct", "open").returned.values()


def test_the_log_shows_the_line_of_an_error_in_what_is_folded_away(broken, journal) -> None:
    broken("folded.parse_entry('bob', limited=True)")
    host("scratch", "bob", "auth", check=False)
    [line] = journal()
    number = next(number for number, row in enumerate(MODULE.read_text().split("\n"), 1) if "has no limit" in row)
    assert re.search(rf'/accesscontrol\.py", line {number}, in parse_entry \| +raise Fault\(.*has no limit', line), line
