"""Only a file that root alone can have written is believed. Any other closes everything, and the log says why.

What takes root to set up (other owners, a mount that is gone) is tested on a machine.
"""

import os
import signal

import pytest

import accesscontrol
from login_attempts import attempt

OPEN = b"DEFAULT:OPEN\n"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "rules.conf"
    path.write_bytes(OPEN)
    path.chmod(0o644)
    return path


@pytest.fixture
def as_roots(monkeypatch):
    """Lets every file pass for one of root's, since only root can make one."""
    fstat = os.fstat

    def roots(descriptor):
        about = list(fstat(descriptor)[:10])
        about[4] = 0
        return os.stat_result(about)

    monkeypatch.setattr(accesscontrol.os, "fstat", roots)


@pytest.fixture(autouse=True)
def nothing_hangs():
    """A read that waits for a writer that never comes would wait for ever."""

    def enough(*_):
        raise TimeoutError("still waiting after a minute")

    before = signal.signal(signal.SIGALRM, enough)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def read(path):
    return accesscontrol.load_rules(str(path))


def verdict(path):
    return accesscontrol.decide(read(path), attempt()).verdict


def distrusts(path):
    """Why a file is not believed; checks that it has no say then."""
    rules = read(path)
    assert rules.error
    assert rules.error.isprintable()
    assert rules.rules == []
    assert accesscontrol.decide(rules, attempt("login", "root", "")).verdict == "CLOSE"
    assert (rules.unattended, rules.debug) == ("OPEN", False)
    return rules.error


def test_a_file_of_roots_is_read(path, as_roots):
    assert not read(path).error
    assert verdict(path) == "OPEN"


def test_a_file_that_the_system_has_is_roots_without_any_pretence():
    assert not read("/etc/passwd").error


def test_a_file_that_is_missing_closes_everything(path):
    path.unlink()
    assert str(path) in distrusts(path)


def test_a_link_to_nowhere_closes_everything(path):
    path.unlink()
    path.symlink_to("/nonexistent/rules.conf")
    distrusts(path)


def test_a_link_to_a_file_of_roots_is_read(path, as_roots, tmp_path):
    link = tmp_path / "link.conf"
    link.symlink_to(path)
    assert verdict(link) == "OPEN"


def test_a_file_that_cannot_be_read_closes_everything(path, as_roots):
    if os.geteuid() == 0:
        pytest.skip("root can read every file")
    path.chmod(0)
    distrusts(path)


def test_a_folder_closes_everything(tmp_path):
    assert "regular file" in distrusts(tmp_path)


@pytest.mark.parametrize("where", ["/", "/dev/null", "/dev/zero", "/dev/tty"])
def test_a_device_or_folder_of_roots_closes_everything_too(where):
    distrusts(where)


def test_a_fifo_closes_everything_and_nobody_waits_for_it(path, as_roots):
    path.unlink()
    os.mkfifo(path)
    assert "regular file" in distrusts(path)


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666, 0o620, 0o602, 0o777])
def test_a_file_that_group_or_others_can_write_closes_everything(path, as_roots, mode):
    path.chmod(mode)
    assert "writable" in distrusts(path)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o600, 0o444, 0o755])
def test_a_file_that_only_its_owner_can_write_is_read(path, as_roots, mode):
    path.chmod(mode)
    assert verdict(path) == "OPEN"


def test_a_file_of_somebody_else_closes_everything(path):
    if os.geteuid() == 0:
        os.chown(path, 65534, 0)
    assert "root" in distrusts(path)


@pytest.mark.parametrize("where", ["rules.conf", "./rules.conf", "../rules.conf", "", "~/rules.conf"])
def test_a_path_that_depends_on_the_working_directory_closes_everything(path, as_roots, monkeypatch, where):
    monkeypatch.chdir(path.parent)
    distrusts(where)


@pytest.mark.parametrize("where", ["/etc/passwd/rules", "/" + "x" * 300, "/" + "x/" * 5000, "/proc/self/mem/x",
    "/rules\x1b[2J\n"])
def test_a_path_that_can_be_no_file_closes_everything(where):
    distrusts(where)


def test_a_file_that_is_too_large_closes_everything_at_once(path, as_roots):
    os.truncate(path, 1 << 30)
    distrusts(path)


def test_an_empty_file_is_a_file_without_rules(path, as_roots):
    path.write_bytes(b"")
    assert not read(path).error
    assert verdict(path) == "CLOSE"


def test_a_file_that_shrinks_or_grows_while_it_is_read_closes_everything(path, monkeypatch):
    fstat = os.fstat
    for change in (-1, 1):
        def roots(descriptor, change=change):
            about = list(fstat(descriptor)[:10])
            about[4], about[6] = 0, about[6] + change
            return os.stat_result(about)

        monkeypatch.setattr(accesscontrol.os, "fstat", roots)
        distrusts(path)


def test_bytes_that_are_not_utf8_do_no_harm(path, as_roots):
    path.write_bytes(b"# \xff\xfe caf\xe9\nSSH OPEN USER b\xf6b\nSSH CLOSE USER \xff\nSSH CLOSE \xff\n")
    assert [number for number, _ in read(path).ignored] == [4]
    rules = read(path)
    assert accesscontrol.decide(rules, attempt(user="b\udcf6b")).verdict == "OPEN"
    assert accesscontrol.decide(rules, attempt(user="b\u00f6b")).verdict == "CLOSE"


def test_a_byte_order_mark_and_crlf_do_no_harm(path, as_roots):
    path.write_bytes(b"\xef\xbb\xbfDEFAULT:OPEN\r\nSSH CLOSE USER alice\r\n")
    assert read(path).ignored == []
    assert verdict(path) == "OPEN"


def test_noise_is_no_accident(path, as_roots):
    path.write_bytes(bytes(range(256)) * 4000)
    assert not read(path).error
    assert verdict(path) == "CLOSE"


def test_a_change_counts_from_the_next_login_on(path, as_roots):
    assert verdict(path) == "OPEN"
    about = path.stat()
    path.write_bytes(b"DEFAULT:OPEn\nSSH CLOSE USER ALL\n")
    assert verdict(path) == "CLOSE"
    path.write_bytes(b"DEFAULT:NONE\n")  # as long as the first, and as old
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert verdict(path) == "CLOSE"
    path.write_bytes(OPEN)
    assert verdict(path) == "OPEN"


def test_trust_is_looked_at_anew_at_every_login(path, as_roots):
    assert verdict(path) == "OPEN"
    path.chmod(0o666)
    distrusts(path)
    path.chmod(0o644)
    assert verdict(path) == "OPEN"
    path.unlink()
    distrusts(path)


def test_no_descriptor_is_left_behind(path, as_roots, tmp_path):
    before = sorted(os.listdir("/proc/self/fd"))
    for where in (path, tmp_path, "/dev/null", "/nonexistent"):
        read(where)
    path.chmod(0o666)
    read(path)
    assert sorted(os.listdir("/proc/self/fd")) == before
