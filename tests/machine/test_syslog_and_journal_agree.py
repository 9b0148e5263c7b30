"""journalctl shows what auth.log shows, to the letter; and where no rsyslog runs, it shows it all the same."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from host import PASSING, PLUGIN, host, nobody_is_about_to_leave
from limits import refusal
from machine import AUTH_LOG, FOUND_ENDED, flush_auth_log, run, ssh

ERROR, WARNING, NOTICE, INFO, DEBUG = "34567"
AUTHPRIV = "10"
TAG = "pam-accesscontrol["
MODULE = Path("/usr/lib/pam-accesscontrol/accesscontrol.py")
RSYSLOG = ["syslog.socket", "rsyslog.service"]
SOCKET = Path("/run/systemd/journal/dev-log")

# A name with everything in it that a log might stumble over, and how it stands there.
STRANGE = "b\x1b[2J\u00f8\u202e\u9b91\U0001f511\udcff b@c\\ #033\x85\x7f\t%n<3>"
SHOWN = r"b\x1b[2Jø\u202e鮑🔑\xff\x20b\x40c\\x20#033\x85\x7f\t%n<3>"
LONG = "b" * 5000
CUT = f"{'b' * 240}...\\x20(5000\\x20characters)"


@pytest.fixture(autouse=True)
def _scratch(service: Callable[[str, str], None]) -> None:
    service("scratch", PASSING)
    nobody_is_about_to_leave()


@contextmanager
def without_rsyslog() -> Iterator[None]:
    run("systemctl", "mask", "--runtime", "--now", *RSYSLOG)
    try:
        yield
    finally:
        run("systemctl", "unmask", "--runtime", *RSYSLOG)
        run("systemctl", "start", *RSYSLOG)
        flush_auth_log()


class Mark:
    """A message that stands in both logs, and what the plugin logged behind it."""

    def __init__(self) -> None:
        self.text = f"mark {uuid.uuid4()}"
        run("logger", "--priority", "authpriv.info", "--tag", "pam-accesscontrol", self.text)

    def in_the_journal(self) -> list[str]:
        """The lines as an admin reads them, without time and host."""
        return self.behind(journalctl())

    def in_auth_log(self) -> list[str]:
        flush_auth_log()
        return self.behind(AUTH_LOG.read_text())

    def behind(self, log: str) -> list[str]:
        _, found, lines = log.partition(self.text)
        assert found
        return lines_of(lines)

    def entries(self) -> list[dict[str, str]]:
        """What the journal knows of each."""
        found = [json.loads(line) for line in journalctl("--output=json", "--all").split("\n") if line]
        [at] = [number for number, entry in enumerate(found) if entry["MESSAGE"] == self.text]
        return [entry for entry in found[at + 1 :] if not entry["MESSAGE"].endswith(FOUND_ENDED)]


def lines_of(log: str) -> list[str]:
    return [line[line.index(TAG) :] for line in log.split("\n") if TAG in line and not line.endswith(FOUND_ENDED)]


def journalctl(*how: str) -> str:
    run("journalctl", "--sync")
    return run("journalctl", "--quiet", "-t", "pam-accesscontrol", *how).stdout


@pytest.fixture
def everything(rules, service, tmp_path: Path) -> Callable[[], list[tuple[str, str]]]:
    """everything(): makes the plugin log whatever it logs; returns each priority, and how the message begins."""
    broken = tmp_path / "accesscontrol.py"
    broken.write_text(MODULE.read_text() + "\n\ndef decide(*_):\n    raise ValueError('two\\nlines')\n")
    service("broken", PASSING.replace(PLUGIN, f"pam_python.so {broken}"))

    def log() -> list[tuple[str, str]]:
        rules("SSH OPEN USER bob\nDEFAULT:CLOSE\n")
        assert refusal(ssh("bob")) == ""
        nobody_is_about_to_leave()
        assert refusal(ssh("carol")) == "Access denied: carol may not log in over SSH."
        host("scratch", STRANGE, "auth", rhost="h\n\u00f8")
        host("scratch", LONG, "open", rhost=LONG)
        host("broken", "bob", "acct")
        rules("DEBUG:True\nbroken\u00f8\udcff\nALL OPEN USER carol\nDEFAULT:OPEN\n")
        host("scratch", "bob", "acct")
        because, debug = "CLOSE, refused: pam-accesscontrol.conf:2: DEFAULT:CLOSE", "SCRATCH account bob@LOCAL"
        return [
            (INFO, "SSH account bob@10.1.2.3: OPEN, pam-accesscontrol.conf:1: SSH OPEN USER bob"),
            (INFO, "SSH session bob@10.1.2.3: OPEN, pam-accesscontrol.conf:1: SSH OPEN USER bob"),
            (INFO, "SSH session bob@10.1.2.3: closed after "),
            (NOTICE, f"SSH account carol@10.1.2.3: {because}"),
            (NOTICE, rf"SCRATCH auth {SHOWN}@h\nø: {because}"),
            (NOTICE, f"SCRATCH session {CUT}@{CUT}: {because}"),
            (ERROR, "account: refused, for an error in the plugin: Traceback (most recent call last):"),
            (WARNING, "pam-accesscontrol.conf:2: ignored: "),
            (DEBUG, f"{debug}: pam-accesscontrol.conf:3: ALL OPEN USER carol: does not fit: bob is not in its list"),
            (DEBUG, f"{debug}: pam-accesscontrol.conf:4: DEFAULT:OPEN: decides, since no rule fits"),
            (INFO, f"{debug}: OPEN, pam-accesscontrol.conf:4: DEFAULT:OPEN"),
        ]

    return log


def assert_that_the_journal_has(entries: list[dict[str, str]], expected: list[tuple[str, str]]) -> None:
    """The messages and their priorities; of each, that it is authpriv's, ours, and from the process that it names."""
    for entry, (_, message) in zip(entries, expected):
        assert entry["MESSAGE"].startswith(message)
        assert (entry["SYSLOG_FACILITY"], entry["SYSLOG_IDENTIFIER"]) == (AUTHPRIV, "pam-accesscontrol")
        assert entry["SYSLOG_PID"] == entry["_PID"]  # the latter comes from the kernel
        assert (entry["_TRANSPORT"], entry["_UID"]) == ("syslog", "0")
    assert [entry["PRIORITY"] for entry in entries] == [priority for priority, _ in expected]


def test_both_have_the_same_lines(everything) -> None:
    mark = Mark()
    expected = everything()
    lines = mark.in_the_journal()
    assert lines == mark.in_auth_log()
    for line, (_, message) in zip(lines, expected):
        assert line.partition("]: ")[2].startswith(message)
    assert_that_the_journal_has(mark.entries(), expected)
    assert len(lines) == len(expected)


def test_without_rsyslog_the_journal_has_them_all_the_same(everything) -> None:
    with without_rsyslog():
        assert Path("/dev/log").resolve() == SOCKET
        before = AUTH_LOG.read_bytes()
        mark = Mark()
        expected = everything()
        assert_that_the_journal_has(mark.entries(), expected)
        assert len(mark.in_the_journal()) == len(expected)
        assert AUTH_LOG.read_bytes() == before


def test_the_journal_finds_refusals_by_their_priority_and_all_of_them_by_their_facility(everything) -> None:
    mark = Mark()
    expected = everything()
    lines = mark.in_the_journal()
    refusals = journalctl("--priority=notice..notice", "--lines=3")
    assert lines_of(refusals) == [line for line, (priority, _) in zip(lines, expected) if priority == NOTICE]
    assert mark.behind(journalctl("--facility=authpriv")) == lines
