"""When the checkout is gone, all that is needed is still there: install.sh, uninstall.sh, and what there is to read."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from machine import Result, run, ssh
from test_install import (
    CHECKOUT,
    COMPLETION,
    DOCUMENTS,
    HOOK,
    LOADER,
    MANUALS,
    MODULE,
    PAM,
    PLACES,
    RULE_FILE,
    SHARE,
    _put_back,
    _su_refuses_without_delay,
    altered,
    complaints,
    install,
    left_over,
    picture,
    quick,
    told_guarded,
    unfolded,
)
from test_uninstall import remove_pam_python

__all__ = ["_put_back", "_su_refuses_without_delay", "altered", "quick"]  # fixtures

FILES = ("install.sh", "uninstall.sh", "accesscontrol.py", "pam-accesscontrol.conf", "README.md")


@pytest.fixture
def without_a_checkout(quick: Path) -> None:
    """It was installed from one that is gone; and its plugin does not wait after a refusal."""
    assert install(quick).returncode == 0
    shutil.rmtree(quick)


def by_the_one_that_stays(*arguments: str) -> Result:
    return unfolded(run(str(SHARE / "install.sh"), *arguments, check=False, cwd="/"))


def test_the_files_are_those_of_the_checkout_and_roots_alone() -> None:
    install()
    assert sorted(path.name for path in SHARE.iterdir()) == sorted(FILES)
    for name in FILES:
        status = (SHARE / name).lstat()
        mode = 0o100755 if name.endswith("install.sh") else 0o100644
        assert (status.st_mode, status.st_uid, status.st_gid) == (mode, 0, 0), name
        assert (SHARE / name).read_bytes() == (CHECKOUT / name).read_bytes()


def test_what_there_is_to_read_is_where_others_look_for_it() -> None:
    install()
    assert sorted(path.name for path in DOCUMENTS.iterdir()) == ["README.md", "pam-accesscontrol.conf"]
    for path in DOCUMENTS.iterdir():
        assert os.readlink(path) == str(SHARE / path.name)


def test_what_somebody_has_changed_is_put_back() -> None:
    install()
    first = picture(*PLACES)
    for path in (*SHARE.iterdir(), *MANUALS, COMPLETION, HOOK):
        path.write_text("# another\n")
        path.chmod(0o666)
    for path in DOCUMENTS.iterdir():
        path.unlink()
    assert install().returncode == 0
    assert picture(*PLACES) == first


# ----------------------------------------------------------------------------------------------------- install.sh there


def test_run_from_there_it_changes_nothing(without_a_checkout: None) -> None:
    first = picture(*PLACES, moment=True)
    for _ in range(2):
        said = by_the_one_that_stays()
        assert (said.returncode, complaints(said)) == (0, [])
    assert picture(*PLACES, moment=True) == first
    assert left_over() == []


def test_run_from_there_it_guards_what_is_named(without_a_checkout: None) -> None:
    assert told_guarded(by_the_one_that_stays("su"))[-2:] == ["su", "su-l"]
    assert "# pam-accesscontrol\n" in (PAM / "su").read_text()


BROKEN: dict[str, Callable[[], object]] = {
    "the module": MODULE.unlink,
    "the loader": LOADER.unlink,
    "both": lambda: (MODULE.unlink(), LOADER.unlink()),
    "libpam-python": remove_pam_python,
}


@pytest.mark.parametrize("fault", BROKEN)
def test_run_from_there_it_mends_what_is_missing(fault: str, without_a_checkout: None) -> None:
    first = picture(*PLACES)
    BROKEN[fault]()
    assert ssh("bob").returncode != 0
    said = by_the_one_that_stays()
    assert (said.returncode, complaints(said)) == (0, [])
    assert picture(*PLACES) == first
    assert ssh("bob").returncode == 0


def test_run_by_its_name_in_its_folder_it_works(without_a_checkout: None) -> None:
    assert run("sh", "install.sh", check=False, cwd=str(SHARE)).returncode == 0


# --------------------------------------------------------------------------------------------------- uninstall.sh there


@pytest.mark.parametrize("how", [["./uninstall.sh"], ["sh", "uninstall.sh"], [f"{SHARE}/uninstall.sh"]], ids=str)
def test_it_takes_everything_away_and_itself(how: list[str], without_a_checkout: None) -> None:
    said = run(*how, "--purge", cwd=str(SHARE), check=False)
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.startswith("uninstall.sh: pam-accesscontrol is gone, with its rules and logs\n")
    assert everything_of_ours() == []
    assert ssh("bob").returncode == 0


def everything_of_ours() -> list[str]:
    """What has our name, outside of the tests' own places, and of packages' (none)."""
    places = [path for path in ("/etc", "/usr", "/var/log", "/var/lib", "/run", "/lib/security") if Path(path).exists()]
    found = run("find", *places, "-name", "*pam-accesscontrol*", "-print", check=False).stdout.splitlines()
    ours = [path for path in found if "tests" not in path and "test-machine" not in path]
    return [path for path in ours if not path.startswith(("/run/systemd", "/run/udev"))]


# ---------------------------------------------------------------------------------------------- manual and completion


def plain(manual: Path) -> list[str]:
    """The lines of a manual page as they are to be read, without blanks at their ends."""
    signs = {"\\e": "\\", "\\-": "-", "\\(aq": "'", "\\(ga": "`", "\\(ha": "^", "\\(ti": "~", "\\&": ""}
    text = re.sub(r"\\(?:\(..|.)", lambda found: signs[found[0]], manual.read_text())
    return [line.strip() for line in text.splitlines()]


def help_of(*command: str) -> list[str]:
    text = run("pam-accesscontrol", *command, "--help").stdout
    return [line.strip() for line in text.splitlines() if "-h, --help" not in line]


def subcommands() -> list[str]:
    found = re.findall(r"^    ([a-z]+) ", run("pam-accesscontrol", "--help").stdout, re.MULTILINE)
    assert {"check", "explain", "status", "forget", "ask"} <= set(found)
    return found


def test_the_manual_of_the_command_has_each_line_of_each_help_text() -> None:
    install()
    lines = plain(MANUALS[0])
    assert lines[2] == "pam-accesscontrol - who may log in to this machine, and why"
    for subcommand in subcommands():
        assert f".SH {subcommand.upper()}" in lines
        assert set(help_of(subcommand)) - set(lines) <= {"options:"}
    assert set(help_of()) <= set(lines)
    assert not any("-h, --help" in line for line in lines)


def test_the_manual_of_the_rules_has_each_line_of_the_file_that_ships() -> None:
    install()
    lines = plain(MANUALS[1])
    conf = (CHECKOUT / "pam-accesscontrol.conf").read_text().splitlines()
    assert lines[2] == "pam-accesscontrol.conf - who may log in to this machine"
    headings = [found[1] for line in conf if (found := re.fullmatch(r"# -+ (.*) -+", line))]
    assert len(headings) >= 3
    assert [line for line in lines if line.startswith(".SH")][2:-1] == [f".SH {it.upper()}" for it in headings]
    rest = [line.lstrip("#").strip() for line in conf[1:] if not line.startswith("# --")]
    assert set(rest) <= set(lines)


@pytest.mark.parametrize("manual", MANUALS, ids=lambda path: path.name)
def test_no_line_of_a_manual_is_wider_than_the_screen_or_taken_for_a_request(manual: Path) -> None:
    indent = {"8": 1, "5": 3}[manual.name[-1]]
    requests = {".TH", ".SH", ".nf", ".fi", ".in", ".BR"}
    for line in manual.read_text().splitlines():
        assert line[:3] in requests or line[:1] not in (".", "'"), line
    text = re.sub(r"\\\(..|\\[e-]", "x", manual.read_text())
    assert max(indent + len(line) for line in text.splitlines()) <= 80


def test_what_roff_would_take_for_its_own_is_escaped(altered: Callable[..., Path]) -> None:
    checkout = altered(r"^(                    )epilog=.*, formatter", r"\1epilog=ODD, formatter")
    odd = r"""ODD = ".dot\n'quote'\n`a\\tb` ~/x ^y --z" """
    text = (checkout / "accesscontrol.py").read_text()
    (checkout / "accesscontrol.py").write_text(text.replace("\nVERSION = ", f"\n{odd}\nVERSION = "))
    install(checkout)
    assert {".dot", "'quote'", r"`a\tb` ~/x ^y --z"} <= set(plain(MANUALS[0]))
    assert not any(line.startswith((".dot", "'")) for line in MANUALS[0].read_text().splitlines())


@pytest.mark.skipif(not shutil.which("man"), reason="there is no man here")
@pytest.mark.parametrize("manual", MANUALS, ids=lambda path: path.name)
def test_man_renders_it_without_a_warning(manual: Path) -> None:
    said = run("man", "--warnings=w", "-l", str(manual), env={**os.environ, "MANWIDTH": "80", "MANPAGER": "cat"})
    assert said.stderr == ""


def completions(*words: str) -> list[str]:
    """What bash offers for the last of these words."""
    line = f". {COMPLETION}; COMP_WORDS=(pam-accesscontrol \"$@\"); COMP_CWORD=$#; _pam_accesscontrol"
    return run("bash", "-euc", f"{line}; printf '%s\\n' \"${{COMPREPLY[@]}}\"", "bash", *words).stdout.split()


def test_bash_completes_subcommands_and_their_options() -> None:
    install()
    assert set(completions("")) == {*subcommands(), "--help", "--version"}
    assert completions("exp") == ["explain"]
    for subcommand in subcommands():
        options = set(re.findall(r"--[a-z]+", run("pam-accesscontrol", subcommand, "--help").stdout))
        assert set(completions(subcommand, "--")) == options
    assert completions("status", "--j") == ["--json"]
    assert completions("explain", "--caller", "") != []
    assert completions("check", "/et") == []  # a file: bash's own


def test_bash_takes_it_as_it_is() -> None:
    install()
    assert run("bash", "-n", str(COMPLETION)).stderr == ""
    assert run("bash", "-c", f". {COMPLETION}; complete -p pam-accesscontrol").stdout.startswith("complete -o default")


# ------------------------------------------------------------------------------------------------------- what they name


@pytest.mark.parametrize("script", ["install.sh", "uninstall.sh"])
def test_no_sentence_names_a_script_of_the_checkout(script: str) -> None:
    assert "./install.sh" not in (SHARE / script).read_text()
    assert "./uninstall.sh" not in (SHARE / script).read_text()


def test_the_paths_that_it_names_are_there() -> None:
    said = install()
    named = re.findall(r"/(?:usr|etc)/[\w./-]+\w", said.stdout + run(str(CHECKOUT / "install.sh"), "--help").stdout)
    assert {str(RULE_FILE), f"{SHARE}/uninstall.sh"} <= set(named)
    assert [path for path in named if not Path(path).exists()] == []
