"""A directory (LDAP) of people and groups that the machine knows by it alone, and the two ways in which it asks it.

slapd answers on the loopback, with StartTLS and without a way to be told anything. The machine asks it through SSSD,
which has a cache, or through nslcd, which has none unless nscd stands before it. The directory is a fixture, in
directory_fixtures.py.
"""

from __future__ import annotations

import base64
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from machine import password_of, run, wait_for

PLACE = Path("/run/tests-directory")
SLAPD = "tests-slapd.service"
URI = "ldap://127.0.0.1"
BASE = "dc=example,dc=org"

FIRST_UID, FIRST_GID = 20000, 21000
USUAL_PATIENCE = 10  # seconds

# Everybody's primary group; their secondary ones are below. Passwords and keys are as everybody else's.
# zoe never comes: whether the machine knows her shows whether it gets an answer.
PEOPLE = {"gina": "readers", "hugo": "readers", "ivan": "editors", "zoe": "visitors", "jörg": "gäste"}

# The members that a group names. erin is no person of the directory, but one of this computer's own.
GROUPS = {
    "visitors": [],
    "readers": [],
    "editors": ["gina"],
    "night shift": ["gina"],
    "Users": ["hugo"],
    "painters": ["hugo", "erin"],
    "gäste": ["hugo"],
}

SLAPD_CONF = f"""\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile {PLACE}/certificate
TLSCertificateKeyFile {PLACE}/key
loglevel 0
database mdb
suffix "{BASE}"
directory {PLACE}/database
maxsize 10485760
"""

# How each waits for an answer and, once it has given up, for the next time that it tries; in seconds.
SSSD_CONF = f"""\
[sssd]
services = nss, pam
domains = LDAP
[domain/LDAP]
id_provider = ldap
auth_provider = ldap
ldap_uri = {URI}
ldap_search_base = {BASE}
ldap_tls_cacert = {PLACE}/certificate
ldap_id_use_start_tls = true
ldap_network_timeout = PATIENCE
ldap_opt_timeout = PATIENCE
ldap_search_timeout = PATIENCE
offline_timeout = 1
offline_timeout_max = 1
offline_timeout_random_offset = 0
"""
NSLCD_CONF = f"""\
uid nslcd
gid nslcd
uri {URI}
base {BASE}
ssl start_tls
tls_cacertfile {PLACE}/certificate
bind_timelimit PATIENCE
timelimit PATIENCE
reconnect_retrytime 1
validnames /^[^:]+$/
"""


# ---------------------------------------------------------------------------------------------------------------- slapd


def uid_of(person: str) -> int:
    return FIRST_UID + list(PEOPLE).index(person)


def gid_of(group: str) -> int:
    return FIRST_GID + list(GROUPS).index(group)


def home_of(person: str) -> str:
    return "/home/" + ascii_only(person)  # which is all that LDAP has for it


def ascii_only(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def row(name: str, value: str) -> str:
    """A line of LDIF, in which what is not ASCII is told in base64."""
    return f"{name}: {value}\n" if value.isascii() else f"{name}:: {base64.b64encode(value.encode()).decode()}\n"


def entries() -> str:
    """What the directory holds, as LDIF."""
    found = [f"dn: {BASE}\nobjectClass: domain\ndc: example\n"]
    for name, group in PEOPLE.items():
        found.append(
            row("dn", f"uid={name},{BASE}") + "objectClass: account\nobjectClass: posixAccount\n" + row("uid", name)
            + row("cn", name) + f"gecos: {ascii_only(name).title()} Example\nuidNumber: {uid_of(name)}\n"
            f"gidNumber: {gid_of(group)}\nhomeDirectory: {home_of(name)}\nloginShell: /bin/bash\n"
            + row("userPassword", password_of(name))
        )
    for name, members in GROUPS.items():
        rows = "".join(f"memberUid: {member}\n" for member in members)
        begin = row("dn", f"cn={name},{BASE}") + "objectClass: posixGroup\n" + row("cn", name)
        found.append(f"{begin}gidNumber: {gid_of(name)}\n{rows}")
    return "\n".join(found)


def make_slapd() -> None:
    (PLACE / "database").mkdir(parents=True)
    (PLACE / "slapd.conf").write_text(SLAPD_CONF)
    run(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-keyout", f"{PLACE}/key", "-out", f"{PLACE}/certificate", "-days", "30", "-subj", "/CN=localhost"),
        *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
    )
    run("slapadd", "-f", f"{PLACE}/slapd.conf", input=entries())


def start_slapd() -> None:
    """Starts slapd, or lets it go on, until it answers."""
    if run("systemctl", "is-active", SLAPD, check=False).returncode == 0:
        run("systemctl", "kill", "--signal=CONT", SLAPD)
    else:
        command = ["slapd", "-f", f"{PLACE}/slapd.conf", "-h", URI, "-d", "none"]
        run("systemd-run", "--collect", f"--unit={SLAPD}", *command)
    asked = ["ldapsearch", "-x", "-H", URI, "-s", "base", "-b", "", "-o", "nettimeout=5"]
    wait_for(lambda: run(*asked, check=False).returncode == 0, "slapd answers")


def stop_slapd() -> None:
    """Stops slapd, so that nothing listens there any more."""
    run("systemctl", "stop", SLAPD, check=False)


def freeze_slapd() -> None:
    """Lets slapd stand still: whoever asks it is heard, and never gets an answer."""
    run("systemctl", "kill", "--signal=STOP", SLAPD)


# ------------------------------------------------------------------------------------------------- how the machine asks


def gids_of(user: str) -> set[int]:
    """The groups of a user, as the machine knows them; none if it does not know the user."""
    return set(map(int, run("id", "-G", user, check=False).stdout.split()))


def gids_in_the_directory(person: str) -> set[int]:
    return {gid_of(name) for name, members in GROUPS.items() if name == PEOPLE[person] or person in members}


def knows(database: str, name: str) -> bool:
    """Whether the machine knows a user ("passwd") or a group ("group"), by whatever way."""
    return run("getent", database, name, check=False).returncode == 0


class Directory:
    """The directory, and one of the ways to ask it: "sssd", "nslcd", or "nscd", which is nslcd with a cache before."""

    def __init__(self, way: str) -> None:
        self.way = way
        self.service = "sssd" if way == "sssd" else "nslcd"
        self.module = "sss" if way == "sssd" else "ldap"  # for nsswitch.conf, and the name of its PAM profile
        self.configuration = Path("/etc/sssd/sssd.conf" if way == "sssd" else "/etc/nslcd.conf")
        self.running = ""  # its configuration, as long as the directory answers

    def begin(self, *more: str, patience: int = USUAL_PATIENCE) -> None:
        """Has slapd answer, and the machine ask it as one that has never asked before.

        `more` are lines of configuration; after `patience` seconds without an answer the machine gives up.
        """
        start_slapd()
        self.end()
        self.configuration.touch(mode=0o600)  # SSSD takes no other
        self.configuration.write_text(self.configured(*more, patience=patience))
        run("systemctl", "start", self.service)
        wait_for(lambda: knows("passwd", "zoe"), "the machine is told of people by the directory")
        if self.way == "nscd":
            run("systemctl", "start", "nscd")
        self.running = self.configuration.read_text()

    def answer(self, *more: str) -> None:
        """The same, unless it is so already: then what was told before may be remembered."""
        if self.running != self.configured(*more):
            self.begin(*more)

    def configured(self, *more: str, patience: int = USUAL_PATIENCE) -> str:
        text = "\n".join([SSSD_CONF if self.way == "sssd" else NSLCD_CONF, *more, ""])
        return text.replace("PATIENCE", str(patience))

    def end(self) -> None:
        """Has the machine ask nobody, and forget everybody."""
        self.running = ""
        run("systemctl", "stop", "nscd", self.service)
        run("systemctl", "reset-failed", self.service, check=False)  # which counts how often it was started
        for place in ("/var/lib/sss/db", "/var/lib/sss/mc", "/var/cache/nscd"):
            for path in Path(place).glob("*"):
                path.unlink()

    def learn(self, *people: str) -> None:
        """Has a cache, where there is one, know these people, their groups, and the names of those."""
        for person in people:
            wait_for(lambda person=person: gids_of(person) == gids_in_the_directory(person), f"{person} is known")
            run("id", person)

    @contextmanager
    def away(self, how: str) -> Iterator[None]:
        """Within the block, the directory is "stopped" or "frozen"."""
        self.running = ""
        {"stopped": stop_slapd, "frozen": freeze_slapd}[how]()
        try:
            yield
        finally:
            start_slapd()
