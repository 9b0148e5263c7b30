"""The command pam-accesscontrol: where people find it, its version, its help, and its sentence without a display."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from machine import run

SUBCOMMANDS = ["check", "explain", "replay", "edit", "status", "forget", "ask"]


@pytest.mark.parametrize("folder", ["/usr/bin", "/usr/sbin"])
def test_it_is_found_by_people_and_by_scripts(folder: str) -> None:
    told = run("runuser", "-u", "bob", "--", f"{folder}/pam-accesscontrol", "--version")
    assert re.fullmatch(r"pam-accesscontrol \d+(\.\d+)+\n", told.stdout)


def test_its_version_is_the_modules() -> None:
    module = Path("/usr/lib/pam-accesscontrol/accesscontrol.py").read_text()
    [version] = re.findall(r'^VERSION = "(.*)"$', module, re.MULTILINE)
    assert run("pam-accesscontrol", "--version").stdout == f"pam-accesscontrol {version}\n"


@pytest.mark.parametrize("columns", ["40", "80", "200"])
@pytest.mark.parametrize("call", [[], *([name] for name in SUBCOMMANDS)])
def test_there_is_help_with_an_example_in_80_columns(call: list[str], columns: str) -> None:
    for option in ("--help", "-h"):
        told = run("pam-accesscontrol", *call, option, env={"COLUMNS": columns, "PATH": "/usr/bin"})
        assert told.stderr == ""
        assert told.stdout.startswith("usage: pam-accesscontrol")
        assert max(map(len, told.stdout.splitlines())) <= 80
        assert "example: " in told.stdout
        assert call or all(re.search(rf"^ +{name} ", told.stdout, re.MULTILINE) for name in SUBCOMMANDS)


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_the_example_in_the_help_is_a_call_that_is_understood(name: str) -> None:
    behind = run("pam-accesscontrol", name, "--help").stdout.partition("\nexample:")[2]
    examples = re.findall(r"^ +(?:sudo )?pam-accesscontrol (.*)", behind, re.MULTILINE)
    assert examples
    for example in examples:
        if name not in ("ask", "edit"):
            ending = run("pam-accesscontrol", *example.split(), check=False)
            assert "usage" not in ending.stderr and "--help" not in ending.stderr, ending
        assert example.split()[0] == name


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ([], "there is no display: neither WAYLAND_DISPLAY nor DISPLAY is set"),
        (["DISPLAY=:7"], "the display :7 cannot be used"),
        (["WAYLAND_DISPLAY=wayland-7", "XDG_RUNTIME_DIR=/nonexistent"], "the display wayland-7 cannot be used"),
    ],
)
def test_ask_without_a_display_says_so_in_one_sentence(environment: list[str], sentence: str) -> None:
    calling = ["runuser", "-u", "alice", "--", "env", "--ignore-environment", "HOME=/home/alice", *environment]
    told = run(*calling, "/usr/bin/pam-accesscontrol", "ask", check=False)
    assert (told.returncode, told.stdout, told.stderr) == (2, "", f"pam-accesscontrol: {sentence}\n")
