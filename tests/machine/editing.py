"""For the tests of `pam-accesscontrol edit`: somebody at a terminal, and an editor that does what the test says."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect

from machine import RULE_FILE, wait_for

COPY = RULE_FILE.with_name(RULE_FILE.name + ".edit")
QUESTION = "(e)dit again, (s)ave, (q)uit without saving: "
GO_ON = "(g)o on with it, (b)egin anew: "
ALL_THE_SAME = ": save it all the same? (y)es, (n)o: "

# It says how it was called, and ends with the status that is typed at it; ^C and a terminal that is gone end it, too.
EDITOR = """\
#!/bin/sh
echo "editor: $0 $*."
read -r status || exit 99
exit "$status"
"""


class Edit:
    """An edit on a terminal of its own."""

    def __init__(self, *arguments: str, program: tuple[str, ...] = ("pam-accesscontrol",), **environment: str) -> None:
        kept = {name: text for name, text in os.environ.items() if name not in ("SUDO_EDITOR", "VISUAL", "EDITOR")}
        self.child = pexpect.spawn(
            program[0],
            [*program[1:], "edit", *arguments],
            encoding="utf-8",
            codec_errors="surrogateescape",
            timeout=60,
            echo=False,
            dimensions=(24, 1000),
            env={**kept, "LC_ALL": "C.UTF-8", **environment},
        )

    def opened(self) -> str:
        """Waits for the editor, and returns how it was called."""
        self.child.expect(r"editor: ([^\r\n]*)\.\r\n")
        return str(self.child.match[1])

    def leave(self, status: int = 0) -> None:
        """Ends the editor."""
        self.child.sendline(str(status))

    def write(self, text: str | bytes, copy: Path = COPY) -> None:
        """Writes this in the editor, and ends that."""
        self.opened()
        copy.write_bytes(text.encode() if isinstance(text, str) else text)
        self.leave()

    def asked(self, question: str = QUESTION) -> list[str]:
        """Waits for a question, and returns what was shown before, line by line."""
        self.child.expect_exact(question)
        return str(self.child.before).split("\r\n")

    def answer(self, letter: str) -> None:
        self.child.sendline(letter)

    def end(self) -> tuple[int | None, list[str]]:
        """Waits for the end, and returns the status, and what was shown before."""
        self.child.expect(pexpect.EOF)
        shown = str(self.child.before).strip().split("\r\n")
        self.child.wait()
        return self.child.exitstatus, shown

    def hang_up(self) -> None:
        """The terminal goes away."""
        self.child.ptyproc.fileobj.close()
        wait_for(lambda: not self.child.isalive(), "edit ends with its terminal")


@contextmanager
def edit(*arguments: str, **environment: str) -> Iterator[Edit]:
    """An edit that is over behind the block, whatever came of it."""
    one = Edit(*arguments, **environment)
    try:
        yield one
    finally:
        if not one.child.ptyproc.fileobj.closed:
            one.child.close(force=True)


def copies() -> list[str]:
    """What lies beside the rule file."""
    return sorted(path.name for path in RULE_FILE.parent.iterdir() if re.search(r"\.edit|new|tmp|~", path.name))
