"""pkexec and polkit: rules for POLKIT-1 mean the user whose password is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pexpect
import pytest

from hosts import PROMPT, files, guarded
from machine import password_of, run, ssh_command

# Whose password is asked for: erin's own.
ADMIN = 'polkit.addAdminRule(function(action, subject) { return ["unix-user:erin"]; });\n'

# With an agent that asks on the terminal: pkexec's own does not work with polkit before 124.
COMMAND = """
ready=$(mktemp -u) && mkfifo "$ready"
pkttyagent --process $$ --notify-fd 7 7>"$ready" &
read -r _ <"$ready"
rm "$ready"
pkexec --disable-internal-agent id -un
status=$?
kill %1
exit $status
"""


@pytest.fixture(scope="module", autouse=True)
def _guarded() -> Iterator[None]:
    with guarded("polkit-1"), files({"/etc/polkit-1/rules.d/10-tests.rules": ADMIN}):
        run("systemctl", "restart", "polkit")
        yield
    run("systemctl", "restart", "polkit")


def becomes_root(user: str) -> bool:
    """Whether somebody who is logged in over ssh runs a command as root by pkexec, with erin's password."""
    line, environment = ssh_command(user, COMMAND, options=["-tt"])
    client = pexpect.spawn(line[0], line[1:], env=environment, encoding="utf-8", timeout=30)
    client.expect(PROMPT)
    client.sendline(password_of("erin"))
    client.expect(pexpect.EOF)
    client.close()
    became_root = re.search(r"^(\x1b\[0m)?root\r$", str(client.before), re.MULTILINE) is not None
    assert (client.exitstatus == 0) == became_root, client.before
    return client.exitstatus == 0


def test_whom_the_rules_open_it_to_becomes_root(rules, journal) -> None:
    """Its session is root's, in another process, and is not judged."""
    rules("DEFAULT:CLOSE\nSSH OPEN USER erin,bob\nPOLKIT-1 OPEN USER erin\n")
    assert becomes_root("erin")
    assert becomes_root("bob")
    told = {line.partition(", ")[0] for line in journal() if line.startswith("POLKIT-1")}
    assert told == {"POLKIT-1 auth erin@LOCAL: OPEN", "POLKIT-1 account erin@LOCAL: OPEN"}


@pytest.mark.parametrize("rule", ["POLKIT-1 CLOSE USER erin", "POLKIT-1 NUMBER USER erin:0", "POLKIT-1 ASK USER erin"])
def test_whom_they_refuse_runs_nothing(rule: str, rules) -> None:
    rules(f"{rule}\nDEFAULT:OPEN\nUNATTENDED:CLOSE\n")
    assert not becomes_root("erin")
