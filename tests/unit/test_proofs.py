"""What the owner is told of how somebody proved who they are, and by what an Allow knows that proof again.

The keys and certificates are ssh-keygen's own, and so is what they are held against.
"""

import re
import shutil
import subprocess

import pytest

import accesscontrol
from login_attempts import decide

SSH_KEYGEN = shutil.which("ssh-keygen")
pytestmark = pytest.mark.skipif(SSH_KEYGEN is None, reason="there is no ssh-keygen")

KINDS = [("ed25519",), ("rsa", "-b", "2048"), *(("ecdsa", "-b", bits) for bits in ("256", "384", "521"))]
NOBODY = accesscontrol.Person("no-such-user")
STRING = b"\0\0\0\1x"
# What a security key's public key is made of, for which ssh-keygen needs the device; see PROTOCOL.u2f of OpenSSH.
SECURITY_KEYS = {
    "sk-ssh-ed25519": (b"k" * 32, b"ssh:"),
    "sk-ecdsa-sha2-nistp256": (b"nistp256", b"\4" + b"q" * 64, b"ssh:"),
}


def keygen(*arguments):
    return subprocess.run([SSH_KEYGEN, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def make_key(place, kind=KINDS[0]):
    keygen("-q", "-t", *kind, "-N", "", "-f", place)
    return place.with_suffix(".pub").read_text().split()


def signed(folder, key_id, serial, kind=KINDS[0], key=None, ca="ca"):
    """The TYPE and KEY of a certificate, with the names of its key and of its CA."""
    for name, its_kind in ((ca, KINDS[0]), (key or "key", kind)):
        if not (folder / name).exists():
            make_key(folder / name, its_kind)
    place = folder / (key or "key")
    keygen("-q", "-s", folder / ca, "-I", key_id, "-n", "bob", "-z", serial, f"{place}.pub")
    return (folder / f"{place.name}-cert.pub").read_text().split()[:2]


def fingerprint(place):
    return keygen("-l", "-f", place).split()[1]


def proof(*words):
    return accesscontrol.Proof(NOBODY, " ".join(words))


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_a_key_is_shown_by_the_fingerprint_that_ssh_keygen_has(tmp_path, kind):
    words = make_key(tmp_path / "key", kind)
    assert proof("publickey", *words[:2]).told == f"key {fingerprint(tmp_path / 'key.pub')}"


def test_what_sshd_may_tell_behind_a_key_makes_no_other_proof_of_it(tmp_path):
    """Without privilege separation, the count of signatures of a security key."""
    words = make_key(tmp_path / "key")[:2]
    first, second = (proof("publickey", *words, "signature", "count", "=", count) for count in ("7", "8"))
    assert first.identity == second.identity == proof("publickey", *words).identity
    assert first.told == second.told == f"key {fingerprint(tmp_path / 'key.pub')}"


# --- certificates -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_a_certificate_is_shown_as_ssh_keygen_and_sshd_show_it(tmp_path, kind):
    words = signed(tmp_path, "bob's laptop", 1, kind)
    shown = proof("publickey", *words).told
    key, authority = (fingerprint(tmp_path / f"{name}.pub") for name in ("key", "ca"))
    assert shown == f"certificate {key}\nID bob's laptop\nCA {authority}"
    listed = keygen("-L", "-f", tmp_path / "key-cert.pub")
    assert re.findall(r"SHA256:\S+", listed) == [key, authority]


def test_the_same_key_id_of_the_same_ca_is_the_same_proof_whatever_the_serial_number_and_the_key(tmp_path):
    first = proof("publickey", *signed(tmp_path, "bob", 1))
    assert proof("publickey", *signed(tmp_path, "bob", 2)).identity == first.identity
    assert proof("publickey", *signed(tmp_path, "bob", 3, key="other")).identity == first.identity


def test_another_key_id_or_another_ca_is_another_proof(tmp_path):
    proofs = [signed(tmp_path, "bob", 1), signed(tmp_path, "bob2", 1), signed(tmp_path, "bob", 1, ca="ca2")]
    proofs += [signed(tmp_path, "", 1, key=key) for key in ("key", "other")]  # without a key ID, it is the key
    assert len({proof("publickey", *words).identity for words in proofs}) == len(proofs)


def test_a_key_id_shows_as_one_line(tmp_path):
    shown = proof("publickey", *signed(tmp_path, "a\nCA SHA256:forged\x1b[31m", 1)).told
    assert shown.count("\n") == 2 and shown.isprintable() is False and "\x1b" not in shown


@pytest.mark.parametrize("kind", SECURITY_KEYS)
def test_a_certificate_of_a_security_key_is_read_as_well(kind):
    def string(data):
        return len(data).to_bytes(4, "big") + data

    public = b"".join(map(string, SECURITY_KEYS[kind]))
    authority = string(b"ssh-ed25519") + string(b"c" * 32)
    name = f"{kind}-cert-v01@openssh.com".encode()
    serial_and_kind, dates = bytes(7) + b"\x09" + b"\0\0\0\1", bytes(16)
    who, options = string(b"bob") + string(string(b"bob")), 3 * string(b"")
    behind = serial_and_kind + who + dates + options + string(authority) + string(b"signature")
    it = accesscontrol.Certificate(string(name) + string(b"random") + public + behind)
    assert it.key == string(f"{kind}@openssh.com".encode()) + public
    assert (it.key_id, it.authority) == ("bob", authority)


def test_a_certificate_without_a_key_id_shows_none(tmp_path):
    assert "ID" not in proof("publickey", *signed(tmp_path, "", 1)).told.replace("SHA256:", "").split()


def test_a_long_key_id_leaves_room_for_the_fingerprint_of_the_ca(tmp_path):
    shown = proof("publickey", *signed(tmp_path, "x" * 5000, 1)).told
    assert len(shown) < 250 and shown.endswith(f"CA {fingerprint(tmp_path / 'ca.pub')}")


def test_what_is_no_whole_certificate_is_none(tmp_path):
    import base64

    blob = base64.b64decode(signed(tmp_path, "bob", 1)[1])
    authority_ends = len(blob) - 4 - int.from_bytes(blob[-87:-83], "big")
    for size in range(0, authority_ends, 7):
        with pytest.raises((ValueError, KeyError)):
            accesscontrol.Certificate(blob[:size])
        cut = base64.b64encode(blob[:size]).decode()
        assert accesscontrol.Proof(NOBODY, f"publickey ssh-ed25519-cert-v01@openssh.com {cut}").told


# --- other ways -------------------------------------------------------------------------------------------------------


def test_a_hosts_key_is_told_from_a_persons(tmp_path):
    words = make_key(tmp_path / "key")[:2]
    it, own = proof("hostbased", *words), proof("publickey", *words)
    key = fingerprint(tmp_path / "key.pub")
    assert it.told == f"hostbased, by the client machine's key\n{key}"
    assert it.identity != own.identity
    certified, own = (proof(method, *signed(tmp_path, "pc.example", 1)) for method in ("hostbased", "publickey"))
    assert certified.told.startswith(f"hostbased, by the client machine's certificate\n{key}\nID pc.example\nCA ")
    assert certified.identity != own.identity


def test_a_name_that_gssapi_tells_is_part_of_the_proof():
    it, other = (proof("gssapi-with-mic", f"{name}@EXAMPLE.ORG") for name in ("bob", "erin"))
    assert it.told == "gssapi-with-mic\n(bob@EXAMPLE.ORG)"
    assert it.identity != other.identity


@pytest.mark.parametrize(("row", "told"), [
    ("password", "password"), ("keyboard-interactive/pam", "keyboard-interactive"), ("none", "none"),
    ("gssapi-with-mic", "gssapi-with-mic"), ("a\x1bb", "a\\x1bb"),
    ("publickey ssh-ed25519 !", "publickey\n(ssh-ed25519 !)"), ("", ""),
])
def test_each_other_method_goes_by_its_own_name(row, told):
    assert accesscontrol.Proof(NOBODY, row).told == told


def test_several_in_a_row_are_told_in_their_order_and_none_is_told_as_none(tmp_path):
    words = make_key(tmp_path / "key")[:2]
    rules = decide("SSH ASK USER ALL").rules
    attempt = accesscontrol.LoginAttempt("sshd", "no-such-user", "192.0.2.1")

    def question(info):
        return accesscontrol.Question(attempt, rules, info)

    both = question(f"publickey {' '.join(words)}\nkeyboard-interactive/pam\n")
    assert both.proof == f"key {fingerprint(tmp_path / 'key.pub')}\nthen keyboard-interactive"
    assert question("gssapi-with-mic a\x0bpublickey b\x85\u2028\rpassword\n").proof.count("\n") == 1  # it is one row
    assert question("").proof == ""
    infos = (f"publickey {' '.join(words)}\n", "password\n", "keyboard-interactive/pam\n", "")
    assert len({both.key, *(question(info).key for info in infos)}) == 5
