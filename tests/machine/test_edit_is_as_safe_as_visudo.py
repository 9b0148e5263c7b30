"""pam-accesscontrol edit: a copy is edited, looked at, and put in place by a rename, or nothing is changed at all."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from editing import ALL_THE_SAME, COPY, EDITOR, GO_ON, Edit, copies, edit
from machine import RULE_FILE, Result, run, ssh, wait_for

pytest_plugins = ["command_fixtures"]
pytestmark = pytest.mark.usefixtures("no_logs")  # edit shows what replay finds in them

SAVED, LEFT, USAGE = 0, 1, 2
OLD = "DEFAULT:OPEN\n"
NEW = "DEFAULT:OPEN\nSSH CLOSE USER bob\n"
LOCK = Path("/run/pam-accesscontrol/edit")


def command(*arguments: str, **more: object) -> Result:
    return run("pam-accesscontrol", *arguments, check=False, **more)


def as_bob(*line: str) -> Result:
    return run("setpriv", "--reuid=bob", "--regid=bob", "--init-groups", *line, check=False)


@pytest.fixture
def editor(tmp_path: Path) -> str:
    """An editor that ends when it is told so."""
    path = tmp_path / "editor"
    path.write_text(EDITOR)
    path.chmod(0o755)
    return str(path)


@pytest.fixture(autouse=True)
def _no_copies() -> Iterator[None]:
    assert copies() == []
    yield
    COPY.unlink(missing_ok=True)


@pytest.fixture
def start(editor: str) -> Iterator[Callable[..., Edit]]:
    """start(): an edit by this editor; its terminal is gone when the test ends."""
    begun: list[Edit] = []

    def begin(*arguments: str, program: tuple[str, ...] = ("pam-accesscontrol",), **environment: str) -> Edit:
        one = Edit(*arguments, program=program, **({"EDITOR": editor} | environment))
        begun.append(one)
        return one

    yield begin
    for one in begun:
        if not one.child.ptyproc.fileobj.closed:
            one.child.close(force=True)


def is_open_to_bob() -> bool:
    return command("explain", "SSH", "bob", "10.1.2.3").returncode == 0


# ------------------------------------------------------------------------------------------------------ the editor


@pytest.mark.parametrize(
    ("environment", "called"),
    [
        ({"SUDO_EDITOR": "one", "VISUAL": "two", "EDITOR": "three"}, "one"),
        ({"SUDO_EDITOR": "", "VISUAL": "two", "EDITOR": "three"}, "two"),
        ({"VISUAL": "two", "EDITOR": "three"}, "two"),
        ({"EDITOR": "three"}, "three"),
    ],
)
def test_the_editor_is_the_one_of_sudo_then_visual_then_editor(
    environment: dict[str, str], called: str, editor: str
) -> None:
    for name in ("one", "two", "three"):
        Path(editor).with_name(name).symlink_to(editor)
    whole = {key: name and str(Path(editor).with_name(name)) for key, name in environment.items()}
    with edit(**whole) as one:
        assert one.opened() == f"{Path(editor).with_name(called)} {COPY}"


def test_without_any_of_them_it_is_sensible_editor(editor: str) -> None:
    """In a mount namespace that has one: the machine may have none."""
    place = Path("/usr/bin/sensible-editor")
    there = place.exists()
    if not there:
        place.touch()
    try:
        mount = f"mount --bind {editor} {place} && exec pam-accesscontrol edit"
        with edit(program=("unshare", "--mount", "sh", "-c", mount)) as one:
            assert one.opened() == f"{place} {COPY}"
    finally:
        if not there:
            place.unlink()


@pytest.mark.parametrize("more", ["-w --flag", "'one word'", "\"a 'b\""])
def test_arguments_in_the_variable_are_given_to_it_before_the_file(more: str, editor: str, start) -> None:
    plain = more if more.startswith("-") else more[1:-1]
    assert start(EDITOR=f"{editor} {more}").opened() == f"{editor} {plain} {COPY}"


def test_no_shell_reads_the_variable(editor: str, start, tmp_path: Path) -> None:
    assert start(EDITOR=f"{editor} ; touch {tmp_path}/made").opened() == f"{editor} ; touch {tmp_path}/made {COPY}"


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ("/no/such/editor", "the editor /no/such/editor cannot be started: No such file or directory"),
        ("/etc/passwd -x", "the editor /etc/passwd cannot be started: Permission denied"),
        ("vi 'oh", "the editor vi 'oh cannot be started: No closing quotation"),
    ],
)
def test_an_editor_that_cannot_be_started_is_told(named: str, why: str, start) -> None:
    assert start(EDITOR=named).end() == (LEFT, [why])
    assert RULE_FILE.read_text() == OLD and copies() == []


def test_an_editor_that_cannot_be_started_leaves_what_an_earlier_one_wrote(start) -> None:
    COPY.write_text(NEW)
    one = start(EDITOR="/no/such/editor")
    one.asked(GO_ON)
    one.answer("g")
    assert one.asked()[0] == "the editor /no/such/editor cannot be started: No such file or directory"
    assert COPY.read_text() == NEW


def test_an_editor_that_fails_is_told(start) -> None:
    one = start()
    one.opened()
    one.leave(3)
    assert one.end() == (LEFT, ["the editor ended with status 3"])
    assert copies() == []


def test_the_copy_is_for_root_alone_while_it_is_edited(start) -> None:
    RULE_FILE.chmod(0o600)
    start().opened()
    assert (COPY.stat().st_uid, COPY.stat().st_mode & 0o7777) == (0, 0o600)
    assert COPY.read_text() == OLD


# ----------------------------------------------------------------------------------------------------- what is shown


def test_a_file_that_was_not_changed_is_left_as_it_is(start) -> None:
    about = RULE_FILE.stat()
    one = start()
    one.opened()
    one.leave()
    assert one.end() == (SAVED, [f"{RULE_FILE}: nothing was changed"])
    assert RULE_FILE.stat().st_ino == about.st_ino and copies() == []


def test_what_check_finds_is_shown_before_the_question(start) -> None:
    one = start()
    one.write("DEFAULT:OPEN\nSSH OPEN USER\nSSH OPEN USER no-such-user\n")
    shown = one.asked()
    assert shown[:2] == [
        f"{RULE_FILE}:2: a rule has four fields, SERVICE ACTION TARGET LIST, and this has 3",
        next(line for line in shown if line.startswith(f"{RULE_FILE}:3: warning: there is no user no-such-user")),
    ]
    assert not any(str(COPY) in line for line in shown)


def test_what_replay_would_change_is_shown_before_the_question(start) -> None:
    assert ssh("bob").returncode == 0
    one = start()
    one.write(NEW)
    *_, told, _ = one.asked()
    assert re.fullmatch(
        r"bob over SSH from 10\.1\.2\.3, 1 login, last \d{4}-\d\d-\d\d: let in then \(DEFAULT:OPEN\),"
        r" refused now by line 2 \(SSH CLOSE USER bob\)",
        told,
    )


def test_of_much_that_is_found_the_first_twenty_lines_are_shown(start) -> None:
    one = start()
    one.write("DEFAULT:OPEN\n" + "broken\n" * 30)
    shown = one.asked()
    assert [line.split(":")[1] for line in shown[:20]] == [str(number) for number in range(2, 22)]
    assert shown[20] == f"and more: pam-accesscontrol check {COPY}"
    assert shown[21:] in ([""], shown[21:]) and not any(line.startswith(f"{RULE_FILE}:22") for line in shown)


# ------------------------------------------------------------------------------------------------------------- saved


def save(one: Edit, text: str | bytes = NEW) -> None:
    one.write(text)
    one.asked()
    one.answer("s")
    assert one.end() == (SAVED, [f"{RULE_FILE}: saved, and in use from the next login on"])


def test_the_next_login_is_decided_by_what_was_saved(start, journal) -> None:
    assert is_open_to_bob()
    save(start())
    assert RULE_FILE.read_text() == NEW and copies() == []
    assert not is_open_to_bob()
    assert "Access denied: bob may not log in" in ssh("bob").stderr
    assert f"edit: {RULE_FILE} was saved" in journal()


def test_logins_are_decided_by_the_old_rules_until_it_is_saved(start) -> None:
    one = start()
    one.write(NEW)
    one.asked()
    assert is_open_to_bob() and RULE_FILE.read_text() == OLD


def facls(path: Path) -> str:
    return run("getfacl", "--absolute-names", "--numeric", str(path)).stdout


@pytest.mark.parametrize(
    "harm",
    [
        ["chmod", "0600"],
        ["chmod", "0640"],
        ["chgrp", "adm"],
        ["setfacl", "-m", "u:bob:r,g:lp:r"],
        ["setfattr", "-n", "user.note", "-v", "ours"],
    ],
    ids=" ".join,
)
def test_owner_group_mode_and_acl_stay(harm: list[str], start) -> None:
    said = run(*harm, str(RULE_FILE), check=False)
    if harm[0] == "setfattr" and said.returncode != 0:
        pytest.skip("no attributes of users on this file system")
    before = facls(RULE_FILE), RULE_FILE.stat()[:1], RULE_FILE.stat()[4:6], sorted(os.listxattr(RULE_FILE))
    save(start())
    assert before == (facls(RULE_FILE), RULE_FILE.stat()[:1], RULE_FILE.stat()[4:6], sorted(os.listxattr(RULE_FILE)))


def test_the_default_acl_of_the_folder_is_not_put_on_the_file(start) -> None:
    before = facls(RULE_FILE)
    run("setfacl", "-d", "-m", "u:bob:rwx", str(RULE_FILE.parent))
    try:
        save(start())
        assert facls(RULE_FILE) == before
    finally:
        run("setfacl", "-k", str(RULE_FILE.parent))


def test_an_owner_that_is_not_root_stays_and_is_a_fault(start) -> None:
    """It is not for edit to change whose the file is, and no login would trust it: check says so elsewhere."""
    run("chown", "bob:lp", str(RULE_FILE))
    before = facls(RULE_FILE)
    one = start()
    one.write(NEW)
    one.asked()
    one.answer("s")
    why = f"{RULE_FILE} is not owned by root, so everything is CLOSE"
    assert one.end() == (SAVED, [f"{RULE_FILE}: saved, but {why}"])
    assert facls(RULE_FILE) == before
    assert why in command("check").stdout



def test_there_is_no_moment_without_a_whole_file(editor: str, tmp_path: Path) -> None:
    """Nobody opens the rule file to write, and nobody removes it: the whole copy gets its name at one blow."""
    with open(RULE_FILE, "rb") as old:
        trace = tmp_path / "trace"
        calls = "%file,ftruncate"
        program = ("strace", "-f", "-o", str(trace), "-s", "500", "-e", f"trace={calls}", "pam-accesscontrol")
        with edit(program=program, EDITOR=editor) as one:
            save(one)
        assert old.read() == OLD.encode()
        assert RULE_FILE.stat().st_ino != os.fstat(old.fileno()).st_ino
    about = [line for line in trace.read_text(errors="replace").splitlines() if f'"{RULE_FILE}"' in line]
    changing = [line for line in about if re.search(r" (open|creat|unlink|rename|link|symlink|truncate|mknod)", line)]
    changing = [line for line in changing if "O_RDONLY" not in line]
    assert len(changing) == 1 and re.search(rf' rename(at2?)?\(.*"{COPY}", .*"{RULE_FILE}"', changing[0]), changing


def test_a_file_that_was_not_there_is_made_readable_for_all(start) -> None:
    RULE_FILE.unlink()
    save(start())
    assert (RULE_FILE.stat().st_uid, RULE_FILE.stat().st_mode & 0o7777) == (0, 0o644)
    assert RULE_FILE.read_text() == NEW


def test_what_cannot_be_put_in_place_stays_in_the_copy(start, journal) -> None:
    one = start(program=("unshare", "--mount", "pam-accesscontrol"))
    one.write(NEW)
    one.asked()
    folder = str(RULE_FILE.parent)
    enter = ("nsenter", "--mount", f"--target={one.child.pid}")
    run(*enter, "sh", "-c", 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"', folder)
    one.answer("s")
    status, shown = one.end()
    assert status == LEFT and f"what you wrote is in {COPY}" in shown[-1] and "Read-only file system" in shown[-1]
    assert (RULE_FILE.read_text(), COPY.read_text()) == (OLD, NEW)
    assert any(str(COPY) in line for line in journal())


# --------------------------------------------------------------------------------------------------------- the question


def test_e_edits_what_was_written_again(start) -> None:
    one = start()
    one.write(NEW)
    one.asked()
    one.answer("e")
    one.opened()
    assert COPY.read_text() == NEW
    COPY.write_text(NEW + "# more\n")
    one.leave()
    one.asked()
    one.answer("s")
    assert one.end()[0] == SAVED
    assert RULE_FILE.read_text() == NEW + "# more\n"


def test_q_changes_nothing_and_removes_the_copy(start) -> None:
    one = start()
    one.write(NEW)
    one.asked()
    one.answer("q")
    assert one.end()[0] == SAVED
    assert RULE_FILE.read_text() == OLD and copies() == []


@pytest.mark.parametrize("answer", ["", "x", "y", " ", "\u00e9"])
def test_anything_else_is_asked_again(answer: str, start) -> None:
    one = start()
    one.write(NEW)
    one.asked()
    one.answer(answer)
    one.asked()
    assert RULE_FILE.read_text() == OLD


FAULTY = {
    "a broken line": b"DEFAULT:OPEN\nSSH OPEN\n",
    "a rule that is never reached": b"DEFAULT:OPEN\nSSH OPEN USER bob\nSSH CLOSE USER bob\n",
    "no text at all": bytes(range(256)) * 4,
    "zeros": bytes(100),
}


@pytest.mark.parametrize("what", FAULTY)
def test_a_file_with_faults_is_saved_only_after_a_second_yes(what: str, start) -> None:
    one = start()
    one.write(FAULTY[what])
    one.asked()
    one.answer("s")
    [doubts] = one.asked(ALL_THE_SAME)
    assert re.fullmatch(r"it has (1 fault|\d+ faults)", doubts)
    assert RULE_FILE.read_text() == OLD
    one.answer("y")
    assert one.end()[0] == SAVED
    assert RULE_FILE.read_bytes() == FAULTY[what] and copies() == []


def test_a_file_that_is_too_large_is_saved_only_after_a_second_yes(start) -> None:
    one = start()
    one.write(b"#" * ((16 << 20) + 1))
    one.asked()
    one.answer("s")
    assert one.asked(ALL_THE_SAME) == ["it has 1 fault"]
    assert RULE_FILE.read_text() == OLD


def test_n_goes_back_to_the_editor(start) -> None:
    one = start()
    one.write(FAULTY["a broken line"])
    one.asked()
    one.answer("s")
    one.asked(ALL_THE_SAME)
    one.answer("n")
    one.opened()
    assert COPY.read_bytes() == FAULTY["a broken line"] and RULE_FILE.read_text() == OLD
    COPY.write_text(NEW)
    one.leave()
    one.asked()
    one.answer("s")
    assert one.end()[0] == SAVED
    assert RULE_FILE.read_text() == NEW


def test_a_warning_needs_no_second_yes(start) -> None:
    save(start(), "DEFAULT:OPEN\nSSH OPEN USER no-such-user\n")


@pytest.mark.parametrize("when", ["while the editor runs", "at the question"])
def test_what_somebody_else_has_changed_meanwhile_is_not_lost_without_a_second_yes(when: str, start, rules) -> None:
    one = start()
    one.opened()
    if when == "while the editor runs":
        rules("DEFAULT:OPEN\n# of somebody else\n")
    COPY.write_text(NEW)
    one.leave()
    one.asked()
    if when == "at the question":
        rules("DEFAULT:OPEN\n# of somebody else\n")
    one.answer("s")
    assert one.asked(ALL_THE_SAME) == [f"{RULE_FILE} was changed by somebody else"]
    assert "somebody else" in RULE_FILE.read_text()
    one.answer("y")
    assert one.end()[0] == SAVED
    assert RULE_FILE.read_text() == NEW


# ------------------------------------------------------------------------------------------------------- one at a time


@pytest.mark.parametrize("when", ["while the editor runs", "at the question"])
def test_a_second_edit_is_refused_in_one_line(when: str, start) -> None:
    one = start()
    if when == "at the question":
        one.write(NEW)
        one.asked()
    else:
        one.opened()
    ssh("carol", check=True)  # a login leaves the lock alone
    told = command("edit")
    assert (told.returncode, told.stdout) == (USAGE, "")
    assert told.stderr == f"pam-accesscontrol: somebody else edits {RULE_FILE} just now\n"
    if when == "at the question":
        assert COPY.read_text() == NEW


def test_the_next_one_may_when_the_first_has_ended(start) -> None:
    save(start())
    save(start(), OLD)


def test_an_editor_that_goes_on_when_edit_was_killed_does_not_hold_the_lock(start) -> None:
    one = start()
    one.opened()
    os.kill(one.child.pid, signal.SIGKILL)
    one.child.wait()
    other = start()
    other.asked(GO_ON) if COPY.read_text() != OLD else other.opened()


def test_nobody_but_root_can_hold_the_lock(start) -> None:
    save(start())
    assert LOCK.exists()
    assert as_bob("flock", "--nonblock", str(LOCK), "true").returncode != 0
    assert as_bob("sh", "-c", f"exec 9<{LOCK}").returncode != 0
    assert (LOCK.stat().st_uid, LOCK.stat().st_mode & 0o7777) == (0, 0o600)
    with subprocess.Popen(
        ["setpriv", "--reuid=bob", "--regid=bob", "--init-groups", "flock", str(RULE_FILE), "sh", "-c", "echo; cat"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as holds:  # the file itself is there to read, and so to lock  # fmt: skip
        assert holds.stdin and holds.stdout and holds.stdout.readline() == b"\n"
        save(start(), OLD)
        holds.stdin.close()


@pytest.mark.parametrize("arguments", [(), ("/etc/pam-accesscontrol/other.conf",)])
def test_it_is_for_root_alone(arguments: tuple[str, ...]) -> None:
    told = as_bob("pam-accesscontrol", "edit", *arguments)
    assert (told.returncode, told.stdout) == (USAGE, "")
    assert told.stderr == "pam-accesscontrol: only root can edit the rules\n"


# ------------------------------------------------------------------------------------------------ it ends in between


KEPT = f"pam-accesscontrol: nothing was saved: what you wrote is in {COPY}"


def wait_until(one: Edit, state: str) -> None:
    """Until the kernel says so of it: S where it waits, T where it is stopped."""
    about = Path(f"/proc/{one.child.pid}/stat")
    wait_for(lambda: about.read_text().rpartition(") ")[2][0] == state, f"edit is in state {state}")


def kill(one: Edit, *numbers: int) -> None:
    """By signals, that come while it waits for the editor or for an answer."""
    wait_until(one, "S")  # or Python, which has not begun to read, hears of them when it has read
    os.kill(one.child.pid, signal.SIGSTOP)
    wait_until(one, "T")
    for number in numbers:  # all at one blow
        os.kill(one.child.pid, number)
    os.kill(one.child.pid, signal.SIGCONT)
    status, shown = one.end()
    assert (status, shown[-1]) == (LEFT, KEPT), shown


def sighup(one: Edit) -> None:
    kill(one, signal.SIGHUP)


def sigterm(one: Edit) -> None:
    kill(one, signal.SIGTERM)


def end_of_input(one: Edit) -> None:
    one.child.sendeof()
    assert one.end()[0] == LEFT


def control_c(one: Edit) -> None:
    wait_until(one, "S")
    one.child.sendintr()
    status, shown = one.end()
    assert (status, shown[-1]) == (LEFT, KEPT)


def all_of_them(one: Edit) -> None:
    kill(one, signal.SIGHUP, signal.SIGTERM, signal.SIGINT)


HANG_UPS = {
    "the terminal goes away": Edit.hang_up,
    "SIGHUP": sighup,
    "SIGTERM": sigterm,
    "SIGHUP, SIGTERM and SIGINT": all_of_them,
}
AT_THE_QUESTION = {**HANG_UPS, "^D": end_of_input, "^C": control_c}


def wrote_down(journal: Callable[[], list[str]]) -> None:
    """Nothing was saved; what was written is in the copy, and syslog tells where."""
    assert RULE_FILE.read_text() == OLD
    assert COPY.read_text() == NEW
    assert f"edit: nothing was saved: what you wrote is in {COPY}" in journal()
    assert (COPY.stat().st_uid, COPY.stat().st_mode & 0o7777) == (0, 0o600)


@pytest.mark.parametrize("how", HANG_UPS)
def test_what_was_written_stays_where_it_ends_while_the_editor_runs(how: str, start, journal) -> None:
    one = start()
    one.opened()
    COPY.write_text(NEW)
    HANG_UPS[how](one)
    wrote_down(journal)
    assert is_open_to_bob()


@pytest.mark.parametrize("how", AT_THE_QUESTION)
def test_what_was_written_stays_where_it_ends_at_the_question(how: str, start, journal) -> None:
    one = start()
    one.write(NEW)
    one.asked()
    AT_THE_QUESTION[how](one)
    wrote_down(journal)
    assert is_open_to_bob()


@pytest.mark.parametrize("how", AT_THE_QUESTION)
def test_what_was_written_stays_where_it_ends_at_the_second_question(how: str, start, journal) -> None:
    one = start()
    one.write(FAULTY["a broken line"])
    one.asked()
    one.answer("s")
    one.asked(ALL_THE_SAME)
    COPY.write_text(NEW)
    AT_THE_QUESTION[how](one)
    wrote_down(journal)


@pytest.mark.parametrize("at", ["in the editor", "at the question"])
def test_what_was_written_stays_where_the_terminal_of_its_shell_goes_away(at: str, start, journal) -> None:
    """The shell leads the session and hears of it, and edit finds a terminal that neither reads nor writes."""
    one = start(program=("sh", "-c", 'trap "" HUP; pam-accesscontrol edit; true'))
    if at == "in the editor":
        one.opened()
        COPY.write_text(NEW)
    else:
        one.write(NEW)
        one.asked()
    one.hang_up()
    wait_for(lambda: run("pgrep", "-f", "pam-accesscontrol edit", check=False).returncode == 1, "edit ends")
    assert RULE_FILE.read_text() == OLD and COPY.read_text() == NEW
    assert any(line.startswith("edit: nothing was saved") and str(COPY) in line for line in journal())


@pytest.mark.parametrize(("answer", "found"), [("g", NEW), ("b", OLD)])
def test_the_next_edit_offers_to_go_on_with_it(answer: str, found: str, start) -> None:
    one = start()
    one.write(NEW)
    one.asked()
    one.hang_up()
    other = start()
    assert other.asked(GO_ON) == [f"{COPY} is of an edit that did not end: "]
    other.answer(answer)
    other.opened()
    assert COPY.read_text() == found
    other.leave()
    if answer == "g":
        other.asked()
        other.answer("s")
    assert other.end()[0] == SAVED
    assert RULE_FILE.read_text() == found and copies() == []


def test_a_copy_in_which_nothing_was_changed_is_not_asked_about(start) -> None:
    one = start()
    one.opened()
    one.hang_up()
    assert COPY.read_text() == OLD
    start().opened()


def test_it_may_end_before_that_is_answered(start) -> None:
    COPY.write_text(NEW)
    one = start()
    one.asked(GO_ON)
    one.hang_up()
    assert (RULE_FILE.read_text(), COPY.read_text()) == (OLD, NEW)


def test_control_c_in_the_editor_ends_only_the_editor(start) -> None:
    one = start()
    one.opened()
    COPY.write_text(NEW)
    one.child.sendintr()
    shown = one.asked()
    assert "the editor ended by signal 2" in shown
    one.answer("s")
    assert one.end()[0] == SAVED
    assert RULE_FILE.read_text() == NEW


def test_an_editor_that_goes_on_after_control_c_is_waited_for(start, tmp_path: Path) -> None:
    stubborn = tmp_path / "stubborn"
    stubborn.write_text(
        '#!/bin/bash\ntrap "echo caught" INT\necho "editor: $*."\nuntil read -r status; do :; done\nexit "$status"\n'
    )
    stubborn.chmod(0o755)
    one = start(EDITOR=str(stubborn))
    one.opened()
    one.child.sendintr()
    COPY.write_text(NEW)
    one.leave()
    one.asked()


# ---------------------------------------------------------------------------------------------------------- which file


def test_a_symbolic_link_stays_and_the_file_behind_it_is_replaced(start, tmp_path: Path) -> None:
    ssh("bob", check=True)
    folder = Path("/etc/pam-accesscontrol.d")
    folder.mkdir(mode=0o755)
    try:
        target = folder / "rules"
        target.write_text(OLD)
        RULE_FILE.unlink()
        RULE_FILE.symlink_to(target)
        one = start()
        one.write(NEW, folder / "rules.edit")
        assert any(line.startswith("bob over SSH from 10.1.2.3, 1 login") for line in one.asked())
        one.answer("s")
        assert one.end() == (SAVED, [f"{target}: saved, and in use from the next login on"])
        assert os.readlink(RULE_FILE) == str(target) and not target.is_symlink()
        assert target.read_text() == NEW and os.listdir(folder) == ["rules"]
        assert not is_open_to_bob() and ssh("bob").returncode != 0
    finally:
        RULE_FILE.unlink()
        run("rm", "-r", str(folder))


OTHER = RULE_FILE.with_name("other.conf")
WAYS_TO_NAME = {
    "its whole path": ("/", str(OTHER)),
    "a path from here": ("/", f".{OTHER}"),
    "its name in its folder": (str(OTHER.parent), OTHER.name),
}


@pytest.mark.parametrize("by", WAYS_TO_NAME)
def test_another_file_is_edited_where_it_is_named(by: str, start) -> None:
    OTHER.write_text(OLD)
    try:
        folder, name = WAYS_TO_NAME[by]
        one = start(name, program=("env", "-C", folder, "pam-accesscontrol"))
        one.write(NEW, OTHER.with_name("other.conf.edit"))
        one.asked()
        one.answer("s")
        assert one.end() == (SAVED, [f"{OTHER}: saved, and in use from the next login on"])
        assert (OTHER.read_text(), RULE_FILE.read_text()) == (NEW, OLD)
    finally:
        OTHER.unlink()
        OTHER.with_name("other.conf.edit").unlink(missing_ok=True)


@pytest.mark.parametrize("harm", [["chmod", "0777"], ["chmod", "1777"], ["chmod", "0775"], ["chown", "bob"],
                                  ["setfacl", "-m", "u:bob:rwx"]], ids=" ".join)  # fmt: skip
def test_a_folder_that_others_can_write_to_is_refused(harm: list[str], start) -> None:
    folder = Path("/etc/pam-accesscontrol.d")
    folder.mkdir(mode=0o755)
    try:
        folder.joinpath("rules").write_text(OLD)
        folder.joinpath("rules.edit").symlink_to("/etc/passwd")  # as bob may have put it there
        run(*harm, str(folder))
        status, shown = start(str(folder / "rules")).end()
        assert status == USAGE
        assert shown == [f"pam-accesscontrol: {folder} is not a folder that only root can write to"]
        assert folder.joinpath("rules").read_text() == OLD
    finally:
        run("rm", "-r", str(folder))


def test_a_folder_that_is_not_there_is_refused(start) -> None:
    status, shown = start("/no/such/rules").end()
    assert (status, shown) == (USAGE, ["pam-accesscontrol: /no/such is not a folder that only root can write to"])
