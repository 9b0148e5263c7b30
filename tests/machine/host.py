"""host.c, a PAM application that tells what is done to it: what was returned, asked for, said, and left behind."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from machine import CHECKOUT, run, wait_for

SUCCESS, OPEN_ERR, SERVICE_ERR, SYSTEM_ERR, PERM_DENIED, AUTH_ERR, SESSION_ERR = 0, 1, 3, 4, 6, 7, 14  # see pam(3)
LOADER = "/lib/security/accesscontrol.py"
PLUGIN = f"pam_python.so {LOADER}"
TYPES = ("auth", "account", "session")
WAYS = ("pam_python.so", "pam_exec.so")

# A service in which everything but the plugin passes; the plugin is called by pam_python.so.
PASSING = f"""\
auth required pam_permit.so
auth required {PLUGIN}
account requisite {PLUGIN}
account required pam_permit.so
session requisite {PLUGIN}
session required pam_permit.so
"""


@functools.cache
def plugin(*arguments: str) -> list[str]:
    """What accesscontrol.py prints, as install.sh asks it, line by line."""
    return run("/usr/bin/python3", "-I", str(CHECKOUT / "accesscontrol.py"), *arguments).stdout.splitlines()


def lines(way: str, kind: str, *arguments: str) -> str:
    """The lines of one type by which install.sh has the plugin called in one of the WAYS."""
    rows = [row.removeprefix(f"{way} ") for row in plugin("--lines", LOADER, *arguments) if row.startswith(way)]
    return "".join(f"{row}\n" for row in rows if row.split()[0] == kind)


def way_of(service: str) -> str:
    """The way in which install.sh has the plugin called by a service."""
    inside = {*(row.split()[1] for row in plugin("--services")), "vsftpd", "exim", "exim4"}
    return WAYS[0] if service in inside else WAYS[1]


def with_our_lines(way: str, text: str) -> str:
    """The text of a PAM file in which the plugin is called: account and session at its top, auth at its end."""
    return f"{lines(way, 'account')}{lines(way, 'session')}{text.rstrip()}\n{lines(way, 'auth')}"


def passing(way: str) -> str:
    """A service in which everything but the plugin passes."""
    return with_our_lines(way, "".join(f"{kind} required pam_permit.so\n" for kind in TYPES))


class Told:
    """What the host told of one PAM handle, from pam_start to pam_end."""

    def __init__(self, text: str) -> None:
        rows = [row.split(" ", 1) for row in text.split("\n") if " " in row]

        def told(what: str) -> list[str]:
            return [row[1] for row in rows if row[0] == what]

        self.returned = {row.split()[0]: int(row.split()[1]) for row in told("returned")}
        self.asked = [int(row) for row in told("asked")]  # delays that modules asked for, in microseconds
        self.delayed = [(row.split()[0], int(row.split()[1])) for row in told("delayed")]  # delays that libpam makes
        self.messages = told("message")
        self.before = [row.split(" ", 1)[1] for row in told("state") if row.startswith("before ")]
        self.after = [row.split(" ", 1)[1] for row in told("state") if row.startswith("after ")]
        # What a child of the host ended with, -1 when somebody else has reaped it, or the host itself was ended before.
        self.child = int([*told("child"), "-1"][0])


@functools.cache
def compiled() -> str:
    program = Path(tempfile.mkdtemp(), "host")
    run("gcc", "-Wall", "-rdynamic", "-o", str(program), str(Path(__file__).with_name("host.c")), "-lpam", "-ldl")
    return str(program)


def host(service: str, user: str, *operations: str, password: str = "", rhost: str = "", **more: object) -> Told:
    """host("scratch", "bob", "auth", "acct", "cred", "open", "close"); "acct:" is acct with PAM_SILENT."""
    given = [user, password] + ([rhost] if rhost else [])  # not as arguments, which the journal copies
    return Told(run(compiled(), service, *operations, input="".join(f"{text}\0" for text in given), **more).stdout)


def nobody_is_about_to_leave() -> None:
    """Wait for the ends of earlier ssh logins: they are written down a moment after the client is gone."""
    waiting = ["pgrep", "--full", r"^sshd(-session)?: \w+ \[(priv|postauth)\]"]  # the latter since OpenSSH 10.6
    wait_for(lambda: run(*waiting, check=False).returncode == 1, "all ssh sessions end")
