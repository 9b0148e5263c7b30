"""What install.sh promises: guarded where it counts, every PAM file whole at every moment, and a way back.

The service files that it meets here are as odd as libpam lets them be, and libpam itself says what became of them.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import struct
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from machine import RULE_FILE, Result, pam, run, ssh

CHECKOUT = Path(__file__).parents[2]
PAM = Path("/etc/pam.d")
VENDOR = Path("/usr/lib/pam.d")
LOADER = Path("/lib/security/accesscontrol.py")
LIBRARY = Path("/usr/lib/pam-accesscontrol")
MODULE = LIBRARY / "accesscontrol.py"
CACHE = LIBRARY / "__pycache__"
COMMANDS = [Path("/usr/bin/pam-accesscontrol"), Path("/usr/sbin/pam-accesscontrol")]
LOCK = Path("/run/pam-accesscontrol.lock")
SERVICES = RULE_FILE.with_name("services")
SHARE = Path("/usr/share/pam-accesscontrol")
DOCUMENTS = Path("/usr/share/doc/pam-accesscontrol")
MANUALS = [Path("/usr/share/man/man8/pam-accesscontrol.8"), Path("/usr/share/man/man5/pam-accesscontrol.conf.5")]
COMPLETION = Path("/usr/share/bash-completion/completions/pam-accesscontrol")
HOOK = Path("/etc/apt/apt.conf.d/80pam-accesscontrol")
WITH_IT = [SHARE, DOCUMENTS, *MANUALS, COMPLETION, HOOK]  # what goes with the plugin, and no login needs
PLACES = [PAM, VENDOR, LOADER.parent, LIBRARY, CACHE, *COMMANDS, RULE_FILE.parent, *WITH_IT]
TEMPORARY = ".pam-accesscontrol.*"

OURS = {
    "auth": "auth       required     pam_python.so /lib/security/accesscontrol.py # pam-accesscontrol",
    "account": "account    requisite    pam_python.so /lib/security/accesscontrol.py # pam-accesscontrol",
    "session": "session    requisite    pam_python.so /lib/security/accesscontrol.py # pam-accesscontrol",
    "other auth": "auth include other # pam-accesscontrol",
    "other account": "account include other # pam-accesscontrol",
    "other session": "session include other # pam-accesscontrol",
}

# Service files as install.sh finds them. Our lines stand at the top and at the end, whatever is between.
ODD = {
    "slim": """\
auth required pam_unix.so nodelay
account required pam_unix.so
session required pam_permit.so""",
    # Its last line has no newline, and so ours has none.
    "sddm": """\
account required pam_unix.so
session required pam_permit.so
auth required pam_unix.so nodelay""",
    # From an editor of another system. libpam takes a carriage return for a part of the last word.
    "wdm": """\
auth required pam_unix.so nodelay # Auth\r
# \r
account required pam_unix.so \r
session required pam_permit.so\r
""",
    # Lines that go on in the next one; a comment never does.
    "xdm": """\
# auth required \\
auth required \\
  pam_unix.so \\ \t
  nodelay
# one \\
account \\
    required pam_unix.so

session required pam_permit.so # two \\
session optional pam_permit.so
""",
    # Libpam 1.5 reads over the blank line, and 1.7 does not: nothing of ours may stand there.
    "plasmalogin": """\
auth required \\

  pam_unix.so nodelay
account required \\
# nothing of ours may stand here
pam_unix.so
session required pam_permit.so
""",
    # Upper case, tabs, silent lines, includes of several types in the middle of nowhere, and a jump.
    "kdm": """\
#%PAM-1.0
\t@INCLUDE odd-account-and-session
-AUTH\t[success=1 default=ignore]\tpam_unix.so nodelay
 auth requisite pam_deny.so
Auth required pam_permit.so
@include odd-auth
#@include odd-auth
-Account optional pam_no_such_module.so
@include /etc/pam.d/odd-account-and-session
Password required pam_deny.so
""",
    # A jump to the end of the stack: it must not reach beyond our line.
    "lxdm": """\
auth required pam_permit.so
auth [success=1 default=ignore] pam_unix.so nodelay
auth requisite pam_deny.so
-account optional pam_no_such_module.so
account required pam_unix.so
session required pam_permit.so
""",
    # Without a type of its own a service has that of "other", as long as it has none.
    "greetd": """\
auth required pam_unix.so nodelay
-auth optional pam_no_such_module.so
""",
    "gdm-autologin": """\
""",
    # Another guarded service, whole.
    "ly": """\
auth include slim
-auth optional pam_no_such_module.so
account include slim
session substack slim
-session optional pam_no_such_module.so
""",
    # In a part of it only, and behind something else.
    "plasmalogin-autologin": """\
auth required pam_permit.so
account required pam_permit.so
account include slim
@include slim-session
session required pam_permit.so
""",
}
LACKING = {"greetd": ["account", "session"], "gdm-autologin": ["auth", "account", "session"]}  # which `other` has
INCLUDED = {
    "odd-auth": "auth optional pam_permit.so\n",
    "odd-account-and-session": "@include odd-account\n@include odd-session\n",
    "odd-account": "account required pam_unix.so\n",
    "odd-session": "session required pam_permit.so\n",
    "slim-session": "# nothing\n",
}


def before(text: str) -> bytes:
    """A service file as install.sh finds it."""
    return text.encode()


def behind(name: str) -> bytes:
    """A service file as install.sh leaves it."""
    text, lacking = ODD[name], LACKING.get(name, ())
    top = [OURS["account"], *[OURS["other account"]] * ("account" in lacking)]
    top += [OURS["session"], *[OURS["other session"]] * ("session" in lacking)]
    end = [*[OURS["other auth"]] * ("auth" in lacking), OURS["auth"]]
    body = [text.removesuffix("\n")] if text else []
    return "\n".join([*top, *body, *end]).encode() + b"\n" * (text.endswith("\n") or not text)


def install(checkout: Path = CHECKOUT, *arguments: str, environment: dict[str, str] | None = None) -> Result:
    more = {**os.environ, **environment} if environment else None
    return unfolded(run(str(checkout / "install.sh"), *arguments, check=False, env=more))


def uninstall(*arguments: str) -> Result:
    return unfolded(run(str(CHECKOUT / "uninstall.sh"), *arguments, check=False))


def unfolded(said: Result) -> Result:
    """What a script said, each sentence in one line."""
    said.stdout, said.stderr = (re.sub(r"\n  (?=\S)", " ", text) for text in (said.stdout, said.stderr))
    return said


def compiled() -> Path:
    """The compiled form of the module."""
    [found] = CACHE.iterdir()
    return found


def known_services() -> list[str]:
    """The services behind SSH, TTY and XDM."""
    return run("/usr/bin/python3", "-I", str(CHECKOUT / "accesscontrol.py"), "--services").stdout.split()[1::2]


def services_here() -> list[str]:
    """Those of them that this machine has, which install.sh guards."""
    return [name for name in known_services() if (PAM / name).exists() or (VENDOR / name).exists()]


def told_guarded(said: Result) -> list[str]:
    """The services that install.sh says that it guards."""
    return re.split(r"The rules|These services", said.stdout.partition("guards: ")[2])[0].split()


def complaints(said: Result) -> list[str]:
    """What install.sh complains of, but for the Python program that uses PAM, which the tests' machine has."""
    return [line for line in unfolded(said).stderr.splitlines() if "a program in Python" not in line]


def picture(*places: Path, moment: bool = False) -> dict[str, object]:
    """Everything about the files there that must not change; with `moment`, also whether they have been touched."""
    found = {}
    for path in [file for place in places for file in (place, *sorted(place.glob("*")), *sorted(place.glob(".*")))]:
        if not path.is_symlink() and not path.exists():
            continue
        status = path.lstat()
        what = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        if path.suffix == ".pyc" and not moment:
            what = what[:8] + what[12:]  # without the moment at which the module was put there
        extra = {} if path.is_symlink() else {name: os.getxattr(path, name) for name in os.listxattr(path)}
        touched = (status.st_ino, status.st_mtime_ns, status.st_ctime_ns) if moment and not path.is_dir() else ()
        found[str(path)] = (what, status.st_mode, status.st_uid, status.st_gid, extra, touched)
    return found


def find_pam_module(name: str) -> Path:
    return next(path for folder in ("security", "*/security") for path in Path("/usr/lib").glob(f"{folder}/{name}"))


def left_over() -> list[Path]:
    folders = [PAM, LOADER.parent, LIBRARY, CACHE, RULE_FILE.parent, *(place.parent for place in WITH_IT), SHARE]
    temporary = [file for folder in folders for file in folder.glob(TEMPORARY)]
    return [*Path("/run").glob("pam-accesscontrol-*"), *Path("/run").glob("pam-accesscontrol.*"), *temporary]


def keep(archive: Path) -> None:
    places = [str(place)[1:] for place in PLACES if os.path.lexists(place)]
    run("tar", "--xattrs", "--acls", "-C", "/", "-cf", str(archive), *places)


def put_back(archive: Path) -> None:
    for place in PLACES:
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
    run("tar", "--xattrs", "--acls", "-C", "/", "-xpf", str(archive))


@pytest.fixture(autouse=True)
def _put_back(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whatever a test does to the installation, the next one finds it as it was."""
    kept = tmp_path_factory.mktemp("kept") / "installed.tar"
    keep(kept)
    yield
    put_back(kept)


@pytest.fixture(autouse=True, scope="module")
def _su_refuses_without_delay() -> Iterator[None]:
    settings = Path("/etc/login.defs")
    kept = settings.read_text()
    settings.write_text(kept + "\nFAIL_DELAY 0\n")
    yield
    settings.write_text(kept)


@pytest.fixture
def nothing_installed() -> None:
    assert uninstall().returncode == 0


@pytest.fixture
def few_services(nothing_installed: None) -> None:
    """For tests that go through every step: three services do as well as all."""
    for name in set(services_here()) - {"sshd", "login", "lightdm"}:
        (PAM / name).unlink()


@pytest.fixture
def altered(tmp_path: Path) -> Callable[..., Path]:
    """altered("FAIL_DELAY = .*", "FAIL_DELAY = 0"): a checkout of its own, with a change to accesscontrol.py."""

    def make(pattern: str, by: str) -> Path:
        checkout = tmp_path / "checkout"
        shutil.copytree(CHECKOUT, checkout, ignore=shutil.ignore_patterns("tests", ".*"), dirs_exist_ok=True)
        text, times = re.subn(pattern, by, (CHECKOUT / "accesscontrol.py").read_text(), flags=re.MULTILINE)
        assert times
        (checkout / "accesscontrol.py").write_text(text)
        return checkout

    return make


# ------------------------------------------------------------------------------------------------ what it leaves behind


def test_a_second_install_changes_nothing() -> None:
    install()
    first = picture(*PLACES, moment=True)
    assert install().returncode == 0
    assert picture(*PLACES, moment=True) == first


def test_it_leaves_nothing_temporary_behind() -> None:
    install()
    assert left_over() == []


def test_module_compiled_form_and_loader_are_roots_alone(nothing_installed: None) -> None:
    assert install().returncode == 0
    for path, mode in ((LIBRARY, 0o40755), (CACHE, 0o40755), (MODULE, 0o100644), (compiled(), 0o100644)):
        status = path.lstat()
        assert (status.st_uid, status.st_gid, status.st_mode) == (0, 0, mode), path
    status = LOADER.lstat()
    assert (status.st_uid, status.st_gid, status.st_mode) == (0, 0, 0o100755)
    assert MODULE.read_bytes() == (CHECKOUT / "accesscontrol.py").read_bytes()
    assert sorted(path.name for path in LIBRARY.iterdir()) == ["__pycache__", "accesscontrol.py"]


def test_the_compiled_form_is_what_python_itself_would_take() -> None:
    install()
    tag = run("/usr/bin/python3", "-c", "import sys; print(sys.implementation.cache_tag)").stdout.strip()
    assert compiled().name == f"accesscontrol.{tag}.pyc"
    flags, changed, size = struct.unpack("<4xIII", compiled().read_bytes()[:16])
    assert (flags, changed, size) == (0, int(MODULE.stat().st_mtime), MODULE.stat().st_size)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_is_the_loader(command: Path, nothing_installed: None) -> None:
    assert install().returncode == 0
    assert command.resolve() == LOADER.resolve()
    assert run(str(command), "--help").stdout.startswith("usage: pam-accesscontrol")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_that_name_that_is_somebody_elses_stays(command: Path, nothing_installed: None) -> None:
    command.write_text("theirs\n")
    said = install()
    assert complaints(said) == [f"install.sh: {command} is somebody else's, and stays; ours is {LOADER}"]
    assert uninstall().returncode == 0
    assert command.read_text() == "theirs\n"
    command.unlink()


def test_where_both_folders_of_commands_are_one_there_is_one_link(nothing_installed: None) -> None:
    """As on Fedora and Arch: /usr/sbin is /usr/bin."""
    namespace = ["unshare", "--mount", "sh", "-c", 'mount --bind /usr/bin /usr/sbin && exec "$@"', "sh"]
    run("cp", "--no-clobber", "--archive", "/usr/sbin/.", "/usr/bin")
    said = run(*namespace, str(CHECKOUT / "install.sh"), check=False)
    assert (said.returncode, complaints(said)) == (0, [])
    assert os.readlink(COMMANDS[0]) == str(LOADER) and not os.path.lexists(COMMANDS[1])
    assert run(*namespace, str(CHECKOUT / "uninstall.sh"), check=False).returncode == 0
    assert not os.path.lexists(COMMANDS[0])


def test_check_finds_every_guarded_service_reached() -> None:
    assert run("pam-accesscontrol", "check").returncode == 0


def test_it_guards_every_service_that_the_rules_know_in_the_order_that_they_tell(nothing_installed: None) -> None:
    for name in known_services():
        if not (PAM / name).exists():
            (PAM / name).write_bytes(before(ODD["slim"]))
    said = install()
    assert (said.returncode, told_guarded(said)) == (0, known_services())
    ours = {OURS[kind] for kind in ("auth", "account", "session")}
    for name in known_services():
        assert ours <= set((PAM / name).read_text().splitlines()), name


@pytest.mark.parametrize("name", ["lightdm-greeter", "sddm-greeter"])
def test_no_greeter_is_guarded(name: str) -> None:
    assert "pam-accesscontrol" not in (PAM / name).read_text()


def test_a_new_rule_file_is_the_one_that_ships(nothing_installed: None) -> None:
    shutil.rmtree(RULE_FILE.parent)
    install()
    assert RULE_FILE.read_bytes() == (CHECKOUT / "pam-accesscontrol.conf").read_bytes()
    status = RULE_FILE.stat()
    assert (status.st_uid, status.st_gid, status.st_mode) == (0, 0, 0o100644)
    assert RULE_FILE.parent.stat().st_mode == 0o40755


@pytest.mark.parametrize("kind", ["file", "link", "link to nothing"])
def test_a_rule_file_that_is_there_is_kept(kind: str, nothing_installed: None, tmp_path: Path) -> None:
    RULE_FILE.write_text("DEFAULT:OPEN # mine\n")
    if kind != "file":
        RULE_FILE.unlink()
        RULE_FILE.symlink_to(tmp_path / "elsewhere")
    if kind == "link":
        (tmp_path / "elsewhere").write_text("DEFAULT:OPEN # mine\n")
    first = picture(RULE_FILE, moment=True)
    assert install().returncode == 0
    assert picture(RULE_FILE, moment=True) == first


def test_the_umask_of_the_admin_does_not_matter(nothing_installed: None) -> None:
    first = {path: what for path, what in picture(*PLACES).items() if not path.startswith(str(RULE_FILE.parent))}
    shutil.rmtree(RULE_FILE.parent)
    run("sh", "-c", f"umask 077; {CHECKOUT}/install.sh")
    folders = [LIBRARY, CACHE, RULE_FILE.parent, SHARE, DOCUMENTS]
    programs = [LOADER, SHARE / "install.sh", SHARE / "uninstall.sh"]
    texts = [MODULE, compiled(), RULE_FILE, SERVICES, SHARE / "accesscontrol.py", *MANUALS, COMPLETION, HOOK]
    assert {path for path in folders if path.stat().st_mode != 0o40755} == set()
    assert {path for path in programs if path.stat().st_mode != 0o100755} == set()
    assert {path for path in texts if path.stat().st_mode != 0o100644} == set()
    uninstall()
    assert {path: picture(*PLACES)[path] for path in first} == first


def test_what_it_says_fits_the_screen_and_names_what_is_guarded() -> None:
    said = run(str(CHECKOUT / "install.sh"))
    assert max(map(len, [*said.stdout.splitlines(), *said.stderr.splitlines()])) <= 80
    assert told_guarded(unfolded(said)) == services_here()
    assert str(RULE_FILE) in said.stdout and "pam-accesscontrol check" in said.stdout
    assert f"The way out, from that shell: {SHARE}/uninstall.sh\n" in said.stdout


@pytest.mark.parametrize("rule", ["", "SSH OPEN USER nobody-here\n"])
def test_it_ends_with_what_check_finds(rule: str, rules: Callable[[str], None]) -> None:
    rules(f"DEFAULT:OPEN\n{rule}")
    said = install()
    assert said.returncode == 0
    assert said.stdout.endswith(run("pam-accesscontrol", "check", check=False).stdout)


def test_it_says_nothing_twice(nothing_installed: None) -> None:
    """Of a line of somebody else's, and of an sshd that asks no PAM, check tells."""
    config = Path("/etc/ssh/sshd_config.d/0-first.conf")
    with open(PAM / "su", "a") as su:
        su.write("account required pam_python.so accesscontrol.py\n")
    config.write_text("UsePAM no\n")
    try:
        said = install()
    finally:
        config.unlink()
    sentences = re.split(r"\n|(?<=\.) ", said.stdout + said.stderr.replace("install.sh: ", ""))
    assert len(set(sentences)) == len(sentences)
    for once in ("UsePAM is no", "can run as root what they like"):
        assert (said.stdout + said.stderr).count(once) == 1


@pytest.mark.parametrize("owner", ["bob", "root"])
@pytest.mark.parametrize("place", [LIBRARY, CACHE, SHARE])
def test_a_folder_that_others_can_write_to_is_refused(place: Path, owner: str, nothing_installed: None) -> None:
    place.mkdir(parents=True)
    shutil.chown(place, owner)
    place.chmod(0o755 if owner == "bob" else 0o775)
    first = picture(*PLACES, moment=True)
    said = install()
    assert (said.returncode, complaints(said)) == (
        1,
        [f"install.sh: {place} is not a folder that only root can write to; nothing was changed"],
    )
    assert picture(*PLACES, moment=True) == first
    assert ssh("bob").returncode == 0


def test_a_link_in_the_place_of_its_folder_is_refused(tmp_path: Path, nothing_installed: None) -> None:
    LIBRARY.symlink_to(tmp_path)
    said = install()
    assert said.returncode == 1 and f"{LIBRARY} is not a folder that only root can write to" in said.stderr
    LIBRARY.unlink()
    assert list(tmp_path.iterdir()) == []


def test_compiled_forms_for_a_python_that_is_gone_go(nothing_installed: None) -> None:
    CACHE.mkdir(parents=True)
    (CACHE / "accesscontrol.cpython-36.pyc").touch()
    assert install().returncode == 0
    assert compiled().stat().st_size > 0


# ---------------------------------------------------------------------------------------------------- odd service files


def answers(service: str) -> tuple[int, ...]:
    """How libpam answers for a service in each phase, to a right and to a wrong password."""
    asked = [["authenticate"], ["authenticate"], ["acct_mgmt"], ["open_session"]]
    typed = ["bob-pw\n", "wrong\n", "", ""]
    return tuple(int(pam(service, "bob", *phase, input=text).returncode > 0) for phase, text in zip(asked, typed))


def answers_of_all() -> dict[str, tuple[int, ...]]:
    with ThreadPoolExecutor(8) as pool:
        return dict(zip(ODD, pool.map(answers, ODD)))


@pytest.fixture
def odd_services(nothing_installed: None) -> None:
    for name, text in ODD.items():
        (PAM / name).write_bytes(before(text))
    for name, text in INCLUDED.items():
        (PAM / name).write_text(text)


def test_odd_service_files_get_our_lines_where_they_belong(odd_services: None) -> None:
    assert install().returncode == 0
    assert {name: (PAM / name).read_bytes() for name in ODD} == {name: behind(name) for name in ODD}
    assert {name: (PAM / name).read_text() for name in INCLUDED} == INCLUDED


def test_odd_services_answer_as_before_while_open_and_refuse_everything_while_closed(
    odd_services: None, rules: Callable[[str], None]
) -> None:
    unguarded = answers_of_all()
    assert (0, 1, 0, 0) in unguarded.values()  # or the comparison would say nothing
    assert install().returncode == 0
    assert answers_of_all() == unguarded
    rules("DEFAULT:OPEN\nXDM CLOSE USER bob\n")
    assert answers_of_all() == dict.fromkeys(ODD, (1, 1, 1, 1))


def test_a_second_install_leaves_odd_service_files_alone(odd_services: None) -> None:
    install()
    first = picture(PAM, moment=True)
    install()
    assert picture(PAM, moment=True) == first


def test_owner_mode_and_access_list_of_a_service_file_stay(nothing_installed: None) -> None:
    shutil.chown(PAM / "sshd", "root", "lp")
    (PAM / "sshd").chmod(0o640)
    run("setfacl", "-m", "user:bob:r", str(PAM / "sshd"))
    first = picture(PAM)[str(PAM / "sshd")]
    assert "system.posix_acl_access" in first[4]
    assert install().returncode == 0
    assert picture(PAM)[str(PAM / "sshd")][1:] == first[1:]


def test_a_link_within_the_folder_stays_one_and_its_target_is_guarded(nothing_installed: None) -> None:
    (PAM / "display-manager").write_bytes(before(ODD["slim"]))
    (PAM / "xdm").unlink()
    (PAM / "xdm").symlink_to("display-manager")
    (PAM / "slim").symlink_to(PAM / "xdm")
    assert install().returncode == 0
    assert (os.readlink(PAM / "xdm"), os.readlink(PAM / "slim")) == ("display-manager", str(PAM / "xdm"))
    assert (PAM / "display-manager").read_bytes() == behind("slim")


def test_gdms_smartcard_is_guarded_whichever_alternative_is_chosen(nothing_installed: None, tmp_path: Path) -> None:
    for name in ("gdm-smartcard-pkcs11-exclusive", "gdm-smartcard-sssd-or-password"):
        (PAM / name).write_bytes(before(ODD["slim"]))
    (tmp_path / "alternative").symlink_to(PAM / "gdm-smartcard-sssd-or-password")
    (PAM / "gdm-smartcard").symlink_to(tmp_path / "alternative")
    assert install().returncode == 0
    for name in ("gdm-smartcard-pkcs11-exclusive", "gdm-smartcard-sssd-or-password"):
        assert (PAM / name).read_bytes() == behind("slim")


def test_services_that_cannot_be_guarded_are_named_and_the_others_are_guarded(
    nothing_installed: None, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(before(ODD["slim"]))
    for name in ("sddm", "xdm"):
        (PAM / name).unlink()
    (PAM / "gdm").symlink_to(elsewhere)
    (PAM / "sddm").symlink_to("nothing")
    (PAM / "xdm").symlink_to("xdm")
    (PAM / "kdm").mkdir()
    os.mkfifo(PAM / "wdm")
    (PAM / "slim").write_text("auth required pam_unix.so \\\n")
    (PAM / "ly").touch()
    run("mount", "--bind", str(elsewhere), str(PAM / "ly"))
    try:
        odd = [elsewhere, *(PAM / name for name in ("gdm", "sddm", "xdm", "kdm", "wdm", "slim", "ly"))]
        first = picture(*odd, moment=True)
        said = install()
        assert said.returncode == 1
        named = re.findall("^install.sh: (.*) is NOT guarded: .", said.stderr, re.MULTILINE)
        assert set(named) == {"gdm", "sddm", "xdm", "kdm", "wdm", "slim", "ly"}
        assert told_guarded(said) == [name for name in services_here() if name not in named]
        assert picture(*odd, moment=True) == first
    finally:
        run("umount", str(PAM / "ly"))


def test_a_service_that_only_has_a_vendors_file_gets_a_copy_with_our_lines(nothing_installed: None) -> None:
    VENDOR.mkdir(exist_ok=True)
    (VENDOR / "slim").write_bytes(before(ODD["slim"]))
    first = picture(PAM, VENDOR)
    for _ in range(2):
        assert install().returncode == 0
        head = b"# copied from /usr/lib/pam.d/slim # pam-accesscontrol\n"
        assert (PAM / "slim").read_bytes() == head + behind("slim")
    assert uninstall().returncode == 0
    assert picture(PAM, VENDOR) == first


def test_what_includes_a_guarded_service_is_named(nothing_installed: None) -> None:
    for name in ("tests-lock", "tests-lock.dpkg-old", "gdm-launch-environment", "cosmic-greeter", "sddm-greeter"):
        (PAM / name).write_text("auth include login\n")
    VENDOR.mkdir(exist_ok=True)
    (VENDOR / "tests-vendor").write_text("@include login\n")
    said = " ".join(install().stdout.split())
    assert "These services include one of them, and obey the rules where they run as root; a screen locker" in said
    named = said.partition("never judged: ")[2].partition(" The rules")[0].split()
    assert {"tests-lock", "tests-vendor"} <= set(named)
    assert not {"tests-lock.dpkg-old", "gdm-launch-environment", "cosmic-greeter", "sddm-greeter"} & set(named)


def test_a_line_of_somebody_else_that_calls_the_plugin_is_named(nothing_installed: None) -> None:
    with open(PAM / "su", "a") as su:
        su.write("account required pam_python.so accesscontrol.py\n")
    number = len((PAM / "su").read_text().splitlines())
    said = install()
    assert (said.returncode, complaints(said)) == (1, [
        f"install.sh: /etc/pam.d/su:{number} calls accesscontrol.py, too, and is not ours",
    ])
    assert f"\n/etc/pam.d/su:{number}: whoever starts /usr/bin/su can run as root what they like" in said.stdout


@pytest.mark.parametrize("name", ["jupyterhub", "pamela", "pam", "PAM", "wsgidav"])
def test_a_program_in_python_that_uses_pam_is_warned_of(name: str, nothing_installed: None) -> None:
    """Such as JupyterHub: pam_python crashes it, with an empty plugin as well."""
    [folder] = Path("/usr/local/lib").glob("python3.*/dist-packages")
    module = folder / f"{name}.py"
    module.touch()
    try:
        said = install()
    finally:
        module.unlink()
    assert said.returncode == 0
    [warning] = [line for line in said.stderr.splitlines() if "a program in Python crashes" in line]
    mend = "give it a PAM service of its own in /etc/pam.d, which install.sh can guard"
    assert re.search(rf"[( ]{name}[ )].*: {mend}", warning)


def test_a_program_in_python_in_a_folder_of_its_own_is_warned_of(nothing_installed: None) -> None:
    program = Path("/opt/tests-hub/bin/jupyterhub")
    program.parent.mkdir(parents=True)
    program.touch()
    try:
        assert f"{program} is here)" in install().stderr
    finally:
        shutil.rmtree("/opt/tests-hub")


def test_an_sshd_that_does_not_ask_pam_is_named(nothing_installed: None) -> None:
    config = Path("/etc/ssh/sshd_config.d/0-first.conf")
    config.write_text("UsePAM no\n")
    try:
        assert "sshd_config: UsePAM is no, so no rule is asked" in install().stdout
    finally:
        config.unlink()


# -------------------------------------------------------------------------------------------------- what is out of date


def test_lines_and_files_that_are_out_of_date_are_replaced() -> None:
    install()
    newest = picture(*PLACES)
    for path in (LOADER, MODULE, compiled()):
        path.write_text("# older\n")
    sshd, login = PAM / "sshd", PAM / "login"
    sshd.write_text(re.sub(r"(auth .*) /lib/security/(.*)", r"\1 /older/\2", sshd.read_text()))
    login.write_text(f"{OURS['auth']}\n" + login.read_text().replace(OURS["session"] + "\n", ""))
    assert picture(sshd) != {str(sshd): newest[str(sshd)]}
    assert install().returncode == 0
    assert picture(*PLACES) == newest


@pytest.mark.parametrize("path", [MODULE, LOADER])
def test_a_file_is_replaced_whole_under_those_who_read_it(path: Path) -> None:
    path.write_text("# older\n")
    with open(path) as reading:
        install()
        assert reading.read() == "# older\n"


def test_the_rule_file_that_the_admin_named_on_a_line_is_kept() -> None:
    sshd = PAM / "sshd"
    first = sshd.read_text()
    changed = re.sub(r"^(account .*accesscontrol\.py) #", r"\1 conf=/etc/other.conf #", first, flags=re.MULTILINE)
    assert changed != first
    sshd.write_text(changed)
    assert install().returncode == 0
    assert sshd.read_text() == changed
    uninstall()
    install()
    assert sshd.read_text() == first


# --------------------------------------------------------------------------------------------------- what it must bring


PACKAGES = ("libpam-python", "python3-pyqt5", "qtwayland5")


@pytest.fixture
def without_packages(nothing_installed: None) -> Iterator[None]:
    run("apt-get", "-qq", "-y", "--purge", "remove", *PACKAGES)
    yield
    for package in PACKAGES:
        run("apt-get", "-qq", "-y", "--no-install-recommends", "install", package)


@pytest.fixture
def unavailable() -> Iterator[Callable[[str], None]]:
    """unavailable("libpam-python"): apt-get cannot get at this package."""
    preferences = Path("/etc/apt/preferences.d/unavailable")

    def forbid(package: str) -> None:
        preferences.write_text(f"Package: {package}\nPin: release *\nPin-Priority: -1\n")

    yield forbid
    preferences.unlink(missing_ok=True)


def installed(package: str) -> bool:
    return run("dpkg-query", "-W", "-f", "${Status}", package, check=False).stdout == "install ok installed"


def test_missing_packages_are_brought(without_packages: None) -> None:
    assert install().returncode == 0
    assert all(map(installed, PACKAGES))
    assert ssh("bob").returncode == 0


def test_they_are_brought_on_a_computer_that_has_never_asked_for_them(without_packages: None, tmp_path: Path) -> None:
    (tmp_path / "lists/partial").mkdir(parents=True)
    (tmp_path / "pool").symlink_to("/var/cache/apt/archives")
    (tmp_path / "Packages").write_text("".join(map(description, (tmp_path / "pool").glob("*.deb"))))
    (tmp_path / "sources.list").write_text(f"deb [trusted=yes] file:{tmp_path} ./\n")
    (tmp_path / "apt.conf").write_text(f"""\
Dir::State::lists "{tmp_path}/lists";
Dir::Etc::sourcelist "{tmp_path}/sources.list";
Dir::Etc::sourceparts "-";
APT::Sandbox::User "root";
""")
    assert install(environment={"APT_CONFIG": str(tmp_path / "apt.conf")}).returncode == 0
    assert all(map(installed, PACKAGES))


def description(package: Path) -> str:
    """What a repository says of a package in it. See deb822(5)."""
    content = package.read_bytes()
    return run("dpkg-deb", "--field", str(package)).stdout + (
        f"Filename: pool/{package.name}\nSize: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n\n"
    )


def test_without_qt_it_goes_on_and_says_so(without_packages: None, unavailable: Callable[[str], None]) -> None:
    unavailable("python3-pyqt5")
    said = install()
    assert said.returncode == 0
    assert "PyQt5 cannot be installed: ASK will refuse until it is there\n" in said.stderr


def test_without_qt_for_wayland_it_goes_on_and_says_so(unavailable: Callable[[str], None]) -> None:
    run("apt-get", "-qq", "-y", "--purge", "remove", "qtwayland5")
    unavailable("qtwayland5")
    said = install()
    Path("/etc/apt/preferences.d/unavailable").unlink()
    assert said.returncode == 0
    assert "Qt for Wayland cannot be installed: on a Wayland desktop, ASK needs Xwayland" in said.stderr
    assert complaints(install()) == []
    assert installed("qtwayland5")


def test_without_pam_python_nothing_is_changed(without_packages: None, unavailable: Callable[[str], None]) -> None:
    unavailable("libpam-python")
    first = picture(*PLACES, moment=True)
    said = install()
    assert said.returncode == 1
    assert said.stderr.endswith("there is no pam_python.so, and no package of this distribution brings it\n")
    assert picture(*PLACES, moment=True) == first


# ------------------------------------------------------------------------------------------------------------ bad calls


@pytest.fixture
def bobs_checkout(tmp_path: Path) -> Iterator[Path]:
    place = Path("/tmp/bobs-checkout")
    shutil.copytree(CHECKOUT, place, ignore=shutil.ignore_patterns("tests", ".*"))
    yield place
    shutil.rmtree(place)


@pytest.mark.parametrize("script", ["install.sh", "uninstall.sh"])
def test_who_is_not_root_is_told_so_in_one_line(script: str, bobs_checkout: Path) -> None:
    first = picture(*PLACES, moment=True)
    said = run("setpriv", "--reuid=bob", "--regid=bob", "--clear-groups", str(bobs_checkout / script), check=False)
    assert (said.returncode, said.stdout, said.stderr) == (2, "", f"{script}: must be run as root\n")
    assert picture(*PLACES, moment=True) == first


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("install.sh", ["--force"]),
        ("install.sh", ["su", "-x"]),
        *(("uninstall.sh", arguments) for arguments in (["--force"], ["now"], [""], ["--purge", "now"])),
    ],
)
def test_an_unknown_argument_is_named_in_one_line(script: str, arguments: list[str]) -> None:
    first = picture(*PLACES, moment=True)
    said = run(str(CHECKOUT / script), *arguments, check=False)
    assert (said.returncode, said.stdout) == (2, "")
    assert re.fullmatch(rf"{script}: no such argument: (.* )?\(see --help\)\n", said.stderr)
    assert picture(*PLACES, moment=True) == first


@pytest.mark.parametrize("script", ["install.sh", "uninstall.sh"])
def test_help_is_for_everybody(script: str, bobs_checkout: Path) -> None:
    said = run("setpriv", "--reuid=bob", "--regid=bob", "--clear-groups", str(bobs_checkout / script), "--help")
    assert said.stdout.startswith(f"usage: {script}")
    assert max(map(len, said.stdout.splitlines())) <= 80


def test_a_checkout_that_is_not_whole_is_not_installed(altered: Callable[..., Path]) -> None:
    checkout = altered("^", "")
    (checkout / "accesscontrol.py").unlink()
    said = install(checkout)
    assert (said.returncode, said.stderr) == (1, "install.sh: there is no accesscontrol.py beside install.sh\n")


# ---------------------------------------------------------------------------------------------------------- interrupted

# Of the files that no login needs, these stand for all, or it would take too long.
WATCHED = [*(place for place in PLACES if place not in WITH_IT), SHARE / "uninstall.sh", SHARE / "README.md", HOOK]
STEPS = ["mktemp", "cp", "touch", "chown", "chmod", "sync", "mv", "rm", "rmdir", "mkdir", "ln", "cat", "awk", "unshare"]


class Stepper:
    """Runs a script so that it meets a signal right before any of the commands by which it changes something."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "steps"
        self.taken = folder / "taken"
        self.folder.mkdir()
        watched = " ".join(map(str, WATCHED))
        for step in STEPS:
            path = self.folder / step
            path.write_text(f"""\
#!/bin/sh
echo {step} "$(find {watched} -printf '%p %i %s %m %U %G %T@\\n' 2>/dev/null | cksum)" >>{self.taken}
[ "$(wc -l <{self.taken})" -ne "${{SIGNAL_AT-0}}" ] || kill -s "$SIGNAL" 0
exec {shutil.which(step)} "$@"
""")
            path.chmod(0o755)

    def run(self, script: Path, at: int = 0, sent: signal.Signals = signal.SIGKILL) -> Result:
        self.taken.unlink(missing_ok=True)
        environment = {"PATH": f"{self.folder}:{os.environ['PATH']}", "SIGNAL_AT": str(at), "SIGNAL": sent.name[3:]}
        return run(str(script), check=False, env=environment, start_new_session=True)

    @contextmanager
    def start(self, script: Path, at: int, sent: signal.Signals) -> Iterator[subprocess.Popen[bytes]]:
        self.taken.unlink(missing_ok=True)
        environment = {"PATH": f"{self.folder}:{os.environ['PATH']}", "SIGNAL_AT": str(at), "SIGNAL": sent.name[3:]}
        process = subprocess.Popen([script], stdout=subprocess.DEVNULL, env=environment, start_new_session=True)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def steps(self, command: str = "") -> list[int]:
        """The steps of the last run: those that are this command, or those before which something had changed."""
        taken = self.taken.read_text().splitlines()
        states = [line.split(" ", 1)[1] for line in taken]
        changed = [at + 1 for at in range(len(taken)) if at == 0 or states[at] != states[at - 1]]
        return [at + 1 for at, line in enumerate(taken) if line.split()[0] == command] if command else changed


@pytest.fixture
def stepper(tmp_path: Path) -> Stepper:
    return Stepper(tmp_path)


@pytest.fixture
def quick(altered: Callable[..., Path]) -> Path:
    """A checkout whose plugin does not wait after a refusal, for tests that make the proof many times."""
    return altered(r"^FAIL_DELAY = .*", "FAIL_DELAY = 0")


def situation() -> object:
    """What decides whether anybody gets in."""
    return picture(PAM, LOADER, MODULE, CACHE), RULE_FILE.exists()


def assert_whole_and_open(old: dict[str, object], new: dict[str, object]) -> None:
    """Every PAM file is as before or as afterwards, no line names a plugin that is not there whole, and bob gets in."""
    now = {path: what for path, what in picture(PAM).items() if not Path(path).match(TEMPORARY)}
    for path, what in now.items():
        assert what in (old.get(path), new.get(path)), path
    assert set(now) >= {path for path in old if path in new and path.startswith(str(PAM))}
    if any(what != old.get(path) for path, what in now.items()):
        assert LOADER.exists() and MODULE.exists() and RULE_FILE.exists()
    assert ssh("bob", password="bob-pw").returncode == 0


def test_killed_at_any_step_install_leaves_logins_working_and_uninstall_clears_up(
    quick: Path, stepper: Stepper, few_services: None
) -> None:
    shutil.rmtree(RULE_FILE.parent)
    nothing = picture(*PLACES)
    assert stepper.run(quick / "install.sh").returncode == 0
    steps, everything = stepper.steps(), picture(*PLACES)
    assert len(steps) > 20 and everything != nothing
    uninstall("--purge")
    judged = situation()
    for at in steps:
        assert stepper.run(quick / "install.sh", at).returncode == -signal.SIGKILL
        if situation() != judged:
            assert_whole_and_open(nothing, everything)
            judged = situation()
        assert uninstall("--purge").returncode == 0
        assert picture(*PLACES) == nothing, f"killed at step {at}"
        assert left_over() == []


def test_killed_among_the_services_install_can_simply_be_run_again(
    quick: Path, stepper: Stepper, few_services: None
) -> None:
    assert stepper.run(quick / "install.sh").returncode == 0
    everything = picture(*PLACES)
    for at in stepper.steps("mv")[-8:]:  # from the module on, to the list of the services and the hook
        uninstall()
        assert stepper.run(quick / "install.sh", at).returncode == -signal.SIGKILL
        assert install(quick).returncode == 0
        assert picture(*PLACES) == everything
        assert left_over() == []


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_interrupted_it_clears_up_after_itself(
    name: str, quick: Path, stepper: Stepper, nothing_installed: None
) -> None:
    nothing = picture(*PLACES)
    assert stepper.run(quick / "install.sh").returncode == 0
    everything, last = picture(*PLACES), stepper.steps("mv")[-1]
    uninstall()
    sent = signal.Signals[name]
    assert stepper.run(quick / "install.sh", last, sent).returncode in (128 + sent, -sent)
    assert left_over() == []
    assert_whole_and_open(nothing, everything)
