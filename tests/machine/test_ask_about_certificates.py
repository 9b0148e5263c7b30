"""With SSH certificates, security keys and hostbased, the owner sees what sshd logs; the same proof is not asked again.

The certificates are of a CA that sshd trusts. The security keys are of OpenSSH's own tests, which do without a device.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from desktop import Desktop
from hosts import as_user, files
from machine import KEYS, restart_sshd, run

pytest_plugins = ["desktop_fixtures"]

CONFIG, AUTHORITY = "/etc/ssh/sshd_config.d/02-authority.conf", "/etc/ssh/tests-authority.pub"
NO_DEVICE = "/usr/lib/openssh/regress/misc/sk-dummy/sk-dummy.so"
WITHOUT_A_DEVICE = {"options": ["-o", f"SecurityKeyProvider={NO_DEVICE}"]}
KINDS = ["ed25519", "ecdsa", "rsa", "ed25519-sk", "ecdsa-sk"]
Key = Callable[..., Path]


@pytest.fixture(autouse=True)
def _rules(rules) -> None:
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:60\n")


@pytest.fixture
def certificate(tmp_path: Path) -> Iterator[Key]:
    """certificate(): a new key, and a certificate of it by which bob gets in; of another kind, ID or serial number."""
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{tmp_path}/authority")

    def make(kind: str = "ed25519", key_id: str = "bob's laptop", serial: int = 1) -> Path:
        key = tmp_path / f"{kind}-{serial}"
        make_key(kind, key)
        how = ["-s", f"{tmp_path}/authority", "-I", key_id, "-n", "bob", "-z", str(serial)]
        run("ssh-keygen", "-q", *how, f"{key}.pub")
        return key

    with files({CONFIG: f"TrustedUserCAKeys {AUTHORITY}\n", AUTHORITY: (tmp_path / "authority.pub").read_text()}):
        restart_sshd()
        yield make
    restart_sshd()


@pytest.fixture
def security_key(tmp_path: Path) -> Iterator[Path]:
    """A security key by which bob gets in."""
    make_key("ed25519-sk", tmp_path / "key")
    authorized = Path("~bob/.ssh/authorized_keys").expanduser()
    shutil.copy2(authorized, tmp_path / "before")
    with authorized.open("a") as file:
        file.write((tmp_path / "key.pub").read_text())
    yield tmp_path / "key"
    shutil.copy2(tmp_path / "before", authorized)


def make_key(kind: str, place: Path) -> None:
    """A key without a passphrase, of a kind that ssh-keygen knows."""
    line = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(place)]
    run(*line, *(["-w", NO_DEVICE] if kind.endswith("-sk") else []))


def accepted(journal: Callable[[str], list[str]], method: str = "publickey") -> list[str]:
    """The fingerprints that sshd has logged of bob's proof."""
    lines = [*journal("sshd"), *journal("sshd-session")]
    line = next(line for line in reversed(lines) if line.startswith(f"Accepted {method} for bob "))
    return re.findall(r"SHA256:\S+", line)


@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_is_shown_as_sshd_logs_it(desktop: Desktop, certificate: Key, journal, kind: str) -> None:
    bob = desktop.knock("bob", key=certificate(kind), **WITHOUT_A_DEVICE)
    window = desktop.question()
    key, authority = accepted(journal)
    assert window.fact("Proved by").split("\n") == [f"certificate {key}", "ID bob's laptop", f"CA {authority}"]
    window.click("Allow")
    assert bob.is_let_in()


def test_who_is_in_comes_in_by_the_next_certificate_without_a_question(desktop: Desktop, certificate: Key) -> None:
    first = desktop.knock("bob", stay=True, key=certificate(serial=1))
    desktop.answer("Allow")
    first.comes_in()
    assert desktop.knock("bob", key=certificate(serial=2)).is_let_in()
    first.leave()


def test_by_another_key_id_they_are_asked_about(desktop: Desktop, certificate: Key) -> None:
    first = desktop.knock("bob", stay=True, key=certificate(serial=1))
    desktop.answer("Allow")
    first.comes_in()
    bob = desktop.knock("bob", key=certificate(serial=2, key_id="bob's phone"))
    assert "ID bob's phone" in desktop.question().fact("Proved by")
    desktop.answer("Deny")
    assert not bob.is_let_in()
    first.leave()


def test_who_is_in_by_a_security_key_comes_in_by_it_again_without_a_question(
    desktop: Desktop, security_key: Path, journal
) -> None:
    """Whose count of signatures is another each time."""
    first = desktop.knock("bob", stay=True, key=security_key, **WITHOUT_A_DEVICE)
    window = desktop.question()
    [key] = accepted(journal)
    assert window.fact("Proved by").split("\n")[0] == f"key {key}"
    window.click("Allow")
    first.comes_in()
    assert desktop.knock("bob", key=security_key, **WITHOUT_A_DEVICE).is_let_in()
    first.leave()


# -------------------------------------------------------------------------------------------------------- other methods


@pytest.fixture
def _hostbased() -> Iterator[None]:
    """sshd believes this machine who its users are."""
    kind, key, *_ = Path("/etc/ssh/ssh_host_ed25519_key.pub").read_text().split()
    believes = "HostbasedAuthentication yes\nHostbasedUsesNameFromPacketOnly yes\n"
    texts = {
        "/etc/ssh/sshd_config.d/02-hostbased.conf": believes,
        "/etc/ssh/shosts.equiv": "localhost\n",
        "/etc/ssh/ssh_known_hosts": f"localhost,127.0.0.1 {kind} {key}\n",
        "/etc/ssh/ssh_config.d/hostbased.conf": "EnableSSHKeysign yes\n",
    }
    with files(texts):
        restart_sshd()
        yield
    restart_sshd()


@pytest.fixture
def _two_proofs() -> Iterator[None]:
    """sshd wants two keys."""
    with files({"/etc/ssh/sshd_config.d/01-two-proofs.conf": "AuthenticationMethods publickey,publickey\n"}):
        restart_sshd()
        yield
    restart_sshd()


@pytest.mark.usefixtures("_two_proofs")
def test_each_of_two_proofs_is_shown_whole(desktop: Desktop, certificate: Key) -> None:
    bob = desktop.knock("bob", key=certificate(), options=["-i", str(KEYS / "bob")])
    window = desktop.question()
    shown = "\n".join(window.fact("Proved by").split("\n")[:4])
    one = r"SHA256:[A-Za-z0-9+/]{43}"
    assert re.fullmatch(f"certificate {one}\nID bob's laptop\nCA {one}\nthen key {one}", shown)
    window.click("Allow")
    assert bob.is_let_in()


@pytest.mark.usefixtures("_hostbased")
def test_a_hosts_key_is_not_shown_as_the_persons(desktop: Desktop, journal) -> None:
    how = ["HostbasedAuthentication=yes", "PreferredAuthentications=hostbased", "BatchMode=yes"]
    line = as_user("bob", "ssh", *(word for option in how for word in ("-o", option)), "bob@localhost", "echo in")
    home = {**os.environ, "HOME": "/home/bob"}
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=home) as client:
        window = desktop.question()
        [key] = accepted(journal, "hostbased")
        assert window.fact("Proved by").split("\n") == ["hostbased, by the client machine's key", key]
        window.click("Allow")
        assert client.communicate(timeout=60)[0] == "in\n"
