#!/usr/bin/python3 -I
# SPDX-License-Identifier: GPL-3.0-or-later
"""pam-accesscontrol: who may log in to this machine, over which service.

PAM calls it in two ways. pam_python.so loads this module into sshd, login and the display managers, which root starts,
and calls its pam_sm_* functions. For every other service, pam_exec.so starts it as a process of root's own, by the
command `pam`: whoever starts a program, su for example, chooses what Python finds in it. The command pam-accesscontrol
is the same module. From top to bottom: text, the rules, the decision, who is logged in, the question, the windows, the
log, the calls by PAM, the command.

install.sh compiles this file once, so its length costs a login nothing; an import does. What takes more than a tenth of
a millisecond to import (tests/BENCHMARK.md) is imported where it is used.
"""

from __future__ import annotations

import _socket  # the socket module proper costs 2.6 ms more
import functools
import gc
import os
import pwd
import re
import stat
import sys
import time

TYPE_CHECKING = False  # importing typing costs 3 ms
if TYPE_CHECKING:
    import grp
    import signal
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
    from typing import Any, NoReturn

VERSION = "2.1"
MODULE = "/usr/lib/pam-accesscontrol/accesscontrol.py"
RULE_FILE = "/etc/pam-accesscontrol/pam-accesscontrol.conf"
SERVICES_FILE = "/etc/pam-accesscontrol/services"  # what install.sh guards
INSTALL = "/usr/share/pam-accesscontrol/install.sh"
STATE = "/run/pam-accesscontrol"  # root's alone, gone at every boot
LOG_FOLDER = "/var/log"

# The PAM services behind three names that rules use; install.sh guards them in this order. A service that others
# include stands before them.
SERVICES = {
    "SSH": ("sshd",),
    "TTY": ("login", "remote"),
    "XDM": (
        *("gdm", "gdm-password", "gdm-fingerprint", "gdm-smartcard", "gdm-smartcard-pkcs11-exclusive"),
        *("gdm-smartcard-sssd-exclusive", "gdm-smartcard-sssd-or-password", "gdm-switchable-auth", "gdm-autologin"),
        *("sddm", "sddm-autologin", "lightdm", "lightdm-autologin", "xdm", "kdm", "kdm-np", "lxdm", "slim", "wdm"),
        *("greetd", "ly", "ly-autologin", "plasmalogin", "plasmalogin-autologin", "nodm", "emptty", "cosmic-greeter"),
        *("lemurs", "weston-autologin", "cage", "ddm", "ddm-autologin", "mdm", "mdm-autologin", "entrance"),
    ),
}
GREETERS = (  # they ask who somebody is, and log nobody in
    *("lightdm-greeter", "sddm-greeter", "greetd-greeter", "gdm-launch-environment", "plasmalogin-greeter"),
)
PAM_PYTHON_SERVICES = (  # root starts them, with root's environment; pam_exec.so calls the plugin for all others
    *(service for services in SERVICES.values() for service in services),
    *("vsftpd", "exim", "exim4"),  # take SIGCHLD away, by which pam_exec.so before 1.5.3 refuses (measured)
)
ASKED_IN_SESSION = ("SSH", "TTY", "XDM")  # by pam_python.so; all others are asked in account
CALLER_SERVICES = ("sudo", "sudo-i", "doas", "polkit-1")  # their session is that of the user whom the caller becomes
NO_SESSION = (  # services that open no session for the person who logs in, or heed no refusal of it (measured)
    *CALLER_SERVICES,
    *("vsftpd", "pure-ftpd", "dovecot", "cups", "openvpn", "imap", "pop", "pop3", "smtp", "exim", "exim4", "courier"),
)
MANY_IN_ONE_PROCESS = ("samba", "jupyterhub")  # keep the sessions of many people in one process of theirs
ONE_IN_A_PROCESS = (  # open a session in a process of its own, by which it is seen to end
    *(service for services in SERVICES.values() for service in services),
    *("su", "su-l", "runuser", "runuser-l", "cron", "atd", "cockpit", "proftpd", "xrdp-sesman"),
)
NOT_ROOT = ("exim", "exim4", "postgresql")  # call PAM as a user of their own


# ---- Text: names cross the border of the program here, and strangers' text is made fit to be shown -------------------


def to_nss(name: str) -> str:
    """A name as pwd and grp must get it so that NSS sees its UTF-8, whatever the file-system encoding.

    In pam_python with Python 3.13 that encoding is ascii (measured), in which "gäste" is no name at all.
    """
    return name.encode("utf-8", "surrogateescape").decode("ascii", "surrogateescape")


def from_system(text: str) -> str:
    """The UTF-8 text that NSS, /proc or PAM meant; a byte that is not UTF-8 becomes a surrogate."""
    return os.fsencode(text).decode("utf-8", "surrogateescape")


def printable(text: str) -> str:
    """A stranger's text as one line that cannot lie about where it ends, 256 characters of it at most."""
    if len(text) > 256:
        return printable(text[:240]) + f"... ({len(text)} characters)"
    return text if text.isprintable() else "".join(map(escape, text))


def escape(char: str) -> str:
    """A character as it may stand in a log: itself, or a backslash and its number."""
    if char.isprintable():
        return char
    if "\udc80" <= char <= "\udcff":  # a byte that is not UTF-8
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()


def column(text: str) -> str:
    """A name or a host as one column of a log: no blank in it, and no @ but the one between the two."""
    return printable(text).replace(" ", "\\x20").replace("@", "\\x40")


def duration(seconds: float) -> str:
    """A span of time for people: 13 s, 2 min 13 s, 5 h 2 min."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def read_text(path: str) -> str:
    """A file's text, empty if there is none, or none for us. Raises OSError where it cannot be read just now."""
    if not path:
        return ""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError, PermissionError, ProcessLookupError):
        return ""


# ---- The rules: a flat file of four-field lines, read at every call --------------------------------------------------

RULE_FILE_MOST = 16 * 1024 * 1024  # bytes; more is no rule file, and reading it would be felt
LONG_FILE = 16 * 1024  # bytes; from here on, lines that cannot concern a login attempt are left out
FEW_COLONS = 1000  # every option has one: where there are few, to find them is four times faster than five words
ACTIONS, TARGETS = ("OPEN", "CLOSE", "ASK", "NUMBER"), ("USER", "GROUP")
OPTIONS: dict[str, tuple[str, ...]] = {  # and their words, or none where the value is a number of seconds
    "DEFAULT": ("OPEN", "CLOSE"),
    "DEBUG": ("TRUE", "FALSE"),
    "TIMEOUT": (),
    "REMEMBER": (),
    "UNATTENDED": ("OPEN", "CLOSE"),
}
SERVICE_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@+-"
NOT_IN_A_NAME = frozenset(' \t",:')  # unless it stands in double quotes
BEFORE_A_NAME, BEHIND_A_NAME = frozenset(b' \t,"'), frozenset(b' \t,"@:\r\n')
FIELD = r'(?:"[^"]*"|[^ \t"])+'  # regular expressions as strings: compiling one costs more than most files do
LIST_ITEM = r'((?:"[^"]*"|[^",]+)*),'
REALM = (  # behind the @ of a login name; almost an address or almost LOCAL is a mistake
    r"(?![\d.-]*$|(?:\d+|x)(?:\.(?:\d+|x))+$|(?:\d+\.){3}|local(?:host)?$)[\w-]+(?:\.[\w-]+)*$"
)
LIMITS_AND_REFUSES_GROUPS = rb"(?:CLOSE|ASK|NUMBER)[ \t]+GROUP[ \t]"
LOCAL = (0, 0, 0)  # the network of a login with no remote host
MAPPED = b"\0" * 10 + b"\xff\xff"  # ::ffff:a.b.c.d is a.b.c.d


class RuleError(ValueError):
    """What is wrong with a rule file or with a line in it, as one clear sentence."""


class Entry:
    """One name of a rule's LIST: everyone (name None) or one, from anywhere or one network, with a limit or -1.

    `whole` is the entry without its limit: a login name may have an @ itself.
    """

    __slots__ = ("limit", "name", "network", "whole")

    def __init__(self, name: str | None, network: tuple[int, int, int] | None, whole: str, limit: int = -1) -> None:
        self.name, self.network, self.whole, self.limit = name, network, whole, limit


class Rule:
    """One line of the rule file. DEFAULT is a rule without entries, that fits everybody."""

    __slots__ = ("action", "entries", "line", "service", "target", "text")

    def __init__(self, line: int, service: str, action: str, target: str, entries: list[Entry], text: str) -> None:
        self.line, self.service, self.action, self.target = line, service, action, target
        self.entries, self.text = entries, text


class RuleFile:
    """A rule file as it was read. One that cannot be trusted has no rules, and says why in `error`."""

    def __init__(self, path: str, error: str = "") -> None:
        self.path, self.error = path, error
        self.name = printable(os.path.basename(path))
        self.rules: list[Rule] = []
        self.ignored: list[tuple[int, str]] = []  # lines that are none of the language, and why
        self.logged = False  # whether the log knows of these
        self.default = Rule(0, "ALL", "CLOSE", "USER", [], "no DEFAULT, which means CLOSE")
        self.debug = False
        self.timeout = 60  # seconds that the owner has to answer
        self.remember = 60  # seconds that an answer outlives the last session it let in
        self.unattended = "OPEN"

    def where(self, rule: Rule) -> str:
        """The file and line of a rule, as the logs name it."""
        return f"{self.name}:{rule.line}" if rule.line else self.name


class RuleText:
    """The text of a rule file, and the rules in it: what is the same at the next call is not parsed again."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.has_groups = b"GROUP" in data.upper()
        self.names: frozenset[str] | None = None
        self.rules: RuleFile | None = None

    def rules_for(self, attempt: LoginAttempt | None, path: str) -> RuleFile:
        """All rules or, of a long file, those that may concern a login attempt."""
        names = None
        if attempt is not None and len(self.data) > LONG_FILE:
            names = attempt.person.names | (attempt.person.group_names if self.has_groups else frozenset())
        if self.rules is None or self.names != names:
            self.names = names
            if names is None:
                self.rules = parse(self.data.decode("utf-8", "surrogateescape"), path)
            else:
                self.rules = parse_lines(relevant_lines(self.data, names), path)
        return self.rules


texts: dict[str, RuleText] = {}  # by path


def load_rules(path: str, attempt: LoginAttempt | None = None) -> RuleFile:
    """The rules in a file; of a long one, those that may concern a login attempt. Never raises: see RuleFile.error."""
    try:
        data = read_rule_file(path)
    except (OSError, RuleError) as error:
        why = f"cannot be read ({error.strerror})" if isinstance(error, OSError) else str(error)
        return RuleFile(path, f"{printable(path)} {why}, so everything is CLOSE")
    if path not in texts or texts[path].data != data:
        texts[path] = RuleText(data)
    return texts[path].rules_for(attempt, path)


def read_rule_file(path: str) -> bytes:
    """A rule file's contents. Raises OSError, or RuleError where the file is none that root alone can have written."""
    if not path.startswith("/"):
        raise RuleError("is not an absolute path")
    name = path.encode("utf-8", "surrogateescape")
    descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise RuleError("is not a regular file")
        if about.st_uid != 0:
            raise RuleError("is not owned by root")
        if about.st_mode & 0o022:
            raise RuleError("is writable by group or others")
        if about.st_size > RULE_FILE_MOST:
            raise RuleError(f"is larger than {RULE_FILE_MOST} bytes")
        data = os.read(descriptor, about.st_size + 1)
    finally:
        os.close(descriptor)
    if len(data) != about.st_size:
        raise RuleError("changed while it was read")
    return data


def relevant_lines(data: bytes, names: frozenset[str]) -> list[tuple[int, str]]:
    """The lines of a rule file that may concern a person of these names, with their numbers.

    It leaves out only what names neither the person, nor a group of theirs, nor ALL, and is no option, and no CLOSE,
    ASK or NUMBER over groups. bytes.find() tells that of 100,000 lines in a few milliseconds; to parse them takes half
    a second.
    """
    data = data.removeprefix(b"\xef\xbb\xbf") + b"\n"
    capitals = data.upper()
    places = [at for text in (b" ALL", b"\tALL", b",ALL") if text[:1] in data for at in occurrences(data, text)]
    if data.count(b":") < FEW_COLONS:
        places += occurrences(data, b":")
    else:
        places += [at for option in OPTIONS for at in occurrences(capitals, option.encode() + b":")]
    if b"GROUP" in capitals:
        places += [match.start() for match in re.finditer(LIMITS_AND_REFUSES_GROUPS, capitals)]
    for name in filter(None, (name.encode("utf-8", "surrogateescape") for name in names)):
        for at in occurrences(data, name):
            if data[at - 1] in BEFORE_A_NAME and data[at + len(name)] in BEHIND_A_NAME:
                places.append(at)
    starts = {data.rfind(b"\n", 0, at) + 1 for at in places}
    lines, number, counted = [], 1, 0
    for start in sorted(starts):
        number += data.count(b"\n", counted, start)
        counted = start
        lines.append((number, data[start : data.find(b"\n", start)].decode("utf-8", "surrogateescape")))
    return lines


def occurrences(data: bytes, text: bytes) -> Iterator[int]:
    """The places of a text in other bytes."""
    at = data.find(text)
    while at >= 0:
        yield at
        at = data.find(text, at + 1)


def parse(text: str, path: str = RULE_FILE) -> RuleFile:
    """The rules in a text. A line that is no rule, option, comment or blank is ignored, and changes nothing."""
    return parse_lines(enumerate(text.removeprefix("\ufeff").split("\n"), 1), path)


def parse_lines(lines: Iterable[tuple[int, str]], path: str) -> RuleFile:
    """The rules in some lines of a rule file, given with their numbers."""
    rules = RuleFile(path)
    for number, line in lines:
        try:
            fields = split_fields(line.removesuffix("\r"))
            name, colon, value = fields[0].partition(":") if len(fields) == 1 else ("", "", "")
            if colon and name.isalpha() and name.isascii():
                set_option(rules, number, fields[0], name.upper(), value)
            elif fields:
                rules.rules.append(parse_rule(number, fields))
        except RuleError as error:
            rules.ignored.append((number, str(error)))
    return rules


def split_fields(line: str) -> list[str]:
    """The fields of a line, up to a comment. A blank in double quotes parts no fields. Raises RuleError."""
    if '"' not in line:
        fields = [field for field in line.replace("\t", " ").split(" ") if field]
        comment = next((place for place, field in enumerate(fields) if field[0] == "#"), len(fields))
        return fields[:comment]
    fields, rest = [], line.lstrip(" \t")
    while rest and rest[0] != "#":
        match = re.match(FIELD, rest)
        if match is None or (match.end() < len(rest) and rest[match.end()] not in " \t"):
            raise RuleError("a double quote is not closed")
        fields.append(match[0])
        rest = rest[match.end() :].lstrip(" \t")
    return fields


def set_option(rules: RuleFile, number: int, text: str, name: str, value: str) -> None:
    """NAME:VALUE, the last one of a kind wins. Raises RuleError."""
    if name not in OPTIONS:
        raise RuleError(f"there is no option {printable(name)}: they are {', '.join(OPTIONS)}")
    word = value.upper() if value.isascii() else ""
    digits = word.lstrip("0")
    seconds = int(digits or "0") if word.isdecimal() and len(digits) <= 6 else -1
    if word not in OPTIONS[name] if OPTIONS[name] else seconds < (1 if name == "TIMEOUT" else 0):
        raise RuleError(f"{name} cannot be '{printable(value)}'")
    if name == "DEFAULT":
        rules.default = Rule(number, "ALL", word, "USER", [], text)
    elif name == "DEBUG":
        rules.debug = word == "TRUE"
    elif name == "UNATTENDED":
        rules.unattended = word
    else:
        setattr(rules, name.lower(), seconds)


def parse_rule(number: int, fields: list[str]) -> Rule:
    """The rule of four fields. Raises RuleError."""
    if len(fields) != 4:
        raise RuleError(f"a rule has four fields, SERVICE ACTION TARGET LIST, and this has {len(fields)}")
    service, action, target = (field.upper() if field.isascii() else field for field in fields[:3])
    if action not in ACTIONS:
        raise RuleError(f"ACTION is OPEN, CLOSE, ASK or NUMBER, not '{printable(fields[1])}'")
    if target not in TARGETS:
        raise RuleError(f"TARGET is USER or GROUP, not '{printable(fields[2])}'")
    if service.strip(SERVICE_CHARACTERS):
        raise RuleError(f"'{printable(fields[0])}' cannot be the name of a service")
    items = re.findall(LIST_ITEM, fields[3] + ",") if '"' in fields[3] else fields[3].split(",")
    entries = [parse_entry(item, action == "NUMBER") for item in items]
    return Rule(number, service, action, target, entries, " ".join(fields))


def parse_entry(item: str, limited: bool) -> Entry:
    """One item of a LIST: NAME or NAME@ADDRESS, and in a NUMBER rule :COUNT behind it. Raises RuleError."""
    limit = -1
    if limited:
        item, _, count = item.rpartition(":")
        if not (count.isascii() and count.isdecimal() and len(count) <= 9):
            raise RuleError(f"'{printable(item or count)}' has no limit: a number stands behind it, as in lp:2")
        limit = int(count)
    quoted = item.startswith('"')
    name, at, place = item[1:].partition('"') if quoted else item.rpartition("@")
    if quoted:
        at, place = place[:1], place[1:]
        if at not in ("", "@"):
            raise RuleError(f"'{printable(item)}' goes on behind its closing quote")
    elif not at:
        name, place = item, ""
    network = parse_network(place) if at else None
    if at and network is None:
        if quoted or is_a_mistake(name, place):
            raise RuleError(f"'{printable(place)}' is no address: IPv4, IPv6, a network such as 10.0.0.0/8, or LOCAL")
        name = item  # bob@example.org is a login name that has an @
    if not is_name(name, quoted):
        raise RuleError(f"'{printable(item)}' is not a name")
    whole = item if network and quoted else f"{name}@{place}" if network else name
    return Entry(None if name == "ALL" and not quoted else name, network, whole, limit)


def is_a_mistake(name: str, place: str) -> bool:
    """Whether NAME@PLACE, where PLACE is no address, cannot be a login name that has an @."""
    return name == "ALL" or re.match(REALM, place, re.IGNORECASE) is None


def is_name(text: str, quoted: bool) -> bool:
    """Whether a text can be a user's or a group's name: no control character and, unquoted, none that parts names."""
    if text.isalnum():
        return True
    return text != "" and min(text) >= " " and "\x7f" not in text and (quoted or NOT_IN_A_NAME.isdisjoint(text))


def parse_address(text: str) -> tuple[int, int] | None:
    """An IPv4 or IPv6 address as (32 or 128, its number), without its scope; None if it is none. See inet_pton(3)."""
    family = _socket.AF_INET
    if ":" in text:
        family = _socket.AF_INET6
        text, scoped, scope = text.partition("%")
        if scoped and (not is_name(scope, quoted=True) or any(char in ' ",/' for char in scope)):
            return None
    try:
        packed = _socket.inet_pton(family, text)
    except (OSError, ValueError):
        return None
    if packed.startswith(MAPPED):
        packed = packed[12:]
    return 8 * len(packed), int.from_bytes(packed, "big")


def parse_network(text: str) -> tuple[int, int, int] | None:
    """LOCAL, an address, or ADDRESS/BITS, as (32 or 128, the network's number, bits to ignore); None if it is none."""
    if text == "LOCAL":
        return LOCAL
    start, slash, prefix = text.partition("/")
    address = parse_address(start)
    if address is None:
        return None
    bits, number = address
    if not slash:
        return bits, number, 0
    if not (prefix.isascii() and prefix.isdecimal() and len(prefix) <= 3):
        return None
    ignored = (128 if ":" in start else 32) - int(prefix)
    if ":" in start and bits == 32 and ignored > 32:  # ::ffff:0:0/90 reaches beyond IPv4
        bits, number = 128, number | 0xFFFF << 32
    return (bits, number >> ignored, ignored) if 0 <= ignored <= bits else None


# ---- The decision: the first rule that fits is the verdict, and every limit that fits must have room -----------------


class Unknown(Exception):
    """Something that a rule asks for cannot be known, and why. It never opens."""


class UnknownGroup(Unknown):
    """The group of a rule cannot be looked up."""


class Refused(Exception):
    """A login attempt that is not let in, by a decision; the text is for the person."""

    def __init__(self, decision: Decision, sentence: str) -> None:
        super().__init__(sentence)
        self.decision = decision


class LoginAttempt:
    """Who wants in: PAM service, login name, remote host (empty for none), and who asked (su and sudo: PAM_RUSER).

    `name` is the service as logs show it, and `names` are the SERVICE fields of the rules that cover it.
    """

    def __init__(
        self, service: str, user: str, rhost: str, requester: str = "", person: Person | None = None
    ) -> None:
        self.service, self.user, self.rhost, self.requester = service, user, plain_host(rhost), requester
        own = service.upper() if service.isascii() else service  # a long s would become an S
        short = own[:-2] if own.endswith(("-L", "-I")) else own
        group = next((name for name, services in SERVICES.items() if service in services), short)
        self.name = column(group)
        self.names = ("ALL", group, short, own)
        self.person = person or Person(user)
        self.asked_by = column(requester) if group == "SU" else ""  # of su, in logs

    def __str__(self) -> str:
        """user@host, in which no character is left that could be taken for another column or another line."""
        return f"{column(self.user)}@{column(self.rhost) or 'LOCAL'}"


def plain_host(rhost: str) -> str:
    """A remote host, where ::ffff:a.b.c.d is a.b.c.d, and a host of the name LOCAL is not taken for no host."""
    address = parse_address(rhost) if rhost[:7].lower() == "::ffff:" else None
    if address and address[0] == 32:
        return _socket.inet_ntoa(address[1].to_bytes(4, "big"))
    return "local" if rhost == "LOCAL" else rhost


class Person:
    """What the directory knows of a user, through NSS alone: files, LDAP and SSSD are one thing. Asked when needed.

    A person is a uid: whoever has a second name has it in `names`, too.
    """

    def __init__(self, user: str) -> None:
        self.user = user

    @functools.cached_property
    def account(self) -> pwd.struct_passwd | None:
        """The passwd entry, None for a user whom NSS does not know, or when the directory did not answer."""
        try:
            return pwd.getpwnam(to_nss(self.user))
        except (KeyError, OSError, ValueError):
            return None

    @property
    def uid(self) -> int:
        """The uid, -1 for a user whom NSS does not know."""
        return self.account.pw_uid if self.account else -1

    @functools.cached_property
    def names(self) -> frozenset[str]:
        """The login name, and every other name of the same uid: by the directory, and in /etc/passwd."""
        if self.account is None:
            return frozenset((self.user,))
        names = {self.user, from_system(self.account.pw_name)}
        try:
            names.add(from_system(pwd.getpwuid(self.uid).pw_name))
        except (KeyError, OSError):
            pass
        for line in read_text("/etc/passwd").split("\n"):
            fields = line.split(":")
            if len(fields) > 2 and fields[2] == str(self.uid):
                names.add(fields[0])
        return frozenset(names)

    @functools.cached_property
    def gids(self) -> frozenset[int]:
        """The gids, as getgrouplist(3) has them. Raises Unknown for a user whom NSS does not know."""
        try:
            assert self.account is not None  # nosec B101  # caught below
            return frozenset(os.getgrouplist(from_system(self.account.pw_name), self.account.pw_gid))
        except (AssertionError, OSError, ValueError):
            what = printable(self.user)
            raise Unknown(f"there is no user {what}, or the directory did not answer") from None

    @functools.cached_property
    def group_names(self) -> frozenset[str]:
        """The names of the groups; none for a user whom NSS does not know."""
        try:
            return frozenset(filter(None, map(group_name, self.gids)))
        except Unknown:
            return frozenset()

    def is_in(self, group: str, closing: bool) -> bool:
        """Whether the user is in this group. Raises Unknown.

        Where a rule closes, a group that is not found must not pass for one that the user is not in, but for root, who
        must be able to mend the directory, or the name in the rule. Where it opens there is no harm in that, and one
        look-up a rule would make a thousand group rules cost 50 ms.
        """
        if group in self.group_names:
            return True
        if not closing:
            return False
        try:
            return self.belongs_to(find_group(group))
        except UnknownGroup:
            if self.uid == 0:
                return False
            raise

    def belongs_to(self, group: grp.struct_group) -> bool:
        """Whether the user is in a group: says getgrouplist(3), or the group itself. Raises Unknown.

        Of a directory that does not answer, the former tells nothing; it just has fewer groups. A cache may know the
        group all the same, and its members, by whatever name of the person.
        """
        return group.gr_gid in self.gids or not self.names.isdisjoint(map(from_system, group.gr_mem))


def find_group(name: str) -> grp.struct_group:
    """A group by its name, or another name of it. Raises UnknownGroup for one that NSS does not know."""
    import grp

    try:
        return grp.getgrnam(to_nss(name))
    except (KeyError, OSError, ValueError):
        raise UnknownGroup(f"there is no group {printable(name)}, or the directory did not answer") from None


def group_name(gid: int) -> str | None:
    """The name of a gid, None if it has none."""
    import grp

    try:
        return from_system(grp.getgrgid(gid).gr_name)
    except (KeyError, OSError):
        return None


@functools.cache
def user_name(uid: int) -> str:
    """A user's name, or the uid where there is none; asked once, since a directory may be slow."""
    try:
        return from_system(pwd.getpwuid(uid).pw_name)
    except (KeyError, OSError):
        return str(uid)


class Limit:
    """At most so many people of a group, or sessions of a user (name None: everybody), by an entry of a NUMBER rule."""

    def __init__(self, rule: Rule, entry: Entry) -> None:
        self.rule, self.target, self.name, self.most = rule, rule.target, entry.name, entry.limit


class Decision:
    """What the rules say of a login attempt: a verdict (OPEN, CLOSE or ASK), the rule behind it, and why.

    `action`, `where` and `text` are the rule's, or what keeps the rules from being read; `limits` must have room;
    `answer` is what came of asking the owner.
    """

    def __init__(self, verdict: str, rules: RuleFile, rule: Rule, why: str, limits: Sequence[Limit] = ()) -> None:
        self.verdict, self.rules, self.rule, self.why, self.limits = verdict, rules, rule, why, limits
        self.action, self.where, self.answer = rule.action, rules.where(rule), ""
        self.text = f"{self.where}: {printable(rules.error or rule.text)}"


def decide(rules: RuleFile, attempt: LoginAttempt, trace: Callable[[str], None] | None = None) -> Decision:
    """The decision on a login attempt, from the rules alone; `trace` is told of every rule, and its part in it."""
    if rules.error:
        return Decision("CLOSE", rules, rules.default, rules.error)
    verdict: Rule | None = None
    limits: list[Limit] = []
    for rule in rules.rules:
        try:
            if rule.service not in attempt.names:
                outcome = "is for another service"
            elif rule.action == "NUMBER":
                found = limits_of(rule, attempt)
                limits += found
                outcome = "limits this login" if found or not trace else "does not fit: " + why_not(rule, attempt)
            elif verdict is not None:
                outcome = "comes after the verdict"
            elif fits(rule, attempt):
                verdict = rule
                outcome = "fits, and is the verdict"
            else:
                outcome = "does not fit: " + why_not(rule, attempt) if trace else ""
        except Unknown as reason:
            if trace:
                trace(f"{rules.where(rule)}: {printable(rule.text)}: cannot be known: {reason}")
            if verdict is None or verdict.action != "CLOSE":
                return Decision("CLOSE", rules, rule, f"{printable(rule.text)}: {reason}")
            break
        if trace:
            trace(f"{rules.where(rule)}: {printable(rule.text)}: {outcome}")
    if verdict is None:
        verdict = rules.default
        if trace:
            trace(f"{rules.where(verdict)}: {printable(verdict.text)}: decides, since no rule fits")
    return Decision(verdict.action, rules, verdict, printable(verdict.text), limits)


def fits(rule: Rule, attempt: LoginAttempt) -> bool:
    """Whether any entry of a rule's list fits. Raises Unknown where none does and one might, unless the rule opens."""
    doubt = None
    for entry in rule.entries:
        try:
            if entry_fits(entry, rule, attempt):
                return True
        except Unknown as reason:
            doubt = reason
    if doubt is not None and rule.action != "OPEN":
        raise doubt
    return False


def limits_of(rule: Rule, attempt: LoginAttempt) -> list[Limit]:
    """The limits that a NUMBER rule puts on a login attempt. Raises Unknown."""
    return [Limit(rule, entry) for entry in rule.entries if entry_fits(entry, rule, attempt)]


def entry_fits(entry: Entry, rule: Rule, attempt: LoginAttempt) -> bool:
    """Whether one entry of a rule's list fits person and address. Raises Unknown.

    What opens is meant to the letter; what closes, asks or limits means the person, by whatever name they came.
    """
    if rule.target == "USER" and is_called(entry.whole, rule, attempt):
        return True
    if rule.target == "USER" and entry.name is not None and not is_called(entry.name, rule, attempt):
        return False
    doubt = None
    try:
        if entry.network is not None and not comes_from(attempt, entry.network):
            return False
    except Unknown as reason:
        doubt = reason
    fitting = rule.target == "USER" or entry.name is None or attempt.person.is_in(entry.name, rule.action != "OPEN")
    if fitting and doubt is not None:
        raise doubt
    return fitting


def is_called(name: str, rule: Rule, attempt: LoginAttempt) -> bool:
    """Whether a rule means the person by this name."""
    return name == attempt.user or (rule.action != "OPEN" and name in attempt.person.names)


def comes_from(attempt: LoginAttempt, network: tuple[int, int, int]) -> bool:
    """Whether the remote host is in this network. Raises Unknown for a host that is no address."""
    if network == LOCAL or not attempt.rhost:
        return network == LOCAL and not attempt.rhost
    address = parse_address(attempt.rhost)
    if address is None:
        raise Unknown(f"the remote host {printable(attempt.rhost)} is a name, and names can be forged")
    bits, number = address
    return bits == network[0] and number >> network[2] == network[1]


def why_not(rule: Rule, attempt: LoginAttempt) -> str:
    """Why no entry of a rule fits: nobody in its list is this person, or the address differs."""
    for entry in rule.entries:
        anywhere = Entry(entry.name, None, entry.whole)
        try:
            if entry.network is not None and entry_fits(anywhere, rule, attempt):
                comes_from(attempt, entry.network)
                return f"{printable(entry.whole)} is not {printable(attempt.rhost) or 'LOCAL'}"
        except Unknown as reason:
            return str(reason)
    user = printable(attempt.user)
    return f"{user} is not in its list" if rule.target == "USER" else f"{user} is in none of its groups"


# ---- What is written down: who is in, who waits for an answer, which answers hold ------------------------------------
#
# /run/pam-accesscontrol is root's alone. `sessions` and `questions` are ledgers; `answers`, `granted`, and `windows`
# have a symbolic link for each thing that is so. Nothing is locked: each change is one system call.

LOGIND_SESSIONS, LOGIND_SEATS = "/run/systemd/sessions", "/run/systemd/seats"
NO_ROOT = "the program that calls PAM does not run as root"
NOT_ASKED = "-"  # in the place of an answer's key
TRIED_FOR = 60.0  # seconds, in which somebody else may be faster again and again
LOOKS_AGAIN_AFTER = 0.1  # seconds
TARGET_MOST = 4095  # bytes of a symbolic link's target, see symlink(2)
TAKEN_OVER = 0o720  # the mode of a state folder in which a version before has been, see make_way()
LEFT = ".left"  # ends the name of a session that PAM has closed, and whose process still lives
ENTRY_NAME = re.compile(r"([0-9]{1,18})\.([0-9]{1,10})\.([0-9]{1,19})(\.left)?")


class Links:
    """A folder of symbolic links in the state folder, each of them a name and a text. Raises OSError.

    symlink(2) makes a link whole or not at all, needs no second file, and knows no RLIMIT_FSIZE. Nothing follows one.
    """

    def __init__(self, name: str) -> None:
        prepare_state_folder()
        self.path = f"{STATE}/{name}"
        if not is_folder(self.path):
            make_way(self.path)
            self.make()
            self.remove(f"../{name}.old")

    def make(self) -> None:
        """Makes the folder."""
        os.makedirs(self.path, 0o700, exist_ok=True)

    def names(self) -> list[str]:
        """The names of all links."""
        return os.listdir(self.path)

    def text(self, name: str) -> str:
        """The text of a link, empty where there is none."""
        try:
            return os.readlink(f"{self.path}/{name}".encode()).decode("utf-8", "replace")
        except FileNotFoundError:
            return ""
        except OSError as error:
            if error.errno == 22:  # it is something else, and so not ours
                return ""
            raise

    def put(self, name: str, text: str) -> None:
        """Makes a link. Raises FileExistsError, too."""
        put_link(f"{self.path}/{name}", text)

    def remove(self, name: str) -> bool:
        """Removes a link; returns whether it was there: of several who remove it, one has."""
        try:
            os.unlink(f"{self.path}/{name}")
        except (FileNotFoundError, IsADirectoryError):
            return False
        return True

    def touched(self, name: str) -> float:
        """The time, in seconds, that touch() has set; that of the clock where it has not. Raises FileNotFoundError."""
        return os.lstat(f"{self.path}/{name}").st_mtime

    def touch(self, name: str, seconds: float) -> None:
        """Sets the time of a link, see utimensat(2). Raises FileNotFoundError."""
        os.utime(f"{self.path}/{name}", (seconds, seconds), follow_symlinks=False)


class LedgerEntry:
    """A link in a ledger: TURN.PID.START, of the process that keeps it while it lives; see process_start()."""

    def __init__(self, link: str, found: re.Match[str]) -> None:
        self.link, self.left = link, bool(found[4])
        self.turn, self.pid, self.start = int(found[1]), int(found[2]), int(found[3])

    def is_gone(self) -> bool:
        """Whether nobody has this pid any more."""
        return not pid_in_use(self.pid)


class Ledger(Links):
    """A folder of entries to which one is added by whoever knows all others. Nobody waits for anybody else.

    1. Read the turn, n: turn/ has one file, whose name is a number. Then list the entries and read them. Whatever was
       added in an earlier turn was there before the turn was read, and is in the list.
    2. Decide. Whoever would be refused looks once more, a moment later: an entry may be of somebody who takes it back
       in step 3, or who was killed just now.
    3. Add: make an entry of one's own, then rename turn/n to turn/n+1. Of all who have read n, one succeeds. For the
       others, what they have read is old: they take their entry back, and begin again. The entry comes before the
       rename, so that whoever reads n+1 finds it; and it has a name that is never used twice, so that taking it back
       takes nobody else's. Until it is renamed, an entry takes a place, and nobody is in already by it.
    4. Remove an entry whose process is dead. Anyone may, at any time: what that frees is taken by step 3 alone.

    A process that is stopped between any two of these calls keeps nothing but its own entry.

    A ledger is of the pid namespace in which it was made, see pid_namespaces(7): whoever stands in another one can tell
    nobody's end there, and does not use it.
    """

    def __init__(self, name: str) -> None:
        self.namespace = str(os.stat("/proc/self/ns/pid").st_ino)
        super().__init__(name)
        self.turn()

    def make(self) -> None:
        """Makes the folder whole, under another name first, with the sessions that the version before has let in."""
        fresh, turn = f"{self.path}.{os.getpid()}.{os.urandom(4).hex()}", 1
        try:
            os.mkdir(fresh, 0o700)
            os.mkdir(f"{fresh}/turn", 0o700)
            for owner, text in old_sessions(f"{self.path}.old"):
                link = f"{fresh}/{turn}.{owner}"
                put_link(link, text)
                os.utime(link, (0, 0), follow_symlinks=False)
                turn += 1
            put_link(f"{fresh}/turn/{turn}", self.namespace)
            os.rename(fresh, self.path)
        except OSError:
            import shutil

            shutil.rmtree(fresh, ignore_errors=True)
            if not is_folder(self.path):  # or else another login was faster
                raise

    def turn(self) -> int:
        """Step 1. Raises OSError in another pid namespace, too."""
        for _ in range(10_000):  # a listing may fall into the middle of a rename
            turns = [name for name in os.listdir(f"{self.path}/turn") if name.isdecimal()]
            namespace = self.text(f"turn/{turns[0]}") if len(turns) == 1 else ""
            if namespace == self.namespace:
                return int(turns[0])
            if namespace:
                raise PermissionError(1, f"{self.path} is of another pid namespace")
        raise FileNotFoundError(2, f"the turn of {self.path} is lost, remove that folder")

    def entries(self) -> list[LedgerEntry]:
        """Every entry; what has no name of one is not ours."""
        matches = [(name, ENTRY_NAME.fullmatch(name)) for name in os.listdir(self.path)]
        return [LedgerEntry(name, found) for name, found in matches if found]

    def add(self, turn: int, pid: int, start: int, text: str, touched: float | None = None) -> str | None:
        """Step 3: the name of the new entry; None where somebody was faster."""
        name = f"{turn}.{pid}.{start}"
        try:
            self.put(name, text)
        except FileExistsError:  # of another call for this host, which was ended before the rename
            self.next_turn(turn)
            return None
        try:
            if touched is not None:
                self.touch(name, touched)
            if self.next_turn(turn):
                return name
        except BaseException:
            self.remove(name)
            raise
        self.remove(name)
        return None

    def next_turn(self, turn: int) -> bool:
        """Ends a turn; returns whether nobody was faster."""
        try:
            os.rename(f"{self.path}/turn/{turn}", f"{self.path}/turn/{turn + 1}")
        except FileNotFoundError:
            return False
        return True


def tries() -> Iterator[None]:
    """One try after the other, while there is time. Raises TimeoutError."""
    deadline = time.monotonic() + TRIED_FOR
    while time.monotonic() < deadline:
        yield
    raise TimeoutError(110, "others were faster again and again")


def put_link(path: str, text: str) -> None:
    """Makes a symbolic link; whatever stands in its place stays. Raises OSError."""
    os.symlink(text.encode("utf-8", "backslashreplace"), path.encode())


def is_folder(path: str) -> bool:
    """Whether there is a folder, and not just a link to one."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False


def prepare_state_folder() -> None:
    """Makes the state folder. Raises OSError where it is not root's alone, and where this process is not root's."""
    if os.lstat(os.path.dirname(STATE)).st_uid != os.geteuid():  # of /run, so that a plain user can test this elsewhere
        raise PermissionError(NO_ROOT)
    try:
        about = os.lstat(STATE)
    except FileNotFoundError:
        if not is_installed():
            raise
        os.makedirs(STATE, 0o700, exist_ok=True)
        about = os.lstat(STATE)
    mode = stat.S_IMODE(about.st_mode)
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid() or (mode & 0o022 and mode != TAKEN_OVER):
        raise PermissionError(1, f"{STATE} is not a folder of root's alone")
    if mode not in (0o700, TAKEN_OVER):
        os.chmod(STATE, 0o700)


def make_way(path: str) -> None:
    """Puts away what lies in the place of a folder: the version before this one had files there. Raises OSError.

    An sshd that it has let in runs it still, and would remove our folders when its session ends. It leaves a state
    folder alone that the group can write: here the group cannot, for lack of the right to search.
    """
    if not os.path.lexists(f"{STATE}/lock") and not os.path.lexists(path):
        return
    import contextlib

    os.chmod(STATE, TAKEN_OVER)
    # Where another login was faster, there is a folder by now, which link(2) and unlink(2) leave alone.
    faster = FileExistsError, FileNotFoundError, PermissionError, IsADirectoryError
    with contextlib.suppress(*faster):
        os.link(path, f"{path}.old", follow_symlinks=False)
    with contextlib.suppress(*faster):
        os.unlink(path)


def old_sessions(path: str) -> Iterator[tuple[str, str]]:
    """The sessions in the file of the version before: of each PID.START, and the text of its entry."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return
    except FileNotFoundError:
        return
    for line in read_text(path).split("\n"):
        fields = line.split("\t")
        if len(fields) != 11 or not re.fullmatch(r"([0-9]{1,19}\t){4}", "".join(f"{it}\t" for it in fields[:4])):
            continue
        pid, start, began, uid, gids, _, service, who, action, where, answer = fields
        if answer != "left" and "\0" not in line and len(line) - len(gids) < 1000:
            text = session_text(int(began) / 1e9, int(uid), service, who, "", action, where, answer, gids)
            yield f"{pid}.{start}", text


class Session:
    """A session that this plugin let in, as its entry in the ledger says."""

    def __init__(self, entry: LedgerEntry, text: str) -> None:
        """Raises ValueError for a text that is damaged."""
        self.entry = entry
        began, uid, self.service, self.who, asked_by, self.action, rule, self.answer, self.gids = text.split(" ")
        self.began, self.uid = float(began), int(uid)  # seconds since the boot
        self.rule = rule.replace("\\x20", " ").replace("\\x5c", "\\")
        self.asked_by = "" if asked_by == "-" else asked_by

    def lives(self) -> bool:
        """Whether the process that opened it is there: the same process, not another with its pid. Raises OSError."""
        return same_process(self.entry.pid, self.entry.start, self.uid)


def session_text(
    began: float, uid: int, service: str, who: str, asked_by: str, action: str, rule: str, answer: str, gids: str
) -> str:
    """The text of a session's entry. Where all gids have no room, a plus sign stands for the rest."""
    rule = rule.replace("\\", "\\x5c").replace(" ", "\\x20")
    text = f"{began:.3f} {uid} {service} {who} {asked_by or '-'} {action} {rule} {answer} "
    room = TARGET_MOST - len(text.encode("utf-8", "backslashreplace"))
    if len(gids) > room:
        gids = gids[:gids.rfind(",", 0, room - 1) + 1] + "+"
    return text + gids


def new_session_text(
    attempt: LoginAttempt, decision: Decision, host: Host, answer: str, groups: Iterable[CountedGroup | None]
) -> str:
    """The text for the session that the host is about to open. Raises Unknown for a stranger, and OSError."""
    gids = set(attempt.person.gids)
    # Where a directory is away, getgrouplist(3) knows less than the group itself.
    gids.update(group.gid for group in groups if group and attempt.person.belongs_to(group.entry))
    if host.start < 0:
        raise FileNotFoundError(2, "there is no /proc, which tells who lives")
    return session_text(
        seconds_up(), attempt.person.uid, attempt.name, str(attempt), attempt.asked_by, decision.action, decision.text,
        answer, f",{','.join(map(str, sorted(gids)))},",
    )


def seconds_up() -> float:
    """Seconds since the boot, sleep counted in, however the clock is set. See clock_gettime(2)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def process_status(pid: int) -> tuple[str, set[str]]:
    """The state and the uids of a process, empty where there is none. See proc_pid_status(5).

    Raises OSError where that cannot be told: what cannot be seen is not gone.
    """
    try:
        with open(f"/proc/{pid}/status", "rb", buffering=0) as file:
            text = (file.read(4096) or b"").decode("ascii", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return "", set()
    return text.partition("\nState:\t")[2][:1], set(text.partition("\nUid:\t")[2].partition("\n")[0].split())


def process_start(pid: int) -> int:
    """When a process of root's started, in clock ticks since the boot; -1 where there is none. See proc_pid_stat(5).

    Not of a user's own process: its owner can keep it in the middle of execve(2), and who reads its stat with it, by a
    FUSE file that never answers (measured). Raises OSError.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            return int((file.read(4096) or b"").rpartition(b")")[2].split()[19])
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return -1


def is_alive(pid: int) -> bool:
    """Whether there is a process with this pid, and no zombie. Raises OSError.

    What /proc does not show is there all the same: hidepid hides others' processes from whoever is not root.
    """
    state = process_status(pid)[0] if pid > 0 else ""
    return state not in ("Z", "X") if state else pid_in_use(pid)


def same_process(pid: int, start: int, uid: int) -> bool:
    """Whether a process is there, and not another with its pid; of a user's own one, whether it is theirs.

    Raises OSError.
    """
    if not is_alive(pid):
        return False
    uids = process_status(pid)[1]
    return process_start(pid) == start if "0" in uids else uids == {str(uid)}


def pid_in_use(pid: int) -> bool:
    """Whether there is a process with this pid. See kill(2), for which 0 and what is below are many processes."""
    try:
        if pid > 0:
            os.kill(pid, 0)
        return pid > 0
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False


class Sessions(Ledger):
    """The sessions that this plugin let in. Raises OSError where the state folder cannot be used or trusted."""

    def __init__(self) -> None:
        super().__init__("sessions")

    def read(self, entries: Iterable[LedgerEntry]) -> list[Session]:
        """What some entries say; one that is damaged, or that has gone, is no session."""
        found = []
        for entry in entries:
            try:
                found.append(Session(entry, self.text(entry.link)))
            except ValueError:
                continue
        return found

    def take(self, turn: int, host: Host, text: str) -> Session | None:
        """Adds a session; None where somebody was faster. From then on, is_final() says so."""
        link = self.add(turn, host.pid, host.start, text)
        found = ENTRY_NAME.fullmatch(link or "")
        if link is None or found is None:
            return None
        self.touch(link, 0)
        return Session(LedgerEntry(link, found), text)

    def is_final(self, session: Session) -> bool:
        """Whether an entry will not be taken back: by one that may be, nobody is in already."""
        try:
            return self.touched(session.entry.link) == 0
        except FileNotFoundError:
            return False

    def living(self) -> list[Session]:
        """Every session that lives, but for those that PAM has closed. Raises OSError where that cannot be told."""
        entries = [it for it in self.entries() if not it.is_gone() and not it.left]
        return [it for it in self.read(entries) if it.lives()]

    def open_in(self, host: Host, attempt: LoginAttempt) -> Session | None:
        """The session that a host has already opened for a person."""
        mine = [it for it in self.entries() if (it.pid, it.start) == (host.pid, host.start) and not it.left]
        same = attempt.name, str(attempt)
        return next((it for it in self.read(mine) if (it.service, it.who) == same and self.is_final(it)), None)

    def close(self, session: Session) -> None:
        """Marks a session as closed by PAM: logind learns of its end up to 0.1 s later (measured)."""
        link = session.entry.link
        os.rename(f"{self.path}/{link}", f"{self.path}/{link}{LEFT}")

    def sweep(self, ended: Iterable[LedgerEntry]) -> None:
        """Removes the entries of processes that have ended; of a session that PAM has not closed, the logs are told."""
        for entry in ended:
            found = self.read([entry])
            try:
                if not self.remove(entry.link) or entry.left:
                    continue
            except OSError:
                continue  # it stays, and keeps no place
            for it in found:
                asked = f", asked by {it.asked_by}" if it.asked_by else ""
                syslog(LOG_INFO, f"{it.service} session {it.who}{asked}: found ended")
                monthly(it.service, it.who, it.action, "closed", f"found ended{asked}")

    def answer_in_use(self, key: str) -> bool:
        """Whether a session lives that this answer let in."""
        return any(session.answer == key for session in self.living())


class LogindSession:
    """A session as logind has written it down, where sd-login(3) reads it, too, whether or not logind runs just now."""

    def __init__(self, name: str, text: str) -> None:
        fields = dict(line.split("=", 1) for line in text.split("\n") if "=" in line)
        self.id, self.type, self.kind = name, fields.get("TYPE", ""), fields.get("CLASS", "")
        self.uid, self.leader = (int(fields.get(key) or -1) for key in ("UID", "LEADER"))
        self.seat, self.display = fields.get("SEAT", ""), fields.get("DISPLAY", "")
        self.remote, self.closing = fields.get("REMOTE") == "1", fields.get("STATE") == "closing"
        self.scope = fields.get("SCOPE", "")

    def message(self) -> dict[str, str]:
        """What the window is told."""
        return {"id": self.id, "type": self.type, "display": self.display, "scope": self.scope}

    def is_a_persons(self) -> bool:
        """Whether somebody is in by it: class user and its kin, not closing, and its process lives. Raises OSError."""
        return self.kind.startswith("user") and not self.closing and is_alive(self.leader)


def logind_sessions() -> list[LogindSession]:
    """Every session of logind's, none where there is no logind. Raises OSError where that cannot be told."""
    try:
        names = os.listdir(LOGIND_SESSIONS)
    except FileNotFoundError:
        return []
    texts = ((name, read_text(f"{LOGIND_SESSIONS}/{name}")) for name in names if name.isalnum())  # 3, and no 3.ref
    return [LogindSession(name, text) for name, text in texts if text]


class CountedGroup:
    """A group that a limit counts, and who is in it, for all that the directory tells. Raises UnknownGroup."""

    def __init__(self, name: str) -> None:
        self.entry = find_group(name)
        self.gid, self.listed = self.entry.gr_gid, f",{self.entry.gr_gid},"
        self.names = {column(from_system(member)) for member in self.entry.gr_mem}
        self.uids: dict[int, bool] = {}

    def has(self, uid: int) -> bool:
        """Whether a user is in the group, says the directory, which is asked once. Whom it does not know may be."""
        if uid not in self.uids:
            try:
                self.uids[uid] = Person(from_system(pwd.getpwuid(uid).pw_name)).belongs_to(self.entry)
            except (KeyError, OSError, Unknown):
                self.uids[uid] = True
        return self.uids[uid]

    def has_session(self, session: Session) -> bool:
        """Whether a session is of somebody who was in the group when it began, or whom the group names now."""
        if self.listed in session.gids or session.who.partition("@")[0] in self.names:
            return True
        return session.gids.endswith("+") and self.has(session.uid)


class Groups:
    """The groups that limits count, each looked up once."""

    def __init__(self) -> None:
        self.found: dict[str, CountedGroup | None] = {}

    def get(self, name: str | None) -> CountedGroup | None:
        """A group by its name, None where it cannot be looked up, and for everybody."""
        if name is not None and name not in self.found:
            try:
                self.found[name] = CountedGroup(name)
            except UnknownGroup:
                self.found[name] = None
        return None if name is None else self.found[name]


class Room:
    """Whether a limit has room for a person, how full it is, and the uids of those who fill it."""

    def __init__(self, has_room: bool, told: str, uids: set[int], sessions: OpenSessions) -> None:
        self.has_room, self.told, self.uids, self.sessions = has_room, told, uids, sessions

    @property
    def names(self) -> str:
        """Who fills it, for the log."""
        ours = {session.uid: f"{session.who} {session.service}" for session in self.sessions.sessions}
        return ", ".join(sorted(ours.get(uid) or column(user_name(uid)) for uid in self.uids)) or "nobody"


class OpenSessions:
    """Every session that is open: those in the ledger, and those that logind knows besides.

    A login that has room takes a process for alive if there is one with its pid (`closer` False): that is quick.
    Raises OSError where it cannot be told who is in.
    """

    def __init__(self, ledger: Sessions, closer: bool = True, uid: int = -1) -> None:
        self.ledger, self.closer, self.uid = ledger, closer, uid
        self.entries: list[LedgerEntry] = []
        self.ended: list[LedgerEntry] = []
        for entry in ledger.entries():
            (self.ended if entry.is_gone() else self.entries).append(entry)
        self.logind = logind_sessions()
        self.most = len(self.entries) + len(self.logind)

    @functools.cached_property
    def known(self) -> list[Session]:
        """Those in the ledger, and of closed ones those whose process lives: logind may not have noticed yet."""
        kept = []
        for session in self.ledger.read(self.entries):
            # Who is in already does not count again, so of them a closer look comes first.
            if (self.closer or session.entry.left or session.uid == self.uid) and not session.lives():
                self.ended.append(session.entry)
            else:
                kept.append(session)
        return kept

    @functools.cached_property
    def sessions(self) -> list[Session]:
        """Those in the ledger that PAM has not closed."""
        return [session for session in self.known if not session.entry.left]

    @functools.cached_property
    def others(self) -> list[LogindSession]:
        """Those that logind alone knows."""
        pids = {session.entry.pid for session in self.known}
        return [session for session in self.logind if session.leader not in pids and session.is_a_persons()]

    def people(self, group: CountedGroup | None) -> set[int]:
        """The uids of those in a group, None for everybody."""
        people = {session.uid for session in self.sessions if group is None or group.has_session(session)}
        return people | {session.uid for session in self.others if group is None or group.has(session.uid)}

    def count(self, uid: int) -> int:
        """How many sessions a user has."""
        return sum(it.uid == uid for it in self.sessions) + sum(it.uid == uid for it in self.others)

    def is_in(self, uid: int) -> bool:
        """Whether a user is in already, by a session that is not just about to begin."""
        ours = (it for it in self.sessions if it.uid == uid)
        return any(map(self.ledger.is_final, ours)) or any(it.uid == uid for it in self.others)

    def look_at(self, limit: Limit, person: Person, groups: Groups) -> Room:
        """Whether a limit has room for a person. Who is in already counts once."""
        if limit.target == "USER":
            count = self.count(person.uid)
            told = f"{printable(person.user)}: {count} of {limit.most} sessions are open"
            return Room(count < limit.most, told, {person.uid} if count else set(), self)
        name = printable(limit.name or "everybody")
        group = groups.get(limit.name)
        if group is None and limit.name is not None:
            return Room(person.uid == 0, f"it cannot be counted who of {name} is in", set(), self)
        people = self.people(group)
        has_room = len(people) < limit.most or (limit.most > 0 and person.uid in people and self.is_in(person.uid))
        return Room(has_room, f"{name}: {len(people)} of {limit.most} are logged in", people, self)

    def first_full(self, limits: Sequence[Limit], person: Person, groups: Groups) -> tuple[Limit, Room] | None:
        """The first limit that has no room for a person."""
        if all(limit.target == "GROUP" and self.most < limit.most for limit in limits):
            return None  # fewer sessions than people may be in
        for limit in limits:
            room = self.look_at(limit, person, groups)
            if not room.has_room:
                return limit, room
        return None


def take_place(
    attempt: LoginAttempt, decision: Decision, host: Host, limits: Sequence[Limit], answer: str = ""
) -> Session | None:
    """Checks that every limit has room and, for a session (`answer` set), takes the place in the same step.

    Returns the session. Raises Refused for a limit that is full, and where there are limits but no telling who is in.
    """
    try:
        ledger, groups = Sessions(), Groups()
        counted = [groups.get(limit.name) for limit in limits if limit.target == "GROUP"]
        text = new_session_text(attempt, decision, host, answer, counted) if answer else ""
        ended: Iterable[LedgerEntry] = ()
        full: tuple[Limit, Room] | None = None
        session = None
        for _ in tries():
            turn = ledger.turn()
            if limits:
                opened = OpenSessions(ledger, full is not None, attempt.person.uid)
                was_full, full = full is not None, opened.first_full(limits, attempt.person, groups)
                ended = opened.ended
                if full is not None and was_full:
                    break
                if full is not None:
                    time.sleep(LOOKS_AGAIN_AFTER)
                    continue
            session = ledger.take(turn, host, text) if answer else None
            if session is not None or not answer:
                break
        ledger.sweep(ended if limits else filter(LedgerEntry.is_gone, ledger.entries()))
    except (OSError, KeyError, ValueError, Unknown) as error:
        refuse_if_limited(error, decision, attempt)
        return None
    if full is not None:
        limit, room = full
        why = f"{printable(limit.rule.text)}: {room.told}: {room.names}"
        raise Refused(Decision("CLOSE", decision.rules, limit.rule, why), f"Access denied: {room.told}.")
    return session


def refuse_if_limited(error: Exception, decision: Decision, attempt: LoginAttempt) -> None:
    """Raises Refused where it cannot be counted who is in, and a limit counts this person; or else warns.

    It counts in every service, by whichever of them it limits.
    """
    rule = next((it for it in decision.rules.rules if it.action == "NUMBER" and counts(it, attempt)), None)
    if rule is None:
        syslog(LOG_WARNING, f"{attempt.name} {attempt}: let in, but not written down: {error}")
        return
    why = f"{printable(rule.text)}: it cannot be counted who is in: {error}"
    unknown = Decision("CLOSE", decision.rules, rule, why)
    raise Refused(unknown, "Access denied: it cannot be counted who is logged in.") from error


def counts(rule: Rule, attempt: LoginAttempt) -> bool:
    """Whether a NUMBER rule counts this person, over whatever and from wherever they come; in doubt it does."""
    try:
        return any(entry_fits(Entry(it.name, None, it.whole), rule, attempt) for it in rule.entries)
    except Unknown:
        return True


# ---- The question: the owner of the desktop allows or denies ---------------------------------------------------------

WAITING_MOST = 5  # people who wait behind the one that is asked about
SHARING_MOST = 20  # login attempts of one person that wait, each of them a process of the host
RENEWED_EVERY, PLACE_KEPT = 0.4, 5.0  # seconds: a process that waits says so, and loses its place when it does not
STARTED_WITHIN, SHOWN_WITHIN = 10.0, 20.0  # seconds that systemd may take to start a window, and it to come up
HOLD_MOST = 3600  # seconds that a refusal holds for a person, at most
TAKEN_BACK_FREE = 2  # questions in a row that may be taken back: each one more keeps the person out as a refusal does
SYSTEMD_RUN = "/usr/bin/systemd-run"
# Seconds for a window to end by itself, and for systemd to end it: together fewer than PLACE_KEPT.
ENDS_WITHIN, STOPPED_WITHIN = 0.5, 3.0
STARTED, COMPLAINT = "Running as unit", "pam-accesscontrol: "  # how a line of systemd-run and of a window begins
SHOWN_MOST = 1000  # characters of a stranger's text: a socket takes no more than 200 KiB at once
MISSED_MOST = 5  # windows that tell of an unanswered question
POLLIN, POLLRDHUP = 1, 0x2000  # see poll(2). The second: the other end has closed, whatever it has sent before


class Ending:
    """How a question ends: what the log says, what the person is told, and what an earlier answer is called."""

    def __init__(self, log: str, told: str, earlier: str = "") -> None:
        self.log, self.told, self.earlier = log, told, earlier


NO_ANSWER = "the person at the desktop did not answer in time", "question that was not answered by {owner}"
ENDINGS = {
    "allow": Ending("allowed by {owner}", "", "Allow by {owner}"),
    "deny": Ending("denied by {owner}", "the person at the desktop did not allow it", "Deny by {owner}"),
    "timeout": Ending("no answer in {seconds} s", *NO_ANSWER),
    "unseen": Ending("no answer in {seconds} s, the screen was locked", *NO_ANSWER),
    "nobody": Ending("nobody to ask", "there is nobody at the desktop who could allow it"),
    "busy": Ending("{owner} are waiting already", "too many logins wait for an answer already, try again later"),
    "gone": Ending("the client has gone away", "the question was taken back"),
    "too often": Ending("too many questions were taken back", "too many questions were taken back, try again later"),
    "broken": Ending("{owner} could not be asked", "the person at the desktop could not be asked"),
}
ANSWERED = tuple(word for word in ENDINGS if ENDINGS[word].earlier)  # the words that are an answer


class CannotAsk(Exception):
    """Somebody is at the desktop, or may be, and cannot be asked, and why."""


class Question:
    """What the owner is asked: who wants in, and how they proved who they are."""

    def __init__(self, attempt: LoginAttempt, rules: RuleFile, info: str) -> None:
        import hashlib

        self.attempt, self.rules = attempt, rules
        proofs = [Proof(attempt.person, row) for row in info.split("\n") if row]
        self.proof = "\nthen ".join(proof.told for proof in proofs)
        self.since = int(time.time())
        self.person, self.asked_by = behind(attempt), attempt.asked_by or "-"
        proved = tuple(proof.identity for proof in proofs)
        asked_about = person_key(attempt.person), attempt.asked_by, attempt.name, host_network(attempt.rhost), proved
        self.key = hashlib.sha256(repr(asked_about).encode("utf-8", "replace")).hexdigest()[:32]

    def message(self) -> dict[str, Any]:
        """What the window is told."""
        attempt = self.attempt
        texts = {
            "service": attempt.name, "user": attempt.user, "full_name": full_name(attempt.person),
            "rhost": attempt.rhost, "requester": attempt.requester if attempt.asked_by else "",
        }
        shown = {name: shorten(printable(text), SHOWN_MOST) for name, text in texts.items()}
        proof = shorten(self.proof, SHOWN_MOST)
        return {"kind": "question", **shown, "proof": proof, "since": self.since, "timeout": self.rules.timeout}


def behind(attempt: LoginAttempt) -> str:
    """Who is behind a login attempt: of su, whoever asked. Else bob himself were kept out for erin's `su bob`."""
    if not attempt.asked_by:
        return person_key(attempt.person)
    asker = Person(attempt.requester)
    nameless = asker.uid < 0 and attempt.requester.isdecimal()
    return f"uid-{attempt.requester}" if nameless else person_key(asker)


def host_network(rhost: str) -> str:
    """A remote host as far as an answer holds: of IPv6 the /64, since whoever has one address has all of it."""
    address = parse_address(rhost)
    return f"{address[1] >> 64:x}::/64" if address and address[0] == 128 else rhost


def full_name(person: Person) -> str:
    """The name in a user's GECOS field, empty where there is none."""
    return from_system(person.account.pw_gecos).partition(",")[0] if person.account else ""


class Proof:
    """One way in which a person proved who they are, as a row of SSH_AUTH_INFO_0: METHOD, and TYPE KEY or a name.

    Other services than sshd tell nothing. See ExposeAuthInfo in sshd_config(5). `told` is for the owner, and `identity`
    is what is the same at the next login.
    """

    def __init__(self, person: Person, row: str) -> None:
        method, _, rest = row.partition(" ")
        kind, text, *_ = [*rest.split(" "), ""]
        blob = key_in(text) if method in ("publickey", "hostbased") else b""
        if not blob:
            name = f"\n({printable(rest)})" if rest else ""  # of GSSAPI, the principal
            self.told, self.identity = printable(method.partition("/")[0]) + name, row  # keyboard-interactive/pam
            return
        if CERTIFIED in kind:
            what, told, self.identity = "certificate", *certified(blob)
        else:
            what, told, self.identity = "key", fingerprint(blob), f"key {text}"
        if method == "hostbased":
            self.told = f"hostbased, by the client machine's {what}\n{told}"
            self.identity = f"hostbased {self.identity}"
            return
        comment = key_comment(person, text) if what == "key" else ""
        self.told = f"{what} {told}" + (f"\n({shorten(comment, 80)})" if comment else "")


def key_in(text: str) -> bytes:
    """The key of a row of SSH_AUTH_INFO_0; empty where there is none."""
    import binascii

    try:
        return binascii.a2b_base64(text)
    except ValueError:
        return b""


def certified(blob: bytes) -> tuple[str, str]:
    """What a certificate shows, and what of it stays: its CA and its key ID, or where it has none, the key in it."""
    try:
        it = Certificate(blob)
    except (KeyError, ValueError):
        return fingerprint(blob), f"certificate {fingerprint(blob)}"
    key, authority = fingerprint(it.key), fingerprint(it.authority)
    key_id = f"ID {shorten(printable(it.key_id), 80)}\n" if it.key_id else ""
    return f"{key}\n{key_id}CA {authority}", f"certificate {authority} {it.key_id and 'ID ' + it.key_id or key}"


CERTIFIED = "-cert-v01@openssh.com"  # ends the type of a certificate
KEY_FIELDS = {  # how many strings a public key has behind its type
    "ssh-rsa": 2, "ssh-dss": 4, "ssh-ed25519": 1, "sk-ssh-ed25519": 2, "sk-ecdsa-sha2-nistp256": 3,
    "ecdsa-sha2-nistp256": 2, "ecdsa-sha2-nistp384": 2, "ecdsa-sha2-nistp521": 2,
}


class Certificate:
    """A certificate of OpenSSH: the key in it, its key ID, and the key of the CA, from the bytes that are signed.

    See PROTOCOL.certkeys of OpenSSH. Raises ValueError and KeyError for what is none.
    """

    def __init__(self, blob: bytes) -> None:
        kind, rest = take_string(blob)
        key_type = kind.decode().replace(CERTIFIED, "@openssh.com" if kind.startswith(b"sk-") else "")
        _, rest = take_string(rest)  # a random number
        after_key = rest
        for _ in range(KEY_FIELDS[key_type.partition("@")[0]]):
            _, after_key = take_string(after_key)
        self.key = len(key_type).to_bytes(4, "big") + key_type.encode() + rest[: len(rest) - len(after_key)]
        key_id, rest = take_string(after_key[12:])  # behind the serial number, and the kind of certificate
        self.key_id = key_id.decode("utf-8", "surrogateescape")
        _, rest = take_string(rest)  # principals
        rest = rest[16:]  # from when until when
        for _ in ("critical options", "extensions", "reserved"):
            _, rest = take_string(rest)
        self.authority, _ = take_string(rest)


def take_string(data: bytes) -> tuple[bytes, bytes]:
    """The string at the start, and what stands behind it: see RFC 4251, section 5. Raises ValueError."""
    end = 4 + int.from_bytes(data[:4], "big")
    if end > len(data):
        raise ValueError("the data end within a string")
    return data[4:end], data[end:]


def fingerprint(blob: bytes) -> str:
    """The fingerprint of a public key, as ssh-keygen -l has it."""
    import binascii
    import hashlib

    return "SHA256:" + binascii.b2a_base64(hashlib.sha256(blob).digest(), newline=False).decode().rstrip("=")


def key_comment(person: Person, blob: str) -> str:
    """The comment behind a key in its user's authorized_keys, empty where there is none. See sshd(8).

    Read as that user: the path is theirs to choose, and by a link to /proc/kmsg root read the kernel's log (measured).
    """
    if person.account is None or os.geteuid() != 0:
        return ""
    path = os.path.join(os.fsencode(person.account.pw_dir), b".ssh", b"authorized_keys")
    groups, gid = os.getgroups(), os.getegid()
    try:
        os.setgroups(list(person.gids))
        os.setegid(person.account.pw_gid)
        os.seteuid(person.uid)
        text = read_small_file(path)
    except (OSError, Unknown):
        return ""
    finally:
        os.seteuid(0)
        os.setegid(gid)
        os.setgroups(groups)
    line = text.partition(blob.encode())[2].partition(b"\n")[0]
    return printable(line.decode("utf-8", "surrogateescape").strip())


def read_small_file(path: bytes) -> bytes:
    """The start of a stranger's file. Raises OSError for what is no plain file, which is not even opened.

    A FIFO would keep us waiting, and so would a lease that somebody holds on the file, see fcntl(2).
    """
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(place).st_mode):
            raise OSError(0, "is not a plain file")
        descriptor = os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    finally:
        os.close(place)
    try:
        return os.read(descriptor, 256 * 1024)
    finally:
        os.close(descriptor)


def choose_desktop(people: Sequence[LogindSession], active: str) -> LogindSession | None:
    """Of the sessions of people on a seat, with the one that is on the screen: whose owner is to be asked.

    None is a seat that is known to have nobody. Of type tty may be a desktop that was begun by startx, or a text
    console, which is nobody: only its owner's window can tell. Raises CannotAsk.
    """
    desktops = [session for session in people if session.type in ("x11", "wayland", "mir")]
    on_screen = next((session for session in people if session.id == active), None)
    if on_screen in desktops:
        return on_screen
    if desktops:
        names = ", ".join(sorted({column(user_name(session.uid)) for session in desktops}))
        raise CannotAsk(f"the desktop of {names} is not on the screen: it is locked, or another one is in front of it")
    if people and on_screen is None:
        raise CannotAsk("somebody has a session on seat0, and none of its sessions is active")
    return on_screen


def find_desktop() -> tuple[LogindSession | None, list[LogindSession]]:
    """The session on seat0 whose owner is to be asked, None if the seat is known to have nobody; and the others there.

    Raises CannotAsk, and OSError. See sd_seat_get_active(3).
    """
    if not os.path.isdir(LOGIND_SEATS):
        raise CannotAsk("there is no logind, which knows who is at the desktop")
    found = re.search("^ACTIVE=(.+)$", read_text(f"{LOGIND_SEATS}/seat0"), re.MULTILINE)
    active = found[1] if found else ""
    sessions = logind_sessions()
    if active and active not in [session.id for session in sessions]:
        raise CannotAsk("the session on the screen has just begun or ended")
    people = [it for it in sessions if it.seat == "seat0" and not it.remote and it.is_a_persons()]
    desktop = choose_desktop(people, active)
    if desktop is None:
        must_be_nobody({session.leader for session in sessions})
    return desktop, [session for session in people if session is not desktop]


def must_be_nobody(leaders: set[int]) -> None:
    """Raises CannotAsk where somebody may be at the desktop of whom logind does not know, and OSError."""
    cgroups = (f"/sys/fs/cgroup{root}/system.slice/systemd-logind.service" for root in ("", "/systemd", "/unified"))
    if os.path.isdir("/run/systemd/system") and not any(read_text(f"{it}/cgroup.procs") for it in cgroups):
        raise CannotAsk("logind does not run, which knows who is at the desktop")
    if os.geteuid() != 0:  # explain
        return
    for session in Sessions().living():
        if session.service == "XDM" and session.entry.pid not in leaders:
            raise CannotAsk(f"{session.who} is at the desktop, and logind does not know of it")


class Words:
    """The words that come from a pipe, each of them a line; a blank line is none."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor, self.read = descriptor, b""

    def next(
        self, deadline: float, watched: dict[int, int] | None = None, idle: Callable[[], object] | None = None
    ) -> str | None:
        """The next word; empty at the end or when time is up. None when an event of a watched descriptor has come.

        `idle` is called every RENEWED_EVERY seconds; `deadline` is in seconds of time.monotonic().
        """
        import select

        poll = select.poll()
        poll.register(self.descriptor, POLLIN)
        for descriptor, events in (watched or {}).items():
            poll.register(descriptor, events)
        while b"\n" not in self.read:
            left = deadline - time.monotonic()
            if left <= 0 or len(self.read) > 4096:
                return ""
            ready = dict(poll.poll(min(left, RENEWED_EVERY) * 1000))
            if ready and self.descriptor not in ready:
                return None
            if ready:
                piece = os.read(self.descriptor, 512)
                if not piece:
                    return ""
                self.read = (self.read + piece).lstrip(b"\n")
            if idle:
                idle()
        line, _, rest = self.read.partition(b"\n")
        self.read = rest.lstrip(b"\n")
        return line.decode("utf-8", "replace")


class Unit:
    """A process of an owner's in a unit of its own, started by systemd: nothing of the host is in it.

    Others can read a unit's name, arguments and environment, so its message comes on its standard input. The end of
    that is the end of a question. It is known by its name, since it outlives systemd-run and this process (measured).
    Raises CannotAsk where systemd does not start it, and OSError. See systemd-run(1).
    """

    def __init__(
        self, name: str, uid: int, message: dict[str, Any], loader: str, most: str = "infinity",
        idle: Callable[[], object] | None = None,
    ) -> None:
        """systemd ends it after `most` seconds. `idle` is called every RENEWED_EVERY seconds until it has begun."""
        import json

        text = json.dumps(message).encode() + b"\n"
        window_end, self.asker = _socket.socketpair()
        self.mine: list[int] = []
        self.given = [window_end.detach()]
        try:
            for _ in ("standard output", "standard error"):
                reader, writer = os.pipe()
                self.mine.append(reader)
                self.given.append(writer)
            self.words, self.errors = map(Words, self.mine)
            os.set_blocking(self.given[2], False)  # nobody reads what is written there until the end
            self.asker.setblocking(False)
            self.asker.sendall(text)
            self.start(name, uid, loader, most, idle)
        except BaseException:
            self.close()
            raise
        finally:
            self.give_away()

    def start(self, name: str, uid: int, loader: str, most: str, idle: Callable[[], object] | None) -> None:
        """Has systemd start it, and ends systemd-run as soon as anything is known: systemd has the descriptors then.

        That is a line of systemd-run or a word of the window, whichever comes first: whoever calls su can stop
        systemd-run, in a cgroup of their own, while the window is answered (measured). Raises CannotAsk, and OSError.
        """
        stdin, stdout, stderr = self.given
        with HiddenChild(
            SYSTEMD_RUN, "--collect", "--pipe", f"--uid={uid}", f"--unit=pam-accesscontrol-{name}",
            "--description=pam-accesscontrol, for the person at the desktop", "--property=KillSignal=SIGKILL",
            f"--property=RuntimeMaxSec={most}",
            "/usr/bin/python3", "-I", loader, "--window", stdin=stdin, stdout=stdout, stderr=stderr,
        ):
            self.give_away()
            deadline, last, told = time.monotonic() + STARTED_WITHIN, "", "systemd does not answer"
            while told and not told.startswith((STARTED, COMPLAINT)):
                last, told = told, self.errors.next(deadline, {self.words.descriptor: POLLIN}, idle) or self.said()
        if not told:
            raise CannotAsk(f"systemd-run: {printable(last)}")
        if told.startswith(COMPLAINT):
            self.errors.read = told.encode() + b"\n" + self.errors.read

    def said(self) -> str:
        """What a window that was faster than systemd-run stands for; empty if it has not said a word."""
        os.set_blocking(self.words.descriptor, False)
        try:
            self.words.read = os.read(self.words.descriptor, 512)
        except BlockingIOError:
            pass
        return STARTED if self.words.read else ""

    def give_away(self) -> None:
        """Closes what is the window's."""
        while self.given:
            os.close(self.given.pop())

    def why(self) -> str:
        """Its last words on standard error, which are the owner's, too; empty if there are none."""
        try:
            os.set_blocking(self.errors.descriptor, False)
            text = self.errors.read + os.read(self.errors.descriptor, 1 << 16)
        except BlockingIOError:
            text = self.errors.read
        lines = [it for it in text.decode("utf-8", "replace").splitlines() if not it.startswith(STARTED)]
        return shorten(printable(lines[-1].removeprefix(COMPLAINT)), 300) if lines else ""

    def beat(self) -> None:
        """Tells a window that somebody still waits: it goes PLACE_KEPT seconds after the last time."""
        try:
            self.asker.send(b"\n", _socket.MSG_NOSIGNAL)
        except OSError:
            pass  # it has gone, or does not read

    def __enter__(self) -> Unit:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Says that nobody waits any more."""
        self.asker.close()
        for descriptor in self.mine:
            os.close(descriptor)


def our_units(name: str) -> list[str]:
    """The units of ours whose names begin so; one that has just ended may be among them. See systemd.unit(5)."""
    try:
        return [it for it in os.listdir("/run/systemd/transient") if it.startswith(f"pam-accesscontrol-{name}")]
    except FileNotFoundError:
        return []


def stop_units(units: list[str]) -> None:
    """Ends units of ours with SIGKILL, and waits STOPPED_WITHIN seconds at most for that. Raises OSError."""
    import subprocess  # nosec B404  # with constant commands

    if not units:
        return
    with HiddenChild("/usr/bin/systemctl", "stop", "--quiet", *units) as child:
        try:
            child.process.wait(STOPPED_WITHIN)
        except subprocess.TimeoutExpired:
            pass


class HiddenChild:
    """A child process of which the host hears nothing, and which has ended behind the block. Raises OSError."""

    def __init__(self, *command: str, stdin: int = -3, stdout: int = -3, stderr: int = -3) -> None:
        """A descriptor of -3 is /dev/null, see subprocess.DEVNULL."""
        import signal
        import subprocess  # nosec B404  # with constant commands

        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # which importing signal put there
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        self.mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGCHLD,))
        try:
            self.process = subprocess.Popen(  # nosec B603
                command, stdin=stdin, stdout=stdout, stderr=stderr, cwd="/", start_new_session=True,
                env={"LANG": "C", "SYSTEMD_LOG_LEVEL": "info"},
            )
        except BaseException:
            take_back_sigchld(self.mask)
            raise

    def __enter__(self) -> HiddenChild:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        take_back_sigchld(self.mask)


def take_back_sigchld(mask: set[int | signal.Signals]) -> None:
    """Takes back the signal that a child of ours has ended, and restores the host's mask. See sigwaitinfo(2).

    vsftpd takes it for the end of its own child, and waits for that for ever (measured). Where a child of the host's
    has ended meanwhile, the host is told again.
    """
    import signal

    signal.sigtimedwait((signal.SIGCHLD,), 0)
    try:
        if os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            os.kill(os.getpid(), signal.SIGCHLD)
    except ChildProcessError:
        pass
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def connections() -> list[int]:
    """The descriptors of this process that are TCP connections: in sshd, the one to the client."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if not os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                continue
            socket = _socket.socket(fileno=int(name))
        except (OSError, ValueError):
            continue
        try:
            socket.getpeername()
            if socket.family in (_socket.AF_INET, _socket.AF_INET6) and socket.type == _socket.SOCK_STREAM:
                found.append(int(name))
        except OSError:
            pass
        finally:
            socket.detach()
    return found


ANSWER_NAME = re.compile(r"(allow|deny)-([0-9a-z-]+)-([0-9]+\.[0-9]{6})-([0-9]{1,9})")


class Answer:
    """What an owner has answered, a link in `answers`: an Allow to one question, or a refusal, which is for a person.

    `number` is how many logins an Allow has let in, and of refusals how many there were in a row.
    """

    def __init__(self, link: str, text: str, touched: float) -> None:
        """Raises ValueError for what is no answer."""
        found = ANSWER_NAME.fullmatch(link)
        self.link, fields = link, text.split(" ")
        if not found or len(fields) != 8:
            raise ValueError(link)
        self.allows, self.target, self.number = found[1] == "allow", found[2], int(found[4])
        self.given = float(found[3])  # seconds since the boot
        self.word, seconds, self.person, owner_uid, self.owner, self.who, asked_by, self.service = fields
        self.asked_by, self.owner_uid = "" if asked_by == "-" or not self.allows else asked_by, int(owner_uid)
        # An Allow holds so long from its last use; before it is used, the time of the link is the clock's.
        used = touched if self.allows and self.given <= touched <= seconds_up() else self.given
        self.until = used + int(seconds)

    def in_words(self) -> str:
        return ENDINGS[self.word].earlier.format(owner=self.owner)


class Answers(Links):
    """The answers that hold, and those that count for how long the next one holds. Raises OSError."""

    def __init__(self) -> None:
        super().__init__("answers")
        self.found: list[Answer] = []
        for _ in tries():
            try:
                self.found = sorted(self.read(), key=lambda it: it.given)
                return
            except FileNotFoundError:
                continue  # one of them has just been used, or has gone

    def read(self) -> Iterator[Answer]:
        """Every link that is an answer. Raises FileNotFoundError, too."""
        for name in self.names():
            try:
                yield Answer(name, self.text(name), self.touched(name))
            except ValueError:
                continue

    def last_of(self, person: str) -> Answer | None:
        """The last answer about a person, an Allow or a refusal."""
        return next((it for it in reversed(self.found) if it.person == person), None)

    def refusal_of(self, person: str) -> Answer | None:
        """The refusal about a person that no Allow has come after."""
        last = self.last_of(person)
        return last if last and not last.allows else None

    def last_allow(self, key: str) -> Answer | None:
        """The last Allow to a question."""
        return next((it for it in reversed(self.found) if it.allows and it.target == key), None)

    def allow_for(self, key: str) -> Answer | None:
        """The Allow to a question that no refusal has come after: that ends every Allow of the person."""
        found = self.last_allow(key)
        later = (it for it in self.found if found and it.person == found.person and it.given > found.given)
        return found if all(it.allows for it in later) else None

    def that_hold(self) -> list[tuple[Answer, float]]:
        """Every answer that holds, and for how many seconds; -1 for one that holds while a session lives."""
        sessions, now, found = Sessions(), seconds_up(), []
        for it in self.found:
            last = self.allow_for(it.target) if it.allows else self.refusal_of(it.person)
            in_use = it.allows and sessions.answer_in_use(it.target)
            if last is it and (in_use or now < it.until):
                found.append((it, -1 if in_use else it.until - now))
        return found

    def holds_in(self, allow: Answer, sessions: Sessions) -> bool:
        """Whether an Allow holds: while a session lives that it let in, and for some time besides."""
        return seconds_up() < allow.until or sessions.answer_in_use(allow.target)

    def known(self, question: Question, since: float | None = None) -> Answer | None:
        """The answer that holds for a question, None if there is none; also one that was given `since` then.

        A refusal is looked at first.
        """
        refusal, allow = self.refusal_of(question.person), self.allow_for(question.key)
        if refusal and (seconds_up() < refusal.until or (since is not None and since <= refusal.given)):
            return refusal
        if allow and ((since is not None and since <= allow.given) or self.holds_in(allow, Sessions())):
            return allow
        return None

    def give(self, question: Question, word: str, owner_uid: int, owner: str, given: float) -> None:
        """Writes an answer down. A refusal that nobody can have seen holds no longer than for those who wait now."""
        before = self.refusal_of(question.person)
        strikes = before.number + 1 if before else 1
        seconds = question.rules.remember
        target, number, who = question.key, 0, str(question.attempt)
        if word != "allow":
            target, number, who = question.person, strikes, question.attempt.asked_by or column(question.attempt.user)
            seconds = 0 if word == "unseen" else hold_seconds(seconds, strikes)
        about = f"{who} {question.asked_by} {question.attempt.name}"
        text = f"{word} {seconds} {question.person} {owner_uid} {owner} {about}"
        self.put(f"{'allow' if word == 'allow' else 'deny'}-{target}-{given:.6f}-{number}", text)
        for answer in self.found:
            over = answer.allows and not self.holds_in(answer, Sessions())
            ended = not answer.allows or (word == "allow" and self.allow_for(answer.target) is not answer)
            if over or (ended and answer.person == question.person and answer.given < given):
                self.remove(answer.link)

    def use(self, key: str) -> None:
        """Writes down that an Allow has let somebody in, and when."""
        allow, now = self.allow_for(key), seconds_up()
        if allow is None or not self.holds_in(allow, Sessions()):
            return
        name = f"{allow.link.rpartition('-')[0]}-{allow.number + 1}"
        try:
            os.rename(f"{self.path}/{allow.link}", f"{self.path}/{name}")
        except FileNotFoundError:  # by another login that it lets in, or it has been lifted
            Answers().use(key)
            return
        try:
            self.touch(name, now)
        except FileNotFoundError:
            pass  # another login has used it since


class Waiting:
    """A login attempt that waits for an answer, as its entry in the ledger `questions` says."""

    def __init__(self, entry: LedgerEntry, text: str) -> None:
        """Raises ValueError for a text that is damaged."""
        self.entry = entry
        kind, self.person, arrived, self.service, self.who, asked_by = text.split(" ")
        self.asked_by = "" if asked_by == "-" else asked_by
        self.is_asked = kind == "asked"  # it is, or was, on the screen
        self.arrived = float(arrived)  # or was shown: seconds since the boot


class Questions(Ledger):
    """The login attempts that wait for an answer, each of which says again and again that it does.

    Raises OSError, as Ledger does.
    """

    def __init__(self) -> None:
        super().__init__("questions")
        self.waiting: list[Waiting] = []  # in the order in which they came
        self.asked: list[Waiting] = []  # on the screen
        self.taken_back: list[Waiting] = []  # were on the screen, and have neither an answer nor anybody who waits

    def look(self) -> Questions:
        """Reads who waits; an entry that nobody renews is no place any more."""
        self.waiting, self.asked, self.taken_back = [], [], []
        for entry in sorted(self.entries(), key=lambda it: it.turn):
            try:
                waiting = Waiting(entry, self.text(entry.link))
                kept = self.is_kept(waiting)
            except (ValueError, FileNotFoundError):
                continue
            (self.taken_back if not kept else self.asked if waiting.is_asked else self.waiting).append(waiting)
        for waiting in self.taken_back:
            if not waiting.is_asked:
                self.remove(waiting.entry.link)
        self.taken_back = [waiting for waiting in self.taken_back if waiting.is_asked]
        return self

    def is_kept(self, waiting: Waiting) -> bool:
        """Whether whoever waits has renewed the entry within PLACE_KEPT seconds, and lives."""
        touched, now = self.touched(waiting.entry.link), time.monotonic()
        # Of one that was made just now, the time is still the clock's.
        silent = now - touched if touched <= now else seconds_up() - waiting.arrived
        return silent <= PLACE_KEPT and is_alive(waiting.entry.pid)

    def in_turn(self, answers: Answers) -> list[Waiting]:
        """Who waits, in turn: behind all others, those about whom the owner has been asked since they came."""
        asked: dict[str, float] = {}
        for person, when in [*((it.person, it.arrived) for it in self.taken_back),
                             *((it.person, it.given) for it in answers.found)]:
            asked[person] = max(when, asked.get(person, 0))

        def place(waiting: Waiting) -> tuple[float, int]:
            last = asked.get(waiting.person, 0)
            return last if last > waiting.arrived else 0, waiting.entry.turn

        return sorted(self.waiting, key=place)

    def next_link(self, answers: Answers) -> str:
        """The entry of the one whose turn it is to be shown, empty while another one is on the screen."""
        in_turn = [] if self.asked else self.in_turn(answers)
        return in_turn[0].entry.link if in_turn else ""

    def kept_out_for(self, person: str, answers: Answers, remember: int) -> float:
        """For how many seconds a person is not asked about, for all the questions in a row that were taken back.

        Whoever asks may go away at any moment, and come again at once: before alice can press Deny, or by kill -9 of
        su. Some may; each one more keeps the person out as a refusal does.
        """
        answer = answers.last_of(person)
        number, until, last = 0, 0.0, answer.given if answer else 0.0
        for shown in sorted(it.arrived for it in self.taken_back if it.person == person and it.arrived > last):
            number = number + 1 if shown < until + HOLD_MOST else 1
            until = shown + (hold_seconds(remember, number - TAKEN_BACK_FREE) if number > TAKEN_BACK_FREE else 0)
        return until - seconds_up()


class LostPlace(Exception):
    """This process has not gone on for so long that it has lost its place, and what was answered meanwhile."""


class Place:
    """The place that a login attempt has among those that wait for an answer, one for each process. Raises OSError."""

    def __init__(self, question: Question) -> None:
        self.question, self.ledger = question, Questions()
        self.pid = os.getpid()
        self.start = process_start(self.pid)
        self.link, self.arrived, self.renewed = "", 0.0, 0.0

    def enter(self) -> tuple[str, str]:
        """Takes a place, at the end; returns a word and who it is, empty where there is room."""
        person = self.question.person
        for _ in tries():
            turn, queue, answers = self.ledger.turn(), self.ledger.look(), Answers()
            people = [it.person for it in (*queue.asked, *queue.waiting)]
            if person not in people and len(set(people)) > WAITING_MOST:
                return "busy", f"{WAITING_MOST} people"
            if queue.kept_out_for(person, answers, self.question.rules.remember) > 0:
                return "too often", ""
            if people.count(person) >= SHARING_MOST:
                return "busy", f"{SHARING_MOST} logins of this person"
            if self.add(turn, "waits"):
                break
        return "", ""

    def add(self, turn: int, kind: str) -> bool:
        """Adds an entry, in place of the one before; returns whether nobody was faster. Raises LostPlace."""
        now, renewed, attempt = seconds_up(), time.monotonic(), self.question.attempt
        if self.link and renewed - self.renewed > PLACE_KEPT:
            raise LostPlace
        text = f"{kind} {self.question.person} {now:.6f} {attempt.name} {attempt} {self.question.asked_by}"
        link = self.ledger.add(turn, self.pid, self.start, text, renewed)
        if link is None:
            return False
        if self.link:
            self.ledger.remove(self.link)
        else:
            self.arrived = now
        self.link, self.renewed = link, renewed
        return True

    def renew(self) -> None:
        """Says that this process still waits. Raises LostPlace where it has not said so for too long.

        The time is taken before it is looked at: whoever is stopped in between says nothing new behind it.
        """
        now = time.monotonic()
        if now - self.renewed > PLACE_KEPT:
            raise LostPlace
        try:
            self.ledger.touch(self.link, now)
        except FileNotFoundError:
            raise LostPlace from None
        self.renewed = now

    def leave(self, outcome: Outcome) -> None:
        """Gives the place back. A question that was shown, and has no answer, stays as one that was taken back."""
        if outcome.shown and outcome.word not in ANSWERED:
            try:
                self.ledger.touch(self.link, 0)
            except FileNotFoundError:
                pass  # somebody has removed it
            return
        self.ledger.remove(self.link)
        if outcome.word in ANSWERED:
            for waiting in self.ledger.look().taken_back:
                if waiting.person == self.question.person:
                    self.ledger.remove(waiting.entry.link)


class Outcome:
    """What came of a question: the word, whose it is, and whether it was there before; and whether it was shown."""

    def __init__(self, word: str = "broken", owner: str = "the owner", earlier: bool = False, why: str = "") -> None:
        self.word, self.owner, self.earlier, self.why, self.shown = word, owner, earlier, why, False

    def in_words(self, rules: RuleFile) -> str:
        """What the log says of it."""
        ending = ENDINGS[self.word]
        text = f"earlier {ending.earlier}" if self.earlier else ending.log
        return text.format(owner=self.owner, seconds=rules.timeout) + (f": {self.why}" if self.why else "")


def ask(question: Question, loader: str, watched: dict[int, int]) -> Outcome:
    """Asks the owner of the desktop, unless an answer holds. Raises OSError and CannotAsk.

    An event of a watched descriptor, see poll(2), takes the question back. One question is on the screen at a time.
    """
    answer = Answers().known(question)
    if answer is not None:
        return Outcome(answer.word, answer.owner, earlier=True)
    while True:
        try:
            return ask_in_turn(question, loader, watched)
        except LostPlace:  # it begins anew, at the end of the queue
            if has_happened(watched, 0):
                return Outcome("gone")


def ask_in_turn(question: Question, loader: str, watched: dict[int, int]) -> Outcome:
    """Waits in the queue for an answer, or to be the first one, and then asks. Raises LostPlace, OSError, CannotAsk."""
    place, outcome = Place(question), Outcome()
    word, who = place.enter()
    if word:
        return Outcome(word, who)
    try:
        while True:
            # In this order: an answer is written down before its place in the queue is given back.
            turn, queue, answers = place.ledger.turn(), place.ledger.look(), Answers()
            answer = answers.known(question, since=place.arrived)
            place.renew()  # whoever has lost the place has no part in that answer
            if answer is not None:
                return Outcome(answer.word, answer.owner)
            if queue.next_link(answers) != place.link:
                if has_happened(watched, RENEWED_EVERY):
                    return Outcome("gone")
                continue
            if queue.kept_out_for(question.person, answers, question.rules.remember) > 0:
                return Outcome("too often")
            desktop, others = find_desktop()
            if desktop is None:
                return Outcome("nobody")
            outcome.owner = column(user_name(desktop.uid))  # kept: the directory may take longer than a place is kept
            if place.add(turn, "asked"):
                break
        show(place, outcome, desktop, others, loader, watched)
        if outcome.word in ("timeout", "unseen"):
            tell_of_missed(question, desktop, loader)
        return outcome
    finally:
        place.leave(outcome)


def show(
    place: Place, outcome: Outcome, desktop: LogindSession, others: list[LogindSession], loader: str,
    watched: dict[int, int],
) -> None:
    """Shows the question to the owner of the desktop, and writes the answer down: the word is in `outcome`.

    Raises LostPlace, OSError and CannotAsk.
    """
    question, timeout = place.question, place.question.rules.timeout
    message = {**question.message(), "session": desktop.message()}
    name, turn = f"question-{desktop.uid}-", place.link.partition(".")[0]

    def still_waits() -> None:
        place.renew()
        window.beat()

    try:
        end_stale(name, place.renew)
        with Unit(name + turn, desktop.uid, message, loader, str(2 * timeout + 60), place.renew) as window:
            word = window.words.next(time.monotonic() + SHOWN_WITHIN, watched, still_waits)
            outcome.shown = word is None or word == "shown"
            if word == "shown":
                log_asked(question.attempt, outcome.owner)
                word = window.words.next(time.monotonic() + 2 * timeout + 10, watched, still_waits)
            given = seconds_up()
            place.renew()  # an answer is for whoever still has the place
            if word is None:
                word = "gone"
            elif word not in (*ANSWERED, "nobody", "gone"):
                word, outcome.why = "broken", window.why() or f"journalctl -u pam-accesscontrol-{name}{turn} tells why"
        if word == "nobody" and not is_nobody(desktop, others, loader, place.renew):
            word, outcome.why = "broken", "another session on the seat may have a desktop"
        if word in ANSWERED:
            Answers().give(question, word, desktop.uid, outcome.owner, given)
            answer = Answers().known(question, since=place.arrived)
            word = answer.word if answer else word if word != "allow" else "broken"
    except LostPlace:
        outcome.shown = True  # it may have been
        raise
    outcome.word = word


def log_asked(attempt: LoginAttempt, owner: str) -> None:
    asked_by = attempt.asked_by and f", asked by {attempt.asked_by}"
    syslog(LOG_INFO, f"{attempt.name} {attempt}{asked_by}: {owner} is asked")


def end_stale(name: str, renew: Callable[[], object]) -> None:
    """Ends windows of questions that nobody waits for any more: some are about to end, some stand still.

    renew() comes before the stop: whoever has lost the place must not end the window of another one. Raises LostPlace
    and OSError.
    """
    deadline = time.monotonic() + ENDS_WITHIN
    while our_units(name) and time.monotonic() < deadline:
        time.sleep(0.02)
    units = our_units(name)
    renew()
    stop_units(units)


def tell_of_missed(question: Question, desktop: LogindSession, loader: str) -> None:
    """Has the owner told of a question that nobody answered. Where these are windows, the last MISSED_MOST stay."""
    name = f"missed-{desktop.uid}-"
    message = {**question.message(), "kind": "missed", "session": desktop.message()}
    try:
        stop_units(sorted(our_units(name))[: 1 - MISSED_MOST])
        Unit(f"{name}{seconds_up():017.6f}", desktop.uid, message, loader).close()
    except (CannotAsk, OSError) as error:
        syslog(LOG_WARNING, f"the person at the desktop is not told of a question that nobody answered: {error}")


def person_key(person: Person) -> str:
    """Whom an answer is about, in the name of a link: a uid, and a name where there is no uid."""
    import hashlib

    if person.uid >= 0:
        return f"uid-{person.uid}"
    return "name-" + hashlib.sha256(repr(person.user).encode()).hexdigest()[:32]


def hold_seconds(remember: int, strikes: int) -> int:
    """How long a refusal holds: REMEMBER seconds, and twice as long each time after, up to an hour."""
    if strikes <= 1:
        return remember
    return min(max(remember, 1) << min(strikes - 1, 30), max(HOLD_MOST, remember))


def is_nobody(
    console: LogindSession, others: list[LogindSession], loader: str, idle: Callable[[], object]
) -> bool:
    """Whether a console without a display means that nobody is there: none of the other sessions has one.

    Raises OSError and CannotAsk.
    """
    return console.type == "tty" and not any(has_desktop(session, loader, idle) for session in others)


def has_desktop(session: LogindSession, loader: str, idle: Callable[[], object]) -> bool:
    """Whether a session of type tty is a desktop, and not just a text console; in doubt it is.

    Raises OSError and CannotAsk.
    """
    message = {"kind": "probe", "session": session.message()}
    with Unit(f"probe-{session.id}-{os.getpid()}", session.uid, message, loader, "60", idle) as probe:
        return probe.words.next(time.monotonic() + SHOWN_WITHIN, idle=idle) != "nobody"


def has_happened(watched: dict[int, int], seconds: float) -> bool:
    """Waits so many seconds, or until an event of a watched descriptor has come; returns whether one has."""
    import select

    poll = select.poll()
    for descriptor, events in watched.items():
        poll.register(descriptor, events)
    return bool(poll.poll(seconds * 1000))


def note_use(key: str) -> None:
    """Writes down that an answer has let somebody in; a notice that waits to tell of the end has nothing to tell."""
    if key in ("", NOT_ASKED):
        return
    try:
        answers = Answers()
        answers.use(key)
        allow = answers.last_allow(key)
        if allow is not None:
            stop_units(our_units(notice_name(allow)))
    except OSError as error:
        syslog(LOG_WARNING, f"an answer was used, which is not written down: {error}")


def notice_name(allow: Answer) -> str:
    """The unit that is to tell of the end: its name says nothing of whom the Allow is for."""
    return f"ended-{allow.owner_uid}-{allow.given:.6f}"


def tell_owner(ended: Session, attempt: LoginAttempt, remember: int, loader: str) -> None:
    """Has the owner told that somebody who was asked about is gone, unless they come back within REMEMBER seconds.

    The unit waits, and not the logout. Raises OSError and CannotAsk.
    """
    answers, sessions = Answers(), Sessions()
    allow = answers.last_allow(ended.answer)
    if allow is None or sessions.answer_in_use(ended.answer):
        return
    try:
        answers.touch(allow.link, seconds_up())
    except FileNotFoundError:
        pass  # another login has just used it
    desktop, _ = find_desktop()
    if desktop is None or desktop.uid != allow.owner_uid:
        return
    message = {
        "kind": "ended", "service": printable(attempt.name), "user": printable(attempt.user),
        "rhost": printable(attempt.rhost), "seconds": int(seconds_up() - allow.given), "logins": allow.number,
        "delay": remember, "session": desktop.message(),
    }
    Unit(notice_name(allow), desktop.uid, message, loader, str(remember + 120)).close()
    if sessions.answer_in_use(ended.answer):
        stop_units(our_units(notice_name(allow)))  # they have come back meanwhile


def ask_owner(attempt: LoginAttempt, decision: Decision, host: Host) -> str:
    """Puts the question where the verdict is ASK; returns the key of the answer, and adds the answer to the decision.

    Raises Refused for every answer but Allow, and for nobody to answer where UNATTENDED is CLOSE.
    """
    rules = decision.rules
    question = Question(attempt, rules, host.auth_info())
    try:
        outcome = ask(question, host.loader, host.watched(attempt))
    except (CannotAsk, OSError) as reason:
        outcome = Outcome(why=str(reason))
    except (ValueError, KeyError, RuntimeError, Unknown) as error:
        outcome = Outcome(why=f"{type(error).__name__}: {error}")
    word = outcome.word
    decision.answer = outcome.in_words(rules)
    if word == "allow":
        return question.key
    if word == "nobody" and rules.unattended == "OPEN":
        decision.answer = "nobody to ask, UNATTENDED is OPEN"
        return NOT_ASKED
    raise Refused(decision, f"Access denied: {ENDINGS[word].told}.")


# ---- The windows: what the desktop's owner sees, in a process of the owner's own -------------------------------------

if TYPE_CHECKING:
    from PyQt5 import QtCore, QtDBus, QtGui, QtWidgets

STALLED = 0.5  # seconds that the window may do nothing
CALM = 1.0  # seconds: a new window counts nothing for so long, and a key counts only after so long without keys
FOREVER = float("inf")
NOTIFIER = "org.freedesktop.Notifications"
LEFT_TO_RIGHT = "\u200e"  # an Arabic name at its start would turn the whole line around
DISPLAY_NAMES = frozenset(
    b"""DISPLAY XAUTHORITY WAYLAND_DISPLAY XDG_RUNTIME_DIR XDG_SESSION_TYPE XDG_CURRENT_DESKTOP DBUS_SESSION_BUS_ADDRESS
    DESKTOP_SESSION KDE_FULL_SESSION KDE_SESSION_VERSION LANG LC_ALL QT_QPA_PLATFORMTHEME QT_STYLE_OVERRIDE
    QT_SCALE_FACTOR QT_FONT_DPI XDG_DATA_DIRS XDG_CONFIG_DIRS GTK_THEME""".split()
)

# Of GNOME's own colors: text, window, field, button, accent.
LIGHT = "#1c1c1f #fafafb #ffffff #ececee #3584e4".split()
DARK = "#ffffff #2e2e32 #1d1d20 #48484c #3584e4".split()


def load_qt() -> None:
    """Imports Qt, in the process of a window alone. Raises ImportError."""
    global QtCore, QtDBus, QtGui, QtWidgets
    from PyQt5 import QtCore, QtDBus, QtGui, QtWidgets


# ---- Where the display is: looked up as the owner, whose processes could keep root waiting for their environment


def find_display(session: dict[str, Any]) -> dict[bytes, bytes]:
    """The environment by which a window gets onto the display of a session of our own, empty if none is to be found.

    It is that of the process that has most of it, among those on the display that logind names, or else on the one that
    most of them are on: one of them may well have a display of its own, a test server's or a nested compositor's, and
    an older one that of a session that has ended.
    """
    pids = sorted(own_processes(session), reverse=True)  # where that decides, the newest
    environments = list(map(display_environment, pids))
    wayland = [it for it in environments if b"WAYLAND_DISPLAY" in it]
    x11 = [it for it in environments if b"DISPLAY" in it and b"WAYLAND_DISPLAY" not in it]
    there = {"wayland": wayland, "x11": x11}.get(session["type"], max(wayland, x11, key=len))
    display = os.fsencode(without_screen(session["display"]))
    if display and there is x11:
        there = [it for it in there if it[b"DISPLAY"] == display] or [{b"DISPLAY": display}]
    for name in (b"WAYLAND_DISPLAY", b"DISPLAY", b"XAUTHORITY"):
        named = [it[name] for it in there if name in it]
        there = [it for it in there if not named or it.get(name) == max(named, key=named.count)]
    if there or session["type"] == "x11":
        return max(there, key=len, default={})
    found = lone_compositor(session, pids)
    most = max(environments, key=len, default={})
    return {**without(most, b"DISPLAY", b"XAUTHORITY"), **found} if found else {}


def without_screen(display: str) -> str:
    """The name of an X display without the number of its screen: :0 for :0.0."""
    return re.sub(r"(:\d+)\.\d+$", r"\1", display)


def without(environment: dict[bytes, bytes], *names: bytes) -> dict[bytes, bytes]:
    return {name: value for name, value in environment.items() if name not in names}


def own_processes(session: dict[str, Any]) -> Iterator[int]:
    """Our processes in a session's cgroup, and, for a graphical one, in that of the user's services; see cgroups(7).

    On a text console the user's services tell nothing: they may belong to any session, and have any display.
    """
    uid = os.getuid()
    places = {session["scope"], "" if session["type"] == "tty" else f"user@{uid}.service"} - {""}
    for pid in [int(name) for name in os.listdir("/proc") if name.isdecimal()]:
        try:
            ours = os.stat(f"/proc/{pid}").st_uid == uid and pid != os.getpid()
            if ours and not places.isdisjoint(re.split("[/\n]", read_text(f"/proc/{pid}/cgroup"))):
                yield pid
        except OSError:  # it has just ended
            continue


def display_environment(pid: int) -> dict[bytes, bytes]:
    """What a process has in its environment of the names that have to do with a display, empty if it cannot be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            rows = file.read().split(b"\0")
    except OSError:
        return {}
    found = {name: value for name, _, value in (row.partition(b"=") for row in rows) if name in DISPLAY_NAMES and value}
    if b"DISPLAY" in found:
        found[b"DISPLAY"] = os.fsencode(without_screen(os.fsdecode(found[b"DISPLAY"])))
    return found


def lone_compositor(session: dict[str, Any], pids: list[int]) -> dict[bytes, bytes]:
    """The Wayland display of a compositor that has started no program yet, and so nobody who has it in its environment.

    It is known by its socket, the newest one; on a console, only if a process of the session holds the lock beside it.
    """
    folder = f"/run/user/{os.getuid()}"
    held = {path for pid in pids for path in descriptors(pid)}
    found = []
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        try:
            about = os.lstat(f"{folder}/{name}")
        except OSError:
            continue  # it was there for a moment only
        if name.startswith("wayland-") and stat.S_ISSOCK(about.st_mode) and about.st_uid == os.getuid():
            found.append((f"{folder}/{name}.lock" in held, about.st_mtime, name))
    holder, _, name = max(found, default=(False, 0.0, ""))
    if not name or (session["type"] == "tty" and not holder):
        return {}
    return {b"XDG_RUNTIME_DIR": folder.encode(), b"WAYLAND_DISPLAY": os.fsencode(name)}


def descriptors(pid: int) -> list[str]:
    """The files that a process of our own has open."""
    found = []
    try:
        for number in os.listdir(f"/proc/{pid}/fd"):
            found.append(os.readlink(f"/proc/{pid}/fd/{number}"))
    except OSError:
        pass  # it has ended, or may not be looked into
    return found


# ---- The owner's bus: notifications, light or dark, locked or not


def call_bus(service: str, method: str, *arguments: Any, wait: int = 500, **more: Any) -> Any:
    """What a method of a service on the owner's bus returns, None if none comes in `wait` ms; see bus_message."""
    if not bus_is_there():
        return None
    bus = QtDBus.QDBusConnection.sessionBus()  # before the message: only then Qt can send a QDBusArgument
    reply = bus.call(bus_message(service, method, arguments, **more), QtDBus.QDBus.Block, wait)
    if reply.type() != reply.ReplyMessage or not reply.arguments():
        return None
    value = reply.arguments()[0]
    while hasattr(value, "variant"):
        value = value.variant()
    return value


def bus_property(service: str, name: str) -> Any:
    """A property of a service on the owner's bus, None if it does not tell."""
    return call_bus(service, "Get", service, name, interface="org.freedesktop.DBus.Properties", wait=3000)


def bus_is_there() -> bool:
    """Whether there is a session bus; where there is none, libdbus would start one."""
    socket = os.path.join(os.environ.get("XDG_RUNTIME_DIR", "/nonexistent"), "bus")
    return bool(os.environ.get("DBUS_SESSION_BUS_ADDRESS")) or os.path.exists(socket)


def bus_message(
    service: str, method: str, arguments: Sequence[Any], path: str = "", interface: str = "", start: bool = False
) -> QtDBus.QDBusMessage:
    """A call, of an object and an interface that are named like the service unless told otherwise."""
    path = path or "/" + service.replace(".", "/")
    message = QtDBus.QDBusMessage.createMethodCall(service, path, interface or service, method)
    message.setArguments(list(arguments))
    message.setAutoStartService(start)
    return message


def notification(title: str, text: str, urgency: int, actions: Sequence[str] = (), expires: int = -1) -> list[Any]:
    """The arguments of org.freedesktop.Notifications.Notify. `expires` is in milliseconds, 0 is never."""
    import html

    level = QtCore.QVariant(urgency)
    level.convert(QtCore.QMetaType.UChar)
    listed = QtDBus.QDBusArgument(list(actions), QtCore.QMetaType.QStringList)
    rest = [html.escape(text, quote=False), listed, {"urgency": level, "category": "network"}, expires]
    return ["pam-accesscontrol", unsigned(0), "dialog-password", title, *rest]


def unsigned(number: int) -> Any:
    value = QtCore.QVariant(number)
    value.convert(QtCore.QMetaType.UInt)
    return value


class Banner:
    """A notification beside the question, for whoever has a full screen above all windows. It answers nothing."""
    def __init__(self, title: str, text: str, chosen: Callable[[], None], shown: Callable[[bool], None]) -> None:
        class Ears(QtCore.QObject):
            @QtCore.pyqtSlot(QtDBus.QDBusMessage)
            def hear(_, signal: QtDBus.QDBusMessage) -> None:
                if self.number and signal.arguments()[0] == self.number:
                    chosen()

        self.number = 0
        self.watcher: QtDBus.QDBusPendingCallWatcher | None = None
        if not bus_is_there():
            shown(False)
            return
        bus, self.ears = QtDBus.QDBusConnection.sessionBus(), Ears()
        bus.connect(NOTIFIER, "/" + NOTIFIER.replace(".", "/"), NOTIFIER, "ActionInvoked", self.ears.hear)
        asked = bus_message(NOTIFIER, "Notify", notification(title, text, 2, ["default", "Show"]), start=True)
        self.watcher = QtDBus.QDBusPendingCallWatcher(bus.asyncCall(asked, 5000))
        self.watcher.finished.connect(lambda: shown(self.is_there()))

    def is_there(self) -> bool:
        """Whether a server has taken it; waits for that."""
        if self.watcher is not None:
            self.watcher.waitForFinished()
            arguments = QtDBus.QDBusPendingReply(self.watcher).reply().arguments()
            self.number = arguments[0] if arguments and isinstance(arguments[0], int) else 0
        return self.number > 0

    def withdraw(self) -> None:
        if self.is_there():
            call_bus(NOTIFIER, "CloseNotification", unsigned(self.number))
        self.watcher, self.number = None, 0


def logind_tells(session: str) -> list[str]:
    """What logind has to say of a session of ours, as NAME=VALUE."""
    import subprocess  # nosec B404  # with a constant command

    properties = ["--property=Active", "--property=LockedHint", "--property=State"]  # one each: there is no list
    command = ["/usr/bin/loginctl", "show-session", *properties, "--", session]
    try:
        told = subprocess.run(command, capture_output=True, timeout=2, check=False)  # nosec B603
    except (OSError, subprocess.SubprocessError):
        return []
    return told.stdout.decode("ascii", "replace").split()


def is_out_of_sight(session: str) -> bool:
    """Whether the screen is locked, or has somebody else's session on it, as far as its locker or logind tells."""
    for name in ("freedesktop", "gnome", "cinnamon", "mate", "xfce"):
        if call_bus(f"org.{name}.ScreenSaver", "GetActive") is True:
            return True
    told = logind_tells(session) if session else []
    return "LockedHint=yes" in told or "Active=no" in told


def is_logging_out(session: str) -> bool:
    """Whether the desktop is closing all windows, as far as its session manager or logind tells."""
    kde: dict[str, Any] = {"path": "/KSMServer", "interface": "org.kde.KSMServerInterface"}
    return (
        call_bus("org.kde.ksmserver", "isShuttingDown", **kde) is True
        or call_bus("org.gnome.SessionManager", "IsSessionRunning") is False
        or "State=closing" in (logind_tells(session) if session else [])
    )


# ---- What a window looks like


def shorten(text: str, most: int) -> str:
    """A stranger's text, which whoever asks has made printable, with its middle left out where it is long."""
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-most // 2 :]}"


def from_where(rhost: str) -> str:
    """Where a login comes from, in a sentence."""
    return f"from {shorten(rhost, 60) or 'LOCAL'}"


def clock(since: float) -> str:
    """When something was: the time, and the day if that was not today."""
    then = time.localtime(since)
    return time.strftime("%H:%M:%S" if then[:3] == time.localtime()[:3] else "%a %d %b, %H:%M", then)


def no_window(why: str, word: str = "") -> NoReturn:
    """Ends the process with one line on what keeps it from showing a window, and the word for whoever asks."""
    try:
        os.write(2, f"{COMPLAINT}{printable(why)}\n".encode())
    except OSError:
        pass  # nobody listens any more
    say(word)
    os._exit(2)  # where Qt itself would call abort() and leave a core file


def say(word: str) -> None:
    """A word to whoever asks, on a line of its own; nobody may be listening any more."""
    try:
        os.write(1, f"{word}\n".encode() if word else b"")
    except OSError:
        pass


def leave(word: str) -> NoReturn:
    """Says the word and ends the process as it stands: on Wayland, to take Qt down may never end."""
    say(word)
    os._exit(0)


def desktop_is(name: str) -> bool:
    """Whether the desktop goes by this name, see XDG_CURRENT_DESKTOP in the desktop entry specification."""
    return name in os.environ.get("XDG_CURRENT_DESKTOP", "").upper().split(":")


def platforms() -> str:
    """Qt's ways to a display, the best one first.

    On GNOME and Plasma that is Xwayland: there a new Wayland window takes the keyboard in the middle of a word, and
    a click beside it hides it behind the other window, whatever it asks for. An X window can ask not to, and to stay on
    top. Others show Wayland's dialogs above all other windows, and need not have an X server at all.

    Its price: other X programs of the owner's, even one in a sandbox that has X, can press its buttons with XTEST.
    """
    if not os.environ.get("WAYLAND_DISPLAY"):
        return "xcb"
    xwayland = os.environ.get("DISPLAY") and (desktop_is("GNOME") or desktop_is("KDE"))
    return "xcb;wayland" if xwayland else "wayland;xcb"


def application(word: str = "") -> QtWidgets.QApplication:
    """Qt, on the display that the environment names; where that cannot be used, or breaks, the word is said."""

    place = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY")
    if not place:
        no_window("there is no display: neither WAYLAND_DISPLAY nor DISPLAY is set", word)

    def hear(kind: int, _: object, text: str | None) -> None:
        if kind == QtCore.QtFatalMsg or re.search("connection (broke|experienced)", text or ""):
            why = "" if "no Qt platform plugin" in (text or "") else f": {text}"  # Qt would have Qt installed again
            no_window(f"the display {place} cannot be used{why}", word)

    QtCore.qInstallMessageHandler(hear)
    os.environ.setdefault("QT_QPA_PLATFORM", platforms())
    know_the_scale()
    QtWidgets.QApplication.setAttribute(QtCore.Qt.AA_EnableHighDpiScaling)
    QtWidgets.QApplication.setAttribute(QtCore.Qt.AA_UseHighDpiPixmaps)
    QtWidgets.QApplication.setDesktopFileName("pam-accesscontrol")  # on Wayland, else python3
    running = QtWidgets.QApplication.instance()
    app = running if isinstance(running, QtWidgets.QApplication) else QtWidgets.QApplication(["pam-accesscontrol"])
    dress(app)
    return app


def know_the_scale() -> None:
    """Tells Qt the scale of X programs on GNOME, which has an X server from the first of them on, and no scale at once.

    That first program, which we may well be, would be of half the size, or grow in its place when the scale has come.
    """
    import subprocess  # nosec B404  # with a constant command

    display = re.fullmatch(r":(\d+)", os.environ.get("DISPLAY", ""))
    if not (display and desktop_is("GNOME") and os.environ.get("WAYLAND_DISPLAY")):
        return
    release = str(bus_property("org.gnome.Shell", "ShellVersion")).partition(".")[0]
    if not release.isdecimal() or int(release) < 47:  # which does not tell it
        return
    name = "org.gnome.Mutter.X11"
    server = _socket.socket(_socket.AF_UNIX)
    server.settimeout(3)
    wait = ["/usr/bin/gdbus", "wait", "--session", "--timeout", "3", name]
    try:
        server.connect(f"/tmp/.X11-unix/X{display[1]}")  # nosec B108  # where X servers have their sockets
        subprocess.run(wait, stdin=subprocess.DEVNULL, capture_output=True, timeout=5, check=False)  # nosec B603
    except (OSError, subprocess.SubprocessError):
        return
    scale = bus_property(name, "UiScalingFactor")
    if isinstance(scale, int):
        larger = desktop_setting("org.gnome.desktop.interface", "text-scaling-factor")
        dpi = 96 * scale * (larger if isinstance(larger, float) else 1)
        os.environ.setdefault("QT_FONT_DPI", str(round(dpi)))


def dress(app: QtWidgets.QApplication) -> None:
    """Light or dark as the desktop is. Qt 5 knows that from Plasma only, and nothing of GNOME's colors and fonts."""
    scheme = desktop_setting("org.freedesktop.appearance", "color-scheme")
    is_dark = app.palette().color(QtGui.QPalette.Window).lightness() < 128
    own = desktop_is("GNOME") and not os.environ.get("QT_STYLE_OVERRIDE") and not os.environ.get("QT_QPA_PLATFORMTHEME")
    if own or (scheme == 1 and not is_dark):
        app.setStyle("Fusion")
        app.setPalette(palette_of(DARK if scheme == 1 else LIGHT))
    if own:
        family, _, points = str(desktop_setting("org.gnome.desktop.interface", "font-name")).rpartition(" ")
        if family and points.isdecimal():
            app.setFont(QtGui.QFont(family, int(points)))


def desktop_setting(group: str, name: str) -> Any:
    """What the desktop's portal tells of a setting, None if it is not there, or does not answer at once."""
    portal: dict[str, Any] = {"path": "/org/freedesktop/portal/desktop", "interface": "org.freedesktop.portal.Settings"}
    return call_bus("org.freedesktop.portal.Desktop", "Read", group, name, **portal, start=True, wait=3000)


def palette_of(colors: list[str]) -> QtGui.QPalette:
    text, window, field, button, accent = map(QtGui.QColor, colors)
    edges = button.lighter(150), button.darker(160), button.darker(120)
    palette = QtGui.QPalette(text, button, *edges, text, text, field, window)
    palette.setColor(QtGui.QPalette.Highlight, accent)
    palette.setColor(QtGui.QPalette.HighlightedText, QtGui.QColor("white"))
    palette.setColor(QtGui.QPalette.Link, accent)
    faint = QtGui.QColor(text)
    faint.setAlphaF(0.4)
    for role in (QtGui.QPalette.WindowText, QtGui.QPalette.Text, QtGui.QPalette.ButtonText):
        palette.setColor(QtGui.QPalette.Disabled, role, faint)
    return palette


def shield(size: int, ratio: float, palette: QtGui.QPalette) -> QtGui.QPixmap:
    """The icon: a shield with a keyhole, in the palette's colors, drawn for a screen of this many pixels a point."""
    pixmap = QtGui.QPixmap(round(size * ratio), round(size * ratio))
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(QtCore.Qt.transparent)
    painter = QtGui.QPainter(pixmap)
    painter.setRenderHint(QtGui.QPainter.Antialiasing)
    painter.scale(size / 64, size / 64)
    outline = QtGui.QPainterPath(QtCore.QPointF(32, 2))
    outline.cubicTo(40, 8, 49, 10, 58, 10)
    outline.cubicTo(60, 36, 50, 54, 32, 62)
    outline.cubicTo(14, 54, 4, 36, 6, 10)
    outline.cubicTo(15, 10, 24, 8, 32, 2)
    color = palette.color(palette.Highlight)
    painter.fillPath(outline, color)
    painter.setClipPath(outline)
    painter.fillRect(QtCore.QRectF(32, 0, 32, 64), color.darker(118))
    keyhole = QtGui.QPainterPath()
    keyhole.addEllipse(QtCore.QPointF(32, 26), 7.5, 7.5)
    stem = QtGui.QPainterPath()
    corners = (29.5, 28), (34.5, 28), (37.5, 45), (26.5, 45), (29.5, 28)
    stem.addPolygon(QtGui.QPolygonF([QtCore.QPointF(*it) for it in corners]))
    painter.fillPath(keyhole.united(stem), palette.color(palette.HighlightedText))
    painter.end()
    return pixmap


class MessageWindow:
    """A message box with the icon, a headline, a table of facts and a quiet line at its foot. All of it plain text."""

    def __init__(self) -> None:
        self.box = box = QtWidgets.QMessageBox()
        box.setModal(False)
        box.setAttribute(QtCore.Qt.WA_ShowWithoutActivating)
        box.setWindowFlag(QtCore.Qt.WindowStaysOnTopHint)
        box.setTextFormat(QtCore.Qt.PlainText)
        self.em = box.fontMetrics().height()
        screen = QtWidgets.QApplication.primaryScreen()
        icon = shield(round(2.8 * self.em), screen.devicePixelRatio(), box.palette())
        box.setIconPixmap(icon)
        box.setWindowIcon(QtGui.QIcon(icon))
        self.room = min(32 * self.em, screen.availableSize().width() - 14 * self.em)
        head = box.findChild(QtWidgets.QLabel, "qt_msgbox_label")
        grid = box.layout()
        assert head is not None and isinstance(grid, QtWidgets.QGridLayout)  # nosec B101  # for mypy
        font = head.font()
        font.setBold(True)
        font.setPointSizeF(1.25 * QtGui.QFontInfo(font).pointSizeF())
        head.setFont(font)
        grid.setContentsMargins(*[max(11, 3 * self.em // 4)] * 4)
        self.head, self.grid, self.body, self.foot = head, grid, QtWidgets.QWidget(), QtWidgets.QLabel()

    def fill(self, title: str, headline: str, facts: Sequence[tuple[str, str]], foot: str) -> None:
        """Puts this on the window, instead of what was there. A fact in which there is nothing is no row."""
        self.box.setWindowTitle(title.replace("[*]", "[*][*]"))  # or Qt takes it for its mark of unsaved changes
        self.box.setText(self.fit(headline, self.head))
        self.body.hide()
        self.body.deleteLater()
        self.body = QtWidgets.QWidget()
        table = QtWidgets.QGridLayout(self.body)
        table.setContentsMargins(0, self.em // 2, 0, self.em // 4)
        table.setHorizontalSpacing(self.em)
        table.setVerticalSpacing(self.em // 3)
        table.setColumnMinimumWidth(1, 14 * self.em)
        table.setColumnStretch(1, 1)
        for key, fact in facts:
            value = QtWidgets.QLabel()
            value.setTextFormat(QtCore.Qt.PlainText)
            if "SHA256:" in fact:
                font = QtGui.QFontDatabase.systemFont(QtGui.QFontDatabase.FixedFont)
                font.setPointSizeF(QtGui.QFontInfo(self.box.font()).pointSizeF())
                value.setFont(font)
            value.setText("\n".join(self.fit(line, value) for line in fact.split("\n")))
            table.addWidget(self.quiet(key), table.rowCount(), 0, QtCore.Qt.AlignTop)
            table.addWidget(value, table.rowCount() - 1, 1)
        self.foot = self.quiet(foot)
        self.foot.setContentsMargins(0, self.em // 2 if facts else 0, 0, 0)
        table.addWidget(self.foot, table.rowCount(), 0, 1, 2)
        self.grid.addWidget(self.body, 1, 2)  # where a message box has its second text
        self.box.setAccessibleDescription("\n".join(f"{key}: {fact}" for key, fact in facts))

    def fit(self, text: str, label: Any) -> str:
        """As much of a line as there is room for."""
        return LEFT_TO_RIGHT + str(label.fontMetrics().elidedText(text, QtCore.Qt.ElideMiddle, self.room))

    def quiet(self, text: str) -> Any:
        """Text that stands back, on light and dark alike."""
        label = QtWidgets.QLabel(text)
        label.setTextFormat(QtCore.Qt.PlainText)
        palette = label.palette()
        color = palette.color(palette.WindowText)
        color.setAlphaF(0.7)
        palette.setColor(palette.WindowText, color)
        label.setPalette(palette)
        return label

    def watch(self, seen: Callable[[QtCore.QEvent], bool]) -> None:
        """Shows the window's events to a function first: keys and clicks come in there, before any widget has them.

        Those that another X program has sent with XSendEvent(3) do not come in at all.
        """
        class Door(QtCore.QObject):
            def eventFilter(self, _: QtCore.QObject, event: QtCore.QEvent) -> bool:
                return seen(event)

        class Forgeries(QtCore.QAbstractNativeEventFilter):
            def nativeEventFilter(self, kind: QtCore.QByteArray | bytes | bytearray, message: Any) -> tuple[bool, int]:
                code = message.asstring(1)[0] if kind == b"xcb_generic_event_t" else 0
                return 0x80 + 2 <= code <= 0x80 + 6, 0  # sent: KeyPress, KeyRelease, ButtonPress, ...Release, Motion

        self.box.winId()  # makes the window
        handle = self.box.windowHandle()
        assert handle is not None  # nosec B101  # for mypy
        handle.installEventFilter(Door(self.box))
        self.forgeries = Forgeries()
        app = QtCore.QCoreApplication.instance()
        assert app is not None  # nosec B101  # for mypy
        app.installNativeEventFilter(self.forgeries)


# ---- The question


class QuestionWindow(MessageWindow):
    """The window that asks, and what it takes for an answer."""

    def __init__(self, question: dict[str, Any], asker: int) -> None:
        super().__init__()
        self.question, self.asker, self.session = question, asker, question.get("session", {}).get("id", "")
        user, rhost, service = question["user"], question["rhost"], shorten(question["service"], 20)
        requester = shorten(question.get("requester", ""), 300)
        facts = [
            ("Asked by", requester),
            ("Full name", shorten(question["full_name"], 300)),
            ("From", shorten(rhost, 300) or "LOCAL, which is this computer"),
            ("Over", service),
            ("Proved by", shorten(question["proof"], 1000)),
            ("Waiting since", clock(question["since"])),
        ]
        name = shorten(user, 300)
        self.headline = f"{requester} wants to become {name}" if requester else f"{name} wants to log in"
        self.title = f"{service} login: {shorten(user, 40)} {from_where(rhost)}"
        self.fill(self.title, self.headline, [row for row in facts if row[1]], "")
        self.allow: QtWidgets.QPushButton = self.box.addButton("&Allow", QtWidgets.QMessageBox.AcceptRole)
        self.deny: QtWidgets.QPushButton = self.box.addButton("&Deny", QtWidgets.QMessageBox.RejectRole)
        self.allow.setAccessibleDescription(f"Lets {shorten(user, 40)} in. Alt+A")
        self.deny.setAccessibleDescription(f"Keeps {shorten(user, 40)} out. Alt+D or Escape")
        self.allow.setFocusPolicy(QtCore.Qt.TabFocus)  # a press on it that was let go elsewhere leaves no trace
        self.allow.setEnabled(False)
        self.deny.setEnabled(False)
        self.box.setDefaultButton(self.deny)
        self.box.setEscapeButton(self.deny)
        self.box.finished.connect(self.answered)
        self.watch(self.seen)
        self.banner: Banner | None = None
        self.told = self.typing = False  # typing: the key that is being looked at does not count
        self.timeout = float(question["timeout"])
        self.start = time.monotonic()
        self.end = self.start + self.timeout
        self.clicks_from = self.keys_from = FOREVER
        self.ran = self.heard = self.start  # when the window last did something, and whoever asks last said so

    def show(self) -> None:
        self.timer = QtCore.QTimer(self.box)
        self.timer.timeout.connect(self.tick)
        self.timer.start(100)
        self.tick()
        self.box.adjustSize()
        if QtWidgets.QApplication.platformName() == "xcb":  # at scale 2, Plasma would put it at the top left
            screen = QtWidgets.QApplication.primaryScreen().availableGeometry()
            self.box.move(screen.center() - self.box.rect().center())
        # First the notification: GNOME has one of its own for the window, and does not show ours over full screen then.
        text = f"{self.headline} over {shorten(self.question['service'], 20)}"
        self.banner = Banner(self.title, text, self.come_forward, self.notified)
        QtCore.QTimer.singleShot(1000, self.box.show)

    def notified(self, taken: bool) -> None:
        self.box.show()
        if taken:
            self.is_shown()
        else:
            QtWidgets.QApplication.alert(self.box)

    def is_shown(self) -> None:
        """Tells whoever asks that there is something to see."""
        if not self.told and self.asker >= 0:
            say("shown")
        self.told = True

    def come_forward(self) -> None:
        self.box.raise_()
        self.box.activateWindow()

    def runs(self) -> float:
        """The time; the first second begins anew where the window has not run: what was done meanwhile comes now."""
        now = time.monotonic()
        if now - self.ran > STALLED:
            self.allow.setEnabled(False)
            self.deny.setEnabled(False)
            self.clicks_from = max(self.clicks_from, now + CALM)
            self.keys_from = max(self.keys_from, now + CALM)
        self.ran = now
        return now

    def seen(self, event: QtCore.QEvent) -> bool:
        """Judges what comes in from the desktop. True: nobody else gets to see it."""
        now, kind, kinds = self.runs(), event.type(), QtCore.QEvent
        if kind in (kinds.MouseMove, kinds.MouseButtonPress, kinds.TouchBegin, kinds.ShortcutOverride):
            self.end = min(max(self.end, now + self.timeout / 3), self.start + 2 * self.timeout)
        if kind == kinds.Expose and self.clicks_from == FOREVER and self.box.windowHandle().isExposed():
            self.clicks_from = now + CALM
            self.is_shown()
        elif kind == kinds.FocusIn:  # perhaps in the middle of a word
            self.keys_from = now + CALM
            self.deny.setFocus()
        elif kind == kinds.FocusOut:  # Qt may show us the first key after the next FocusIn before that
            self.keys_from = FOREVER
        elif isinstance(event, QtGui.QKeyEvent):
            return self.swallows(event, now)
        elif kind == kinds.Close and now < self.clicks_from:
            event.ignore()
            return True
        elif kind == kinds.Close and is_logging_out(self.session):
            self.finish("broken")
        return False

    def swallows(self, event: QtGui.QKeyEvent, now: float) -> bool:
        """Typing is not answering: a key counts only after a second without keys, and a letter only with Alt."""
        key, keys = event.key(), QtCore.Qt
        if event.type() == QtCore.QEvent.ShortcutOverride and not keys.Key_Shift <= key <= keys.Key_ScrollLock:
            # What is left of it, a shortcut or a key press, comes next. A message box takes a plain A for Alt+A.
            text = key < keys.Key_Escape and key != keys.Key_Space and not event.modifiers() & keys.AltModifier
            self.typing = text or now < max(self.clicks_from, self.keys_from)
            self.keys_from = max(self.keys_from, now + CALM)
            if text:
                self.deny.setFocus()
        if self.typing:
            event.accept()
        return self.typing

    def tick(self) -> None:
        """Ten times a second: is somebody still waiting, is there time left, do clicks count by now."""
        import select

        now = self.runs()
        if self.asker >= 0:
            if select.select([self.asker], [], [], 0)[0]:
                self.heard = now if os.read(self.asker, 4096) else -PLACE_KEPT
            if now - self.heard > PLACE_KEPT:
                self.finish("gone")
        if now >= self.end:
            self.finish("unseen" if is_out_of_sight(self.session) else "timeout")
        if now >= self.clicks_from and not self.deny.isEnabled():
            QtWidgets.QApplication.sync()  # what was done until now comes before the buttons work
            now = self.runs()
        if now >= self.clicks_from and not self.deny.isEnabled():
            self.allow.setEnabled(True)
            self.deny.setEnabled(True)
            self.deny.setFocus()
        early = now < self.clicks_from or now < self.keys_from < FOREVER
        self.foot.setText("One moment…" if early else f"{duration(int(self.end - now) + 1)} left, then denied")

    def answered(self) -> None:
        """The window has been closed, by whatever button, key or other way."""
        self.finish("allow" if self.box.clickedButton() is self.allow else "deny")

    def finish(self, word: str) -> NoReturn:
        """The last word, after which there is nothing left to be seen."""
        say(word)
        if self.banner:
            self.banner.withdraw()
        leave("")


def show_question(question: dict[str, Any], asker: int = -1) -> NoReturn:
    """Asks the person at this display, says one of the words of ENDINGS, and ends the process.

    The word is gone as soon as descriptor `asker` is at its end, or silent for PLACE_KEPT seconds; where there is none,
    nobody waits but the person.
    """
    import signal

    word = "broken" if asker >= 0 else ""
    app = application(word)
    window = QuestionWindow(question, asker)
    signal.signal(signal.SIGTERM, lambda *_: window.finish(word))  # by the owner; else its notification would stay
    window.show()
    app.exec_()
    leave(word)  # Qt was told to quit by something else than an answer


# ---- What is left behind: a notification, or a small window where no server shows them


def show_missed(missed: dict[str, Any]) -> NoReturn:
    """Tells of a question that nobody answered, until that is dismissed."""
    requester = shorten(missed.get("requester", ""), 300)
    user, where = shorten(missed["user"], 300), from_where(missed["rhost"])
    service = shorten(missed["service"], 20)
    headline = f"{requester} wanted to become {user}" if requester else f"{user} wanted to log in"
    text = f"{where} over {service}, at {clock(missed['since'])}.\nNobody answered, so it was denied."
    show_note(f"{service} login denied: {shorten(user, 40)} {where}", headline, text, stays=True)


def show_ended(ended: dict[str, Any]) -> NoReturn:
    """Says who is gone."""
    user, where = shorten(ended["user"], 300), from_where(ended["rhost"])
    service = shorten(ended["service"], 20)
    text = f"{where} over {service}, for {duration(ended['seconds'])}"
    text += f",\nthe last of {ended['logins']} logins" if ended["logins"] > 1 else ""
    show_note(f"{service} logout: {shorten(user, 40)} {where}", f"{user} has logged out", text, stays=False)


def show_note(title: str, headline: str, text: str, stays: bool) -> NoReturn:
    """A notification, or else a window in the corner: it stays until it is dismissed, or goes by itself.

    Its urgency is normal: on GNOME, a critical one keeps that of the next question off the screen (measured).
    """
    told = notification(headline, text.replace("\n", " "), 1, expires=0 if stays else -1)
    if call_bus(NOTIFIER, "Notify", *told, start=True, wait=3000):
        leave("")
    app = application()
    window = MessageWindow()
    window.fill(title, headline, [], text)
    box = window.box
    box.setStandardButtons(QtWidgets.QMessageBox.Close)
    box.setWindowFlag(QtCore.Qt.WindowDoesNotAcceptFocus)

    def seen(event: QtCore.QEvent) -> bool:
        if event.type() == QtCore.QEvent.MouseButtonPress:
            box.done(0)
        if event.type() == QtCore.QEvent.Expose:
            screen = app.primaryScreen().availableGeometry()
            frame = box.frameGeometry()
            frame.moveBottomRight(screen.bottomRight())
            box.move(frame.topLeft())
        return False

    window.watch(seen)
    box.finished.connect(app.quit)
    if not stays:
        QtCore.QTimer.singleShot(30_000, app.quit)
    box.show()
    app.exec_()
    leave("")


def made_up_question() -> dict[str, Any]:
    """What `pam-accesscontrol ask` shows."""
    return {
        "kind": "question",
        "service": "SSH",
        "user": "bob",
        "full_name": "Bob Example",
        "rhost": "203.0.113.7",
        "proof": "key SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU\n(bob@laptop)",
        "since": time.time(),
        "timeout": 60,
    }


def window_main() -> NoReturn:
    """A unit's process: it is told by its standard input, as JSON, and answers by words on its standard output."""
    import json

    os.umask(0o077)
    try:
        with open(0, "rb", buffering=0, closefd=False) as stdin:  # a buffer might hide that the asker is gone
            told = json.loads(stdin.readline(1 << 20))
        if told["kind"] == "ended":
            time.sleep(told["delay"])  # the unit is stopped if the person comes back
        environment = find_display(told["session"])
        if not environment:
            no_window("no display is to be found", "nobody" if told["session"]["type"] == "tty" else "broken")
        os.environb.update(environment)
        if told["kind"] == "probe":
            leave("display")
        load_qt()
        if told["kind"] == "missed":
            show_missed(told)
        if told["kind"] == "ended":
            show_ended(told)
        show_question(told, asker=0)
    except Exception as error:  # whatever it is, it is no answer
        no_window(f"{type(error).__name__}: {error}", "broken")


# ---- The log: syslog, and a file for every month ---------------------------------------------------------------------

LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG = 3, 4, 5, 6, 7
LOG_AUTHPRIV = 10 << 3
LOG_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
IGNORED_LOGGED = 50  # lines of a rule file, each with a warning of its own
syslog_patience = 2.0  # seconds, and none any more once they were waited for in vain


def syslog(priority: int, message: str) -> None:
    """One line to syslog, facility authpriv; never raises, and never waits for long. See syslog(3).

    Not by syslog(3): that keeps one ident and facility for the whole process, and they are the host's.
    """
    global syslog_patience
    try:
        clock = time.asctime()[4:19]  # Nov  3 12:03:10, whatever the locale
        line = "<%d>%s pam-accesscontrol[%d]: %s" % (LOG_AUTHPRIV | priority, clock, os.getpid(), message[:6000])
        log = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
        try:
            log.settimeout(syslog_patience)
            log.connect("/dev/log")
            log.send(line.encode("utf-8", "backslashreplace"))
        finally:
            log.close()
    except TimeoutError:
        syslog_patience = 0.0
    except OSError:
        pass


def log_decision(priority: int, phase: str, attempt: LoginAttempt, decision: Decision, outcome: str = "") -> None:
    """One line to syslog on a decision: who, what, and by which rule."""
    answer = decision.answer and ": " + decision.answer
    asked = attempt.asked_by and ", asked by " + attempt.asked_by
    told = attempt.name, phase, attempt, asked, decision.verdict, outcome, decision.where, decision.why, answer
    syslog(priority, "%s %s %s%s: %s, %s%s: %s%s" % told)


def log_ignored(rules: RuleFile) -> None:
    """A warning for every line that was ignored; behind the first fifty, one for all the rest."""
    for line, why in rules.ignored[:IGNORED_LOGGED]:
        syslog(LOG_WARNING, f"{rules.name}:{line}: ignored: {why}")
    rest = [str(line) for line, _ in rules.ignored[IGNORED_LOGGED:]]
    if rest:
        syslog(LOG_WARNING, f"{rules.name}: ignored {len(rest)} more lines: {', '.join(rest)}")


def log_error(phase: str, outcome: str, error: BaseException) -> None:
    """One line in the log for an error in the plugin, with the traceback behind it; never raises."""
    try:
        import traceback

        told = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        lines = " | ".join(map(printable, told.rstrip("\n").split("\n")))
        syslog(LOG_ERR, f"{phase}: {outcome}, for an error in the plugin: {lines}")
    except BaseException:
        syslog(LOG_ERR, f"{phase}: {outcome}, for an error in the plugin: {type(error).__name__}")


def is_installed() -> bool:
    """Whether this file is still there. A session may outlast uninstall.sh, which leaves nothing: it writes nothing."""
    return os.path.exists(__file__)


def monthly(service: str, who: str, action: str, outcome: str, why: str) -> None:
    """One line in the month's own file; never raises. The file is root's and adm's, whatever the host's umask."""
    if not is_installed():
        return
    path = LOG_FOLDER
    try:
        clock = time.strftime("%Y-%m-%d %H:%M:%S")
        path = f"{LOG_FOLDER}/pam-accesscontrol-{clock[:7]}.log"
        line = "%s  %-8s  %-6s  %-28s  %-7s  %s\n" % (clock, service, action, who, outcome, why)
        data = line.encode("utf-8", "backslashreplace")
        with open(open_month(path), "ab", buffering=0) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode) or about.st_uid or about.st_nlink != 1:
                raise OSError(0, "is not a plain file of root's")
            written = file.write(data)
            if written is not None and written < len(data):  # half a line would spoil the next one
                os.ftruncate(file.fileno(), os.lseek(file.fileno(), 0, os.SEEK_CUR) - written)
                raise OSError(28, "No space left on device")
    except OSError as error:
        if os.geteuid() == 0:
            syslog(LOG_WARNING, f"{path} cannot be written: {error.strerror}")
        else:
            syslog(LOG_INFO, f"{path} cannot be written: {NO_ROOT}")


def open_month(path: str) -> int:
    """The descriptor of a log file, which is made if it is missing. Raises OSError."""
    try:
        return os.open(path, LOG_FLAGS)
    except FileNotFoundError:
        descriptor = os.open(path, LOG_FLAGS | os.O_CREAT, 0)
    try:
        adm = find_group("adm").gr_gid
    except Unknown:
        adm = 0
    os.fchown(descriptor, 0, adm)
    os.fchmod(descriptor, 0o640)
    return descriptor


# ---- The calls by PAM: pam_python.so calls pam_sm_*, and pam_exec.so starts the command `pam` ------------------------

# Display managers that start a session although it was refused (measured): xdm 1.1.11, wdm 1.28, lxdm 0.5.3; sddm 0.19
# never shows its greeter again. Their process for the login must end then, with this status.
IGNORES_REFUSAL = {"xdm": 1, "wdm": 1, "lxdm": 1, "sddm": 2, "sddm-autologin": 2}
FAIL_DELAY = 2_000_000  # microseconds: what pam_unix asks for after a wrong password, see pam_fail_delay(3)
SSHD_ENDS_AFTER = (5, 2)  # seconds from a refused session to SIGTERM, and from there to SIGKILL
OVER = {"SSH": "over SSH", "TTY": "on the console", "XDM": "at the desktop"}
PHASES = {"auth": "auth", "account": "account", "open_session": "session"}  # by PAM_TYPE, see pam_exec(8)
DESCRIPTORS_MOST = 4096  # that a process of pam_exec.so's gets, where its host has fewer
WAITED_FOR_WITHIN = 0.1  # seconds
PIDFD_GETFD = 438  # the number of that system call


class CallError(Exception):
    """Why a call by pam_exec.so is refused before any rule is read."""


class Progress:
    """What the calls before this one have come to, for one login attempt."""

    def __init__(self) -> None:
        self.auth = self.granted = False  # whether auth was called; whether the month's file has its line
        self.answer = self.told = ""  # the key of the owner's answer or NOT_ASKED, and what the log says of it
        self.session: Session | None = None


class Host:
    """The program that calls PAM, as far as a login attempt has to do with it. See pam(3).

    `pid` is the process whose end is the end of the session, and `loader` the file that starts the windows, too.
    """

    pid: int
    loader: str
    asked_in_session: tuple[str, ...] = ()  # the services that are asked in session, where others are in account

    @functools.cached_property
    def start(self) -> int:
        """When its process started, see process_start(). Raises OSError."""
        return process_start(self.pid)

    def is_only(self, uid: int) -> bool:
        """Whether it is and was nothing but this user, as screen lockers are. Raises OSError."""
        raise NotImplementedError

    def progress(self, phase: str, attempt: LoginAttempt) -> Progress:
        """What the calls before this one have come to."""
        raise NotImplementedError

    def keep(self, attempt: LoginAttempt, progress: Progress) -> None:
        """Keeps what account has come to, for session."""

    def grants_in_account(self, attempt: LoginAttempt) -> bool:
        """Whether the log says `granted` in account; otherwise it does in session."""
        return attempt.service in NO_SESSION

    def auth_info(self) -> str:
        """How the person proved who they are, as sshd tells a session; see ExposeAuthInfo in sshd_config(5)."""
        return ""

    def watched(self, attempt: LoginAttempt) -> dict[int, int]:
        """The descriptors and events, see poll(2), by which whoever asked for the login is seen to go away."""
        raise NotImplementedError

    def delay(self) -> None:
        """Has a refusal in auth take as long as a wrong password."""

    def tell(self, phase: str, sentence: str) -> None:
        """Shows a sentence to the person, where the host has a way to."""
        raise NotImplementedError


class PamPythonHost(Host):
    """The host where pam_python.so calls the plugin: we are inside its process."""

    asked_in_session = ASKED_IN_SESSION

    def __init__(self, pamh: Any, flags: int) -> None:
        self.pamh, self.silent = pamh, bool(flags & pamh.PAM_SILENT)
        self.pid = os.getpid()
        self.loader = str(getattr(pamh.module, "__file__", None) or MODULE)  # this module, or the loader before it

    def is_only(self, uid: int) -> bool:
        """See getresuid(2): a host that has dropped its root for a moment was something else."""
        return os.geteuid() != 0 and set(os.getresuid()) == {uid}

    def progress(self, phase: str, attempt: LoginAttempt) -> Progress:
        """It is kept at pamh.module, which pam_python makes anew for each PAM handle (measured)."""
        kept: Progress = self.pamh.module.__dict__.setdefault("kept_by_pam_accesscontrol", Progress())
        return kept

    def auth_info(self) -> str:
        try:
            return str(self.pamh.env["SSH_AUTH_INFO_0"] or "")
        except (KeyError, UnicodeDecodeError):
            return ""

    def watched(self, attempt: LoginAttempt) -> dict[int, int]:
        """The connection of an sshd, which it has in the process that calls PAM."""
        return dict.fromkeys(connections(), POLLRDHUP) if attempt.name == "SSH" else {}

    def delay(self) -> None:
        self.pamh.fail_delay(FAIL_DELAY)

    def tell(self, phase: str, sentence: str) -> None:
        """See PAM_ERROR_MSG in pam_conv(3).

        The greeter of lightdm writes "Failed to authenticate" over an error, and leaves a piece of information there.
        In session lightdm shows nothing, and answers with nothing, for which pam_python then crashes.
        """
        lightdm = item(self.pamh, "service").startswith("lightdm")
        if self.silent or (lightdm and phase == "session"):
            return
        kind = self.pamh.PAM_TEXT_INFO if lightdm else self.pamh.PAM_ERROR_MSG
        try:
            self.pamh.conversation(self.pamh.Message(kind, sentence))
        except self.pamh.exception:
            pass


class PamExecHost(Host):
    """The host where pam_exec.so has started us: our parent. Raises CallError.

    Its user may have ended it while we started. Then the parent is another process, perhaps one more su of theirs. The
    host alone can read from our standard output: as long as somebody can, the parent is the host.
    """

    def __init__(self, loader: str) -> None:
        self.loader = loader
        if not stat.S_ISFIFO(os.fstat(1).st_mode):
            raise CallError("pam_exec.so lacks its option stdout")
        self.pid = os.getppid()
        try:
            self.process = os.pidfd_open(self.pid)
            self.start = process_start(self.pid) if os.geteuid() == 0 else -1
        except ProcessLookupError:
            self.pid = 1
        if self.pid == 1 or has_happened({1: 0}, 0):
            raise CallError("the program that called PAM has ended")

    def caller(self) -> str:
        """Who has started su, by the real uid: of somebody without a passwd entry, su tells nothing. Raises OSError."""
        return user_name(int(read_text(f"/proc/{self.pid}/status").partition("\nUid:\t")[2].split()[0]))

    def is_only(self, uid: int) -> bool:
        """See proc_pid_status(5): of our own uids, the saved one is not the host's."""
        return os.geteuid() != 0 and process_status(self.pid)[1] == {str(uid)}

    def progress(self, phase: str, attempt: LoginAttempt) -> Progress:
        """What account has written down, for session; it serves once."""
        progress = Progress()
        if phase != "session" or os.geteuid() != 0:
            return progress
        try:
            progress.session = Sessions().open_in(self, attempt)
            granted, name = Links("granted"), self.granted_name(attempt)
            told = granted.text(name).split(" ", 4)
            if told[:3] == [attempt.name, str(attempt), attempt.asked_by or "-"] and granted.remove(name):
                progress.granted, progress.answer, progress.told = True, told[3].strip("/"), told[4]
        except (OSError, IndexError):
            return Progress()  # session then does all of it
        return progress

    def granted_name(self, attempt: LoginAttempt) -> str:
        """The link by which account tells session whom it has let in."""
        return f"{self.pid}.{self.start}.{attempt.person.uid}"

    def keep(self, attempt: LoginAttempt, progress: Progress) -> None:
        if os.geteuid() != 0 or attempt.service in NO_SESSION:
            return
        try:
            granted, name = Links("granted"), self.granted_name(attempt)
            for old in granted.names():
                if old == name or not pid_in_use(int(old.partition(".")[0] or 0)):
                    granted.remove(old)
            who = f"{attempt.name} {attempt} {attempt.asked_by or '-'}"
            granted.put(name, f"{who} /{progress.answer} {progress.told}")
        except (OSError, ValueError) as error:
            syslog(LOG_WARNING, f"{attempt.name} {attempt}: let in by account, but not written down: {error}")

    def grants_in_account(self, attempt: LoginAttempt) -> bool:
        return True

    def watched(self, attempt: LoginAttempt) -> dict[int, int]:
        """The end of the host: its pidfd is readable then, and standard output has an error. See pidfd_open(2)."""
        return {self.process: POLLIN, 1: 0, **self.client()}

    def client(self) -> dict[int, int]:
        """The socket that the host has as its standard input and output, as inetd gives it: its client is behind it.

        Cockpit's session is of that kind. See pidfd_getfd(2), which Python does not have, and systemd.exec(5).
        """
        folder = f"/proc/{self.pid}/fd"
        try:
            given, other = os.readlink(f"{folder}/0"), os.readlink(f"{folder}/1")
        except OSError:
            return {}
        if given != other or not given.startswith("socket:"):
            return {}
        import ctypes

        call = ctypes.CDLL(None).syscall
        child = os.fork()  # may be killed for it, where the host's unit has SystemCallFilter=@system-service
        if not child:
            os._exit(call(PIDFD_GETFD, self.process, 1, 0) < 0)
        if os.waitpid(child, 0)[1]:
            return {}
        copy = call(PIDFD_GETFD, self.process, 1, 0)
        if copy < 0:
            return {}
        socket = _socket.socket(fileno=copy)
        is_tcp = socket.family in (_socket.AF_INET, _socket.AF_INET6)
        return {socket.detach(): POLLRDHUP if is_tcp else 0}

    def tell(self, phase: str, sentence: str) -> None:
        """pam_exec.so passes each line on, as PAM_TEXT_INFO."""
        try:
            os.write(1, f"{sentence}\n".encode("utf-8", "backslashreplace"))
        except OSError:
            pass  # the host has gone

    def end(self, service: str) -> None:
        """Ends a host that goes on after a refused session."""
        if service in IGNORES_REFUSAL:
            import signal

            signal.pidfd_send_signal(self.process, signal.SIGKILL)


def item(pamh: Any, name: str) -> str:
    """A PAM item as text, empty if it is not set. pam_python decodes it as UTF-8, and strangers send what they like."""
    try:
        return getattr(pamh, name) or ""
    except UnicodeDecodeError as error:
        return error.object.decode("utf-8", "surrogateescape")


def attempt_by_items(service: str, user: str, rhost: str, requester: str) -> LoginAttempt:
    """The login attempt that PAM tells of, by its items; see pam_get_item(3).

    With targetpw, rootpw or runaspw in sudoers(5), sudo tells whose password it asks for as the user (measured).
    """
    caller = requester if service in ("sudo", "sudo-i") else ""
    return LoginAttempt(service, caller or user, rhost, requester)


def rule_file_argument(arguments: list[str]) -> str:
    """The path of the rule file, from the arguments on the PAM line. Raises RuleError."""
    path = RULE_FILE
    for argument in arguments:
        name, _, value = argument.partition("=")
        if name != "conf":
            raise RuleError(f"the PAM line has an argument that is not conf=PATH: {printable(argument)}")
        path = value
    return path


def rules_for(arguments: list[str], attempt: LoginAttempt | None) -> RuleFile:
    """The rules by which a login attempt is judged, or all for None; what is wrong with a line is logged once."""
    try:
        path = rule_file_argument(arguments)
    except RuleError as error:
        return RuleFile("the PAM line", f"{error}, so everything is CLOSE")
    rules = load_rules(path, attempt)
    if rules.ignored and not rules.logged:
        rules.logged = True
        log_ignored(rules)
    return rules


def is_judged(phase: str, attempt: LoginAttempt, host: Host, arguments: list[str]) -> bool:
    """Whether a call decides about a person at all.

    No greeter logs anybody in. What has no session of its own was judged in account: the session of sudo is that of the
    user whom the caller becomes, and pure-ftpd heeds no refusal of it. A host that runs as the very user it asks about,
    and never ran as another one, is a screen locker, or a server that this user has started, such as Xtigervnc. It is
    judged where a rule names its service.
    """
    if attempt.service in GREETERS or (phase == "session" and attempt.service in NO_SESSION):
        return False
    return not host.is_only(attempt.person.uid) or is_named(attempt, arguments)


def is_named(attempt: LoginAttempt, arguments: list[str]) -> bool:
    """Whether a service is guarded, and a rule names it; of rules that cannot all be read, one does."""
    if attempt.name in SERVICES or not is_guarded(attempt.service):
        return False  # some screen lockers ask for `login`
    rules = rules_for(arguments, None)
    return bool(rules.error or rules.ignored) or any(rule.service in attempt.names[1:] for rule in rules.rules)


def judge(phase: str, attempt: LoginAttempt, host: Host, arguments: list[str]) -> bool:
    """Judges one PAM call, and writes it down: whether the person gets on. No rule vouches for anybody."""
    if not is_judged(phase, attempt, host, arguments):
        return True
    rules = rules_for(arguments, attempt)
    decision = decide(rules, attempt, functools.partial(trace, phase, attempt) if rules.debug else None)
    try:
        enforce(phase, attempt, decision, host)
    except Refused as refused:
        refuse(phase, attempt, refused, host)
        return False
    log_decision(LOG_INFO, phase, attempt, decision)
    return True


def trace(phase: str, attempt: LoginAttempt, line: str) -> None:
    """What DEBUG:True adds to the log."""
    syslog(LOG_DEBUG, f"{attempt.name} {phase} {attempt}: {line}")


def enforce(phase: str, attempt: LoginAttempt, decision: Decision, host: Host) -> None:
    """Does what a decision asks for in this phase. Raises Refused.

    auth counts nothing and asks nobody: a right password under a full limit is no failed password.
    """
    if decision.verdict == "CLOSE":
        raise Refused(decision, "")
    progress = host.progress(phase, attempt)
    if phase == "auth":
        progress.auth = True
    elif phase == "account":
        enforce_in_account(attempt, decision, host, progress)
    elif progress.session is None:  # or it is a second line of ours in one stack, by an include
        enforce_in_session(attempt, decision, host, progress)


def enforce_in_account(attempt: LoginAttempt, decision: Decision, host: Host, progress: Progress) -> None:
    """Looks at the limits, and asks, unless session does. Raises Refused."""
    limits = limits_in_account(attempt, decision, progress)
    if limits:
        take_place(attempt, decision, host, limits)
    if decision.verdict == "ASK" and attempt.name not in host.asked_in_session:
        if not progress.answer:
            progress.answer, progress.told = ask_owner(attempt, decision, host), decision.answer
            if limits:
                take_place(attempt, decision, host, limits)
        decision.answer = progress.told
    if host.grants_in_account(attempt) and not progress.granted:
        progress.granted = True
        log_granted(attempt, decision)
        note_use(progress.answer)
    host.keep(attempt, progress)


def limits_in_account(attempt: LoginAttempt, decision: Decision, progress: Progress) -> list[Limit]:
    """The limits that account looks at. Session looks at all of them, and two wait for it.

    The limit on a person's own sessions waits where account may be of somebody who comes back to a session of theirs:
    who unlocks a desktop, and in a service that we do not know (xrdp). Every limit on SSH with a password waits, since
    sshd writes "Failed password" when account refuses, and fail2ban bans the address for it (measured: OpenSSH 9.2,
    10.0).
    """
    if attempt.name == "SSH" and progress.auth:
        return []
    if attempt.name in ("SSH", "TTY", "SU") or attempt.service in NO_SESSION:
        return list(decision.limits)
    if os.geteuid() != 0:
        return list(decision.limits)  # it cannot be counted in session either, which such a program may never open
    return [limit for limit in decision.limits if limit.target == "GROUP"]


def enforce_in_session(attempt: LoginAttempt, decision: Decision, host: Host, progress: Progress) -> None:
    """Takes the place under the limits, and asks, where account has not. Raises Refused."""
    answer = NOT_ASKED
    if decision.verdict == "ASK":
        if not progress.answer:
            if decision.limits:
                take_place(attempt, decision, host, decision.limits)  # nobody is asked about who cannot come in
            progress.answer, progress.told = ask_owner(attempt, decision, host), decision.answer
        answer, decision.answer = progress.answer, progress.told
    progress.session = take_place(attempt, decision, host, decision.limits, answer)
    if not progress.granted:
        log_granted(attempt, decision)
        note_use(progress.answer)


def log_granted(attempt: LoginAttempt, decision: Decision) -> None:
    """Writes into the month's file that a login attempt was let in, and why."""
    monthly(attempt.name, str(attempt), decision.action, "granted", why_in_short(attempt, decision))


def why_in_short(attempt: LoginAttempt, decision: Decision) -> str:
    """The rule behind a decision, who asked, and what came of asking the owner."""
    asked = attempt.asked_by and "asked by " + attempt.asked_by
    return ": ".join(filter(None, (decision.text, ", ".join(filter(None, (asked, decision.answer))))))


def refuse(phase: str, attempt: LoginAttempt, refused: Refused, host: Host) -> None:
    """Writes a refusal down, with the rule behind it, and tells the person; in auth it looks like a wrong password."""
    decision = refused.decision
    log_decision(LOG_NOTICE, phase, attempt, decision, "refused: ")
    monthly(attempt.name, str(attempt), decision.action, "denied", why_in_short(attempt, decision))
    if phase == "auth":
        host.delay()
    else:
        sentence = f"Access denied: {printable(attempt.user)} may not log in {over(attempt.name)}."
        host.tell(phase, str(refused) or sentence)


# ---- The calls by pam_python.so, inside of the host


def judge_inside(phase: str, refusal: int, pamh: Any, flags: int, arguments: list[str]) -> int:
    """One call that may refuse: returns `refusal`, or PAM_IGNORE, since no rule vouches for anybody."""
    gc.freeze()  # pam_python ends its Python with the PAM handle, and to look for cycles then takes 2 ms (tests/bench)
    service = item(pamh, "service")
    try:
        attempt = attempt_by_items(service, item(pamh, "user"), item(pamh, "rhost"), item(pamh, "ruser"))
        if judge(phase, attempt, PamPythonHost(pamh, flags), arguments[1:]):
            return int(pamh.PAM_IGNORE)
    except BaseException as error:  # pam_python would refuse, too, but the log would not say who was at the door
        log_error(phase, "refused", error)
    if phase == "session":
        end_host(service)
    return refusal


def end_host(service: str) -> None:
    """Ends a host that goes on after a refused session, in the process that it has for this login."""
    if service in IGNORES_REFUSAL:
        os._exit(IGNORES_REFUSAL[service])
    if service == "sshd":
        end_sshd_soon()


def end_sshd_soon() -> None:
    """Has sshd's process end some seconds from now: it shows the refusal to who runs a command, and ends by itself.

    Without a command (`ssh -N`) it would go on for ever, with its tunnel up. alarm(2) does not do it: sshd cancels that
    (measured). A timer of timer_create(2) is not touched, and ends with the process. SIGTERM goes on to sshd's child.
    """
    import ctypes

    seconds = 0
    libc = ctypes.CDLL(None)
    for wait, number in zip(SSHD_ENDS_AFTER, (15, 9)):
        seconds += wait
        value = [0] * (ctypes.sizeof(ctypes.c_void_p) // ctypes.sizeof(ctypes.c_int))
        event = (ctypes.c_int * 16)(*value, number, 0)  # struct sigevent, its sigev_notify SIGEV_SIGNAL
        timer, when = ctypes.c_void_p(), (ctypes.c_long * 4)(0, 0, seconds, 0)
        clock = time.CLOCK_MONOTONIC
        if libc.timer_create(clock, event, ctypes.byref(timer)) or libc.timer_settime(timer, 0, when, None):
            syslog(LOG_ERR, "session: refused, and sshd goes on: there is no timer to be had")


def pam_sm_authenticate(pamh: Any, flags: int, argv: list[str]) -> int:
    """Refuses as a wrong password is refused: nobody learns that it was right. See pam_sm_authenticate(3)."""
    return judge_inside("auth", pamh.PAM_AUTH_ERR, pamh, flags, argv)


def pam_sm_setcred(pamh: Any, flags: int, argv: list[str]) -> int:
    """Has nothing to set."""
    return int(pamh.PAM_IGNORE)


def pam_sm_acct_mgmt(pamh: Any, flags: int, argv: list[str]) -> int:
    """Refuses with a message; for SSH keys, for which sshd does not call auth, here. See pam_sm_acct_mgmt(3)."""
    return judge_inside("account", pamh.PAM_PERM_DENIED, pamh, flags, argv)


def pam_sm_open_session(pamh: Any, flags: int, argv: list[str]) -> int:
    """Decides again, asks, and takes the place. See pam_sm_open_session(3).

    Not PAM_SESSION_ERR: sudo 1.9.16 runs the command all the same after that (measured).
    """
    return judge_inside("session", pamh.PAM_PERM_DENIED, pamh, flags, argv)


def pam_sm_close_session(pamh: Any, flags: int, argv: list[str]) -> int:
    """Gives the place back, writes the end down, and tells the owner. See pam_sm_close_session(3)."""
    if not is_installed():
        return int(pamh.PAM_IGNORE)
    try:
        host = PamPythonHost(pamh, flags)
        user, rhost, requester = item(pamh, "user"), item(pamh, "rhost"), item(pamh, "ruser")
        attempt = attempt_by_items(item(pamh, "service"), user, rhost, requester)
        progress = host.progress("session", attempt)
        session, progress.session = progress.session, None
        if session is not None:
            asked = f", asked by {session.asked_by}" if session.asked_by else ""
            lasted = f"after {duration(seconds_up() - session.began)}{asked}"
            syslog(LOG_INFO, f"{attempt.name} session {attempt}: closed {lasted}")
            monthly(attempt.name, str(attempt), session.action, "closed", lasted)
            Sessions().close(session)
            if session.answer != NOT_ASKED:
                remember = load_rules(rule_file_argument(argv[1:]), attempt).remember
                tell_owner(session, attempt, remember, host.loader)
    except CannotAsk as reason:
        syslog(LOG_INFO, f"session: the owner is not told of the end: {reason}")
    except OSError as error:  # of no matter where the host has dropped its root since, as proftpd does
        priority = LOG_WARNING if os.geteuid() == 0 else LOG_INFO
        syslog(priority, f"session: a place is given back only when its process ends: {error}")
    except BaseException as error:
        log_error("session", "closed", error)
    return int(pamh.PAM_IGNORE)


# ---- The calls by pam_exec.so, beside the host: a process of root's own for each


def pam_main(arguments: list[str], loader: str) -> NoReturn:
    """The command `pam`: status 0 lets the person on, any other refuses. See pam_exec(8).

    Whoever runs su chooses what the host is in: limits, signals, groups, folder, priority, cgroup, and when it ends.
    """
    phase, refused, told, host = "pam", True, {}, None
    try:
        start_afresh()
        told = pam_environment()
        if told["PAM_TYPE"] == "close_session":
            os._exit(0)
        phase = PHASES[told["PAM_TYPE"]]
        host = PamExecHost(loader)
        rhost, requester = told.get("PAM_RHOST", ""), told.get("PAM_RUSER", "")
        if told["PAM_SERVICE"] in ("su", "su-l") and not requester:
            requester = host.caller()
        attempt = attempt_by_items(told["PAM_SERVICE"], told["PAM_USER"], rhost, requester)
        refused = not judge(phase, attempt, host, arguments)
    except CallError as error:
        syslog(LOG_NOTICE, f"{phase}: refused: {error}")
    except BaseException as error:
        log_error(phase, "refused", error)
    if refused and phase == "session" and host is not None:
        host.end(told["PAM_SERVICE"])
    end_when_waited_for()
    os._exit(refused)


def end_when_waited_for() -> None:
    """Waits until the host waits for this process, or for WAITED_FOR_WITHIN seconds. See proc_pid_wchan(5).

    pam_exec.so does so at the end of our standard output. Before 1.5.3 it leaves the host's handler of SIGCHLD in
    place, and one that reaps every child (saslauthd, smbd) would take the status away before: refused (measured).
    """
    tasks = f"/proc/{os.getppid()}/task"
    deadline = time.monotonic() + WAITED_FOR_WITHIN
    try:
        os.close(1)
        while time.monotonic() < deadline:
            if any(read_text(f"{tasks}/{task}/wchan") == "do_wait" for task in os.listdir(tasks)):
                return
            time.sleep(0.0002)
    except OSError:
        pass  # the host has ended


def start_afresh() -> None:
    """Puts away what this process has inherited of a host that anybody may have started. Raises OSError.

    Whatever of it fails refuses. SIGPIPE and SIGXFSZ stay ignored, as Python has them: an error says what is wrong.
    """
    import resource
    import signal

    if os.geteuid() == 0:
        os.setresuid(0, 0, 0)  # or whoever runs su may stop this process
        os.setresgid(0, 0, 0)
        os.setgroups([])
    os.umask(0o077)
    os.chdir("/")
    os.dup2(os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC), 2)  # pam_exec.so would show the person what comes there
    ignored = {signal.SIGPIPE, signal.SIGXFSZ}
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP} - ignored:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for limit in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_DATA, resource.RLIMIT_FSIZE,
                  resource.RLIMIT_NPROC, resource.RLIMIT_STACK):
        raise_limit(limit, resource.RLIM_INFINITY)
    raise_limit(resource.RLIMIT_NOFILE, DESCRIPTORS_MOST)


def raise_limit(limit: int, most: int) -> None:
    """Raises a limit of this process, as far as that is allowed; a container may not allow it. See setrlimit(2)."""
    import resource

    _, hard = resource.getrlimit(limit)
    try:
        if hard != resource.RLIM_INFINITY and (most == resource.RLIM_INFINITY or hard < most):
            resource.setrlimit(limit, (most, most))
            return
    except (OSError, ValueError):
        pass
    resource.setrlimit(limit, (hard, hard))


def pam_environment() -> dict[str, str]:
    """What pam_exec.so tells of a call: PAM_TYPE, PAM_SERVICE, PAM_USER and others. Raises CallError, and OSError.

    It puts them behind what PAM modules have set: who could set one of them, too, is not believed.
    """
    with open("/proc/self/environ", "rb") as file:
        rows = file.read().decode("utf-8", "surrogateescape").split("\0")
    told: dict[str, str] = {}
    for name, _, value in (row.partition("=") for row in rows if row.startswith("PAM_")):
        if name in told:
            raise CallError(f"{printable(name)} stands twice in the environment")
        told[name] = value
    for name in ("PAM_TYPE", "PAM_SERVICE", "PAM_USER"):
        if name not in told:
            raise CallError(f"{name} is not in the environment, which pam_exec.so sets")
    if told["PAM_TYPE"] not in (*PHASES, "close_session"):
        raise CallError(f"a line of type {printable(told['PAM_TYPE'])} calls the plugin")
    return told


# ---- The command: check, explain, replay, edit, status, ask ----------------------------------------------------------

PAM_FOLDER = "/etc/pam.d"
VENDOR_FOLDERS = ("/usr/lib/pam.d", "/usr/etc/pam.d")  # where libpam looks for what is not in /etc/pam.d
PAM_TYPES = ("auth", "account", "session")
PAM_WORD = r"[ \t]*(?:\[((?:\\\]|[^]])*)\]?|([^ \t]+))"  # [of more than one], in which \] is a bracket
PAM_ACTION = r"(success|default)\s*=\s*(ignore|ok|done|bad|die|reset|\d+)"
MARK = "# pam-accesscontrol"  # ends each line that install.sh has put in
MARKED = rb"# pam-accesscontrol[ \t\r]*$"
PAM_COMMAND = r" /\S*accesscontrol\.py pam(?: |$)"
PAM_PYTHON, PAM_EXEC = "pam_python.so", "pam_exec.so"  # the two ways in
USER_READENV = r"\buser_readenv=[+-]?0*[1-9]"  # of pam_env(8)
USERS_LOAD = "by user_readenv=1, users can load a program of theirs into root's process: change it to user_readenv=0"
CLEARS_ITS_ENVIRONMENT = ("exim", "exim4")  # setuid, and keeps nothing of its caller's environment (measured)
PAM_PYTHON_FOLDERS = ("/lib/*/security", "/usr/lib/*/security", "/lib*/security", "/usr/lib*/security")
NO_SERVICE = r".*(~|\.bak|\.orig|\.rpmnew|\.rpmsave|\.rpmorig|\.pacnew|\.pacsave|\.dpkg-[a-z]+)"  # a backup of one
LET_IN, REFUSED, USAGE, ASKED = 0, 1, 2, 3  # exit statuses of explain
IGNORED_SHOWN = 5  # lines of a rule file, by explain
LINES_SHOWN = 20  # of what check finds and of what replay tells, by edit
LOGGED = r"(\d{4}-\d\d-\d\d) [\d:]+  (\S+) +(\S+) +([^\s@]*)@(\S+) +(granted|denied) +(.*)"
LOGGED_RULE = rf"\S+ [A-Z]+ (?:USER|GROUP) {FIELD}"
OUTCOMES = {"OPEN": "let in", "CLOSE": "refused", "ASK": "asked about"}
ACL = "system.posix_acl_access"  # see acl(5), xattr(7)
EDITORS = ("/usr/bin/sensible-editor", "/usr/bin/editor", "/usr/bin/nano", "/usr/bin/vi")


class UsageError(Exception):
    """What is wrong with how the command was called: one line, status 2."""


class Finding:
    """What check finds, and where: a fault, which is what does not do what it says, or a warning.

    A warning is what this machine does not have, so that one rule file can be for many machines.
    """

    def __init__(self, at: str, what: str, warns: bool = False) -> None:
        self.at, self.what, self.warns = at, what, warns

    def __str__(self) -> str:
        return f"{self.at}: {'warning: ' if self.warns else ''}{self.what}"


class PamLine:
    """One line of a PAM service, and the file that it stands in."""

    def __init__(self, at: str, control: str, module: str, arguments: str, may_be_missing: bool = False) -> None:
        self.at, self.control, self.module, self.arguments = at, control, module, arguments
        self.may_be_missing = may_be_missing  # by a - in front of its type: libpam goes on without the module

    @property
    def way(self) -> str:
        """The way in by which it calls this plugin: PAM_PYTHON, PAM_EXEC, or empty where it does not."""
        if "pam_python" in self.module and re.match(r"\S*accesscontrol\.py( |$)", self.arguments):
            return PAM_PYTHON
        return PAM_EXEC if "pam_exec" in self.module and re.search(PAM_COMMAND, self.arguments) else ""

    @property
    def plugin_arguments(self) -> list[str]:
        """What stands on a line of ours for the plugin: nothing, or conf=PATH."""
        call = PAM_COMMAND if self.way == PAM_EXEC else r"accesscontrol\.py(?: |$)"
        return re.split(call, self.arguments, maxsplit=1)[-1].split()

    @property
    def files(self) -> list[str]:
        """The files that it calls: the module, and what the whole paths in its arguments name, up to the loader."""
        words = self.arguments.split()
        loader = next((place for place, word in enumerate(words) if word.endswith("accesscontrol.py")), -1)
        return [self.module, *(word for word in words[:loader] if word.startswith("/")), *words[loader : loader + 1]]

    @property
    def shown(self) -> str:
        """Its control and module, as a PAM file has them."""
        return f"[{self.control}] {self.module}" if "=" in self.control else f"{self.control} {self.module}"

    @property
    def skips(self) -> int:
        """How many lines behind this one may be left out when its module is content; many, when it ends the stack."""
        if os.path.basename(self.module) == "pam_rootok.so":
            return 0  # root alone gets past it, in auth, and is judged in account
        actions = dict(re.findall(PAM_ACTION, self.control))
        usual = "done" if self.control in ("sufficient", "binding") else "ok"
        word = actions.get("success") or actions.get("default") or usual
        return int(word) if word.isdecimal() else 1000 if word == "done" else 0


def pam_file(service: str) -> str:
    """The file of a PAM service, empty if it has none. See pam.d(5)."""
    if "/" in service or not service or re.fullmatch(NO_SERVICE, service):
        return ""
    return included_file(service)


def included_file(name: str) -> str:
    """The file that an include names, which may be in a folder of its own; empty if there is none."""
    paths = [name] if name.startswith("/") else [f"{folder}/{name}" for folder in (PAM_FOLDER, *VENDOR_FOLDERS)]
    return next((path for path in paths if os.path.isfile(path)), "")


def joined_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a PAM file without comments, those that go on in the next one joined, and the number of the last.

    Releases of libpam differ on whether a blank line ends one that goes on: this one reads over it.
    """
    begun = ""
    for number, row in enumerate(text.split("\n"), 1):
        goes_on = re.search(r"^[^#]*(\\)[ \t]*$", row)
        if goes_on:
            begun += row[: goes_on.start(1)] + " "
        elif not begun or row.partition("#")[0].strip():
            yield number, (begun + row.partition("#")[0]).strip()
            begun = ""


def pam_statements(path: str, foreign: bool = False) -> Iterator[tuple[str, str, PamLine]]:
    """The statements of a PAM file: the type, the file that it includes (or empty), and the line. See pam.d(5).

    An @include is of no type. With `foreign`, the lines that install.sh has marked are left out.
    """
    text = read_text(path)
    if foreign:
        text = "\n".join(row for row in text.split("\n") if not row.rstrip().endswith(MARK))
    for number, row in joined_lines(text):
        words = [bracketed.replace(r"\]", "]") or word for bracketed, word in re.findall(PAM_WORD, row)]
        kind, *more = [words[0].lower().removeprefix("-"), *words[1:]] if words else [""]
        if kind == "@include" and more:
            yield "", more[0], PamLine(f"{path}:{number}", kind, more[0], "")
        elif kind in (*PAM_TYPES, "password") and len(more) > 1:
            control = " ".join(more[0].lower().split())
            target = more[1] if control in ("include", "substack") else ""
            arguments = " ".join(more[2:])
            yield kind, target, PamLine(f"{path}:{number}", control, more[1], arguments, words[0].startswith("-"))


def pam_lines(service: str, kind: str, foreign: bool = False, depth: int = 0) -> Iterator[PamLine]:
    """The lines of one type that a service has, those of other files that it includes among them."""
    path = included_file(service) if depth else pam_file(service)
    for own, included, line in pam_statements(path, foreign):
        if own not in ("", kind):
            continue
        if not included:
            yield line
        elif depth < 20:
            yield from pam_lines(included, kind, foreign, depth + 1)


@functools.cache
def pam_files(service: str, depth: int = 0) -> set[str]:
    """The file of a service and those that it includes, be it through others; links are followed."""
    path = included_file(service) if depth else pam_file(service)
    found = {os.path.realpath(path)} if path else set()
    for _, included, _ in pam_statements(path):
        if included and depth < 20:
            found |= pam_files(included, depth + 1)
    return found


def pam_services() -> list[str]:
    """Every service that has a PAM file."""
    folders = (folder for folder in (PAM_FOLDER, *VENDOR_FOLDERS) if os.path.isdir(folder))
    return sorted({name for folder in folders for name in os.listdir(folder) if pam_file(name)})


def known_services() -> list[str]:
    """The services behind SSH, TTY and XDM that have a PAM file on this machine."""
    return [service for services in SERVICES.values() for service in services if pam_file(service)]


def is_guarded(service: str) -> bool:
    """Whether account calls the plugin, so that the logins of a PAM service obey the rules."""
    return any(line.way for line in pam_lines(service, "account"))


def guarded_services() -> list[str]:
    """The PAM services whose logins obey the rules."""
    return [name for name in pam_services() if name not in GREETERS and is_guarded(name)]


def half_guarded_services() -> list[str]:
    """The PAM services whose own file calls the plugin, and not in account."""
    ours = (name for name in pam_services() if re.search(r"(?m)^[^#]*accesscontrol\.py", read_text(pam_file(name))))
    guarded = guarded_services()
    return [name for name in ours if name not in guarded]


def remembered_services() -> list[str]:
    """The PAM services that install.sh has guarded."""
    text = read_text(SERVICES_FILE) if os.path.isfile(SERVICES_FILE) else ""
    rows = (row.partition("#")[0].strip() for row in text.split("\n"))
    return [service for service in rows if service and service not in GREETERS]


def found_file(name: str) -> str:
    """The file that a PAM line names: by its whole path, or in a folder of PAM modules; empty if there is none."""
    import glob

    folders = () if name.startswith("/") else PAM_PYTHON_FOLDERS
    paths = (path for folder in folders for path in glob.glob(f"{folder}/{name}"))
    return next(paths, "") if folders else name if os.path.exists(name) else ""


def what_is_broken(service: str) -> str:
    """What the lines of a service call, and is missing or cannot be loaded; empty for nothing."""
    for line in (line for kind in PAM_TYPES for line in pam_lines(service, kind) if line.way):
        for name in line.files:
            path = found_file(name)
            if not path:
                return f"{name} is missing"
            why = cannot_load(path) if path.endswith(".so") else ""
            if why:
                return f"{name} cannot be loaded ({why})"
        folder = re.search(r'(?m)^FOLDER = "(.*)"$', read_text(path))  # of the module, in the loader
        module = f"{folder[1]}/accesscontrol.py" if folder else path
        if not os.path.exists(module):
            return f"{module} is missing"
    return ""


def damaged_files(services: Iterable[str]) -> Iterator[str]:
    """The loaders and modules that end too early. Python runs such a file without an error, and pam_exec.so lets in."""
    lines = (line for service in services for kind in PAM_TYPES for line in pam_lines(service, kind) if line.way)
    for path in sorted({found_file(line.files[-1]) for line in lines} | {MODULE}):
        if os.path.isfile(path) and not read_text(path).rstrip().endswith("sys.exit(main(sys.argv[1:]))"):
            yield f"{path}: is damaged, so no rule is asked: run {INSTALL}"


@functools.cache
def cannot_load(path: str) -> str:
    """Why a PAM module cannot be loaded, such as a library that is missing; empty where it can. See dlopen(3)."""
    program = "import ctypes, sys\ntry: ctypes.CDLL(sys.argv[1])\nexcept OSError as error: print(error)"
    told, _ = output_of("/usr/bin/python3", "-I", "-c", program, path)
    return printable(told.strip())


def why_all_are_refused(services: Iterable[str]) -> Iterator[str]:
    """What refuses every login to these services, whatever the rules say."""
    broken: dict[str, list[str]] = {}
    for service in services:
        broken.setdefault(what_is_broken(service), []).append(service)
        for line in (line for kind in PAM_TYPES for line in pam_lines(service, kind) if line.way):
            try:
                path = rule_file_argument(line.plugin_arguments)
                why = "" if path.startswith("/") else f"conf={printable(path)} is not an absolute path"
            except RuleError as error:
                why = str(error)
            if why:
                yield f"{line.at}: {why}, so every login to {service} is refused"
    for what, refused in broken.items():
        if what:
            yield f"{what}, so every login to {', '.join(refused)} is refused: run {INSTALL}"


def output_of(*command: str) -> tuple[str, str]:
    """What a program writes to standard output and to standard error, empty where it cannot be run."""
    import subprocess  # nosec B404  # with constant commands

    try:
        told = subprocess.run(  # nosec B603
            command, check=False, capture_output=True, encoding="utf-8", errors="replace", timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return "", ""
    return told.stdout, told.stderr


@functools.cache
def sshd_service() -> str:
    """The PAM service that sshd asks, empty for none, as far as root is told; see sshd_config(5)."""
    told, _ = output_of("/usr/sbin/sshd", "-T")
    settings = dict(line.split(" ", 1) for line in told.splitlines() if " " in line)
    return "" if settings.get("usepam") == "no" else settings.get("pamservicename", "sshd").lower()


def goes_past_pam(service: str) -> str:
    """Why a program, as it is set up, lets in whom PAM refuses; empty where it does not, or that is not known."""
    if service == "sshd" and not sshd_service():
        return "sshd_config: UsePAM is no, so no rule is asked"
    if service == "samba" and not smbd_asks_pam():
        return "smb.conf: obey pam restrictions is no, so smbd asks no rule"
    if service == "proftpd" and not proftpd_stops_at_pam():
        write = "write AuthOrder mod_auth_pam.c* mod_auth_unix.c"
        return f"proftpd.conf: whom a rule refuses is let in by the next module: {write}"
    if service == "pure-ftpd" and not pure_ftpd_stops_at_pam():
        return "/etc/pure-ftpd/conf: whom a rule refuses is let in by another source of passwords than PAM"
    return ""


def smbd_asks_pam() -> bool:
    """Whether smbd asks PAM, in doubt it does; see testparm(1)."""
    told, _ = output_of("/usr/bin/testparm", "--suppress-prompt", "--parameter-name", "obey pam restrictions")
    return told.strip().lower() != "no"


def pure_ftpd_stops_at_pam() -> bool:
    """Whether pure-ftpd looks up passwords by PAM alone, in doubt it does; see pure-ftpd-wrapper(8)."""
    told, _ = output_of("/usr/sbin/pure-ftpd-wrapper", "--show-options")
    return set(re.findall(r"-l (\w+)", told)) <= {"pam"}


def proftpd_stops_at_pam() -> bool:
    """Whether each server of proftpd has an AuthOrder by which PAM has the last word. Debian's configuration has none.

    In doubt, none has. proftpd tells root which directives each server has, and not what they say.
    """
    import glob

    _, told = output_of("/usr/sbin/proftpd", "--configtest", "--debug", "9")
    servers = [set(re.findall(r": +(\w+)$", server, re.MULTILINE)) for server in told.split(": Config for ")[1:]]
    others = {"AuthPAM", "AuthPAMConfig", "UserPassword"}
    paths = filter(os.path.isfile, glob.glob("/etc/proftpd/**", recursive=True))
    text = "\n".join(map(read_text, paths)).replace("\\\n", "").replace('"', "")
    orders = [order.split() for order in re.findall(r"(?mi)^[ \t]*AuthOrder[ \t]+(\S.*)", text)]
    last_word = all("mod_auth_pam.c*" in order or order == ["mod_auth_pam.c"] for order in orders)
    if not servers:
        return last_word and orders != []
    return last_word and all("AuthOrder" in names and not names & others for names in servers)


def unguarded_ways(service: str) -> Iterator[str]:
    """Why a guarded service may not come past the plugin: a line that is missing, or one that others leave out."""
    asked = sshd_service() if service == "sshd" else service
    past = goes_past_pam(service)
    if past:
        yield past
    elif asked != service:
        yield f"sshd_config: PAMServiceName is {printable(asked)}, so no rule for SSH is asked"
    own = read_text(pam_file(service))
    for kind in PAM_TYPES:
        lines = list(pam_lines(service, kind))
        at = next((place for place, line in enumerate(lines) if line.way), None)
        if at is None:
            if "accesscontrol.py" in own or service in known_services():
                yield f"{pam_file(service)}: has no {kind} line that calls the plugin"
            continue
        for place, line in enumerate(lines[:at]):
            if place + line.skips >= at:
                yield f"{line.at}: {kind}: '{line.shown}' can leave out the plugin at {lines[at].at}"
        for line, behind in zip(lines, [*lines[1:], None]):
            if line.way and not is_as_written(kind, line, behind):
                yield f"{line.at}: {kind}: is not as install.sh writes it, and may let in whom it should not"


def is_as_written(kind: str, line: PamLine, behind: PamLine | None) -> bool:
    """Whether a line of ours refuses as one of install.sh's does. Another one lets somebody in, or locks cron out."""
    if line.may_be_missing:
        return False
    if line.way == PAM_PYTHON:
        return line.control in ("required", "requisite")
    loader = re.findall(r"/\S*accesscontrol\.py(?= pam)", line.arguments)[-1]
    first, *deny = our_lines(PAM_EXEC, kind, loader, line.plugin_arguments)
    if f"{kind} {line.shown} {line.arguments}".split() != first.removesuffix(MARK).split():
        return False
    return not deny or (behind is not None and (behind.control, behind.module) == ("requisite", "pam_deny.so"))


def our_lines(way: str, kind: str, loader: str, arguments: Sequence[str] = ()) -> list[str]:
    """The lines of one type that install.sh puts into the file of a service. README says what each word is for."""
    call = " ".join([loader, *arguments, MARK])
    if way == PAM_PYTHON:
        # Not requisite in auth, or the time it takes would tell a right password from a wrong one.
        return [f"{kind:<10} {'required' if kind == 'auth' else 'requisite':<12} {PAM_PYTHON} {call}"]
    call = " ".join([loader, "pam", *arguments, MARK])
    # Not seteuid: as long as the real uid is the caller's, the kernel writes no core file, nor does ld.so heed LD_*.
    options = "type=open_session quiet stdout" if kind == "session" else "quiet stdout"
    program = f"{PAM_EXEC} {options} /usr/bin/prlimit --core=0 /usr/bin/python3 -IBS {call}"
    if kind == "auth":
        deny = f"{kind:<10} {'requisite':<12} pam_deny.so {MARK}"
        return [f"{kind:<10} [success=1 ignore=1 default=ignore] {program}", deny]
    return [f"{kind:<10} [success=ignore ignore=ignore default=die] {program}"]


@functools.lru_cache(maxsize=1)
def setuid_programs() -> list[tuple[str, bytes]]:
    """The programs that give their caller other rights, and what is in them: empty where they cannot be read.

    Those are set-user-ID and set-group-ID, on file systems that heed it; see inode(7) and nosuid in mount(8).
    """
    import subprocess  # nosec B404  # with a constant command

    mounts = (row.split(" ") for row in read_text("/proc/self/mounts").splitlines())
    folders = {fields[1] for fields in mounts if "nosuid" not in fields[3].split(",") and fields[2] != "autofs"}
    places = [re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), folder) for folder in sorted(folders) or ("/",)]
    command = ["/usr/bin/find", *places, "-xdev", "-type", "f", "-perm", "/6000", "-print0"]
    found = subprocess.run(command, check=False, capture_output=True).stdout  # nosec B603
    programs = []
    for path in filter(None, os.fsdecode(found).split("\0")):
        try:
            with open(path, "rb") as file:
                programs.append((path, file.read()))
        except OSError:
            programs.append((path, b""))
    return programs


def setuid_program_of(service: str, programs: Iterable[tuple[str, bytes]]) -> str:
    """The program among these that asks PAM for a service, or for one that includes it; empty for none.

    It has the name of the service, but for -l or -i behind that; or no service has its name, it uses libpam, and has
    the name in its text.
    """
    own_file = os.path.realpath(pam_file(service))
    names = {service} | {name for name in pam_services() if own_file in pam_files(name)}
    words = [rb"(?<![\w-])%s\0" % re.escape(name.encode()) for name in names]
    for path, text in programs:
        own = os.path.basename(path)
        if own in CLEARS_ITS_ENVIRONMENT:
            continue
        by_text = b"libpam." in text and not pam_file(own) and any(re.search(word, text) for word in words)
        if not names.isdisjoint((own, f"{own}-l", f"{own}-i")) or by_text:
            return path
    return ""


def lines_that_make_root(services: Iterable[str], foreign: bool = False) -> Iterator[str]:
    """The lines by which whoever starts a program of a service can run a program of theirs as root.

    With `foreign`, only those that install.sh has not marked.
    """
    told = set()
    for service in services:
        lines = [line for kind in PAM_TYPES for line in pam_lines(service, kind, foreign)]
        inside = any(line.way == PAM_PYTHON for line in lines)
        program = setuid_program_of(service, setuid_programs()) if inside else ""
        for line in (line for line in lines if line.at not in told):
            own = os.path.basename(line.at.rpartition(":")[0])
            if program and line.way == PAM_PYTHON:
                told.add(line.at)
                what = f"whoever starts {program} can run as root what they like"
                yield f"{line.at}: {what}: take the line out, and run {INSTALL} {own}"
            elif is_user_readenv(line) and any(other.way == PAM_EXEC for other in lines):
                told.add(line.at)
                yield f"{line.at}: {USERS_LOAD}"


def is_user_readenv(line: PamLine) -> bool:
    """Whether a line lets users set variables, which pam_exec.so passes on to root's process. See pam_env(8)."""
    return "pam_env" in line.module and re.search(USER_READENV, line.arguments) is not None


def not_guarded() -> Iterator[str]:
    """The services of SSH, TTY and XDM, and those that install.sh has guarded, by whose PAM file no rule is asked."""
    import shutil

    guarded, remembered = guarded_services(), remembered_services()
    for service in dict.fromkeys((*known_services(), *remembered)):
        if not pam_file(service):
            if shutil.which(service, path="/usr/sbin:/usr/bin:/sbin:/bin"):
                yield f"{PAM_FOLDER}/{service}: is gone, so {service} obeys no rule: bring it back, and run {INSTALL}"
        elif service not in guarded:
            how = "is not guarded any more" if service in remembered else "is not guarded"
            yield f"{pam_file(service)}: {service} {how}, and obeys no rule: run {INSTALL}"


def lines_that_differ(service: str) -> Iterator[str]:
    """Where account, session and auth of a service do not call the plugin alike."""
    called: dict[str, str] = {}
    for kind in ("account", "session", "auth"):
        for line in pam_lines(service, kind):
            if line.way:
                called.setdefault(kind, " ".join((line.way, line.files[-1], *line.plugin_arguments)))
    if len(set(called.values())) > 1:
        calls = "; ".join(f"{kind}: {call}" for kind, call in called.items())
        yield f"{pam_file(service)}: its lines differ in how they call the plugin: {printable(calls)}"


def compiled_module_findings() -> Iterator[Finding]:
    """Whether the compiled module is missing, or is for another Python than pam_python's: logins work, but slower."""
    import glob
    import struct

    for path in (path for folder in PAM_PYTHON_FOLDERS for path in glob.glob(f"{folder}/pam_python.so")):
        with open(path, "rb") as file:
            found = re.search(rb"libpython3\.([0-9]+)", file.read())
        if not found or not os.path.isfile(MODULE):
            return
        compiled = f"{os.path.dirname(MODULE)}/__pycache__/accesscontrol.cpython-3{found[1].decode()}.pyc"
        source = os.stat(MODULE)
        try:
            with open(compiled, "rb") as file:
                _, flags, when, size = struct.unpack("<4L", file.read(16))
            if flags == 0 and (when, size) == (int(source.st_mtime), source.st_size):
                return
        except (OSError, struct.error):
            pass
        what = f"is not compiled for pam_python's Python 3.{found[1].decode()}: logins work, but are slower"
        yield Finding(MODULE, f"{what}; run pam-accesscontrol as root, or {INSTALL}", warns=True)
        return


def rule_file_of(service: str) -> str:
    """The rule file that a service is judged by: that on its account line, or the usual one; see rule_file_on()."""
    return next((rule_file_on(line) for line in pam_lines(service, "account") if line.way), RULE_FILE)


def rule_file_on(line: PamLine) -> str:
    """The rule file that a line of ours names, empty where it has another argument, which refuses everybody."""
    try:
        return rule_file_argument(line.plugin_arguments)
    except RuleError:
        return ""


def pam_service(name: str) -> str:
    """The PAM service for a name as rules use it: SSH, XDM, su. Raises UsageError."""
    services = SERVICES.get(name.upper(), (name.lower(),))
    for service in services:
        if pam_file(service):
            return service
    if name.upper() in SERVICES or any(name.lower() in services for services in SERVICES.values()):
        return services[0]
    raise UsageError(f"there is no service {printable(name)}: SSH, TTY, XDM, or a file in {PAM_FOLDER}")


def covers(wide: tuple[int, int, int] | None, narrow: tuple[int, int, int] | None) -> bool:
    """Whether every address of one network lies in another; None is everywhere."""
    if wide is None or wide == narrow:
        return True
    if narrow is None or LOCAL in (wide, narrow):
        return False
    return wide[0] == narrow[0] and wide[2] >= narrow[2] and narrow[1] >> (wide[2] - narrow[2]) == wide[1]


def unreachable(rules: RuleFile) -> Iterator[tuple[int, str]]:
    """The rules that can never decide, since for each of their entries an earlier rule always has."""
    earlier: dict[tuple[str, str, str | None], list[tuple[tuple[int, int, int] | None, int]]] = {}
    for rule in rules.rules:
        if rule.action == "NUMBER":
            continue
        services = {*LoginAttempt(rule.service.lower(), "", "").names, rule.service}
        by = []
        for entry in rule.entries:
            keys = {(rule.target, entry.name), ("USER", None), ("GROUP", None)}
            known = (place for name in services for key in keys for place in earlier.get((name, *key), ()))
            by.append(next((line for network, line in known if covers(network, entry.network)), 0))
        if all(by):
            yield rule.line, f"can never be reached: line {max(by)} has decided before"
        for entry in rule.entries:
            earlier.setdefault((rule.service, rule.target, entry.name), []).append((entry.network, rule.line))


def unknown_names(rules: RuleFile) -> Iterator[tuple[int, str]]:
    """The users, groups and services that this machine does not know."""
    for rule in rules.rules:
        try:
            if rule.service != "ALL":
                pam_service(rule.service)
        except UsageError as error:
            yield rule.line, str(error)
        for name in (entry.name for entry in rule.entries if entry.name is not None):
            try:
                known = Person(name).account is not None if rule.target == "USER" else bool(find_group(name))
            except UnknownGroup:
                known = False
            if not known:
                refuses = "this rule refuses everybody but root" if rule.action != "OPEN" else "it lets nobody in"
                so = f", so {refuses}" if rule.target == "GROUP" else ""
                yield rule.line, f"there is no {rule.target.lower()} {printable(name)}{so}"


def rules_without_effect(rules: RuleFile) -> Iterator[tuple[int, str]]:
    """The rules for services that are not guarded, and limits in services that do not count as one would expect."""
    guarded = guarded_services()
    for rule in rules.rules:
        service = rule.service.lower()
        if rule.service in SERVICES or (rule.service != "ALL" and not pam_file(service)):
            continue
        if rule.service != "ALL" and service not in guarded:
            yield rule.line, f"{service} is not guarded, so this rule is not asked: run {INSTALL} {service}"
        if rule.action != "NUMBER":
            continue
        for limited in sorted(guarded) if rule.service == "ALL" else [service]:
            means = what_number_means(limited)
            if means:
                yield rule.line, means


def what_number_means(service: str) -> str:
    """What a limit does in a service that is not known to open one session in each process; empty for others."""
    if service in ONE_IN_A_PROCESS:
        return ""
    if service in NOT_ROOT:
        return f"{service} does not run as root, which counting needs, so a limit refuses everybody there"
    if service in NO_SESSION:
        return f"{service} opens no session, so those who come in by it are not counted"
    if service in MANY_IN_ONE_PROCESS:
        return f"{service} keeps many sessions in one process, and a place is free only when that process ends"
    not_counted = "those who come in by it are not counted, and it obeys no limit on a user's own sessions"
    return f"it is not known whether {service} opens a session: if not, {not_counted}"


def root_locked_out(rules: RuleFile, path: str) -> str:
    """Why root has no way in at all, as far as rules tell; empty where there is one."""
    entries = [entry for rule in rules.rules for entry in rule.entries if entry.name in (None, "root", "wheel", "sudo")]
    hosts = {"", "198.51.100.1", "2001:db8::1"}
    for bits, number, ignored in filter(None, {entry.network for entry in entries} - {LOCAL}):
        family = _socket.AF_INET if bits == 32 else _socket.AF_INET6
        hosts.add(_socket.inet_ntop(family, (number << ignored).to_bytes(bits // 8, "big")))
    root = Person("root")
    closed = set()
    for service in filter(functools.partial(judges, path), ("sshd", "login", "lightdm")):
        for host in hosts:
            decision = decide(rules, LoginAttempt(service, "root", host, person=root))
            if closing_rule(decision) is None:
                return ""
            closed.add(decision.where)
    because = f", because of {', '.join(sorted(closed))}"
    return f"root can log in over none of SSH, TTY and XDM{because}" if closed else ""


def judges(path: str, service: str) -> bool:
    """Whether a service is judged by this rule file; one that is not in use yet is taken for the usual one."""
    return rule_file_of(service) == (path if path in rule_files() else RULE_FILE)


def closing_rule(decision: Decision) -> Rule | None:
    """The rule that refuses, whoever else is in; None where there is none."""
    if decision.verdict == "CLOSE":
        return decision.rule
    return next((limit.rule for limit in decision.limits if limit.most == 0), None)


def who_loses_sudo(rules: RuleFile, path: str) -> Iterator[tuple[int, str]]:
    """Who may not become root by sudo or su, where they are guarded, and by which rule."""
    if is_guarded("su") and judges(path, "su"):
        rule = closing_rule(decide(rules, LoginAttempt("su", "root", "")))
        if rule:
            yield rule.line, f"nobody may become root by su: {printable(rule.text)}"
    if not is_guarded("sudo") or not judges(path, "sudo"):
        return
    admins = people_of_sudo()
    closing = {user: closing_rule(decide(rules, LoginAttempt("sudo", user, ""))) for user in (*admins, "root")}
    if all(closing.values()):
        rule = closing["root"]
        yield rule.line if rule else 0, f"nobody may use sudo: {printable(rule.text) if rule else ''}"
        return
    lost: dict[tuple[int, str], list[str]] = {}
    for user, rule in closing.items():
        if rule and rule.service != "SUDO":  # or it is meant
            lost.setdefault((rule.line, printable(rule.text)), []).append(printable(user))
    for (line, text), users in lost.items():
        yield line, f"{', '.join(users)} may not use sudo: {text}"


def people_of_sudo() -> list[str]:
    """The members of the groups by which distributions allow sudo to everybody in them; without any, each user."""
    members: set[str] = set()
    people = [user for user in pwd.getpwall() if 1000 <= user.pw_uid < 60000]
    for name in ("sudo", "wheel", "admin"):
        try:
            group = find_group(name)
        except UnknownGroup:
            continue
        members.update(group.gr_mem, (user.pw_name for user in people if user.pw_gid == group.gr_gid))
    return sorted(map(from_system, members or (user.pw_name for user in people)))


def rules_and_fault(path: str) -> tuple[RuleFile, str]:
    """The rules in a file, also in one that no login would trust, and why it would not."""
    rules = load_rules(os.path.abspath(path))
    if rules.error and os.path.isfile(path) and os.path.getsize(path) <= RULE_FILE_MOST:
        return parse(read_text(path), path), rules.error
    return rules, rules.error


def findings_in(path: str, shown: str) -> Iterator[Finding]:
    """Everything that check finds in a rule file, which is called `shown` there."""
    rules, fault = rules_and_fault(path)
    name = printable(shown)
    if fault:
        yield Finding(name, fault)
    if rules.error:
        return
    faults = [(line, what, False) for line, what in (*rules.ignored, *unreachable(rules))]
    lacks = (*unknown_names(rules), *rules_without_effect(rules), *who_loses_sudo(rules, shown))
    for line, what, warns in sorted((*faults, *((line, what, True) for line, what in lacks))):
        yield Finding(f"{name}:{line}" if line else name, what, warns)
    asks = any(rule.action == "ASK" for rule in rules.rules)
    for what in filter(None, (root_locked_out(rules, shown), nothing_to_ask_with() if asks else "")):
        yield Finding(name, what, warns=True)


def findings_around(path: str) -> Iterator[Finding]:
    """What check finds about a rule file that is in use: who can replace it, and who cannot read it."""
    folders = {os.path.dirname(path), os.path.dirname(os.path.realpath(path))}
    while not folders.issuperset(map(os.path.dirname, folders)):
        folders.update(map(os.path.dirname, folders.copy()))
    for folder in sorted(filter(is_open_to_others, folders)):
        yield Finding(printable(folder), f"others than root can write to this folder, and so replace {printable(path)}")
    unable = [service for service in NOT_ROOT if is_guarded(service) and rule_file_of(service) == path]
    if unable and os.path.isfile(path) and not os.stat(path).st_mode & stat.S_IROTH:
        what = f"{', '.join(unable)} cannot read this file, and refuses everybody: it needs mode 0644"
        yield Finding(printable(path), what)


def is_open_to_others(folder: str) -> bool:
    """Whether others than root can put files of theirs in place of root's in a folder. See inode(7)."""
    if not os.path.isdir(folder):
        return False
    about = os.stat(folder)
    return about.st_uid != 0 or (about.st_mode & 0o022 != 0 and not about.st_mode & stat.S_ISVTX)


def findings_of_the_machine() -> Iterator[Finding]:
    """What check finds in the PAM files, and in what their lines call."""
    services = [*guarded_services(), *half_guarded_services()]
    faults = [*not_guarded(), *why_all_are_refused(services), *damaged_files(services)]
    for service in services:
        faults += [*unguarded_ways(service), *lines_that_differ(service)]
    for fault in (*faults, *lines_that_make_root(services)):
        at, _, what = fault.partition(": ")
        yield Finding(at, what)
    yield from compiled_module_findings()


def rule_files() -> list[str]:
    """The rule files that guarded services name; the usual one where none is guarded."""
    lines = (line for service in guarded_services() for kind in PAM_TYPES for line in pam_lines(service, kind))
    return sorted(filter(None, {rule_file_on(line) for line in lines if line.way} or {RULE_FILE}))


def nothing_to_ask_with() -> str:
    """What this machine lacks to ask anybody, empty if nothing."""
    import importlib.util

    try:
        lacks = "" if importlib.util.find_spec("PyQt5.QtDBus") else "PyQt5"
    except ImportError:
        lacks = "PyQt5"
    lacks = lacks or ("" if os.path.exists(SYSTEMD_RUN) else SYSTEMD_RUN)
    return f"{lacks} is not installed: ASK refuses while somebody is at the desktop" if lacks else ""


def must_be_readable(path: str) -> None:
    """Raises UsageError for a rule file that root may read, and whoever calls may not."""
    if os.geteuid() != 0 and os.path.exists(path) and not os.access(path, os.R_OK):
        raise UsageError(f"only root can read {printable(path)}")


def check(path: str | None, strict: bool) -> int:
    """Prints what it finds in a rule file, or in each that is in use, and in the guarded services. Raises UsageError.

    Returns 1 for a fault, and where it is strict for a warning.
    """
    if path is not None and not os.path.lexists(path):
        raise UsageError(f"there is no file {printable(path)}")
    in_use = rule_files()
    found: list[Finding] = []
    for one in in_use if path is None else [path]:
        must_be_readable(one)
        found += findings_in(one, one)
        found += findings_around(os.path.abspath(one)) if os.path.abspath(one) in in_use else ()
    found += findings_of_the_machine()
    for finding in found:
        print_line(str(finding))
    warnings = sum(finding.warns for finding in found)
    if warnings == len(found):
        told = f", {warnings} warning{'s' if warnings > 1 else ''}" if warnings else ""
        print_line(f"{', '.join(map(printable, in_use if path is None else [path]))}: no faults found{told}")
    return 1 if len(found) > warnings or (strict and found) else 0


def print_line(text: str, indent: int = 4) -> None:
    """Prints a line, and on a terminal as many as it takes, broken at blanks."""
    if sys.stdout and sys.stdout.isatty():
        import shutil
        import textwrap

        width = max(shutil.get_terminal_size().columns, 40)
        lines = textwrap.TextWrapper(width, subsequent_indent=" " * indent, break_long_words=False)
        lines.break_on_hyphens = False
        text = lines.fill(text)
    print(text)


def explain(name: str, user: str, address: str, caller: str, file: str | None) -> int:
    """Prints what a login attempt would meet, and why; returns LET_IN, REFUSED or ASKED. Raises UsageError.

    By the rules in use or, where one is named, by those in a file that is not in use yet.
    """
    attempt, asked = explained_attempt(name, user, address, caller)
    who = f"{printable(attempt.user)} {over(attempt.name)} from {attempt.rhost or 'LOCAL'}"
    why = why_not_judged(asked)
    if why:
        print_line(f"let in: {who}: {why}")
        return LET_IN
    why = next(why_all_are_refused([asked]), "")
    if why:
        print_line(f"refused: {who}: {why}")
        return REFUSED
    if file is not None and not os.path.isfile(file):
        raise UsageError(f"there is no file {printable(file)}")
    must_be_readable(file or rule_file_of(asked))
    rules, fault = rules_and_fault(file) if file else (load_rules(rule_file_of(asked)), "")
    decision = decide(rules, attempt)
    full, limits = look_at_limits(decision, attempt)
    status, outcome = expected_outcome(decision, attempt, full)
    print_line(f"{outcome}: {who}")
    about_user = [f"user    {user} decides nothing: rules for {name} mean the caller"] if user != attempt.user else []
    differ = [f"fault   {what}" for what in lines_that_differ(asked)]
    for line in (*differ, *about_user, *what_to_know_first(decision, attempt, fault)):
        print_line(printable(line), 8)
    print_line(f"rule    {decision.where}: {decision.why}", 8)
    if attempt.person.account is not None:
        names = sorted(group_name(gid) or str(gid) for gid in attempt.person.gids)
        print_line(f"groups  {', '.join(map(printable, names))}", 8)
    for line in limits:
        print_line(f"limit   {line}", 8)
    if about_host(asked):
        print_line(f"host    {about_host(asked)}", 8)
    if decision.verdict == "ASK" and asked not in NOT_ROOT:
        by = f", asked by {printable(caller)}" if caller and attempt.name == "SU" else ""
        print_line(f"prompt  {whom_to_ask(rules)[1]}{by}", 8)
    return status


def explained_attempt(name: str, user: str, address: str, caller: str) -> tuple[LoginAttempt, str]:
    """The login attempt that explain is about, and its PAM service, empty where sshd asks none. Raises UsageError."""
    if address and address != "LOCAL" and parse_address(address) is None:
        raise UsageError(f"{printable(address)} is no address: IPv4, IPv6, or LOCAL")
    service = pam_service(name)
    if caller and service not in ("su", "su-l", "sudo", "sudo-i", "doas"):
        raise UsageError(f"a rule for {printable(name)} sees no caller: --caller is for su, sudo and doas")
    if caller and Person(caller).account is None:
        raise UsageError(f"there is no user {printable(caller)}, who could call {service}")
    if service in CALLER_SERVICES:
        user = caller or user
    asked = sshd_service() if service == "sshd" else service
    return LoginAttempt(asked or service, user, "" if address == "LOCAL" else address, caller), asked


def over(name: str) -> str:
    """How a service is called in a sentence: over SSH, on the console, at the desktop."""
    return OVER.get(name, f"over {name}")


def what_to_know_first(decision: Decision, attempt: LoginAttempt, fault: str) -> Iterator[str]:
    """What explain says before the rule: what is wrong with the file, the user, and what asks."""
    rules = decision.rules
    if fault:
        yield f"file    {fault}"
    if attempt.person.account is None:
        yield f"user    there is no user {printable(attempt.user)}, or the directory did not answer"
    for line, what in rules.ignored[:IGNORED_SHOWN]:
        yield f"ignored {rules.name}:{line}: {what}"
    if len(rules.ignored) > IGNORED_SHOWN:
        yield f"ignored {len(rules.ignored) - IGNORED_SHOWN} more lines: run pam-accesscontrol check"
    if decision.verdict == "ASK" and nothing_to_ask_with():
        yield f"lacks   {nothing_to_ask_with()}"


def about_host(service: str) -> str:
    """What explain says of a program that may run as somebody else than root; empty where it runs as root."""
    if service in NOT_ROOT:
        return f"{service} does not run as root: ASK and NUMBER refuse"
    if service in (*ONE_IN_A_PROCESS, *MANY_IN_ONE_PROCESS, *NO_SESSION):
        return ""
    unless_root = "if not, ASK and NUMBER refuse, and whoever starts it is judged only where a rule names it"
    return f"it is not known whether {service} runs as root: {unless_root}"


def why_not_judged(service: str) -> str:
    """Why rules keep nobody out of a PAM service, or empty. The service is empty where sshd asks none."""
    if not service:
        return goes_past_pam("sshd")
    if service in guarded_services():
        return goes_past_pam(service)
    how = f"run {INSTALL}" if service in known_services() else f"run {INSTALL} {printable(service)}"
    why = how if pam_file(service) else "it has no PAM file"
    return f"{printable(service)} is not guarded, so no rule is asked ({why})"


def expected_outcome(decision: Decision, attempt: LoginAttempt, full: bool) -> tuple[int, str]:
    """The exit status of explain, and its first words. Raises OSError."""
    if decision.verdict == "CLOSE":
        return REFUSED, "refused"
    if full:
        return REFUSED, "refused, since a limit is full"
    if attempt.service in NOT_ROOT and (decision.verdict == "ASK" or decision.limits):
        return REFUSED, f"refused, since {attempt.service} does not run as root"
    if decision.verdict == "OPEN":
        return LET_IN, "let in"
    why = what_keeps_out(attempt, decision.rules.remember) if os.geteuid() == 0 else ""
    if why:
        return REFUSED, f"refused, since {why}"
    status, _ = whom_to_ask(decision.rules)
    if status == ASKED:
        return status, "asked about"
    return status, "let in, since nobody is there to ask" if status == LET_IN else "refused, since nobody can be asked"


def what_keeps_out(attempt: LoginAttempt, remember: int) -> str:
    """Why the owner would not even be asked about a person, and for how long, empty if they would. Raises OSError."""
    person, answers = behind(attempt), Answers()
    refusal = answers.refusal_of(person)
    seconds = refusal.until - seconds_up() if refusal else 0
    if refusal and seconds > 0:
        return f"an earlier {refusal.in_words()} holds for {duration(seconds)} more"
    seconds = Questions().look().kept_out_for(person, answers, remember)
    return f"too many questions were taken back, which holds for {duration(seconds)} more" if seconds > 0 else ""


def whom_to_ask(rules: RuleFile) -> tuple[int, str]:
    """What ASK would come to just now, as an exit status and in words."""
    try:
        desktop, _ = find_desktop()
    except (CannotAsk, OSError) as reason:
        return REFUSED, str(reason)
    if desktop is None:
        status = LET_IN if rules.unattended == "OPEN" else REFUSED
        return status, f"nobody is at the desktop, and UNATTENDED is {rules.unattended}"
    who, lacks = f"{printable(user_name(desktop.uid))}, at the desktop", nothing_to_ask_with()
    if desktop.type == "tty":
        return ASKED, f"{who}, if that text console is a desktop" + (f"; {lacks}" if lacks else "")
    return (REFUSED, lacks) if lacks else (ASKED, who)


def look_at_limits(decision: Decision, attempt: LoginAttempt) -> tuple[bool, list[str]]:
    """Whether a limit on a login attempt is full, and how full each is. Raises UsageError without root, and OSError."""
    if not decision.limits or decision.verdict == "CLOSE":
        return False, []
    sessions, groups = open_sessions(), Groups()
    rooms = [(limit, sessions.look_at(limit, attempt.person, groups)) for limit in decision.limits]
    told = [f"{decision.rules.where(limit.rule)}: {room.told}: {room.names}" for limit, room in rooms]
    return not all(room.has_room for _, room in rooms), told


def replay(file: str | None, since: str | None) -> int:
    """Prints which logins of the monthly logs would now be decided otherwise; returns 1 for some. Raises UsageError."""
    if file is not None and not os.path.isfile(file):
        raise UsageError(f"there is no file {printable(file)}")
    must_be_readable(file or RULE_FILE)
    logins = Replay(rules_and_fault(file)[0] if file else None, since or first_of_last_month())
    for line in logins.lines():
        print_line(line)
    if not logins.count:
        print_line(f"there are no logins in the logs since {logins.since}")
    elif not logins.changes:
        print_line(f"none of {logins.count} logins since {logins.since} would be decided otherwise")
    return 1 if logins.changes else 0


def first_of_last_month() -> str:
    """The day from which logs are read where none is named."""
    now = time.localtime()
    return time.strftime("%Y-%m-01", time.localtime(time.mktime((now.tm_year, now.tm_mon - 1, 1, 12, 0, 0, 0, 0, -1))))


def day(text: str) -> str:
    """A date on the command line. Raises UsageError."""
    try:
        return time.strftime("%Y-%m-%d", time.strptime(text, "%Y-%m-%d"))
    except ValueError:
        raise UsageError(f"{printable(text)} is no date: YYYY-MM-DD") from None


class Change:
    """Logins of one kind, which rules would now decide otherwise: from where, how many, and when last."""

    def __init__(self) -> None:
        self.hosts: set[str] = set()
        self.count, self.last = 0, ""

    def __str__(self) -> str:
        place = next(iter(self.hosts)) if len(self.hosts) == 1 else f"{len(self.hosts)} addresses"
        return f"from {place}, {self.count} login{'s' if self.count > 1 else ''}, last {self.last}"


class Replay:
    """The logins in the monthly logs from a day on, decided anew: by the rules in use, or by others in their place."""

    def __init__(self, rules: RuleFile | None, since: str) -> None:
        self.rules, self.since, self.count = rules, since, 0
        self.rules_for = functools.cache(self.find_rules)
        self.people: dict[str, Person] = {}
        self.decided: dict[tuple[str, str, Hashable], Decision] = {}
        self.changes: dict[tuple[str, str, str, str], Change] = {}
        for login in logged_logins(since):
            self.count += 1
            self.add(*login)

    def add(self, when: str, service: str, action: str, user: str, host: str, outcome: str, why: str) -> None:
        """Takes one login into account, by the columns of the log."""
        decision = self.decision(service, user, host)
        then = "ASK" if action == "ASK" else "OPEN" if outcome == "granted" else "CLOSE"
        rule = closing_rule(decision)
        now = decision.verdict if rule is None else "CLOSE"
        if now == then or (action == "NUMBER" and decision.limits):
            return
        words = f"{OUTCOMES[then]} then ({logged_rule(why)})", f"{OUTCOMES[now]} now by {rule_in_words(decision, rule)}"
        change = self.changes.setdefault((service, user, *words), Change())
        change.hosts.add(host)
        change.count, change.last = change.count + 1, max(change.last, when)

    def decision(self, service: str, user: str, host: str) -> Decision:
        """What the rules say now of a login in the log. Hosts in the same networks of the rules are decided alike."""
        pam_service, rules, networks = self.rules_for(service)
        rhost = "" if host == "LOCAL" else logged_text(host)
        key = service, user, networks_with(rhost, networks)
        if key not in self.decided:
            name = logged_text(user)
            person = self.people.setdefault(name, Person(name))
            self.decided[key] = decide(rules, LoginAttempt(pam_service, name, rhost, person=person))
        return self.decided[key]

    def find_rules(self, name: str) -> tuple[str, RuleFile, frozenset[tuple[int, int, int]]]:
        """The PAM service for a name in the log, the rules for it, and their networks."""
        try:
            service = pam_service(name)
        except UsageError:
            service = name.lower()
        path = rule_file_of(service)
        rules = self.rules if path == RULE_FILE else None
        if rules is None:
            must_be_readable(path)
            rules = load_rules(path)
        networks = (entry.network for rule in rules.rules for entry in rule.entries)
        return service, rules, frozenset(network for network in networks if network is not None)

    def lines(self) -> Iterator[str]:
        """A line for each change, the most frequent first."""
        for (service, user, then, now), change in sorted(self.changes.items(), key=lambda it: -it[1].count):
            yield f"{user} {over(service)} {change}: {then}, {now}"


@functools.cache
def networks_with(host: str, networks: frozenset[tuple[int, int, int]]) -> frozenset[tuple[int, int, int]] | str:
    """Those of some networks that a remote host is in; the host itself where it is no address."""
    address = parse_address(host)
    if address is None:
        return host
    bits, number = address
    return frozenset(network for network in networks if network[0] == bits and network[1] == number >> network[2])


def logged_logins(since: str) -> Iterator[tuple[str, ...]]:
    """The columns of each login that was let in or refused from a day on. Raises UsageError, and OSError."""
    import glob

    logged = re.compile(LOGGED)
    for path in sorted(glob.glob(f"{LOG_FOLDER}/pam-accesscontrol-[0-9][0-9][0-9][0-9]-[0-9][0-9].log")):
        if path[-11:-4] < since[:7]:
            continue
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                for line in file:
                    found = logged.match(line)
                    if found and found[1] >= since:
                        yield found.groups()
        except PermissionError:
            raise UsageError(f"only root and the group adm can read {path}") from None


def logged_text(text: str) -> str:
    """A name or a host as it was before column() escaped it: a blank, an @, and bytes that are not UTF-8."""
    if "\\x" not in text:
        return text
    return re.sub(r"\\x(20|40|[89a-f][0-9a-f])", lambda it: from_system(os.fsdecode(bytes.fromhex(it[1]))), text)


def logged_rule(why: str) -> str:
    """The rule in the last column of the log: FILE:LINE: RULE, and behind it what came of asking."""
    text = why.partition(": ")[2]
    rule = re.match(LOGGED_RULE, text)
    return rule[0].rstrip(":") if rule else text.partition(": ")[0]


def rule_in_words(decision: Decision, closing: Rule | None) -> str:
    """The rule behind a decision, with its line."""
    rule = closing or decision.rule
    text = printable(decision.rules.error or rule.text)
    return f"line {rule.line} ({text})" if rule.line else text


def edit(file: str | None) -> int:
    """Edits a copy of a rule file, and puts it in place when the admin says so. See visudo(8). Raises UsageError."""
    if os.geteuid() != 0:
        raise UsageError("only root can edit the rules")
    path = os.path.realpath(file or RULE_FILE)
    folder = os.path.dirname(path)
    if not os.path.isdir(folder) or os.stat(folder).st_uid != 0 or os.stat(folder).st_mode & 0o022:
        raise UsageError(f"{printable(folder)} is not a folder that only root can write to")
    import signal

    be_the_only_editor(path)
    copy = path + ".edit"
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, terminal_is_gone)
    try:
        try:
            return edit_copy(path, copy)
        finally:  # a terminal that is gone may be read to its end, and tell so by a signal as well
            hear_no_signal()
    except (EOFError, KeyboardInterrupt, OSError) as error:
        if not os.path.lexists(copy):  # it was in place, or never begun
            if isinstance(error, OSError):
                raise
            return 1
        why = f", since {error}" if isinstance(error, OSError) else ""
    kept = f"nothing was saved{why}: what you wrote is in {printable(copy)}"
    syslog(LOG_NOTICE, f"edit: {kept}")
    try:
        print(f"\npam-accesscontrol: {kept}", file=sys.stderr, flush=True)
    except OSError:
        pass  # the terminal is gone
    return 1


def terminal_is_gone(number: int, frame: object) -> NoReturn:
    """Ends an edit whose terminal goes away as the end of the input does."""
    hear_no_signal()
    raise EOFError


def hear_no_signal() -> None:
    """Lets an edit that ends tell so, whatever comes on top."""
    import signal

    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def be_the_only_editor(path: str) -> None:
    """Keeps others from editing until this process ends: by a lock that root alone can take. Raises UsageError."""
    import fcntl

    prepare_state_folder()
    lock = os.open(f"{STATE}/edit", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(f"somebody else edits {printable(path)} just now") from None


def edit_copy(path: str, copy: str) -> int:
    """Edits the copy until it is saved or given up. Raises EOFError and KeyboardInterrupt, which leave it there."""
    before = read_bytes(path)
    is_left = f"{copy} is of an edit that did not end: (g)o on with it, (b)egin anew"
    if read_bytes(copy) in (b"", before) or choose(is_left, "gb") == "b":
        write_copy(copy, before)
    while True:
        told = run_editor(copy)
        if read_bytes(copy) == before:
            os.unlink(copy)
            print(told or f"{path}: nothing was changed")
            return 1 if told else 0
        if told:
            print(told)
        checked, doubts = read_bytes(copy), show_findings(path, copy)
        answer = choose("(e)dit again, (s)ave, (q)uit without saving", "esq")
        if answer == "q":
            os.unlink(copy)
            return 0
        if read_bytes(path) != before:
            doubts.append(f"{path} was changed by somebody else")
        if read_bytes(copy) != checked:
            doubts.append(f"{copy} was changed since it was checked")
        sure = f"{' and '.join(doubts)}: save it all the same? (y)es, (n)o"
        if answer == "s" and (not doubts or choose(sure, "yn") == "y"):
            put_in_place(copy, path)
            fault = load_rules(path).error
            print(f"{path}: saved, but {fault}" if fault else f"{path}: saved, and in use from the next login on")
            return 0


def read_bytes(path: str) -> bytes:
    """The contents of a file, empty if there is none. Raises OSError."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def write_copy(copy: str, text: bytes) -> None:
    """Begins a copy anew, for root alone. Raises OSError."""
    if os.path.lexists(copy):
        os.unlink(copy)
    with open(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text)


def choose(question: str, letters: str) -> str:
    """Asks on the terminal until the answer is one of these letters. Raises EOFError."""
    while True:
        answer = input(f"{question}: ").strip().lower()[:1]
        if answer and answer in letters:
            return answer


def run_editor(copy: str) -> str:
    """Runs the admin's editor on the copy, and returns what went wrong. See sensible-editor(1)."""
    import shlex
    import signal
    import subprocess  # nosec B404  # root's own editor

    named = next(filter(None, map(os.environ.get, ("SUDO_EDITOR", "VISUAL", "EDITOR"))), "")
    try:
        editor = shlex.split(named) or [path for path in EDITORS if os.path.exists(path)][:1]
    except ValueError as error:
        return f"the editor {printable(named)} cannot be started: {error}"
    if not editor:
        return "there is no editor: set EDITOR"
    kept = signal.signal(signal.SIGINT, lambda *_: None)  # the editor gets it, too
    try:
        started = subprocess.Popen([*editor, copy])  # nosec B603
        status = started.wait()
    except OSError as error:
        return f"the editor {printable(editor[0])} cannot be started: {error.strerror}"
    finally:
        signal.signal(signal.SIGINT, kept)
    how = f"by signal {-status}" if status < 0 else f"with status {status}"
    return f"the editor ended {how}" if status else ""


def show_findings(path: str, copy: str) -> list[str]:
    """Prints what check finds in the copy, and what replay would change; returns why not to save it."""
    found = list(findings_in(copy, path))
    rules, usual = rules_and_fault(copy)[0], path == os.path.realpath(RULE_FILE)
    changes = Replay(rules, first_of_last_month()).lines() if usual else ()
    for lines, what in ((map(str, found), "check"), (changes, "replay")):
        for number, line in enumerate(lines):
            if number == LINES_SHOWN:
                print_line(f"and more: pam-accesscontrol {what} {copy}")
                break
            print_line(line)
    faults = sum(not finding.warns for finding in found)
    return [f"it has {faults} fault{'s' if faults > 1 else ''}"] if faults else []


def put_in_place(copy: str, path: str) -> None:
    """Replaces a file by its copy, in one step, with its owner, mode and ACL kept. Raises OSError."""
    with open(os.open(copy, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        os.fchown(file.fileno(), 0, 0)
        os.fchmod(file.fileno(), 0o644)
        if os.path.exists(path):
            about, kept = os.stat(path), os.listxattr(path)
            if ACL in os.listxattr(file.fileno()) and ACL not in kept:  # by the folder's default
                os.removexattr(file.fileno(), ACL)
            os.fchown(file.fileno(), about.st_uid, about.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(about.st_mode))
            for name in kept:
                os.setxattr(file.fileno(), name, os.getxattr(path, name))
        os.fsync(file.fileno())
    os.rename(copy, path)
    syslog(LOG_NOTICE, f"edit: {path} was saved")


def open_sessions() -> OpenSessions:
    """Who is in. Raises UsageError without root, and OSError."""
    if os.geteuid() != 0:
        raise UsageError("only root can see who is logged in")
    return OpenSessions(Sessions())


def status(as_json: bool) -> int:
    """Prints what is guarded, who is in, and how full each limit is, for people or for scripts. Raises UsageError."""
    services = guarded_services()
    guarded = {service: [*unguarded_ways(service), *lines_that_make_root([service])] for service in services}
    files = rule_files()
    closed = filter(None, (load_rules(path).error for path in files))
    refused = [*closed, *why_all_are_refused(services), *damaged_files(services)]
    sessions, groups = open_sessions(), Groups()
    told = [limit_status(rules, Limit(rule, entry), sessions, groups) for rules in map(load_rules, files)
            for rule in rules.rules if rule.action == "NUMBER" for entry in rule.entries]
    people: list[dict[str, Any]] = [
        {"who": it.who, "service": it.service, "asked_by": it.asked_by, "since": since(it.began), "pid": it.entry.pid,
         "action": it.action, "rule": it.rule}
        for it in sorted(sessions.sessions, key=lambda session: session.began)
    ]
    waiting, answers = who_waits(), answers_that_hold()
    others = {session.uid for session in sessions.others} - {session.uid for session in sessions.sessions}
    names = sorted(column(user_name(uid)) for uid in others)
    if as_json:
        import json
        lists = {"guarded": guarded, "not_guarded": list(not_guarded()), "refused": refused, "in": people}
        more = {"in_otherwise": names, "limits": told, "waiting": waiting, "answers": answers}
        print(json.dumps({**lists, **more}, indent=2))
        return 0
    print_line("guarded  " + (", ".join(guarded) or f"nothing: run {INSTALL}"), 9)
    for fault in dict.fromkeys((*refused, *(it for own in guarded.values() for it in own), *not_guarded())):
        print_line(f"fault    {fault}", 9)
    for it in people:
        begun = time.strftime("%Y-%m-%d %H:%M", time.localtime(it["since"]))
        print(f"in       {it['who']}  {it['service']}  since {begun}  {it['action']}  {it['rule']}")
    for name in names:
        print(f"in       {name}  by a service that is not guarded, or since before")
    for limit in told:
        print(f"limit    {limit['rule']}: {limit['state']}")
    for it in waiting:
        print(f"waits    {it['who']}  {it['service']}{by(it)}  for {duration(it['seconds'])}{it['state']}")
    for it in answers:
        holds = "while a session lives" if it["seconds"] is None else f"for {duration(it['seconds'])} more"
        print(f"answer   {it['who']}  {it['service']}{by(it)}  {it['answer']}, {holds}")
    return 0


def since(began: float) -> int:
    """A moment in seconds since the boot, as seconds since the epoch."""
    return int(time.time() - seconds_up() + began)


def who_waits() -> list[dict[str, Any]]:
    """Who waits for an answer, for how many seconds, and whether the question is on the screen. Raises OSError."""
    queue = Questions().look()
    asked = [(it, ", on the screen") for it in queue.asked]
    return [
        {"who": it.who, "service": it.service, "asked_by": it.asked_by, "seconds": int(seconds_up() - it.arrived),
         "state": state}
        for it, state in (*asked, *((it, "") for it in queue.in_turn(Answers())))
    ]


def answers_that_hold() -> list[dict[str, Any]]:
    """The answers that hold, and for how long: `seconds` is None while a session lives. Raises OSError."""
    return [
        {"who": it.who, "service": it.service if it.allows else "any service", "asked_by": it.asked_by,
         "answer": it.in_words(), "seconds": None if seconds < 0 else int(seconds)}
        for it, seconds in Answers().that_hold()
    ]


def forget(user: str) -> int:
    """Lifts every answer about a person, and says what that was; returns 1 where there was none. Raises UsageError."""
    if os.geteuid() != 0:
        raise UsageError("only root can lift an answer")
    person, answers, questions = person_key(Person(user)), Answers(), Questions().look()
    lifted = [it.in_words() for it, _ in answers.that_hold() if it.person == person]
    while any(it.person == person for it in answers.found):  # one may just be used, and have another name then
        for answer in answers.found:
            if answer.person == person:
                answers.remove(answer.link)
                stop_units(our_units(notice_name(answer)))
        answers = Answers()
    shown = [it for it in questions.taken_back if it.person == person and questions.remove(it.entry.link)]
    if shown:
        lifted.append(f"{len(shown)} question{'s' if len(shown) > 1 else ''} taken back")
    if not lifted:
        print(f"{printable(user)}: there is no answer to lift")
        return 1
    print(f"{printable(user)}: lifted: {', '.join(lifted)}")
    syslog(LOG_NOTICE, f"forget {column(user)}: lifted: {', '.join(lifted)}")
    return 0


def by(told: dict[str, Any]) -> str:
    """Who asked, for one line of status."""
    return f", asked by {told['asked_by']}" if told["asked_by"] else ""


def limit_status(rules: RuleFile, limit: Limit, sessions: OpenSessions, groups: Groups) -> dict[str, Any]:
    """How full a limit is, as `status` tells it; of each person's own limit, just what it is."""
    told: dict[str, Any] = {"rule": f"{rules.where(limit.rule)} {limit.rule.service}", "target": limit.target}
    told.update(name=limit.name or "ALL", most=limit.most)
    if limit.target == "USER" and limit.name is None:
        return {**told, "state": f"everybody: {limit.most} sessions each"}
    person = Person(limit.name or "")
    if person.uid < 0 if limit.target == "USER" else limit.name is not None and groups.get(limit.name) is None:
        return {**told, "state": f"{printable(limit.name or '')} is not known, or the directory did not answer"}
    room = sessions.look_at(limit, person, groups)
    return {**told, "state": f"{room.told}: {room.names}", "who": sorted(map(user_name, room.uids))}


def try_window() -> NoReturn:
    """Shows the dialog, with made-up data, on the desktop of whoever calls; prints the answer. Raises UsageError."""
    try:
        load_qt()
        show_question(made_up_question())
    except ImportError:
        raise UsageError("there is no PyQt5: install python3-pyqt5") from None


def parse_arguments(arguments: list[str]) -> Any:
    """The command line. Raises UsageError."""
    import argparse

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> Any:
            raise UsageError(f"{message} (see {self.prog} --help)")

    narrow = functools.partial(argparse.RawDescriptionHelpFormatter, width=78)
    parser = Parser(prog="pam-accesscontrol", description="Who may log in to this machine, and why.",
                    epilog="example: pam-accesscontrol explain SSH bob 192.0.2.7", formatter_class=narrow)
    parser.add_argument("--version", action="version", version=f"pam-accesscontrol {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, what, description, example, options in command_line():
        one = commands.add_parser(name, help=what, description=description, epilog=f"example: {example}",
                                  formatter_class=narrow)
        for option, settings in options.items():
            one.add_argument(option, **settings)
    return parser.parse_args(arguments)


def command_line() -> list[tuple[str, str, str, str, dict[str, dict[str, Any]]]]:
    """Each subcommand: its name, what it does, in one line and in more, an example, and its arguments."""
    return [
        ("check", "look for faults in the rules and in what is guarded",
         "Prints each fault as FILE:LINE: what, and each warning as FILE:LINE: warning:\n"
         "what. A warning is what this machine does not have, such as a user.\n"
         "Status: 0 no fault, 1 a fault (with --strict, or a warning), 2 usage.",
         "pam-accesscontrol check /root/new.conf",
         {"--strict": {"action": "store_true", "help": "a warning is a fault"},
          "file": {"nargs": "?", "metavar": "FILE", "help": "a rule file (default: each that is in use)"}}),
        ("explain", "tell what a login attempt would meet, and why",
         "Prints the outcome, the rule, groups and limits.\nStatus: 0 let in, 1 refused, 2 usage, 3 asked about.",
         "pam-accesscontrol explain SSH bob 192.0.2.7\n         pam-accesscontrol explain --caller erin SU bob\n"
         "         pam-accesscontrol explain --rules /root/new.conf SSH bob",
         {"--rules": {"metavar": "FILE", "help": "by a rule file that is not in use yet"},
          "--caller": {"default": "", "metavar": "USER", "help": "who calls su, sudo or doas"},
          "service": {"metavar": "SERVICE", "help": "SSH, TTY, XDM, or a PAM service such as su"},
          "user": {"metavar": "USER", "help": "a login name; for sudo, the caller's"},
          "address": {"nargs": "?", "default": "", "metavar": "ADDRESS", "help": "where from (default: LOCAL)"}}),
        ("replay", "tell which logins in the log would now be decided otherwise",
         "Reads the logs of this month and the last, and decides each login anew. Prints\n"
         "each kind of login once that would now be decided otherwise.\nStatus: 0 none, 1 some, 2 usage.",
         "sudo pam-accesscontrol replay --since 2026-11-01 /root/new.conf",
         {"--since": {"type": day, "metavar": "DATE", "help": "from this day on, YYYY-MM-DD"},
          "file": {"nargs": "?", "metavar": "FILE", "help": "a rule file (default: each that is in use)"}}),
        ("edit", "change the rules safely, as visudo does",
         "Edits a copy with $SUDO_EDITOR, $VISUAL, $EDITOR or sensible-editor. Then\nshows what check finds and what "
         "replay would change, and asks whether to\nsave. Needs root.",
         "sudo pam-accesscontrol edit",
         {"file": {"nargs": "?", "metavar": "FILE", "help": "a rule file (default: the usual one)"}}),
        *more_commands(),
    ]


def more_commands() -> list[tuple[str, str, str, str, dict[str, dict[str, Any]]]]:
    """The subcommands that are not about the rule file, as command_line() has them."""
    return [
        ("status", "tell what is guarded, who is in, and how full each limit is",
         "Prints what is guarded, who is in, each limit, who waits,\nand which answers hold. Needs root.",
         "sudo pam-accesscontrol status --json", {"--json": {"action": "store_true", "help": "for scripts"}}),
        ("forget", "lift the answers about a user: the next login is asked about",
         "Lifts each Allow and Deny about a user. Needs root.\nStatus: 0 lifted, 1 there was none, 2 usage.",
         "sudo pam-accesscontrol forget bob",
         {"user": {"metavar": "USER", "help": "a login name; of su, whoever asked"}}),
        ("ask", "show the question on your own desktop, to see what it looks like",
         "Shows the question, with made-up data. Prints the answer: allow, deny, timeout.",
         "pam-accesscontrol ask", {}),
    ]


def plan(loader: str, folder: str, services: list[str]) -> int:
    """For install.sh: puts what the file of each service is to be into a folder, and prints how it is guarded.

    A line is SERVICE WAY WHY: by PAM_PYTHON or PAM_EXEC; `included`, by the file of another service that it includes
    whole; or `none`, and why not. Behind these: `includes`, for a service that includes one; `danger`, and a fault.
    """
    programs = setuid_programs()
    planned: set[str] = set()
    for service in short_names_first(services):
        path = pam_file(service)
        if not path:
            print(f"{service} none it has no file")
            continue
        with open(path, "rb") as file:
            text = file.read()
        way, why = way_in(service, planned, programs, text)
        if way != "none":
            planned.add(service)
        with open(f"{folder}/{service}", "wb") as file:
            file.write(file_text(service, path, text, way, loader))
        print(" ".join([service, way, why]).rstrip())
    files = {os.path.realpath(pam_file(service)) for service in planned}
    for name in pam_services():
        if name not in (*planned, *GREETERS) and files & pam_files(name):
            print(f"{name} includes")
    for fault in lines_that_make_root(pam_services(), foreign=True):
        print(f"- danger {fault}")
    return 0


def short_names_first(services: Iterable[str]) -> list[str]:
    """The services, each once and in their order, but for su-l and its like: behind su."""
    ordered: list[str] = []
    for service in services:
        for name in (service[:-2] if service.endswith(("-l", "-i")) else service, service):
            if name in services and name not in ordered:
                ordered.append(name)
    return ordered


def way_in(service: str, planned: set[str], programs: list[tuple[str, bytes]], text: bytes) -> tuple[str, str]:
    """How a service is to be guarded, and what there is to say of that."""
    if ends_within_a_line(without_our_lines(text)):
        return "none", f"{pam_file(service)} ends in the middle of a line"
    short = service[:-2]
    whole = all(pam_file(short) in included_for(service, kind) for kind in PAM_TYPES)
    if service.endswith(("-l", "-i")) and short in planned and whole:
        return "included", ""
    program = ""
    if service in PAM_PYTHON_SERVICES:
        program = setuid_program_of(service, programs)
        if not program:
            return PAM_PYTHON, ""
    for line in (line for kind in PAM_TYPES for line in pam_lines(service, kind, foreign=True)):
        if is_user_readenv(line):
            return "none", f"{line.at}: {USERS_LOAD}"
    return PAM_EXEC, f"since {program} starts with its caller's environment" if program else ""


def included_for(service: str, kind: str) -> set[str]:
    """The files that the file of a service itself includes for a type."""
    statements = pam_statements(pam_file(service), foreign=True)
    return {included_file(included) for own, included, _ in statements if included and own in ("", kind)}


def without_our_lines(text: bytes) -> bytes:
    """A PAM file without the lines that install.sh has marked. A last line without a newline has none afterwards."""
    rows = text.split(b"\n")
    kept = [row for row in rows if not re.search(MARKED, row)]
    return b"\n".join(kept)


def ends_within_a_line(text: bytes) -> bool:
    """Whether the last line of a PAM file goes on: what is put behind it would be a part of it. See pam.d(5)."""
    rows = [row for row in text.split(b"\n") if row.partition(b"#")[0].strip()]
    return bool(rows) and b"#" not in rows[-1] and rows[-1].rstrip(b" \t").endswith(b"\\")


def file_text(service: str, path: str, text: bytes, way: str, loader: str) -> bytes:
    """The text of a service's file with our lines: account and session at its top, auth at its end.

    A type that a service lacks is that of `other`, until it has a line: then ours includes that.
    """
    kept = without_our_lines(text)
    head = re.findall(rb"(?m)^# copied from /.* # pam-accesscontrol$", text)[:1]
    if not path.startswith(f"{PAM_FOLDER}/"):
        head = [f"# copied from {path} {MARK}".encode()]
    if way == "none":
        return kept
    if way == "included":
        return b"\n".join([*head, kept])
    lines: dict[str, list[bytes]] = {}
    for kind in PAM_TYPES:
        conf = re.findall(rf"(?m)^{kind}\b.*accesscontrol\.py\b.*\s(conf=[^\s#\\]+).*{MARK}".encode(), text)[:1]
        ours = our_lines(way, kind, loader, [os.fsdecode(argument) for argument in conf])
        lacking = next(pam_lines(service, kind, foreign=True), None) is None
        other = [f"{kind} include other {MARK}"] if lacking else []
        lines[kind] = [line.encode() for line in (other + ours if kind == "auth" else ours + other)]
    newline = kept.endswith(b"\n")
    body = [kept.removesuffix(b"\n")] if kept else []
    rows = b"\n".join([*head, *lines["account"], *lines["session"], *body, *lines["auth"]])
    return rows + b"\n" if newline or not kept else rows


def main(arguments: list[str]) -> int:
    """The command pam-accesscontrol: returns its exit status. install.sh and the question call it, too."""
    if arguments[:1] == ["pam"]:
        pam_main(arguments[1:], sys.argv[0])
    if arguments == ["--window"]:
        window_main()
    if arguments == ["--services"]:
        print("\n".join(f"{name} {service}" for name, services in SERVICES.items() for service in services))
        return 0
    if arguments[:1] == ["--lines"]:
        print("\n".join(f"{way} {line}" for way in (PAM_PYTHON, PAM_EXEC) for kind in PAM_TYPES
                        for line in our_lines(way, kind, arguments[1], arguments[2:])))
        return 0
    if arguments[:1] == ["--plan"]:
        return plan(arguments[1], arguments[2], arguments[3:])
    try:
        chosen = parse_arguments(arguments)
        if chosen.command == "check":
            return check(chosen.file, chosen.strict)
        if chosen.command == "replay":
            return replay(chosen.file, chosen.since)
        if chosen.command == "edit":
            return edit(chosen.file)
        if chosen.command == "status":
            return status(chosen.json)
        if chosen.command == "forget":
            return forget(chosen.user)
        if chosen.command == "ask":
            try_window()
        return explain(chosen.service, chosen.user, chosen.address, chosen.caller, chosen.rules)
    except (UsageError, ValueError, OSError) as error:
        print(f"pam-accesscontrol: {error}", file=sys.stderr)
        return USAGE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
