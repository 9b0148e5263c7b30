"""pam-accesscontrol check: each fault of a rule file, and of the services that are guarded, as FILE:LINE: what.

What this machine does not have is a warning, so that one file for many machines can be gated on.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import hosts
from host import PASSING, PLUGIN, SUCCESS, WAYS, host, passing
from machine import RULE_FILE, Result, pam, run

pytest_plugins = ["command_fixtures"]

INSTALL = "/usr/share/pam-accesscontrol/install.sh"
REFUSES = "so this rule refuses everybody but root"
ROOT_GETS_IN = "ALL OPEN USER root\n"  # or check would complain


def check(*arguments: str, **more: object) -> Result:
    return run("pam-accesscontrol", "check", *arguments, check=False, **more)


@pytest.fixture
def faults(tmp_path: Path) -> Callable[[str], list[str]]:
    """faults(TEXT): what check finds in a rule file with this text, without the name of the file."""

    def find(text: str) -> list[str]:
        path = tmp_path / "rules"
        path.write_text(text)
        found = check(str(path))
        assert found.stderr == ""
        lines = found.stdout.splitlines()
        if found.returncode == 0:
            warnings = len(lines) - 1
            told = {0: "", 1: ", 1 warning"}.get(warnings, f", {warnings} warnings")
            assert lines.pop() == f"{path}: no faults found{told}"
        assert all(line.startswith(f"{path}:") for line in lines), lines
        assert (found.returncode == 1) == any(": warning: " not in line for line in lines)
        return [line.removeprefix(f"{path}:").removeprefix(" ") for line in lines]

    return find


def test_a_good_file_has_none(faults) -> None:
    assert faults("DEFAULT:OPEN\n") == []
    assert faults(ROOT_GETS_IN + "SSH OPEN GROUP lp,users # both\nTTY NUMBER USER bob:2\n") == []


def test_the_usual_file_is_checked_where_none_is_named(rules) -> None:
    assert (check().returncode, check().stdout) == (0, f"{RULE_FILE}: no faults found\n")
    rules("DEFAULT:OPEN\nbroken\n")
    assert check().returncode == 1
    assert check().stdout.startswith(f"{RULE_FILE}:2: ")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("SSH OPEN USER", "a rule has four fields, SERVICE ACTION TARGET LIST, and this has 3"),
        ("SSH OPEN USER bob, alice", "a rule has four fields, SERVICE ACTION TARGET LIST, and this has 5"),
        ("SSH ALLOW USER bob", "ACTION is OPEN, CLOSE, ASK or NUMBER, not 'ALLOW'"),
        ("SSH OPEN USERS bob", "TARGET is USER or GROUP, not 'USERS'"),
        ('SSH OPEN USER "bob', "a double quote is not closed"),
        ("SSH OPEN USER bob,,alice", "'' is not a name"),
        ("SSH OPEN USER bob@10.0.0", "'10.0.0' is no address: IPv4, IPv6, a network such as 10.0.0.0/8, or LOCAL"),
        ("SSH NUMBER USER bob", "'bob' has no limit: a number stands behind it, as in lp:2"),
        ("DEFAULT:MAYBE", "DEFAULT cannot be 'MAYBE'"),
        ("DEFUALT:OPEN", "there is no option DEFUALT: they are DEFAULT, DEBUG, TIMEOUT, REMEMBER, UNATTENDED"),
        ("SSH CLOSE USER bob@10.0.0.*", "'10.0.0.*' is no address: IPv4, IPv6, a network such as 10.0.0.0/8, or LOCAL"),
        ("SSH OPEN USER root", "can never be reached: line 1 has decided before"),
        ("TTY CLOSE USER root@10.0.0.0/8", "can never be reached: line 1 has decided before"),
        (
            "SSH CLOSE USER ALL@host.example",
            "'host.example' is no address: IPv4, IPv6, a network such as 10.0.0.0/8, or LOCAL",
        ),
        ("SSH CLOSE USER bob@local", "'local' is no address: IPv4, IPv6, a network such as 10.0.0.0/8, or LOCAL"),
    ],
)
def test_each_broken_line_is_named_with_its_reason(line: str, why: str, faults) -> None:
    assert faults(f"{ROOT_GETS_IN}# ours\n\n{line}\nSSH OPEN USER bob\n") == [f"4: {why}"]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("SSH OPEN USER no-such-user", "there is no user no-such-user"),
        ("SSH OPEN GROUP no-such-group", "there is no group no-such-group, so it lets nobody in"),
        ("SSH CLOSE GROUP lp,no-such-group", f"there is no group no-such-group, {REFUSES}"),
        ("SSH ASK GROUP no-such-group", f"there is no group no-such-group, {REFUSES}"),
        ("SSH NUMBER GROUP no-such-group:1", f"there is no group no-such-group, {REFUSES}"),
        ("SSSH OPEN USER bob", "there is no service SSSH: SSH, TTY, XDM, or a file in /etc/pam.d"),
    ],
)
def test_what_this_machine_does_not_have_is_a_warning(line: str, what: str, faults) -> None:
    assert faults(f"{ROOT_GETS_IN}# ours\n\n{line}\nSSH OPEN USER bob\n") == [f"4: warning: {what}"]


@pytest.mark.parametrize(
    ("earlier", "later", "reached"),
    [
        ("SSH OPEN USER bob", "SSH CLOSE USER bob", False),
        ("SSH OPEN USER bob", "SSHD CLOSE USER bob", False),
        ("ALL OPEN USER bob", "SSH CLOSE USER bob", False),
        ("SSH OPEN USER ALL", "SSH CLOSE GROUP lp", False),
        ("SSH OPEN GROUP ALL", "SSH CLOSE USER bob", False),
        ("SSH OPEN USER bob,carol", "SSH CLOSE USER carol,bob", False),
        ("SSH OPEN USER bob@10.0.0.0/8", "SSH CLOSE USER bob@10.1.0.0/16", False),
        ("SSH OPEN USER bob@::/0", "SSH CLOSE USER bob@2001:db8::7", False),
        ("SSH OPEN USER bob", "SSH CLOSE USER bob@LOCAL", False),
        ("SSH OPEN USER bob", "TTY CLOSE USER bob", True),
        ("SSH OPEN USER bob", "ALL CLOSE USER bob", True),
        ("SSH OPEN USER bob", "SSH CLOSE USER bob,carol", True),
        ("SSH OPEN USER bob@10.1.0.0/16", "SSH CLOSE USER bob@10.0.0.0/8", True),
        ("SSH OPEN USER bob@0.0.0.0/0", "SSH CLOSE USER bob@::/0", True),
        ("SSH OPEN GROUP bob", "SSH CLOSE USER bob", True),
        ("SSH OPEN USER bob", "SSH NUMBER USER bob:1", True),
        ("SSH NUMBER USER bob:1", "SSH CLOSE USER bob", True),
    ],
)
def test_a_rule_that_is_never_reached_is_found(earlier: str, later: str, reached: bool, faults) -> None:
    found = faults(f"DEFAULT:OPEN\n{earlier}\n{later}\n")
    assert found == ([] if reached else ["3: can never be reached: line 2 has decided before"])


@pytest.mark.parametrize(
    ("text", "locked_out"),
    [
        ("DEFAULT:CLOSE\n", True),
        ("", True),
        ("DEFAULT:OPEN\nALL CLOSE USER root\n", True),
        ("SSH OPEN USER bob\n", True),
        ("SSH OPEN USER root\nSSH NUMBER USER root:0\n", True),
        ("TTY OPEN USER root\n", False),
        ("SSH OPEN USER root@192.0.2.0/24\n", False),
        ("SSH OPEN GROUP root\n", False),
        ("SSH ASK USER root\n", False),
        ("DEFAULT:OPEN\nSSH CLOSE USER root\n", False),
    ],
)
def test_root_locked_out_is_found(text: str, locked_out: bool, faults) -> None:
    found = [fault for fault in faults(text) if "root can log in over none of SSH, TTY and XDM" in fault]
    assert bool(found) is locked_out
    assert all(fault.startswith("warning: ") for fault in found)


@pytest.mark.parametrize(("text", "status"), [("", 0), ("SSH CLOSE USER no-such-user\n", 1), ("broken\n", 1)])
def test_where_it_is_strict_a_warning_is_a_fault(text: str, status: int, tmp_path: Path) -> None:
    path = tmp_path / "rules"
    path.write_text("DEFAULT:OPEN\n" + text)
    assert check("--strict", str(path)).returncode == status
    assert check("--strict", str(path)).stdout == check(str(path)).stdout


@pytest.fixture
def admins() -> Iterator[None]:
    """erin and carol are in the group sudo, su and sudo are guarded."""
    for user in ("erin", "carol"):
        run("gpasswd", "--add", user, "sudo")
    with hosts.guarded("su", "sudo"):
        yield
    for user in ("erin", "carol"):
        run("gpasswd", "--delete", user, "sudo")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("DEFAULT:OPEN\n", []),
        ("DEFAULT:CLOSE\nALL OPEN USER root\nALL OPEN GROUP sudo\n", []),
        (
            "DEFAULT:CLOSE\nSSH OPEN USER root\n",
            [f"1: warning: nobody may {what}: DEFAULT:CLOSE" for what in ("become root by su", "use sudo")],
        ),
        ("DEFAULT:CLOSE\nALL OPEN USER root\n", ["1: warning: carol, erin may not use sudo: DEFAULT:CLOSE"]),
        ("DEFAULT:OPEN\nALL CLOSE USER erin\n", ["2: warning: erin may not use sudo: ALL CLOSE USER erin"]),
        ("DEFAULT:OPEN\nSUDO CLOSE USER erin\n", []),  # is meant
        ("DEFAULT:OPEN\nSUDO CLOSE USER ALL\n", ["2: warning: nobody may use sudo: SUDO CLOSE USER ALL"]),
        ("DEFAULT:OPEN\nSU NUMBER USER ALL:0\n", ["2: warning: nobody may become root by su: SU NUMBER USER ALL:0"]),
    ],
)
def test_who_loses_su_and_sudo_is_told(text: str, found: list[str], faults, admins) -> None:
    assert faults(text) == found


def test_who_loses_su_and_sudo_is_not_told_where_they_are_not_guarded(faults) -> None:
    assert faults("DEFAULT:CLOSE\nSSH OPEN USER root\n") == []


# ------------------------------------------------------------------------------------------------ the services guarded


def about_scratch() -> list[str]:
    return [line for line in check().stdout.splitlines() if "/etc/pam.d/scratch" in line]


def test_a_service_whose_lines_are_in_their_places_has_no_fault(service) -> None:
    service("scratch", PASSING)
    assert about_scratch() == [] and check().returncode == 0


@pytest.mark.parametrize("kind", ["auth", "account", "session"])
def test_a_line_that_is_missing_is_found(kind: str, service) -> None:
    service("scratch", "".join(line for line in PASSING.splitlines(True) if not (kind in line[:8] and PLUGIN in line)))
    assert about_scratch() == [f"/etc/pam.d/scratch: has no {kind} line that calls the plugin"]
    assert check().returncode == 1


@pytest.mark.parametrize(
    "in_front",
    [
        "auth sufficient pam_unix.so",
        "auth  [success=done default=ignore]  pam_unix.so",
        "auth [success=3 default=ignore] pam_unix.so\nauth requisite pam_deny.so",
        "auth [default=3] pam_unix.so\nauth requisite pam_deny.so",
        "-auth SUFFICIENT pam_unix.so",
        "auth [sufficient]pam_unix.so",
        "[auth] [success = done default=ignore] pam_unix.so",
        "auth [success=ok success=done default=ignore] pam_unix.so",
        "auth [success=\\\n done] pam_unix.so",
    ],
)
def test_a_line_that_others_can_leave_out_is_found(in_front: str, service) -> None:
    service("scratch", f"{in_front}\n{PASSING}")
    at = 3 + in_front.count("\n")
    last = 2 if "\\\n" in in_front else 1  # of the lines that are one
    (fault,) = about_scratch()
    assert fault.startswith(f"/etc/pam.d/scratch:{last}: auth: ")
    assert fault.endswith(f"the plugin at /etc/pam.d/scratch:{at}")


@pytest.mark.parametrize(
    "in_front",
    [
        "auth required pam_unix.so",
        "auth [success=1 default=ignore] pam_unix.so\nauth requisite pam_deny.so",
        "account sufficient pam_unix.so",
    ],
)
def test_a_line_that_leaves_out_only_others_is_no_fault(in_front: str, service) -> None:
    service("scratch", PASSING.replace("account requisite", f"{in_front}\naccount requisite", 1))
    found = about_scratch()
    assert bool(found) == in_front.startswith("account sufficient"), found


CALL = "pam_python.so /lib/security/accesscontrol.py"
ODD = {
    "the type in brackets": f"[account] requisite {CALL}",
    "the control in brackets, no blank behind it": f"account [requisite]{CALL}",
    "module and argument in brackets": "account requisite [pam_python.so] [/lib/security/accesscontrol.py]",
    "a bracket in brackets": rf"account [success=ignore ignore=ignore default=die \]] {CALL}",
    "an include in brackets": "account [include] [scratch.d/calls]",
    "a file in a folder": "@include scratch.d/calls",
    "a file in a folder, included for a type": "-account INCLUDE scratch.d/calls",
    "more behind the name": "@include scratch.d/calls and more",
    "the whole path": "account substack /etc/pam.d/scratch.d/calls",
    "a way around": "@include ../pam.d/scratch.d/calls",
    "the name of a backup": "@include scratch.bak",
    "a line that goes on": f"account \\\n requisite \\\n {CALL}",
}


@pytest.mark.parametrize("how", ODD)
def test_it_reads_a_line_as_libpam_does(how: str, rules, service) -> None:
    rules("DEFAULT:OPEN\nALL CLOSE USER bob\n")
    folder = Path("/etc/pam.d/scratch.d")
    folder.mkdir()
    try:
        (folder / "calls").write_text(f"account requisite {CALL}\n")
        service("scratch.bak", f"account requisite {CALL}\n")
        service("scratch", f"{ODD[how]}\naccount required pam_permit.so\n")
        assert host("scratch", "bob", "acct").returned["acct"] != SUCCESS
        assert re.search(r"^guarded .*\bscratch\b", run("pam-accesscontrol", "status").stdout, re.M)
        service("scratch", f"account required pam_permit.so\n#{ODD[how]}\n".replace("\\\n", ""))
        assert host("scratch", "bob", "acct").returned["acct"] == SUCCESS
    finally:
        shutil.rmtree(folder)


def test_it_looks_into_included_files(service) -> None:
    service("scratch-common", "auth sufficient pam_unix.so\n")
    service("scratch", f"@include scratch-common\n{PASSING}")
    found = [line for line in check().stdout.splitlines() if "scratch-common:1: auth: " in line]
    assert len(found) == 1


def test_a_service_that_obeys_by_what_it_includes_has_no_fault(service) -> None:
    service("scratch", "@include login\n")
    assert about_scratch() == [] and check().returncode == 0


def test_a_screen_locker_that_includes_login_for_auth_alone_has_no_fault(service) -> None:
    for locker in ("i3lock", "swaylock"):
        assert "include" in Path("/etc/pam.d", locker).read_text()
    service("scratch", "auth include login\n")
    assert about_scratch() == [] and check().returncode == 0


def test_su_and_sudo_guarded_by_install_sh_have_no_fault(guarded) -> None:
    """Debian's su has `sufficient pam_rootok.so` in front: root alone gets past the plugin there, and meets account."""
    guarded("su", "sudo")
    assert "pam_rootok.so" in Path("/etc/pam.d/su").read_text()
    assert (check().returncode, check().stdout) == (0, f"{RULE_FILE}: no faults found\n")


def shorter(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


SHORTER = {
    "a plain requisite, which vouches": ("[success=ignore ignore=ignore default=die]", "requisite"),
    "auth without ignore=1, by which no job runs": ("success=1 ignore=1", "success=1"),
    "auth that ignores every refusal": ("auth       requisite    pam_deny.so # pam-accesscontrol\n", ""),
    "no stdout, so that the host cannot be watched": ("quiet stdout", "quiet"),
    "seteuid, by which a core file is left": ("quiet stdout", "quiet seteuid stdout"),
    "no -I, so that the folder is searched for modules": ("-IBS", "-BS"),
    "no -B, so that a compiled file is written by the umask of the caller": ("-IBS", "-IS"),
    "no prlimit": ("/usr/bin/prlimit --core=0 ", ""),
    "a close of a session": ("type=open_session ", ""),
}


@pytest.mark.parametrize("how", SHORTER)
def test_a_line_of_pam_exec_that_is_not_as_it_should_be_is_found(how: str, service) -> None:
    text = passing(WAYS[1])
    service("scratch", text)
    assert about_scratch() == []
    service("scratch", shorter(text, *SHORTER[how]))
    [fault] = about_scratch()
    assert fault.endswith(": is not as install.sh writes it, and may let in whom it should not")


@pytest.mark.parametrize("kind", ["auth", "account", "session"])
@pytest.mark.parametrize("control", ["optional", "sufficient", "[default=ignore]", "[success=ok default=ignore]"])
def test_a_line_of_pam_python_whose_refusal_does_not_count_is_found(kind: str, control: str, service) -> None:
    lines = [f"{kind} {control} {PLUGIN}\n" if line.startswith(kind) and PLUGIN in line else line
             for line in PASSING.splitlines(True)]
    service("scratch", "".join(lines))
    assert any(f": {kind}: is not as install.sh writes it, and may let in" in fault for fault in about_scratch())


@pytest.mark.parametrize("way", WAYS)
def test_a_line_that_libpam_leaves_out_where_its_module_is_missing_is_found(way: str, service) -> None:
    """By a - in front of the type: without pam_python.so it refuses nobody."""
    service("scratch", passing(way).replace("account ", "-account ", 1))
    [fault] = about_scratch()
    assert fault.endswith(": account: is not as install.sh writes it, and may let in whom it should not")


def test_a_line_of_pam_exec_may_name_a_rule_file(service, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.write_text("DEFAULT:CLOSE\n")
    service("scratch", passing(WAYS[1]).replace("accesscontrol.py pam", f"accesscontrol.py pam conf={rules}"))
    assert about_scratch() == [] and str(rules) in check().stdout
    refused = run("pam-accesscontrol", "explain", "scratch", "bob", check=False)
    assert (refused.returncode, refused.stdout.splitlines()[1]) == (1, "rule    rules:1: DEFAULT:CLOSE")
    assert pam("scratch", "bob", "acct_mgmt").returncode != 0


def test_each_rule_file_that_a_pam_line_names_is_read(rules, service, tmp_path: Path) -> None:
    own = tmp_path / "own.conf"
    own.write_text("DEFAULT:OPEN\nbroken\n")
    service("scratch", PASSING.replace(PLUGIN, f"{PLUGIN} conf={own}"))
    rules("DEFAULT:OPEN\nbroken, too\n")
    told = [line.split(": ")[0] for line in check().stdout.splitlines()]
    assert sorted(told) == sorted([f"{RULE_FILE}:2", f"{own}:2"])


@pytest.mark.parametrize("kind", ["auth", "account", "session"])
def test_three_lines_that_differ_are_found(kind: str, service, tmp_path: Path) -> None:
    own = tmp_path / "own.conf"
    own.write_text("DEFAULT:OPEN\n")
    lines = [line.replace(PLUGIN, f"{PLUGIN} conf={own}") if line.startswith(kind) else line
             for line in PASSING.splitlines(True)]
    service("scratch", "".join(lines))
    [fault] = about_scratch()
    assert fault.startswith("/etc/pam.d/scratch: its lines differ in how they call the plugin: account: ")
    assert f"conf={own}" in fault


def test_a_folder_of_the_rule_file_that_others_can_write_to_is_found(rules) -> None:
    rules("DEFAULT:OPEN\n")
    folder = Path(RULE_FILE).parent
    folder.chmod(0o775)
    try:
        told = check()
        assert told.returncode == 1
        what = f"others than root can write to this folder, and so replace {RULE_FILE}"
        assert told.stdout == f"{folder}: {what}\n"
    finally:
        folder.chmod(0o755)


def test_a_rule_file_that_a_host_without_root_cannot_read_is_found(rules, service) -> None:
    service("exim", PASSING)
    rules("DEFAULT:OPEN\n")
    assert "cannot read" not in check().stdout
    Path(RULE_FILE).chmod(0o600)
    assert f"{RULE_FILE}: exim cannot read this file" in check().stdout


def test_lines_are_broken_at_blanks_on_a_terminal() -> None:
    """And they are not where a script reads them."""
    import pexpect

    long = "check --strict /etc/passwd"
    told = pexpect.run(f"pam-accesscontrol {long}", encoding="utf-8", dimensions=(50, 80)).splitlines()
    assert max(map(len, told)) <= 80 < max(map(len, check("--strict", "/etc/passwd").stdout.splitlines()))


@pytest.mark.parametrize(
    "name", ["sshd.dpkg-old", "sshd.dpkg-dist", "sshd.rpmnew", "sshd.rpmsave", "sshd~", "sshd.bak"]
)
def test_a_backup_of_a_pam_file_is_no_service(name: str, service) -> None:
    service(name, PASSING.replace("auth required", "auth sufficient", 1))  # a fault, if it were one
    assert check().returncode == 0
    service(name, PASSING.replace(PLUGIN, "pam_permit.so"))
    assert check().returncode == 0


def test_a_pam_file_that_the_package_has_put_back_is_found(as_packaged) -> None:
    """As `apt-get install --reinstall -o Dpkg::Options::=--force-confnew` does, with what was there beside it."""
    as_packaged("sshd")
    assert check().returncode == 1
    assert check().stdout == f"/etc/pam.d/sshd: sshd is not guarded any more, and obeys no rule: run {INSTALL}\n"


def test_one_of_the_vendors_folder_is_found_too(rules) -> None:
    path = Path("/usr/lib/pam.d/remote")
    assert not Path("/etc/pam.d/remote").exists() and not path.exists()
    path.parent.mkdir(exist_ok=True)
    try:
        path.write_text(PASSING.replace(PLUGIN, "pam_permit.so"))
        assert check().stdout == f"{path}: remote is not guarded, and obeys no rule: run {INSTALL}\n"
    finally:
        path.unlink()


# ------------------------------------------------------------------------------------------- rules that do nothing


def test_a_rule_for_a_service_that_is_not_guarded_is_found(faults, service) -> None:
    service("scratch", PASSING.replace(PLUGIN, "pam_permit.so"))
    found = faults(ROOT_GETS_IN + "SCRATCH CLOSE USER bob\n")
    assert found == [f"2: warning: scratch is not guarded, so this rule is not asked: run {INSTALL} scratch"]
    service("scratch", PASSING)
    assert faults(ROOT_GETS_IN + "SCRATCH CLOSE USER bob\n") == []


def test_a_limit_on_a_service_that_opens_no_session_is_found(faults, guarded) -> None:
    guarded("vsftpd")
    found = faults(ROOT_GETS_IN + "VSFTPD OPEN USER bob\nVSFTPD NUMBER USER bob:1\nSSH NUMBER USER bob:1\n")
    assert found == ["3: warning: vsftpd opens no session, so those who come in by it are not counted"]


def test_what_a_limit_means_is_told_of_each_service_that_is_not_known_to_open_one_session_in_a_process(
    faults, guarded, service
) -> None:
    guarded("su", "cron", "samba")
    service("scratch", PASSING)
    unknown = (
        "warning: it is not known whether scratch opens a session: if not, those who come in by it are not counted, and"
        " it obeys no limit on a user's own sessions"
    )
    many = "warning: samba keeps many sessions in one process, and a place is free only when that process ends"
    names = ["SCRATCH", "SAMBA", "SU", "SU-L", "CRON", "SSH", "SSHD", "LIGHTDM", "ALL"]
    found = faults(ROOT_GETS_IN + "".join(f"{name} NUMBER USER bob:1\n" for name in names))
    by_all = [f"10: {unknown}", f"10: {many}"]
    assert [line for line in found if "guarded" not in line] == [f"2: {unknown}", f"3: {many}", *by_all]
    assert faults(ROOT_GETS_IN + "SCRATCH OPEN USER bob\n") == []


# -------------------------------------------------------------------------------------------- the compiled module

MODULE = Path("/usr/lib/pam-accesscontrol/accesscontrol.py")


def check_as_bob() -> Result:
    return run("runuser", "-u", "bob", "--", "pam-accesscontrol", "check", check=False)


def remove(path: Path) -> None:
    path.unlink()


def is_for_another_source(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:8] + bytes(8) + path.read_bytes()[16:])


def is_for_another_python(path: Path) -> None:
    path.rename(path.with_name("accesscontrol.cpython-39.pyc"))


@pytest.mark.parametrize("harm", [remove, is_for_another_source, is_for_another_python])
def test_a_compiled_module_that_does_not_fit_is_told_to_who_cannot_renew_it(harm, rules) -> None:
    [compiled] = MODULE.parent.joinpath("__pycache__").iterdir()
    good = compiled.read_bytes()
    assert "warning" not in check_as_bob().stdout
    try:
        harm(compiled)
        told = check_as_bob()
        assert told.returncode == 0
        assert told.stdout.startswith(f"{MODULE}: warning: is not compiled for pam_python's Python 3.")
        assert told.stdout.endswith("no faults found, 1 warning\n") and "slower" in told.stdout
        assert check().returncode == 0  # root's call has renewed it
        assert compiled.read_bytes()[:16] == good[:16]
        assert "warning" not in check_as_bob().stdout
    finally:
        compiled.with_name("accesscontrol.cpython-39.pyc").unlink(missing_ok=True)
        compiled.write_bytes(good)


# ------------------------------------------------------------------------------------------------------ wrongly called


def test_a_file_that_cannot_be_trusted_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "rules"
    path.write_text("DEFAULT:OPEN\n")
    path.chmod(0o666)
    found = check(str(path))
    assert found.returncode == 1
    assert found.stdout == f"{path}: {path} is writable by group or others, so everything is CLOSE\n"


def test_it_is_the_parser_and_the_decision_of_a_login(rules) -> None:
    """A line that check names is one that a login ignores, and the other way round."""
    rules("DEFAULT:CLOSE\nALL OPEN USER bob carol\nALL OPEN USER carol\n")
    assert f"{RULE_FILE}:2: " in check().stdout
    assert run("pam-accesscontrol", "explain", "ssh", "bob", check=False).returncode == 1
    assert run("pam-accesscontrol", "explain", "ssh", "carol", check=False).returncode == 0
