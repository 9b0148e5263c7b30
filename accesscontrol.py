#!/usr/bin/python3 -I
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: F401 - used in the texts
"""pam-accesscontrol: who may log in to this machine, over which service.

Loaded by pam_python.so into sshd, login and the display managers, and, by its own name, the command pam-accesscontrol.
From top to bottom: the rules, the decision, who is logged in, the question, the windows, the log, the PAM functions,
the command.

pam_python compiles this file anew at every login, which takes about 1 ms for a hundred lines (tests/bench). So what
most logins do without is folded: it stands where it belongs, but as a text, and is compiled when one of its names is
first used, as folded.name. What every login needs stands in texts, too, the pieces, compiled one after the other: all
at once, that takes a millisecond and a megabyte more. For the same reason what costs more than a tenth of a millisecond
is imported where it is used.
"""

from __future__ import annotations

import _socket  # the socket module proper costs 2.6 ms more
import gc
import os
import pwd
import re
import stat
import sys
import time

TYPE_CHECKING = False  # typing costs 3 ms
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

RULE_FILE = "/etc/pam-accesscontrol/pam-accesscontrol.conf"
RULE_FILE_MOST = 16 * 1024 * 1024  # bytes; more is no rule file, and reading it would be felt
LOG_FOLDER = "/var/log"

# The PAM services behind the three names that rules use.
SERVICES = {
    "SSH": "sshd".split(),
    "TTY": "login remote".split(),
    "XDM": """sddm sddm-autologin lightdm lightdm-autologin gdm gdm-password gdm-autologin gdm-fingerprint gdm-smartcard
        xdm kdm kdm-np lxdm slim wdm greetd ly plasmalogin plasmalogin-autologin""".split(),
}


class Folded:
    """The texts that are folded away, and their names, which are this module's own as soon as they are used."""

    texts: list[tuple[int, str]] = []

    def __call__(self, text: str) -> None:
        self.texts.append((sys._getframe(1).f_lineno, text))  # the line is for tracebacks

    def __getattr__(self, name: str) -> Any:
        names = globals()
        for line, text in self.texts:
            if name not in names and any("\n" + kind + name in text for kind in ("def ", "class ", "")):
                run(line, text)
        if name not in names:
            raise AttributeError(name)
        return names[name]


def run(line: int, text: str) -> None:
    """Runs a text of this file, on its line there."""
    # Not by compile(), whose first call makes the types of the ast module, which takes longer than most of the texts.
    exec("\n" * (line - 1) + text, globals())  # nosec B102  # of this very file


def piece(text: str) -> None:
    """Runs a text of this file that every login needs, at once."""
    run(sys._getframe(1).f_lineno, text)


folded = Folded()


def __getattr__(name: str) -> Any:
    """Any name of this module for those that import it, folded or not, see PEP 562; pam_python looks for more."""
    if name.startswith("pam_"):
        raise AttributeError(name)
    return getattr(folded, name)


# ---- The rules: a flat file of four-field lines, read whole at every call --------------------------------------------


piece(r'''
MANY = 2000  # lines
NOT_PLAIN = frozenset('"@:# ')  # in a list of names


class Fault(ValueError):
    """What is wrong with a rule file or with a line in it, as one clear sentence."""


def read_bytes(path: str) -> bytes:
    """A rule file's contents. Raises OSError, or Fault where the file is none that root alone can have written."""
    if not path.startswith("/"):
        raise Fault("is not an absolute path")
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode) or about.st_uid or about.st_mode & 0o022 or about.st_size > RULE_FILE_MOST:
            raise Fault(folded.why_not_believed(about))
        data = os.read(descriptor, about.st_size + 1)
    finally:
        os.close(descriptor)
    if len(data) != about.st_size:
        raise Fault("changed while it was read")
    return data


def rows_of(text: str, fitting: dict[str, frozenset[str] | None]) -> Iterator[tuple[int, str]]:
    """The lines of a rule file with their numbers; behind the first MANY, those that are not like one of them."""
    rows = unix(text).split("\n", MANY)
    yield from enumerate(rows[:MANY], 1)
    if len(rows) > MANY:
        yield from folded.odd_rows(rows[MANY], fitting)


def unix(text: str) -> str:
    """A rule file as an editor on Linux writes it: no byte order mark, no CR before a LF, a LF at the end."""
    return (text.removeprefix("\ufeff") + "\n").replace("\r\n", "\n")


def names_that_fit(start: str, login: Login) -> frozenset[str] | None:
    """The names behind SERVICE ACTION TARGET by which an OPEN or a CLOSE fits a login; None where it takes more."""
    fields = start.upper().split()
    if len(fields) != 3 or not fields[0].replace("-", "").isalnum() or not start.expandtabs(1).isprintable():
        return None
    kind = " ".join(fields[1:])
    if kind not in ("OPEN USER", "CLOSE USER", "OPEN GROUP", "CLOSE GROUP") or not start.isascii():
        return None
    if fields[0] not in login.kinds:
        return frozenset()
    if kind == "OPEN GROUP":
        return frozenset(("ALL", *login.groups.names()))
    if kind == "OPEN USER":
        return frozenset(("ALL", login.user))
    return frozenset(("ALL", login.user, login.groups.own_name())) if kind == "CLOSE USER" else None


def sieve(text: str, login: Login) -> tuple[list[tuple[int, str]], bool]:
    """The lines that may have a say in a login, with their numbers, and whether they are all plain.

    Plain are DEFAULT, and an OPEN or a CLOSE of four plain words that fits. Left out are comments, and plain rules that
    do not fit. They are told by what stands before their last blank and by the names behind it, and never become rules.
    """
    kept, plain = [], True
    fitting: dict[str, frozenset[str] | None] = {}
    for line, row in rows_of(text, fitting):
        start, _, names = row.rpartition(" ")
        if start not in fitting:
            fitting[start] = names_that_fit(start, login)
        mine = fitting[start]
        if mine is not None:
            if names.isalnum():
                if names not in mine:
                    continue
            elif names.isprintable() and NOT_PLAIN.isdisjoint(names) and "" not in names.split(","):
                if mine.isdisjoint(names.split(",")):
                    continue
            elif "@" in names and folded.only_others(names, mine):
                continue
            else:
                plain = False
        elif row.lstrip(" \t")[:1] in ("", "#"):
            continue
        elif row not in ("DEFAULT:OPEN", "DEFAULT:CLOSE"):
            plain = False
        kept.append((line, row))
    return kept, plain


sifted: dict[tuple[str, ...], tuple[bytes, list[tuple[int, str]], bool]] = {}


def sift(path: str, login: Login) -> tuple[list[tuple[int, str]], bool]:
    """The lines of a rule file that may have a say in a login, as sieve() has them. Raises OSError and Fault.

    The file is read anew at every call; a text that this process has sifted already is not sifted again.
    """
    data = read_bytes(path)
    key = path, login.service, login.user
    if key not in sifted or sifted[key][0] != data:
        sifted[key] = data, *sieve(data.decode("utf-8", "surrogateescape"), login)
    return sifted[key][1:]
''')


folded(r'''
# What a long file takes.

def odd_rows(text: str, fitting: dict[str, frozenset[str] | None]) -> Iterator[tuple[int, str]]:
    """Of the lines behind the first MANY, those that do not begin as one of them does, or have a name that fits.

    One regular expression finds them in half of the time that it takes to look at each line.
    """
    about_others = []
    for start in [start for start, mine in fitting.items() if mine is not None][:20]:
        mine = "|".join(map(re.escape, fitting[start] or ()))
        about_others.append(rf"{re.escape(start)} (?!(?:{mine})\n)[^\W_]+\n")
    text = "\n" + text
    line, at = MANY + 1, 0
    for match in re.finditer(rf"\n(?!{'|'.join(about_others)})" if about_others else r"\n", text):
        line += text.count("\n", at, match.start())
        at = match.start()
        yield line, text[at + 1 : text.find("\n", at + 1)]
''')


folded(r'''
# Addresses.

SCOPE = r'[^ \t",/\x00-\x1f\x7f]+'
LOCAL = (0, 0, 0)  # the network of a login with no remote host
MAPPED = b"\0" * 10 + b"\xff\xff"  # ::ffff:a.b.c.d is a.b.c.d


def parse_address(text: str) -> tuple[int, int] | None:
    """An IPv4 or IPv6 address as (32 or 128, its number), without its scope; None if it is none. See inet_pton(3)."""
    family = _socket.AF_INET
    if ":" in text:
        family = _socket.AF_INET6
        text, scoped, scope = text.partition("%")
        if scoped and not re.fullmatch(SCOPE, scope):
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


def only_others(names: str, mine: frozenset[str]) -> bool:
    """Whether a LIST has nothing but names with and without addresses, all of them right, and none by which it fits."""
    for item in names.split(","):
        name, at, place = item.rpartition("@")
        name = name if at else item
        if not name.isalnum() or name in mine or item in mine or (at and parse_network(place) is None):
            return False
    return True
''')


folded(r'''
# All that a rule file may have.

if TYPE_CHECKING:
    from collections.abc import Iterable

# As strings, so that none is compiled that no line of a file needs; the re module keeps those that are.
OPTION = r"(?ai)[ \t]*([A-Z]+):([^ \t]*)[ \t]*(?:(?<=[ \t])#.*)?"
RULE = r"""(?aix)
    [ \t]*([A-Z0-9._@+-]+)
    [ \t]+(OPEN|CLOSE|ASK|NUMBER)
    [ \t]+(USER|GROUP)
    [ \t]+(?!\#)((?:"[^"]*"|[^ \t"])+)
    [ \t]*(?:(?<=[ \t])\#.*)?"""
ITEM = r'((?:"[^"]*"|[^",]+)*),'
NAME = r'[^ \t",:\x00-\x1f\x7f]+'
QUOTED_NAME = r"[^\x00-\x1f\x7f]+"
ALMOST_AN_ADDRESS = r"[0-9.]*|.*[:/%].*"
ACTIONS, TARGETS = ("OPEN", "CLOSE", "ASK", "NUMBER"), ("USER", "GROUP")
class Entry:
    """One name of a rule's LIST: everyone (name None) or one, from anywhere or one network, with a limit or none."""

    __slots__ = ("most", "name", "network", "whole")

    def __init__(self, name: str | None, network: tuple[int, int, int] | None, whole: str, most: int) -> None:
        self.name, self.network, self.whole, self.most = name, network, whole, most


class Rule:
    """One line of the rule file; DEFAULT is a rule with no entries, that fits everybody."""

    __slots__ = ("action", "entries", "line", "service", "target", "text")

    def __init__(self, line: int, service: str, action: str, target: str, entries: list[Entry], text: str) -> None:
        self.line, self.service, self.action, self.target = line, service, action, target
        self.entries, self.text = entries, text


class Rules:
    """A rule file as it was read. A file that cannot be trusted has no rules, and says why in `distrust`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.name = printable(os.path.basename(path))
        self.distrust = ""
        self.rules: list[Rule] = []
        self.faults: list[tuple[int, str]] = []
        self.default = Rule(0, "ALL", "CLOSE", "USER", [], "no DEFAULT, which means CLOSE")
        self.debug = False
        self.timeout = 60  # seconds that the owner has to answer
        self.remember = 60  # seconds that an answer outlives the last session it let in
        self.unattended = "OPEN"

    def where(self, rule: Rule) -> str:
        """The file and line of a rule, as the logs name it."""
        return f"{self.name}:{rule.line}" if rule.line else self.name


def parse_entry(item: str, limited: bool) -> Entry:
    """One item of a LIST: NAME or NAME@ADDRESS, and in a NUMBER rule :COUNT behind it. Raises Fault."""
    most = -1
    if limited:
        item, _, count = item.rpartition(":")
        if not (count.isascii() and count.isdecimal() and len(count) <= 9):
            raise Fault(f"'{printable(item or count)}' has no limit: a number stands behind it, as in lp:2")
        most = int(count)
    quoted = item.startswith('"')
    name, at, place = item[1:].partition('"') if quoted else item.rpartition("@")
    if quoted:
        at, place = place[:1], place[1:]
        if at not in ("", "@"):
            raise Fault(f"'{printable(item)}' goes on behind its closing quote")
    elif not at:
        name, place = item, ""
    network = folded.parse_network(place) if at else None
    if at and network is None:
        if quoted or re.fullmatch(ALMOST_AN_ADDRESS, place):
            raise Fault(f"'{printable(place)}' is no address: IPv4, IPv6, a network such as 10.0.0.0/8, or LOCAL")
        name = item  # bob@example.org is a login name that has an @
    if not name.isalnum() and not re.fullmatch(QUOTED_NAME if quoted else NAME, name):
        raise Fault(f"'{printable(item)}' is not a name")
    return Entry(None if name == "ALL" and not quoted else name, network, name + "@" + place if network else name, most)


def parse_rule(line: int, text: str) -> Rule:
    """A four-field rule. Raises Fault."""
    fields = plain_fields(text)
    if not fields:
        match = re.fullmatch(RULE, text)
        if match is None:
            raise Fault(folded.why_no_rule(text))
        fields = list(match.groups())
    service, action, target = (field.upper() for field in fields[:3])
    names = fields[3]
    items = re.findall(ITEM, names + ",") if '"' in names else names.split(",")
    entries = [parse_entry(item, action == "NUMBER") for item in items]
    return Rule(line, service, action, target, entries, " ".join(fields))


def plain_fields(text: str) -> list[str]:
    """The four fields of a rule where they can be told at first sight, as RULE would have them, or else none."""
    fields = text.split()
    if len(fields) != 4 or not text.isascii() or not text.isprintable() or '"' in text or "#" in text:
        return []
    known = fields[1].upper() in ACTIONS and fields[2].upper() in TARGETS and fields[0].isalnum()
    return fields if known else []


def parse_rows(rows: Iterable[tuple[int, str]], path: str) -> Rules:
    """The rules in some lines of a rule file, with their numbers."""
    rules = Rules(path)
    for line, row in rows:
        start = row.lstrip(" \t")
        name, _, value = start.partition(":")
        option = re.fullmatch(OPTION, row) if name.isalpha() and not value.isalnum() else None
        try:
            if option is not None:
                folded.set_option(rules, line, row, option[1], option[2])
            elif name.isalpha() and name.isascii() and value.isalnum():
                folded.set_option(rules, line, row, name, value)
            elif start[:1] not in ("", "#"):
                rules.rules.append(parse_rule(line, row))
        except Fault as fault:
            rules.faults.append((line, str(fault)))
    return rules


''')


folded(r'''
# What is said of a rule file, and in it besides rules.

OPTIONS = {  # and the words that they may have, or none where it is a number of seconds
    "DEFAULT": ("OPEN", "CLOSE"),
    "DEBUG": ("TRUE", "FALSE"),
    "TIMEOUT": (),
    "REMEMBER": (),
    "UNATTENDED": ("OPEN", "CLOSE"),
}
WORD = r'(?:"[^"]*"|[^ \t"])+'


def set_option(rules: Rules, line: int, text: str, name: str, value: str) -> None:
    """NAME:VALUE, the last one of a kind wins. Raises Fault."""
    name = name.upper()
    if name not in OPTIONS:
        raise Fault(f"there is no option {printable(name)}: they are {', '.join(OPTIONS)}")
    if not may_be(name, value):
        raise Fault(f"{name} cannot be '{printable(value)}'")
    value = value.upper()
    if name == "DEFAULT":
        rules.default = folded.Rule(line, "ALL", value, "USER", [], text.strip())
    elif name == "DEBUG":
        rules.debug = value == "TRUE"
    elif name == "TIMEOUT":
        rules.timeout = int(value.lstrip("0"))
    elif name == "REMEMBER":
        rules.remember = int(value.lstrip("0") or 0)
    else:
        rules.unattended = value


def may_be(name: str, value: str) -> bool:
    """Whether an option may have this value."""
    if OPTIONS[name]:
        return value.isascii() and value.upper() in OPTIONS[name]
    if not (value.isascii() and value.isdecimal()) or len(value.lstrip("0")) > 6:
        return False
    return name == "REMEMBER" or value.strip("0") != ""  # no TIMEOUT of 0


def why_no_rule(text: str) -> str:
    """What keeps a line from being a rule, as one sentence."""
    text = re.split("[ \t]#", text)[0]
    if text.count('"') % 2:
        return "a double quote is not closed"
    fields = re.findall(WORD, text)
    if len(fields) != 4:
        return f"a rule has four fields, SERVICE ACTION TARGET LIST, and this has {len(fields)}"
    if fields[1].upper() not in folded.ACTIONS:
        return f"ACTION is OPEN, CLOSE, ASK or NUMBER, not '{printable(fields[1])}'"
    if fields[2].upper() not in folded.TARGETS:
        return f"TARGET is USER or GROUP, not '{printable(fields[2])}'"
    return f"'{printable(fields[0])}' cannot be the name of a service"


def parse(text: str, path: str = RULE_FILE) -> Rules:
    """The rules in a text. A line that is no rule, option, comment or blank is a fault, and changes nothing."""
    return folded.parse_rows(enumerate(unix(text).split("\n"), 1), path)


def why_not_believed(about: os.stat_result) -> str:
    """Why a rule file is none that root alone can have written."""
    if not stat.S_ISREG(about.st_mode):
        return "is not a regular file"
    if about.st_uid != 0:
        return "is not owned by root"
    if about.st_mode & 0o022:
        return "is writable by group or others"
    return f"is larger than {RULE_FILE_MOST} bytes"


def read_rules(path: str) -> Rules:
    """All rules in a file."""
    try:
        return parse(read_bytes(path).decode("utf-8", "surrogateescape"), path)
    except (OSError, Fault) as error:
        return distrusted(path, error)


def distrusted(path: str, error: Exception) -> Rules:
    """What stands for a rule file that must not be believed: everything is CLOSE."""
    why = f"cannot be read ({error.strerror})" if isinstance(error, OSError) else str(error)
    rules = folded.Rules(path)
    rules.distrust = f"{printable(path)} {why}, so everything is CLOSE"
    return rules
''')


# ---- The decision: the first rule that fits is the verdict, and every limit that fits must have room -----------------


piece(r'''
class Login:
    """Somebody at the door: PAM service, login name, remote host (empty for none) and, when asked for, groups."""

    def __init__(self, service: str, user: str, rhost: str, groups: Groups | None = None) -> None:
        self.service, self.user, self.rhost, self.asked = service, user, rhost, groups
        own_name = service.upper() if service.isascii() else service  # a long s would become an S
        self.kind = next((name for name in SERVICES if service in SERVICES[name]), column(own_name))
        self.kinds = "ALL", self.kind, own_name

    @property
    def groups(self) -> Groups:
        self.asked = self.asked or folded.Groups(self.user)
        return self.asked

    def __str__(self) -> str:
        """user@host, in which no character is left that could be taken for another column or another line."""
        return column(self.user) + "@" + (column(self.rhost) or "localhost")


class Decision:
    """A verdict (OPEN, CLOSE or ASK), the ACTION that decided, its file and line, and why.

    Where it took a closer look: the rules, the one that decided, limits that must have room, what the owner answered.
    """

    rules: Rules | None = None
    rule: Rule | None = None
    answer = ""

    def __init__(self, verdict: str, where: str, why: str, limits: Sequence[Limit] = ()) -> None:
        self.verdict = self.action = verdict
        self.where, self.why, self.limits = where, why, limits


class CannotTell(Exception):
    """Whether an entry fits cannot be known, and why."""


class Refused(Exception):
    """A login that is not let in, by a decision; its text is for the person."""

    def __init__(self, decision: Decision, sentence: str) -> None:
        super().__init__(sentence)
        self.decision = decision


def judge(argv: list[str], login: Login, phase: str) -> Decision:
    """The decision on a login, by the rule file that the PAM line names."""
    path = "the PAM line"
    try:
        path = RULE_FILE if len(argv) < 2 else folded.rule_file(argv[1:])
        rows, plain = sift(path, login)
    except (OSError, Fault) as error:
        return folded.distrust(path, error)
    if not plain:
        return folded.look_closely(path, rows, login, phase)
    return plain_verdict(rows, printable(os.path.basename(path)))


def plain_verdict(rows: list[tuple[int, str]], name: str) -> Decision:
    """The decision by plain lines, of which every rule fits: the first one or, where there is none, DEFAULT."""
    default = Decision("CLOSE", name, "no DEFAULT, which means CLOSE")
    for line, row in rows:
        words = row.split()
        where = name + ":" + str(line)
        if len(words) == 4:
            return Decision(words[1].upper(), where, printable(" ".join(words)))
        default = Decision(row[8:], where, row)
    return default
''')


folded(r'''
if TYPE_CHECKING:
    import grp


class Groups:
    """The groups of a user, from NSS alone, so that files, LDAP and SSSD are one thing; asked when first needed."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.name: str | None = None
        self.uid = -1
        self.gids: frozenset[int] | None = None
        self.mine: frozenset[str] | None = None

    def own_name(self) -> str:
        """The name in NSS of whoever came by this one: a directory may know bob as bob@DOMAIN, too, and as BOB."""
        if self.name is None:
            try:
                self.name = pwd.getpwnam(self.user).pw_name
            except (KeyError, OSError, ValueError):
                self.name = self.user
        return self.name

    def ask(self) -> frozenset[int]:
        """The gids, as getgrouplist(3) has them. Raises CannotTell for a user that NSS does not know."""
        if self.gids is None:
            try:
                person = pwd.getpwnam(self.user)
                self.name, self.uid = person.pw_name, person.pw_uid
                self.gids = frozenset(os.getgrouplist(self.name, person.pw_gid))
            except (KeyError, OSError, ValueError) as error:
                what = printable(self.user)
                raise CannotTell(f"there is no user {what}, or the directory did not answer") from error
        return self.gids

    def names(self) -> frozenset[str]:
        """The names of the groups; none for a user that NSS does not know."""
        if self.mine is None:
            try:
                self.mine = frozenset(filter(None, map(group_name, self.ask())))
            except CannotTell:
                self.mine = frozenset()
        return self.mine

    def has(self, name: str, closing: bool) -> bool:
        """Whether the user is in this group. Raises CannotTell.

        Where a rule closes, a group that is not found must not pass for one that the user is not in. Where it opens
        there is no harm in that, and one look-up a rule would make a thousand group rules cost 50 ms.
        """
        self.ask()
        return name in self.names() or (closing and self.belongs_to(find_group(name)))

    def belongs_to(self, group: grp.struct_group) -> bool:
        """Whether the user is in a group: says getgrouplist(3), or the group itself. Raises CannotTell.

        Of a directory that does not answer, the former tells nothing; it just has fewer groups. A cache may know the
        group all the same, and its members.
        """
        return group.gr_gid in self.ask() or self.own_name() in group.gr_mem


def find_group(name: str) -> grp.struct_group:
    """A group by its name, or another name of it. Raises CannotTell for one that NSS does not know."""
    import grp

    try:
        return grp.getgrnam(name)
    except (KeyError, OSError, ValueError) as error:
        raise CannotTell(f"there is no group {printable(name)}, or the directory did not answer") from error


def group_name(gid: int) -> str | None:
    """The name of a gid, None if it has none."""
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except (KeyError, OSError):
        return None
''')


folded(r'''
# What a rule file looks like to those who know all of it.

OVER = {"SSH": "over SSH", "TTY": "on the console", "XDM": "at the desktop"}


def over(login: Login) -> str:
    """The service, in a sentence."""
    return OVER.get(login.kind, f"over {login.kind}")


looked_at: dict[str, tuple[list[tuple[int, str]], Rules]] = {}


if TYPE_CHECKING:
    from collections.abc import Callable


def look_closely(path: str, rows: list[tuple[int, str]], login: Login, phase: str) -> Decision:
    """The decision where not every line is plain; what is wrong with a line goes to the log, once."""
    if path not in looked_at or looked_at[path][0] is not rows:
        looked_at[path] = rows, folded.parse_rows(rows, path)
        if looked_at[path][1].faults:
            folded.log_faults(looked_at[path][1])
    rules = looked_at[path][1]
    if not rules.debug:
        return decide(rules, login)

    def note(line: str) -> None:
        syslog(LOG_DEBUG, f"{login.kind} {phase} {login}: {line}")

    return decide(folded.read_rules(path), login, note)


class Limit:
    """At most so many people of a group, or sessions of a user, because of an entry in a NUMBER rule."""

    def __init__(self, rule: Rule, name: str | None, most: int) -> None:
        self.rule, self.target, self.name, self.most = rule, rule.target, name, most


def entry_fits(entry: Entry, rule: Rule, login: Login) -> bool:
    """Whether one entry of a rule's list fits person and address. Raises CannotTell."""
    if rule.target == "USER":
        if entry.whole == login.user:
            return True
        # By whatever name somebody came, it is the same person whom a rule closes or limits.
        if (
            entry.name is not None
            and entry.name != login.user
            and (rule.action == "OPEN" or entry.name != login.groups.own_name())
        ):
            return False
    doubt = None
    try:
        if entry.network is not None and not comes_from(login, entry.network):
            return False
    except CannotTell as reason:
        doubt = reason
    fitting = rule.target == "USER" or entry.name is None or login.groups.has(entry.name, rule.action != "OPEN")
    if fitting and doubt is not None:
        raise doubt
    return fitting


def fits(rule: Rule, login: Login) -> bool:
    """Whether any entry of a rule's list fits. Raises CannotTell where none does and one might."""
    doubt = None
    for entry in rule.entries:
        try:
            if entry_fits(entry, rule, login):
                return True
        except CannotTell as reason:
            doubt = reason
    if doubt is not None and rule.action != "OPEN":
        raise doubt
    return False


def comes_from(login: Login, network: tuple[int, int, int]) -> bool:
    """Whether the remote host is in this network. Raises CannotTell for a host that is no address."""
    if network == folded.LOCAL or not login.rhost:
        return network == folded.LOCAL and not login.rhost
    address = folded.parse_address(login.rhost)
    if address is None:
        raise CannotTell(f"the remote host {printable(login.rhost)} is a name, and names can be forged")
    bits, number = address
    return bits == network[0] and number >> network[2] == network[1]


def limits_of(rule: Rule, login: Login) -> list[Limit]:
    """The limits that a NUMBER rule puts on this login. Raises CannotTell."""
    return [Limit(rule, entry.name, entry.most) for entry in rule.entries if entry_fits(entry, rule, login)]


def decide(rules: Rules, login: Login, note: Callable[[str], None] | None = None) -> Decision:
    """The verdict on a login, from the rules alone; `note` is told of every rule that was looked at, and its part."""
    verdict: Rule | None = None
    limits: list[Limit] = []
    if rules.distrust:
        return Decision("CLOSE", rules.name, rules.distrust, limits)
    try:
        for rule in rules.rules:
            if rule.service not in login.kinds:
                outcome = "is for another service"
            elif rule.action == "NUMBER":
                found = limits_of(rule, login)
                limits += found
                outcome = "limits this login" if found or not note else "does not fit: " + folded.why_not(rule, login)
            elif verdict is not None:
                outcome = "comes after the verdict"
            elif fits(rule, login):
                verdict = rule
                outcome = "fits, and is the verdict"
            else:
                outcome = "does not fit: " + folded.why_not(rule, login) if note else ""
            if note:
                note(f"{rules.where(rule)}: {printable(rule.text)}: {outcome}")
    except CannotTell as reason:
        if note:
            note(f"{rules.where(rule)}: {printable(rule.text)}: cannot be told: {reason}")
        if verdict is None or verdict.action != "CLOSE":
            return by_rule("CLOSE", rule, rules, f"{printable(rule.text)}: {reason}")
    if verdict is None:
        verdict = rules.default
        if note:
            note(f"{rules.where(verdict)}: {printable(verdict.text)}: decides, since no rule fits")
    decision = by_rule(verdict.action, verdict, rules, printable(verdict.text))
    decision.limits = limits
    return decision


def by_rule(verdict: str, rule: Rule, rules: Rules, why: str) -> Decision:
    """A decision, with the rule behind it."""
    decision = Decision(verdict, rules.where(rule), why)
    decision.action, decision.rule, decision.rules = rule.action, rule, rules
    return decision


''')


folded(r'''
# What is said of a decision.

def distrust(path: str, error: Exception) -> Decision:
    """The decision where the rule file must not be believed."""
    rules = folded.distrusted(path, error)
    return folded.decide(rules, Login("", "", ""))


def anywhere(entry: Entry) -> Entry:
    """An entry, but for its address."""
    return folded.Entry(entry.name, None, entry.whole, entry.most)


def why_not(rule: Rule, login: Login) -> str:
    """Why no entry of a rule fits: nobody in its list is this person, or the address differs."""
    user = printable(login.user)
    for entry in rule.entries:
        try:
            if entry.network is not None and folded.entry_fits(anywhere(entry), rule, login):
                folded.comes_from(login, entry.network)
                return f"{printable(entry.whole)} is not {printable(login.rhost) or 'LOCAL'}"
        except CannotTell as reason:
            return str(reason)
    return f"{user} is not in its list" if rule.target == "USER" else f"{user} is in none of its groups"
''')


# ---- Who is logged in: sessions that the plugin let in and that live, and those that logind or utmp knows besides ----

piece(r'''
STATE = "/run/pam-accesscontrol"  # root's alone, gone at every boot
STATE_FILES = "lock sessions answers turn waiting-0 waiting-1 waiting-2 waiting-3 waiting-4 waiting-5".split()
NOT_ASKED, LEFT = "-", "left"  # in the place of an answer's key


def new_line(login: Login, decision: Decision, asked: str) -> str:
    """The line of the registry for the session that this process is about to open. Raises KeyError for a stranger."""
    person = pwd.getpwnam(login.user)
    gids = ",".join(map(str, os.getgrouplist(login.user, person.pw_gid)))
    pid = os.getpid()
    start = process_start(pid)
    if start < 0:
        raise FileNotFoundError(2, "there is no /proc, which tells who lives")
    began = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    numbers = pid, start, began, person.pw_uid, "," + gids + ",", int(time.time())
    texts = column(login.kind), login, decision.action, column(decision.where), asked
    return "\t".join(map(str, numbers + texts)) + "\n"


def process_start(pid: int) -> int:
    """When a process started, in clock ticks since the boot; -1 where there is none, or a zombie. See proc(5).

    Raises OSError where that cannot be told: what cannot be seen is not gone.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            fields = file.read(4096).rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return -1
    return int(fields[19]) if fields and fields[0] not in (b"Z", b"X") else -1


class Registry:
    """The sessions that the plugin let in: one file, changed by one process at a time, never seen half written.

    To be used with `with`, which takes the lock. Raises OSError where the state folder cannot be used or trusted.
    """

    def __enter__(self) -> Registry:
        if not state_is_tidy():
            folded.tidy_state()
        self.lock = open_private(STATE + "/lock", os.O_RDWR | os.O_CREAT)
        try:
            take_lock(self.lock)
            with open(STATE + "/sessions", "a+", encoding="utf-8", errors="replace", opener=open_private) as file:
                file.seek(0)
                self.lines = [line for line in file if line.count("\t") == 10 and line.endswith("\n")]
        except BaseException:
            os.close(self.lock)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.lock)

    def write(self) -> None:
        """Puts the registry back. Raises OSError."""
        write_whole("sessions", "".join(self.lines))


def write_whole(name: str, text: str) -> None:
    """Puts a file of the state folder back whole or, where the disk is full, leaves it as it was. Raises OSError."""
    data = text.encode()
    must_fit(len(data))
    with open(STATE + "/" + name + ".new", "wb", opener=open_private) as file:
        file.write(data)
    os.rename(STATE + "/" + name + ".new", STATE + "/" + name)


def must_fit(size: int) -> None:
    """Raises OSError where the host may not make a file so large, and would be ended for it. See setrlimit(2)."""
    with open("/proc/self/limits", "rb", buffering=0) as file:
        most = file.read(4096).partition(b"Max file size")[2].split(None, 1)[0]
    if most.isdigit() and int(most) < size:
        raise OSError(27, "File too large")


def state_is_tidy() -> bool:
    """Whether the state folder is there, is root's alone, and has nothing in it that is not ours."""
    try:
        about = os.lstat(STATE)
        ours = about.st_mode == stat.S_IFDIR | 0o700 and about.st_uid == os.geteuid()
        return ours and all(it.name in STATE_FILES and it.is_file(follow_symlinks=False) for it in os.scandir(STATE))
    except OSError:
        return False


def open_private(path: str, flags: int) -> int:
    """An opener for open(): readable by root alone, and not handed on to the programs that the host starts."""
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def take_lock(descriptor: int) -> None:
    """Takes a lock that is held for milliseconds, see flock(2). Raises TimeoutError after LOCK_PATIENCE seconds."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        folded.wait_for_lock(descriptor)


def pid_in_use(pid: str) -> bool:
    """Whether there is a process with this pid. See kill(2), for which 0 and what is below are many processes."""
    try:
        if int(pid) <= 0:
            return False
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError, ValueError):
        return False
    except PermissionError:
        pass
    return True


def count_in(decision: Decision, login: Login, asked: str = "") -> str:
    """Checks that every limit has room and, for a session (`asked` set), takes the place in the same step.

    Returns the session's line in the registry. Raises Refused for a limit that is full, and where there are limits but
    no telling who is in. Directories are asked before the lock is taken, so that a slow one holds up nobody else.
    """
    line = ""
    try:
        line = new_line(login, decision, asked) if asked else ""
        if decision.limits:
            line = folded.ask_directories(decision.limits, login, line)
        with Registry() as registry:
            if decision.limits:
                folded.refuse_unless_room(decision, login, registry)
            if asked:
                registry.lines = [*(it for it in registry.lines if pid_in_use(it.partition("\t")[0])), line]
                registry.write()
            if asked not in ("", NOT_ASKED):
                folded.note_entry(folded.Session(line), registry)
    except (OSError, KeyError, ValueError, CannotTell) as error:
        folded.refuse_if_limited(error, decision, login)
    return line


def count_out(line: str) -> None:
    """Gives a place back: the session stays written down as one that PAM has closed, until its process has ended.

    Raises OSError.
    """
    pid, start, _ = line.split("\t", 2)
    left = "\t".join((pid, start, "0", "0", ",", "0", "-", "-", "-", "-", LEFT)) + "\n"
    with Registry() as registry:
        registry.lines = [*(it for it in registry.lines if it not in (line, left)), left]
        registry.write()
''')


folded(r'''
# What a limit looks at.

import errno  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

LOGIND_CGROUPS = [f"/sys/fs/cgroup{root}/system.slice/systemd-logind.service" for root in ("", "/systemd", "/unified")]
UTMP = "/run/utmp"
LOCAL_DISPLAY = r":[0-9]+(\.[0-9]+)?"  # in utmp the line or, behind tty7, the host; ::1 is neither
UTMP_RECORD, UTMP_USER_PROCESS = "hxxi32s4s32s256s52x", 7  # struct utmp, see utmp(5)


class Session:
    """Somebody who is in: as which process, with the groups they had when they came in, and what `status` tells.

    Made of a line of the registry, with a tab between its fields. Raises ValueError for a line that is damaged.
    """

    def __init__(self, line: str) -> None:
        self.line = line
        pid, start, number, uid, gids, since, *texts = line.rstrip("\n").split("\t")
        self.pid, self.start, self.uid, self.since = int(pid), int(start), int(uid), int(since)  # since in seconds
        self.gids = {int(gid) for gid in gids.split(",") if gid}
        self.began = int(number) / 1e9  # as seconds_up() has it
        self.kind, self.who, self.action, self.where, self.asked = texts

    def lives(self) -> bool:
        """Whether the process that opened it is there: the same process, not another with its pid."""
        return process_start(self.pid) == self.start


def open_lines(registry: Registry) -> list[str]:
    """The lines of the registry but for those of sessions that PAM has closed."""
    return [line for line in registry.lines if not line.endswith(f"\t{LEFT}\n")]


def sessions_in(registry: Registry) -> list[Session]:
    """The sessions in the registry that are not closed."""
    return [session for session in map(parse_session, open_lines(registry)) if session is not None]


def parse_session(line: str) -> Session | None:
    """A line of the registry, None where it is damaged."""
    fields = line.split("\t")
    if not all(field.isdecimal() and len(field) < 20 for field in (*fields[:4], fields[5])):
        return None
    return Session(line)


def is_alive(line: str) -> bool:
    """Whether a line of the registry stands for a process that is there."""
    session = parse_session(line)
    return session is not None and session.lives()


def logind() -> Any:
    """libsystemd, by which sd-login(3) is called; None where no logind runs, so that its files are only left over.

    Raises OSError where logind runs and cannot be asked: that must not pass for a computer on which nobody is.
    """
    if not any(read_text(f"{cgroup}/cgroup.procs") for cgroup in LOGIND_CGROUPS):
        return None
    import ctypes

    return ctypes.CDLL("libsystemd.so.0")


def read_text(path: str) -> str:
    """A file's text, empty if there is none, or none for us. Raises OSError where it cannot be read just now."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError, PermissionError, ProcessLookupError):
        return ""


def sd_tells(result: int) -> bool:
    """Whether an sd-login function could tell; not, where what it was asked about has gone. Raises OSError."""
    if result < 0 and -result not in (errno.ENOENT, errno.ENXIO, errno.ENODATA):
        raise OSError(-result, os.strerror(-result))
    return result >= 0


def sd_text(call: Any, *arguments: Any) -> str:
    """What one of the sd-login functions puts into its last argument, a string that is ours to free; empty if gone."""
    import ctypes

    value = ctypes.c_void_p()
    if not sd_tells(call(*arguments, ctypes.byref(value))) or not value.value:
        return ""
    text = ctypes.string_at(value.value)
    ctypes.CDLL(None).free(value)
    return text.decode("utf-8", "surrogateescape")


def sd_leader(lib: Any, session: str) -> int:
    """The pid that opened a logind session, 0 if it is not known. See sd_session_get_leader(3)."""
    import ctypes

    if hasattr(lib, "sd_session_get_leader"):
        pid = ctypes.c_int()
        return pid.value if sd_tells(lib.sd_session_get_leader(session.encode(), ctypes.byref(pid))) else 0
    # systemd before 254 tells it by D-Bus alone, which may not answer, and by the file that its library reads.
    leader = re.search("^LEADER=([0-9]{1,10})$", read_text(f"/run/systemd/sessions/{session}"), re.MULTILINE)
    return int(leader[1]) if leader else 0


def sd_sessions(lib: Any) -> list[tuple[str, int]]:
    """The logind sessions of people, by id and uid: class user and its kin, not closing. See sd_get_sessions(3)."""
    import ctypes

    names = ctypes.POINTER(ctypes.c_void_p)()
    found = []
    count = lib.sd_get_sessions(ctypes.byref(names))
    for index in range(count if sd_tells(count) else 0):
        session = ctypes.string_at(names[index])
        ctypes.CDLL(None).free(ctypes.c_void_p(names[index]))
        uid = ctypes.c_uint()
        if (
            sd_text(lib.sd_session_get_class, session).startswith("user")
            and sd_text(lib.sd_session_get_state, session) != "closing"
            and sd_tells(lib.sd_session_get_uid(session, ctypes.byref(uid)))
        ):
            found.append((session.decode(), uid.value))
    ctypes.CDLL(None).free(names)
    return found


def utmp_sessions() -> list[tuple[int, int, str]]:
    """The sessions in utmp, by pid, uid and line, whose process lives and whose user is known. See utmp(5)."""
    import struct

    found = []
    try:
        with open(UTMP, "rb") as file:
            records = file.read()
    except FileNotFoundError:
        return []
    size = struct.calcsize(UTMP_RECORD)
    for at in range(0, len(records) - size + 1, size):
        kind, pid, *names = struct.unpack_from(UTMP_RECORD, records, at)
        line, _, user, host = (name.rstrip(b"\0").decode("utf-8", "surrogateescape") for name in names)
        if kind == UTMP_USER_PROCESS and pid_in_use(str(pid)):
            try:
                found.append((pid, pwd.getpwnam(user).pw_uid, host if re.fullmatch(LOCAL_DISPLAY, host) else line))
            except (KeyError, ValueError):
                continue
    return found


def ancestors(pid: int) -> Iterator[int]:
    """A process, its parent, and so on up to init."""
    while pid > 0:
        yield pid
        fields = read_text(f"/proc/{pid}/stat").rpartition(")")[2].split()
        pid = int(fields[1]) if fields else 0


class Crowd:
    """Everybody who is in: our sessions, and those opened by others (logind's, or utmp's where no logind runs)."""

    def __init__(self, ours: list[str]) -> None:
        self.lines = ours  # of the registry, made into sessions only where that is needed
        self.lib = logind()
        self.others: list[tuple[Any, int]] = (
            sd_sessions(self.lib) if self.lib else [(pid, uid) for pid, uid, _ in utmp_sessions()]
        )

    @property
    def ours(self) -> list[Session]:
        return [session for session in map(parse_session, self.lines) if session is not None]

    def forget(self, leaving: set[int]) -> None:
        """Leaves out those that have left: logind and utmp learn of it up to 0.1 s later (measured)."""
        for key, uid in self.others[:]:
            pids = list(ancestors(key)) if self.lib is None else [sd_leader(self.lib, key)]
            if pids and pids[0] and (process_start(pids[0]) == -1 or not leaving.isdisjoint(pids)):
                self.others.remove((key, uid))

    def people(self, limit: Limit) -> set[int]:
        """The uids of those that a limit counts. Whom the directory does not tell about may be in the group."""
        if limit.name is None:
            return {uid for _, uid in self.pids_and_uids()} | {uid for _, uid in self.others}
        group = folded.find_group(limit.name)
        members = set(map(column, group.gr_mem))
        people = {uid for _, uid in self.pids_and_uids(f",{group.gr_gid},", members)}
        return people | {uid for _, uid in self.others if uid not in people and in_group(uid, group)}

    def pids_and_uids(self, gids: str = "", members: Collection[str] = ()) -> Iterator[tuple[int, int]]:
        """Of our sessions, those of a group: by the gids that were known of the user then, or by whom it names now."""
        for line in self.lines:
            pid, start, number, uid, groups, _, _, who, _ = line.split("\t", 8)
            right = uid.isdecimal() and (pid + start + number).isdecimal() and len(pid + uid) < 40
            if right and (gids in groups or (members and who.partition("@")[0] in members)):
                yield int(pid), int(uid)

    def sessions(self, uid: int) -> int:
        """How many sessions a user has, each counted once."""
        pids = [pid for pid, owner in self.pids_and_uids() if owner == uid]
        keys = [key for key, owner in self.others if owner == uid]
        if self.lib:
            return len(pids) + sum(sd_leader(self.lib, key) not in pids for key in keys)
        return len(pids) + sum(set(pids).isdisjoint(ancestors(key)) for key in keys)

    def names(self, limit: Limit, uid: int) -> list[str]:
        """Who fills a limit, for the log."""
        ours = {session.uid: f"{session.who} {session.kind}" for session in self.ours}
        uids = self.people(limit) if limit.target == "GROUP" else {uid} if self.sessions(uid) else set()
        return sorted(ours.get(uid) or column(user_name(uid)) for uid in uids)


def user_name(uid: int) -> str:
    """A user's name, or the uid where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


known_groups: dict[int, Groups] = {}


def in_group(uid: int, group: grp.struct_group) -> bool:
    """Whether a user is in a group, or may be, for all that the directory tells; asked once in a process."""
    if uid not in known_groups:
        try:
            known_groups[uid] = folded.Groups(pwd.getpwuid(uid).pw_name)
        except KeyError:
            return True
    try:
        return known_groups[uid].belongs_to(group)
    except CannotTell:
        return True


def room(limit: Limit, user: str, uid: int, crowd: Crowd) -> tuple[bool, str]:
    """Whether a limit has room for one more, and how full it is. Who is in already does not count again.

    Raises CannotTell where the directory does not know the group.
    """
    if limit.target == "USER":
        count = crowd.sessions(uid)
        return count < limit.most, f"{printable(user)}: {count} of {limit.most} sessions are open"
    people = crowd.people(limit)
    full = f"{printable(limit.name or 'everybody')}: {len(people)} of {limit.most} are logged in"
    return len(people) < limit.most or (uid in people and limit.most > 0), full


def refuse_if_full(decision: Decision, login: Login, crowd: Crowd) -> None:
    """Raises Refused for the first limit that has no room."""
    for limit in decision.limits:
        has_room, full = room(limit, login.user, login.groups.uid, crowd)
        if not has_room:
            who = ", ".join(crowd.names(limit, login.groups.uid)) or "nobody"
            raise Refused(folded.full_limit(limit, decision, f"{full}: {who}"), f"Access denied: {full}.")


def refuse_unless_room(decision: Decision, login: Login, registry: Registry) -> None:
    """Raises Refused for a limit that has no room, not even at a closer look at whose processes have ended."""
    mine = f"\t{login.groups.uid}\t,"  # who is in already does not count again, so of them a closer look comes first
    registry.lines = [line for line in registry.lines if mine not in line or is_alive(line)]
    try:
        refuse_if_full(decision, login, Crowd(open_lines(registry)))
    except Refused:
        refuse_if_full(decision, login, folded.at_a_closer_look(registry))


def ask_directories(limits: Sequence[Limit], login: Login, line: str) -> str:
    """The line of a session with the groups of its limits in it: where a directory is away, getgrouplist(3) knows less.

    Raises CannotTell where a directory does not know the user, or the group of a limit.
    """
    login.groups.ask()
    nobody = Crowd([])
    fields = line.split("\t")
    for limit in limits:
        room(limit, login.user, login.groups.uid, nobody)
        if line and limit.target == "GROUP" and limit.name is not None:
            gid = f"{folded.find_group(limit.name).gr_gid},"
            fields[4] += "" if f",{gid}" in fields[4] else gid
    return "\t".join(fields)


def counts(rule: Rule, login: Login) -> bool:
    """Whether a NUMBER rule counts this person, over whatever and from wherever they come; in doubt it does."""
    try:
        return any(folded.entry_fits(folded.anywhere(entry), rule, login) for entry in rule.entries)
    except CannotTell:
        return True
''')


folded(r'''
# What only goes wrong, and a limit that is full.

FILES_OF_QUESTIONS = re.compile(r"(?:sessions|answers)\.new|question-[0-9a-f]{32}")


def still_in(asked: str, registry: Registry) -> bool:
    """Whether a session lives that this answer let in."""
    return any(session.asked == asked and session.lives() for session in folded.sessions_in(registry))


def tidy_state() -> None:
    """Makes the state folder, and removes from it what is not ours. Raises OSError where it is not root's alone."""
    os.makedirs(STATE, 0o700, exist_ok=True)
    about = os.lstat(STATE)
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid() or about.st_mode & 0o022:
        raise PermissionError(1, f"{STATE} is not a folder of root's alone")
    os.chmod(STATE, 0o700)
    for entry in os.scandir(STATE):
        if entry.name not in STATE_FILES or not entry.is_file(follow_symlinks=False):
            remove_stranger(entry)


def remove_stranger(entry: os.DirEntry[str]) -> None:
    """Removes what is not ours from the state folder."""
    try:
        if entry.is_dir(follow_symlinks=False):
            import shutil

            shutil.rmtree(entry.path)
        elif not FILES_OF_QUESTIONS.fullmatch(entry.name) or not entry.is_file(follow_symlinks=False):
            os.unlink(entry.path)
    except OSError:
        pass  # another login has removed it; what is really in the way is felt when it is used


def full_limit(limit: Limit, decision: Decision, what: str) -> Decision:
    """The decision that a limit makes of another."""
    assert decision.rules is not None  # nosec B101  # for mypy
    return folded.by_rule("CLOSE", limit.rule, decision.rules, f"{printable(limit.rule.text)}: {what}")


def at_a_closer_look(registry: Registry) -> Crowd:
    """Who is really in: no process that has ended and left its pid to another, nobody who is just leaving."""
    known = [it for it in map(folded.parse_session, registry.lines) if it is not None and it.lives()]
    registry.lines = [session.line for session in known]
    crowd = folded.Crowd(folded.open_lines(registry))
    crowd.forget({session.pid for session in known if session.asked == LEFT})
    return crowd


def refuse_if_limited(error: Exception, decision: Decision, login: Login) -> None:
    """Raises Refused where it cannot be counted who is in, and a limit counts this person; or else warns."""
    rules = decision.rules.rules if decision.rules else ()
    rule = next((rule for rule in rules if rule.action == "NUMBER" and folded.counts(rule, login)), None)
    if rule is None:
        syslog(LOG_WARNING, f"{login.kind} {login}: let in, but not written down: {error}")
        return
    unknown = full_limit(folded.Limit(rule, None, 0), decision, f"it cannot be counted who is in: {error}")
    raise Refused(unknown, "Access denied: it cannot be counted who is logged in.") from error
''')


# ---- The question: the owner of the desktop allows or denies ---------------------------------------------------------

folded(r'''
WAITING_MOST = 5  # questions behind the one on the screen
SHARING_MOST = 20  # logins that wait for the same answer, each of them a process of the host
DISPLAY_NAMES = {
    *("DISPLAY", "XAUTHORITY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", "XDG_SESSION_TYPE", "XDG_CURRENT_DESKTOP"),
    *("DBUS_SESSION_BUS_ADDRESS", "DESKTOP_SESSION", "KDE_FULL_SESSION", "KDE_SESSION_VERSION", "LANG", "LC_ALL"),
    *("QT_QPA_PLATFORMTHEME", "QT_STYLE_OVERRIDE", "QT_SCALE_FACTOR", "QT_FONT_DPI", "XDG_DATA_DIRS"),
}


class Owner:
    """Whoever sits at the desktop: uid, and the environment by which a window gets onto it, none if that is unknown."""

    def __init__(self, uid: int, display: dict[str, str], cgroup: str) -> None:
        self.uid, self.display, self.cgroup = uid, display, cgroup
        self.name = folded.user_name(uid)

    def adopt(self, pid: int) -> None:
        """Puts a window's process among the owner's own, so that the login that it is about can end. See cgroups(7)."""
        if process_uid(pid) != self.uid:
            return
        for folder in ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"):
            try:
                with open(f"{folder}{self.cgroup}/cgroup.procs", "w", encoding="ascii") as file:
                    file.write(str(pid))
            except OSError:
                continue


def find_owner() -> Owner | None:
    """The owner of the active local graphical session on seat0, None if there is none. See sd_seat_get_active(3)."""
    lib = folded.logind()
    if lib is None:
        return find_owner_in_utmp()
    import ctypes

    uid, session = ctypes.c_uint(), ctypes.c_void_p()
    active = lib.sd_seat_get_active(b"seat0", ctypes.byref(session), ctypes.byref(uid))
    if not folded.sd_tells(active) or not session.value:
        return None
    name = ctypes.string_at(session.value)
    ctypes.CDLL(None).free(session)
    remote = lib.sd_session_is_remote(name)
    if not folded.sd_text(lib.sd_session_get_class, name).startswith("user") or not folded.sd_tells(remote) or remote:
        return None
    if folded.sd_text(lib.sd_session_get_type, name) not in ("x11", "wayland"):
        return None
    places = (f"/session-{name.decode()}.scope", f"/user@{uid.value}.service/")
    owner = owner_of(uid.value, lambda pid: folded.read_text(f"/proc/{pid}/cgroup"), places, wayland_of(uid.value))
    if owner is None and folded.sd_text(lib.sd_session_get_state, name) not in ("", "closing"):
        return Owner(uid.value, {}, "")  # who cannot be asked is not nobody; whoever has just logged out is
    return owner


def find_owner_in_utmp() -> Owner | None:
    """Whoever utmp knows on a local display (:0), None where nobody is."""
    for _, uid, line in folded.utmp_sessions():
        if re.fullmatch(folded.LOCAL_DISPLAY, line):
            display = f"DISPLAY={line.partition('.')[0]}"
            return owner_of(uid, lambda pid: folded.read_text(f"/proc/{pid}/environ"), (display,))
    return None


def wayland_of(uid: int) -> dict[str, str]:
    """The Wayland display of a user's that came up last, by its socket, to which only their processes connect."""
    folder = f"/run/user/{uid}"
    theirs = []
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        try:
            about = os.lstat(f"{folder}/{name}")
        except OSError:
            continue  # it was there for a moment only
        if name.startswith("wayland-") and stat.S_ISSOCK(about.st_mode) and about.st_uid == uid:
            theirs.append((about.st_mtime, name))
    return {"XDG_RUNTIME_DIR": folder, "WAYLAND_DISPLAY": max(theirs)[1]} if theirs else {}


def owner_of(
    uid: int, told: Callable[[int], str], places: tuple[str, ...], spare: dict[str, str] | None = None
) -> Owner | None:
    """The owner, with the display that the first process of theirs in the first of these places has, or the spare one.

    A compositor has its own display not in its environment: only the programs that it has started have it there.
    """
    pids = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    mine = [(pid, told(pid)) for pid in pids if process_uid(pid) == uid]
    there = [pid for place in places for pid, where in mine if place in where]
    for more in ({}, spare or {}):
        for pid in there:
            environ = folded.read_text(f"/proc/{pid}/environ").split("\0")
            named = (row.split("=", 1) for row in environ if "=" in row)
            display = {name: value for name, value in named if name in DISPLAY_NAMES}
            display.update(more)
            if "DISPLAY" in display or "WAYLAND_DISPLAY" in display:
                *_, row = folded.read_text(f"/proc/{pid}/cgroup").rstrip("\n").split("\n")
                return Owner(uid, display, row.split(":", 2)[-1])  # the owner's own cgroups may have a : in their names
    return None


def process_uid(pid: int) -> int:
    """The uid that a process runs as, -1 where there is none."""
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except (FileNotFoundError, ProcessLookupError):
        return -1


def start_window(owner: Owner, about: dict[str, Any], detached: bool) -> Any:
    """Starts the dialog as the owner, told by a pipe that stays open for as long as somebody waits for the answer."""
    import json
    import signal
    import subprocess  # nosec B404  # with constant commands

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # which importing signal put there
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    person = pwd.getpwuid(owner.uid)
    home = {"HOME": person.pw_dir, "USER": person.pw_name, "LOGNAME": person.pw_name, "PATH": "/usr/bin:/bin"}
    command = ["/usr/bin/python3", "-I", __file__, "--dialog"]
    if detached:  # a shell that leaves at once, so that no child of the host is left
        command = ["/bin/sh", "-c", 'exec 3<&0; "$@" <&3 3<&- & echo $!', "sh", *command]
    reader, writer = os.pipe()
    try:
        os.write(writer, json.dumps(about).encode() + b"\n")  # filled before anybody can close it: no SIGPIPE
        process = subprocess.Popen(  # nosec B603  # constant, but for our own path
            command,
            stdin=reader,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**home, **owner.display},
            cwd="/",
            user=owner.uid,
            group=person.pw_gid,
            extra_groups=os.getgrouplist(person.pw_name, person.pw_gid),
            umask=0o077,
            start_new_session=True,
        )
    except BaseException:
        os.close(writer)
        raise
    finally:
        os.close(reader)
    process.asker = writer  # type: ignore[attr-defined]
    return process


def read_word(process: Any, seconds: float) -> str:
    """The line that a child writes, empty if it ends without one or takes longer; then it is gone, and reaped."""
    import select
    import subprocess  # nosec B404  # for its exception

    word = piece = b""
    deadline = time.monotonic() + seconds
    poll = select.poll()
    poll.register(process.stdout, select.POLLIN)
    while not word.endswith(b"\n") and len(word) < 64 and poll.poll(max(0, deadline - time.monotonic()) * 1000):
        piece = os.read(process.stdout.fileno(), 64)
        if not piece:
            break
        word += piece
    os.close(process.asker)
    process.stdout.close()
    try:
        process.wait(2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return word.decode("ascii", "replace")


class Proof:
    """How the person proved who they are, as sshd tells in SSH_AUTH_INFO_0; other services asked for a password."""

    def __init__(self, login: Login, info: str) -> None:
        import binascii
        import hashlib

        ways = []
        for row in info.splitlines():
            method, _, key = row.partition(" ")
            kind, _, blob = key.partition(" ")
            if not blob:
                ways.append({"keyboard-interactive/pam": "password"}.get(method, printable(method)))
                continue
            try:
                digest = hashlib.sha256(binascii.a2b_base64(blob.split()[0])).digest()
            except ValueError:
                digest = b""
            fingerprint = binascii.b2a_base64(digest, newline=False).decode().rstrip("=")
            comment = key_comment(login.user, blob.split()[0])
            what = "certificate" if "-cert-" in kind else "key"
            ways.append(f"{what} SHA256:{fingerprint}" + (f" ({comment})" if comment else ""))
        self.text = ", then ".join(ways) or "password"
        asked_about = repr((login.groups.own_name(), login.rhost, info))
        self.key = hashlib.sha256(asked_about.encode("utf-8", "replace")).hexdigest()[:32]


def auth_info(pamh: Any) -> str:
    """How the person proved who they are, as sshd tells a session; see ExposeAuthInfo in sshd_config(5)."""
    try:
        return str(pamh.env["SSH_AUTH_INFO_0"] or "")
    except (KeyError, UnicodeDecodeError):
        return ""


def key_comment(user: str, blob: str) -> str:
    """The comment behind a key in its user's authorized_keys, empty where there is none. See sshd(8)."""
    try:
        path = os.path.join(pwd.getpwnam(user).pw_dir, ".ssh", "authorized_keys")
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (KeyError, OSError, ValueError):
        return ""
    try:  # it may be a FIFO, or a link to a watchdog, which bites who only opens it: that is the user's own doing
        if not stat.S_ISREG(os.fstat(place).st_mode):
            return ""
        with open(f"/proc/self/fd/{place}", "rb", 0, opener=open_at_once) as file:
            text = file.read(256 * 1024) or b""
    except OSError:
        return ""
    finally:
        os.close(place)
    line = text.partition(blob.encode())[2].partition(b"\n")[0]
    return printable(line.decode("utf-8", "surrogateescape").strip())


def open_at_once(path: str, flags: int) -> int:
    """An opener for open(): does not wait for somebody who holds a lease on the file, see fcntl(2)."""
    return os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)


def read_answers() -> dict[str, Any]:
    """What owners have answered, by key; to be read and written under the registry's lock only.

    Of each: the word, whose it is (uid and name), when it was given and until when it holds (seconds of seconds_up()),
    when the first came in by it and how many have, and the process that waits to show the notice of the end.
    """
    import json

    try:
        return dict(json.loads(folded.read_text(f"{STATE}/answers")))
    except (TypeError, ValueError):
        return {}


def write_answers(answers: dict[str, Any], registry: Registry) -> None:
    """Puts the answers back, but for those that hold no more. Raises OSError."""
    import json

    living = {session.asked for session in folded.sessions_in(registry)}
    kept = {key: it for key, it in answers.items() if key in living or seconds_up() < it["until"] + 600}
    write_whole("answers", json.dumps(kept))


def known_answer(key: str, began: float) -> Any:
    """The answer that holds for a question that came up at `began`, None if there is none. Raises OSError.

    It holds for those who were waiting for it, while a session lives that it let in, and REMEMBER seconds behind that.
    """
    with Registry() as registry:
        answer = read_answers().get(key)
        if answer is None or began <= answer["given"] or seconds_up() < answer["until"]:
            return answer
        return answer if answer["word"] == "allow" and folded.still_in(key, registry) else None


def seconds_up() -> float:
    """Seconds since the boot, sleep counted in, whatever becomes of the wall clock. See clock_gettime(2)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Turn:
    """A lock that the kernel takes back when its holder dies, in whatever way. Use as `with Turn(name)`."""

    def __init__(self, name: str, wait: bool = True, forget: bool = False, most: int = 0) -> None:
        """Takes the lock, after those who are waiting; raises BlockingIOError where it should not or `most` do."""
        import fcntl

        self.forget = forget  # the file, when the turn is over
        self.path = f"{STATE}/{name}"
        self.lock = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            if most:
                self.take_a_seat(most)
            fcntl.flock(self.lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BaseException:
            os.close(self.lock)
            raise

    def take_a_seat(self, most: int) -> None:
        """Locks one byte of the file, a seat to wait in. Raises BlockingIOError where all of them are taken."""
        import fcntl

        for seat in range(most):
            try:
                fcntl.lockf(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, seat)
                return
            except BlockingIOError:
                continue
        raise BlockingIOError

    def __enter__(self) -> Turn:
        return self

    def __exit__(self, *_: object) -> None:
        if self.forget and os.path.lexists(self.path):
            os.unlink(self.path)
        os.close(self.lock)


def queue_up() -> Turn | None:
    """A place in the queue, None where all are taken. Raises OSError."""
    for place in range(WAITING_MOST + 1):
        try:
            return Turn(f"waiting-{place}", wait=False)
        except BlockingIOError:
            continue
    return None


def ask(login: Login, rules: Rules, proof: Proof) -> tuple[str, str]:
    """Asks the owner of the desktop, once for each person, host and proof: returns (word, who).

    The word is allow, deny, timeout, nobody, busy or broken. Those who ask the same wait for the one answer; different
    questions queue up, and one dialog is on the screen at a time. Raises OSError.
    """
    began = seconds_up()
    answer = known_answer(proof.key, began)
    if answer is not None:
        return answer["word"], answer["owner"]
    remove_left_over_questions()
    try:
        question = Turn(f"question-{proof.key}", forget=True, most=SHARING_MOST)
    except BlockingIOError:
        return "busy", f"{SHARING_MOST} logins"
    with question:
        answer = known_answer(proof.key, began)
        if answer is not None:
            return answer["word"], answer["owner"]
        place = queue_up()
        if place is None:
            return "busy", f"{WAITING_MOST} questions"
        with place, Turn("turn"):
            owner = find_owner()
            answer = known_answer(proof.key, began)
            if answer is not None or owner is None:
                return (answer["word"], answer["owner"]) if answer else ("nobody", "nobody")
            word = show(owner, login, rules, proof)
            if word != "broken":
                remember(proof.key, word, owner, rules.remember)
            return word, column(owner.name)


def remember(key: str, word: str, owner: Owner, seconds: int) -> None:
    """Writes an answer down, to hold for so many seconds at least. Raises OSError."""
    now = seconds_up()
    answer = {"word": word, "uid": owner.uid, "owner": column(owner.name), "given": now, "until": now + seconds}
    with Registry() as registry:
        write_answers({**read_answers(), key: {**answer, "first": 0, "logins": 0, "notice": [0, 0]}}, registry)


def remove_left_over_questions() -> None:
    """Removes the locks of those who were killed while they asked. Raises OSError."""
    for name in os.listdir(STATE):
        try:
            if name.startswith("question-"):
                Turn(name, wait=False, forget=True).__exit__()
        except BlockingIOError:
            continue


def show(owner: Owner, login: Login, rules: Rules, proof: Proof) -> str:
    """Shows the dialog and waits for the word; anything but a word that it knows, or none at all, is `broken`."""
    if not owner.display:
        return "broken"
    question = {
        "kind": "question",
        "service": printable(login.kind),
        "user": printable(login.user),
        "full_name": printable(full_name(login.user)),
        "rhost": printable(login.rhost),
        "proof": proof.text,
        "since": time.time(),
        "timeout": rules.timeout,
    }
    process = start_window(owner, question, detached=False)
    owner.adopt(process.pid)
    word = read_word(process, 2 * rules.timeout + 10)
    return {"allow\n": "allow", "deny\n": "deny", "timeout\n": "timeout"}.get(word, "broken")


def note_entry(session: Session, registry: Registry) -> None:
    """Writes down that an answer has let somebody in; a notice that waits to tell of the end has nothing to tell."""
    answers = read_answers()
    answer = answers.get(session.asked)
    if answer is not None:
        answer.update(first=answer["first"] or session.began, logins=answer["logins"] + 1)
        dismiss_notice(answer)
        write_answers(answers, registry)


def dismiss_notice(answer: dict[str, Any]) -> None:
    """Ends the process that waits to show a notice, if it is still that process: its pid came from the owner's side."""
    pid, start = answer["notice"]
    answer["notice"] = [0, 0]
    if pid and process_uid(pid) == answer["uid"] and process_start(pid) == start:
        os.kill(pid, 15)


def tell_owner(ended: Session, login: Login, argv: list[str]) -> None:
    """Has the owner told that somebody who was asked about is gone, unless they come back within REMEMBER seconds.

    The notice waits in a process of the owner's own: the logout waits for nothing. Raises OSError.
    """
    delay = folded.read_rules(folded.rule_file(argv[1:])).remember
    with Registry() as registry:
        answers = read_answers()
        answer = answers.get(ended.asked)
        if answer is None or folded.still_in(ended.asked, registry):
            return
        dismiss_notice(answer)
        answer["until"] = seconds_up() + delay
        write_answers(answers, registry)
    owner = find_owner()
    if owner is None or owner.uid != answer["uid"] or not owner.display:
        return
    notice = {
        "kind": "notice",
        "service": printable(login.kind),
        "user": printable(login.user),
        "rhost": printable(login.rhost),
        "seconds": int(seconds_up() - (answer["first"] or ended.began)),
        "logins": answer["logins"],
        "delay": delay,
    }
    pid = int(read_word(start_window(owner, notice, detached=True), 2) or 0)
    if process_uid(pid) != owner.uid:
        return
    owner.adopt(pid)
    with Registry() as registry:
        answers = read_answers()
        answer = answers.setdefault(ended.asked, answer)
        answer["notice"] = [pid, process_start(pid)]
        if any(session.asked == ended.asked for session in folded.sessions_in(registry)):
            dismiss_notice(answer)  # they have come back meanwhile
        write_answers(answers, registry)


def full_name(user: str) -> str:
    """The name in a user's GECOS field, empty where there is none."""
    try:
        gecos = os.fsencode(pwd.getpwnam(user).pw_gecos)  # which was read by the locale of the host
        return gecos.decode("utf-8", "surrogateescape").partition(",")[0]
    except (KeyError, ValueError):
        return ""


SENTENCES = {
    "deny": "the person at the desktop did not allow it",
    "timeout": "the person at the desktop did not answer in time",
    "nobody": "there is nobody at the desktop who could allow it",
    "busy": "too many logins wait for an answer already, try again later",
    "broken": "the person at the desktop could not be asked",
}


def ask_owner(login: Login, decision: Decision, pamh: Any) -> str:
    """Puts the question where the verdict is ASK; returns the key of the answer, and adds the answer to the decision.

    Raises Refused for every answer but Allow, and for nobody to answer where UNATTENDED is CLOSE.
    """
    rules, proof = decision.rules, Proof(login, auth_info(pamh))
    assert rules is not None  # nosec B101  # for mypy
    try:
        word, who = ask(login, rules, proof)
    except (OSError, ValueError, RuntimeError) as error:
        word, who = "broken", f"the owner ({error})"
    if word == "allow" or (word == "nobody" and rules.unattended == "OPEN"):
        decision.answer = f"allowed by {who}" if word == "allow" else "nobody to ask, UNATTENDED is OPEN"
        return proof.key if word == "allow" else NOT_ASKED
    why = {
        "deny": f"denied by {who}",
        "timeout": f"no answer in {rules.timeout} s",
        "nobody": "nobody to ask",
        "busy": f"{who} are waiting already",
        "broken": f"{who} could not be asked",
    }
    decision.answer = why[word]
    raise Refused(decision, f"Access denied: {SENTENCES[word]}.")
''')


# ---- The windows: what the desktop's owner sees, in a process of the owner's own -------------------------------------

folded(r'''
if TYPE_CHECKING:
    from typing import NoReturn

    from PyQt5.QtCore import QEvent
    from PyQt5.QtGui import QKeyEvent
    from PyQt5.QtWidgets import QApplication, QLabel, QMessageBox

CALM = 1.0  # seconds: a new window counts nothing for so long, and a key counts only after so long without keys
FOREVER = float("inf")
LEFT_TO_RIGHT = "\u200e"  # an Arabic name at its start would turn the whole line around


def shorten(text: str, most: int) -> str:
    """A stranger's text, which whoever asks has made printable, with its middle left out where it is long."""
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-most // 2 :]}"


def from_where(rhost: str) -> str:
    """Where a login comes from, in a sentence."""
    return f"from {shorten(rhost, 60)}" if rhost else "on this computer"


def no_window(why: str) -> NoReturn:
    """Ends the process with one line on what keeps it from showing a window."""
    os.write(2, f"pam-accesscontrol: no window: {printable(why)}\n".encode())
    os._exit(2)  # where Qt itself would call abort() and leave a core file


def application() -> QApplication:
    """Qt, on the display that the environment names."""
    from PyQt5.QtCore import Qt, QtFatalMsg, qInstallMessageHandler
    from PyQt5.QtWidgets import QApplication

    if os.environ.get("WAYLAND_DISPLAY"):
        os.environ.setdefault("QT_QPA_PLATFORM", "wayland;xcb")
    place = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY") or "the environment, which names none"
    why = f"there is no display that can be used at {place}"
    qInstallMessageHandler(lambda kind, *_: no_window(why) if kind == QtFatalMsg else None)
    QApplication.setAttribute(Qt.AA_EnableHighDpiScaling)
    QApplication.setAttribute(Qt.AA_UseHighDpiPixmaps)
    QApplication.setDesktopFileName("pam-accesscontrol")  # whose window it is; on Wayland it would be python3's
    running = QApplication.instance()
    return running if isinstance(running, QApplication) else QApplication(["pam-accesscontrol"])


def quiet_label(text: str) -> QLabel:
    """Text that stands back, on light and dark alike."""
    from PyQt5.QtCore import Qt
    from PyQt5.QtWidgets import QLabel

    label = QLabel(text)
    label.setTextFormat(Qt.PlainText)
    palette = label.palette()
    color = palette.color(palette.WindowText)
    color.setAlphaF(0.7)
    palette.setColor(palette.WindowText, color)
    label.setPalette(palette)
    return label


def message_box(title: str, name: str, what: str, facts: dict[str, str]) -> tuple[QMessageBox, QLabel]:
    """A message box with a table of facts under its headline, and the quiet line at its foot. All of it plain text."""
    from PyQt5.QtCore import Qt
    from PyQt5.QtGui import QFont, QFontInfo, QFontMetrics
    from PyQt5.QtWidgets import QApplication, QGridLayout, QLabel, QMessageBox

    box = QMessageBox(QMessageBox.Question if facts else QMessageBox.Information, "", "")
    box.setModal(False)
    box.setAttribute(Qt.WA_ShowWithoutActivating)
    box.setWindowFlag(Qt.WindowStaysOnTopHint)
    box.setWindowTitle(title.replace("[*]", "[*][*]"))  # or Qt takes it for its mark of unsaved changes
    box.setTextFormat(Qt.PlainText)
    em = box.fontMetrics().height()
    room = min(28 * em, QApplication.primaryScreen().availableSize().width() - 14 * em)

    def fit(text: str, font: QFont, room: int) -> str:
        return LEFT_TO_RIGHT + QFontMetrics(font).elidedText(text, Qt.ElideMiddle, room)

    head = box.findChild(QLabel, "qt_msgbox_label")
    assert head is not None  # nosec B101  # for mypy
    font = head.font()
    font.setBold(True)
    font.setPointSizeF(1.25 * QFontInfo(font).pointSizeF())
    head.setFont(font)
    box.setText(f"{fit(shorten(name, 300), font, room - 6 * em)} {what}")
    table = QGridLayout()
    table.setColumnMinimumWidth(1, 14 * em)
    table.setColumnStretch(1, 1)
    table.setContentsMargins(0, em // 2, 0, em // 2)
    for row, (key, fact) in enumerate(facts.items()):
        value = QLabel("\n".join(fit(line, box.font(), room) for line in fact.split("\n")))
        value.setTextFormat(Qt.PlainText)
        table.addWidget(quiet_label(key), row, 0, Qt.AlignTop)
        table.addWidget(value, row, 1)
    note = quiet_label("")
    note.setContentsMargins(0, em // 2 if facts else 0, 0, 0)
    table.addWidget(note, len(facts), 0, 1, 2)
    grid = box.layout()
    assert isinstance(grid, QGridLayout)  # nosec B101  # for mypy
    grid.addLayout(table, 1, 2)  # where a message box has its second text
    return box, note


def watch(box: QMessageBox, seen: Callable[[QEvent], bool]) -> None:
    """Show a window's own events to a function first: all keys and clicks come in there, before any widget has them."""
    from PyQt5.QtCore import QObject

    class Door(QObject):
        def eventFilter(self, _: QObject, event: QEvent) -> bool:
            return seen(event)

    box.winId()  # makes the window
    box.windowHandle().installEventFilter(Door(box))


class Question:
    """The window that asks, and what it takes for an answer."""

    def __init__(self, question: dict[str, Any], asker: int) -> None:
        from PyQt5.QtCore import Qt
        from PyQt5.QtWidgets import QApplication, QMessageBox

        user, rhost, service = question["user"], question["rhost"], shorten(question["service"], 20)
        facts = {
            "Full name": shorten(question["full_name"], 300) or "none",
            "From": shorten(rhost, 300) or "this computer",
            "Over": service,
            "Proved by": shorten(question["proof"], 500).replace(" (", "\n(", 1) or "not known",
            "Waiting since": time.strftime("%H:%M:%S", time.localtime(question["since"])),
        }
        title = f"{service} login: {shorten(user, 40)} {from_where(rhost)}"
        self.box, self.note = message_box(title, user, "wants to log in", facts)
        self.allow = self.box.addButton("&Allow", QMessageBox.AcceptRole)
        self.deny = self.box.addButton("&Deny", QMessageBox.RejectRole)
        self.allow.setAccessibleDescription(f"Lets {shorten(user, 40)} in. Alt+A")
        self.deny.setAccessibleDescription(f"Keeps {shorten(user, 40)} out. Alt+D or Escape")
        self.box.setAccessibleDescription("\n".join(f"{name}: {fact}" for name, fact in facts.items()))
        self.box.setDefaultButton(self.deny)
        self.box.setEscapeButton(self.deny)
        self.allow.setFocusPolicy(Qt.TabFocus)  # a press on it that was let go elsewhere leaves no trace
        self.allow.setEnabled(False)
        self.deny.setEnabled(False)
        self.box.finished.connect(QApplication.quit)
        watch(self.box, self.seen)
        self.asker, self.answer = asker, ""
        self.typing = False  # the key that is being looked at does not count
        self.timeout = float(question["timeout"])
        self.start = time.monotonic()
        self.end = self.start + self.timeout
        self.clicks_from = self.keys_from = FOREVER

    def seen(self, event: QEvent) -> bool:
        """Judge what comes in from the desktop. True: nobody else gets to see it."""
        from PyQt5.QtCore import QEvent
        from PyQt5.QtGui import QKeyEvent

        now, kind = time.monotonic(), event.type()
        if kind in (QEvent.MouseMove, QEvent.MouseButtonPress, QEvent.TouchBegin, QEvent.ShortcutOverride):
            self.end = min(max(self.end, now + self.timeout / 3), self.start + 2 * self.timeout)
        if kind == QEvent.Expose and self.clicks_from == FOREVER and self.box.windowHandle().isExposed():
            self.clicks_from = now + CALM
        elif kind == QEvent.FocusIn:  # perhaps in the middle of a word
            self.keys_from = now + CALM
            self.deny.setFocus()
        elif kind == QEvent.FocusOut:  # Qt may show us the first key after the next FocusIn before that
            self.keys_from = FOREVER
        elif isinstance(event, QKeyEvent):
            return self.swallows(event, now)
        elif kind == QEvent.Close and now < self.clicks_from:
            event.ignore()
            return True
        return False

    def swallows(self, event: QKeyEvent, now: float) -> bool:
        """Typing is not answering: a key counts only after a second without keys, and a letter only with Alt."""
        from PyQt5.QtCore import QEvent, Qt

        key = event.key()
        if event.type() == QEvent.ShortcutOverride and not Qt.Key_Shift <= key <= Qt.Key_ScrollLock:
            # What is left of it, a shortcut or a key press, comes next. A message box takes a plain A for Alt+A.
            text = key < Qt.Key_Escape and key != Qt.Key_Space and not event.modifiers() & Qt.AltModifier
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

        now = time.monotonic()
        if self.asker >= 0 and select.select([self.asker], [], [], 0)[0]:
            self.answer = "gone"
        elif now >= self.end:
            self.answer = "timeout"
        elif now >= self.clicks_from and not self.deny.isEnabled():
            self.allow.setEnabled(True)
            self.deny.setEnabled(True)
            self.deny.setFocus()
        if self.answer:
            self.box.done(0)
        early = now < self.clicks_from or now < self.keys_from < FOREVER
        self.note.setText("One moment…" if early else f"{duration(int(self.end - now) + 1)} left, then denied")


def leave(word: str) -> NoReturn:
    """Says the word, if there is one, and ends the process as it stands: on Wayland, to take Qt down may never end."""
    try:
        os.write(1, word.encode())
    finally:
        os._exit(0)


def show_question(question: dict[str, Any], asker: int = -1) -> NoReturn:
    """Asks the person at this display, and ends with their word: allow, deny, timeout.

    It ends without one once descriptor `asker` has anything to say.
    """
    from PyQt5.QtCore import QTimer

    app = application()
    window = Question(question, asker)
    timer = QTimer(window.box)
    timer.timeout.connect(window.tick)
    timer.start(100)
    window.tick()
    window.box.show()
    app.alert(window.box)
    app.exec_()
    answer = window.answer or ("allow" if window.box.clickedButton() is window.allow else "deny")
    leave("" if answer == "gone" else f"{answer}\n")


def show_notice(notice: dict[str, Any]) -> NoReturn:
    """Say who is gone, in the corner, for half a minute."""
    from PyQt5.QtCore import QEvent, Qt, QTimer
    from PyQt5.QtWidgets import QMessageBox

    app = application()
    user, rhost, service = notice["user"], notice["rhost"], shorten(notice["service"], 20)
    box, note = message_box(f"{service} logout: {shorten(user, 40)} {from_where(rhost)}", user, "has logged out", {})
    lasted = f"{from_where(rhost)} over {service}, for {duration(notice['seconds'])}"
    note.setText(lasted + (f"\nthe last of {notice['logins']} logins" if notice["logins"] > 1 else ""))
    box.setStandardButtons(QMessageBox.Close)
    box.setWindowFlag(Qt.WindowDoesNotAcceptFocus)

    def seen(event: QEvent) -> bool:
        if event.type() == QEvent.MouseButtonPress:
            box.done(0)
        if event.type() == QEvent.Expose:
            screen = app.primaryScreen().availableGeometry()
            frame = box.frameGeometry()
            frame.moveBottomRight(screen.bottomRight())
            box.move(frame.topLeft())
        return False

    watch(box, seen)
    box.finished.connect(app.quit)
    QTimer.singleShot(30_000, app.quit)
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
        "proof": "key SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU (bob@laptop)",
        "since": time.time(),
        "timeout": 60,
    }


def dialog_main() -> NoReturn:
    """The owner's process: one question or notice on stdin, and one word on stdout."""
    import json
    import signal

    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        with open(0, "rb", buffering=0, closefd=False) as stdin:  # a buffer might hide that the asker is gone
            asked = json.loads(stdin.readline(1 << 20))
        if asked["kind"] == "notice":
            time.sleep(asked["delay"])  # ended by then, if the person has come back
            show_notice(asked)
        show_question(asked, asker=0)
    except (ImportError, ValueError) as error:
        no_window(str(error))
''')


# ---- The log: syslog, and a file for every month ---------------------------------------------------------------------

piece(r'''
LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG = 3, 4, 5, 6, 7
LOG_AUTHPRIV = 10 << 3
LOG_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


def printable(text: str) -> str:
    """A stranger's text as one line that cannot lie about where it ends, 256 characters of it at most."""
    if len(text) > 256:
        return printable(text[:240]) + f"... ({len(text)} characters)"
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return "".join(map(folded.escape, text))


def column(text: str) -> str:
    """A name or a host as one column: no blank in it, and no @ but the one that parts them."""
    return printable(text).replace(" ", "\\x20").replace("@", "\\x40")


syslog_patience = 2.0  # seconds, and none any more once they were waited for in vain


def syslog(priority: int, message: str) -> None:
    """One line to syslog, facility authpriv; never raises, and never waits for long. See syslog(3).

    Not by syslog(3): that keeps one ident and facility for the whole process, and they are the host's.
    """
    global syslog_patience
    clock = time.asctime()[4:19]  # Nov  3 12:03:10, whatever the locale
    line = "<%d>%s pam-accesscontrol[%d]: %s" % (LOG_AUTHPRIV | priority, clock, os.getpid(), message[:6000])
    try:
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


def monthly(login: Login, action: str, outcome: str, why: str) -> None:
    """One line in the month's own file; never raises. The file is root's and adm's, whatever the host's umask."""
    clock = time.strftime("%Y-%m-%d %H:%M:%S")
    path = LOG_FOLDER + "/pam-accesscontrol-" + clock[:7] + ".log"
    line = "%s  %-4s  %-6s  %-28s  %-7s  %s\n" % (clock, login.kind, action, login, outcome, why)
    data = line.encode("utf-8", "backslashreplace")
    try:
        try:
            descriptor = os.open(path, LOG_FLAGS)
        except FileNotFoundError:
            descriptor = folded.new_month(path)
        with open(descriptor, "ab", buffering=0) as file:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode) or about.st_uid or about.st_nlink != 1:
                raise OSError(0, "is not a plain file of root's")
            must_fit(about.st_size + len(data))
            written = file.write(data)
            if written < len(data):
                folded.take_back(file, written)
    except OSError as error:
        syslog(LOG_WARNING, f"{path} cannot be written: {error.strerror}")


def duration(seconds: float) -> str:
    """A span of time for people: 13 s, 2 min 13 s, 5 h 2 min."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
''')


folded(r'''
# What the registry and the log need now and then.

FAULTS_LOGGED = 50
LOCK_PATIENCE = 10  # seconds
IN_A_TEXT = "<string>"  # the file in which a traceback says that a folded text stands; its lines are those of this one


def escape(char: str) -> str:
    """A character as it may stand in a log: itself, or a backslash and its number."""
    if char.isprintable() and char != "\\":
        return char
    if "\udc80" <= char <= "\udcff":  # a byte that is not UTF-8
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()


def new_month(path: str) -> int:
    """Makes a log file, root's and adm's, whatever the host's umask; returns its descriptor. Raises OSError."""
    descriptor = os.open(path, LOG_FLAGS | os.O_CREAT, 0)
    os.fchown(descriptor, 0, adm_gid())
    os.fchmod(descriptor, 0o640)
    return descriptor


def take_back(file: Any, written: int) -> None:
    """Cuts off the half of a line that found room on a full disk, and would spoil the next one. Raises OSError."""
    os.ftruncate(file.fileno(), os.lseek(file.fileno(), 0, os.SEEK_CUR) - written)
    raise OSError(28, "No space left on device")


def adm_gid() -> int:
    """The gid of adm, root's where there is no such group."""
    import grp

    try:
        return grp.getgrnam("adm").gr_gid
    except KeyError:
        return 0


def log_faults(rules: Rules) -> None:
    """A warning for every line that was ignored; behind the first fifty, one for all the rest."""
    for line, what in rules.faults[:FAULTS_LOGGED]:
        syslog(LOG_WARNING, f"{rules.name}:{line}: ignored: {what}")
    rest = [str(line) for line, _ in rules.faults[FAULTS_LOGGED:]]
    if rest:
        syslog(LOG_WARNING, f"{rules.name}: ignored {len(rest)} more lines: {', '.join(rest)}")


def wait_for_lock(descriptor: int) -> None:
    """Takes a lock that is held for milliseconds, see flock(2). Raises TimeoutError after LOCK_PATIENCE seconds.

    Not for ever: who runs a guarded su may stop it with a signal at the moment at which it holds the lock.
    """
    import fcntl

    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(11, "another login holds the lock, and does not go on") from None
            time.sleep(0.003)


def log_error(phase: str, outcome: str, error: BaseException) -> None:
    """One line in the log for an error in the plugin, with the traceback behind it."""
    import linecache
    import traceback

    here = linecache.getlines(__file__)
    linecache.cache[IN_A_TEXT] = len(here), None, here, IN_A_TEXT
    told = "".join(traceback.format_exception(type(error), error, error.__traceback__)).replace(IN_A_TEXT, __file__)
    lines = told.rstrip("\n").split("\n")
    syslog(LOG_ERR, f"{phase}: {outcome}, for an error in the plugin: {' | '.join(map(printable, lines))}")
''')


# ---- The PAM functions: what pam_python.so calls ---------------------------------------------------------------------

piece(r'''
taken = ""  # the line in the registry of the session that this PAM handle has opened: each loads the module anew


def item(pamh: Any, name: str) -> str:
    """A PAM item as text, empty if it is not set. pam_python decodes it as UTF-8, and strangers send what they like."""
    try:
        return getattr(pamh, name) or ""
    except UnicodeDecodeError as error:
        return error.object.decode("utf-8", "surrogateescape")


def who_knocks(pamh: Any) -> Login:
    """The login that PAM tells of."""
    return Login(item(pamh, "service"), item(pamh, "user"), item(pamh, "rhost"))


def at_the_door(phase: str, refusal: int, pamh: Any, flags: int, argv: list[str]) -> int:
    """One PAM call that may refuse: returns `refusal`, or PAM_IGNORE, since no rule vouches for anybody."""
    global taken
    gc.freeze()  # pam_python ends its Python with the PAM handle, and to look for cycles then takes 2 ms (tests/bench)
    try:
        login = who_knocks(pamh)
        if login.service.endswith("-greeter") or login.service == "gdm-launch-environment":
            return int(pamh.PAM_IGNORE)  # a program that asks who somebody is; some include the file of login
        decision = judge(argv, login, phase)
        if decision.verdict == "CLOSE":
            raise Refused(decision, "")
        if phase == "session":
            asked = folded.ask_owner(login, decision, pamh) if decision.verdict == "ASK" else NOT_ASKED
            taken = count_in(decision, login, asked)
            monthly(login, decision.action, "granted", (decision.where + " " + decision.answer).rstrip())
        elif decision.limits:
            count_in(decision, login)
        log_decision(LOG_INFO, phase, login, decision, "")
        return int(pamh.PAM_IGNORE)
    except Refused as refused:
        folded.refuse(phase, login, refused, pamh, flags)
    except BaseException as error:  # pam_python would refuse, too, but the log would not say who was at the door
        complain(phase, "refused", error)
    if phase == "session":
        folded.end_the_deaf(item(pamh, "service"))
    return refusal


def log_decision(priority: int, phase: str, login: Login, decision: Decision, outcome: str) -> None:
    """One line to syslog on a decision: who, what, and by which rule."""
    answer = decision.answer and ": " + decision.answer
    told = login.kind, phase, login, decision.verdict, outcome, decision.where, decision.why, answer
    syslog(priority, "%s %s %s: %s, %s%s: %s%s" % told)


def complain(phase: str, outcome: str, error: BaseException) -> None:
    """One line in the log for what must not happen; never raises."""
    try:
        folded.log_error(phase, outcome, error)
    except BaseException:
        syslog(LOG_ERR, f"{phase}: {outcome}, for an error in the plugin: {type(error).__name__}")


def pam_sm_authenticate(pamh: Any, flags: int, argv: list[str]) -> int:
    """Refuses as a wrong password is refused: nobody learns that it was right. See pam_sm_authenticate(3)."""
    return at_the_door("auth", pamh.PAM_AUTH_ERR, pamh, flags, argv)


def pam_sm_setcred(pamh: Any, flags: int, argv: list[str]) -> int:
    """Has nothing to set."""
    return int(pamh.PAM_IGNORE)


def pam_sm_acct_mgmt(pamh: Any, flags: int, argv: list[str]) -> int:
    """Refuses with a message; for SSH keys, which see no auth, this is the door. See pam_sm_acct_mgmt(3)."""
    return at_the_door("account", pamh.PAM_PERM_DENIED, pamh, flags, argv)


def pam_sm_open_session(pamh: Any, flags: int, argv: list[str]) -> int:
    """Decides again, and writes the login down. See pam_sm_open_session(3)."""
    return at_the_door("session", pamh.PAM_SESSION_ERR, pamh, flags, argv)


def pam_sm_close_session(pamh: Any, flags: int, argv: list[str]) -> int:
    """Gives the place back, and writes the end down. See pam_sm_close_session(3)."""
    global taken
    try:
        if taken:
            line, taken = taken, ""
            login = who_knocks(pamh)
            _, _, began, _, _, _, _, _, action, _, asked = line[:-1].split("\t")
            lasted = "after " + duration(time.clock_gettime(time.CLOCK_BOOTTIME) - int(began) / 1e9)
            syslog(LOG_INFO, f"{login.kind} session {login}: closed {lasted}")
            monthly(login, action, "closed", lasted)
            count_out(line)
            if asked != NOT_ASKED:
                folded.tell_owner(folded.Session(line), login, argv)
    except OSError as error:
        syslog(LOG_WARNING, f"session: a place is given back only when its process ends: {error}")
    except BaseException as error:
        complain("session", "closed", error)
    return int(pamh.PAM_IGNORE)
''')


folded(r'''
# How somebody is refused.

# Display managers that do not heed a refusal in session (measured): xdm 1.1.11, wdm 1.28 and lxdm 0.5.3 start it all
# the same, and sddm 0.19 never shows its greeter again. Their process for the login must end then, with this status.
DEAF = {"xdm": 1, "wdm": 1, "lxdm": 1, "sddm": 2, "sddm-autologin": 2}
FAIL_DELAY = 2_000_000  # microseconds: what pam_unix asks for after a wrong password, see pam_fail_delay(3)


def rule_file(arguments: list[str]) -> str:
    """The path of the rule file, from the arguments on the PAM line. Raises Fault."""
    path = RULE_FILE
    for argument in arguments:
        name, _, value = argument.partition("=")
        if name != "conf":
            raise Fault(f"has an argument that is not conf=PATH: {printable(argument)}")
        path = value
    return path


def refuse(phase: str, login: Login, refused: Refused, pamh: Any, flags: int) -> None:
    """Writes a refusal down, with the rule behind it, and tells the person; in auth it looks like a wrong password."""
    decision = refused.decision
    log_decision(LOG_NOTICE, phase, login, decision, "refused: ")
    monthly(login, decision.action, "denied", f"{decision.where} {decision.answer}".rstrip())
    if phase == "auth":
        pamh.fail_delay(FAIL_DELAY)
    elif not flags & pamh.PAM_SILENT:
        closed = f"Access denied: {printable(login.user)} may not log in {folded.over(login)}."
        tell(phase, pamh, str(refused) or closed)


def end_the_deaf(service: str) -> None:
    """Ends a host that does not heed a refusal, in the process that it has for this login."""
    if service in DEAF:
        os._exit(DEAF[service])


def tell(phase: str, pamh: Any, sentence: str) -> None:
    """Shows a sentence to the person at the door, where the host has a way to; see PAM_ERROR_MSG in pam_conv(3).

    The greeter of lightdm writes "Failed to authenticate" over an error, and leaves a piece of information there. In
    session lightdm shows nothing, and answers with nothing, for which pam_python then crashes.
    """
    lightdm = item(pamh, "service").startswith("lightdm")
    if lightdm and phase == "session":
        return
    try:
        pamh.conversation(pamh.Message(pamh.PAM_TEXT_INFO if lightdm else pamh.PAM_ERROR_MSG, sentence))
    except pamh.exception:
        pass
''')


# ---- The command: check, explain, status, ask ------------------------------------------------------------------------

folded(r'''
PAM_FOLDER = "/etc/pam.d"
STATUS = {"OPEN": 0, "CLOSE": 1, "ASK": 3}
PAM_LINE = re.compile(r"-?(auth|account|session|password)\s+(\[[^]]*\]|\S+)\s+(\S+)\s*(.*)", re.IGNORECASE)


class UsageError(Exception):
    """What is wrong with how the command was called: one line, status 2."""


class PamLine:
    """One line of a PAM service, and the file that it stands in."""

    def __init__(self, at: str, control: str, module: str, arguments: str) -> None:
        self.at, self.control, self.module, self.arguments = at, control.lower(), module, arguments

    @property
    def ours(self) -> bool:
        """Whether this line calls the plugin."""
        return "pam_python" in self.module and "accesscontrol.py" in self.arguments

    @property
    def skips(self) -> int:
        """How many of the lines behind it a success may leave out: all for sufficient and done. See pam.d(5)."""
        if self.control == "sufficient":
            return sys.maxsize
        jumps = re.findall(r"(?:success|default|new_authtok_reqd)\s*=\s*(done|[0-9]+)", self.control)
        return max((sys.maxsize if jump == "done" else int(jump) for jump in jumps), default=0)


def pam_lines(service: str, kind: str, depth: int = 0) -> Iterator[PamLine]:
    """The lines of a service for one of auth, account and session, in the order in which they run. See pam.d(5)."""
    path = os.path.join(PAM_FOLDER, service)
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return
    number = 0
    for row in text.replace("\\\n", "  \0").split("\n"):
        number += 1 + row.count("\0")
        row = row.replace("\0", "").partition("#")[0].strip()
        include = re.fullmatch(r"@include\s+(\S+)", row)
        line = PAM_LINE.fullmatch(row)
        if line and line[1].lower() != kind:
            continue
        target = include[1] if include else line[3] if line and line[2].lower() in ("include", "substack") else ""
        if target and depth < 20:
            yield from pam_lines(target, kind, depth + 1)
        elif line:
            yield PamLine(f"{path}:{number}", line[2], line[3], line[4])


def guarded_services() -> list[str]:
    """The PAM services that call the plugin in any of their lines."""
    try:
        services = sorted(os.listdir(PAM_FOLDER))
    except OSError:
        return []
    kinds = ("auth", "account", "session")
    return [name for name in services if any(line.ours for kind in kinds for line in pam_lines(name, kind))]


def unguarded_ways(service: str) -> Iterator[str]:
    """Why a guarded service may not come past the plugin: a line that is missing, or one that others leave out."""
    for kind in ("auth", "account", "session"):
        lines = list(pam_lines(service, kind))
        at = next((place for place, line in enumerate(lines) if line.ours), None)
        if at is None:
            yield f"{PAM_FOLDER}/{service}: has no {kind} line that calls the plugin"
            continue
        for place, line in enumerate(lines[:at]):
            if place + line.skips >= at:
                yield f"{line.at}: {kind}: '{line.control} {line.module}' can leave out the plugin at {lines[at].at}"


def rule_file_of(service: str) -> str:
    """The rule file that a service is judged by: conf=PATH on its account line, or the usual one."""
    for line in pam_lines(service, "account"):
        if line.ours:
            try:
                return folded.rule_file(line.arguments.split()[1:])
            except ValueError as error:
                raise UsageError(f"{line.at}: {error}") from None
    return RULE_FILE


def pam_service(name: str) -> str:
    """The PAM service for a name as rules use it: SSH, XDM, su. Raises UsageError."""
    services = SERVICES.get(name.upper(), (name.lower(),))
    for service in services:
        if re.fullmatch("[a-z0-9_@+-][a-z0-9._@+-]*", service) and os.path.isfile(os.path.join(PAM_FOLDER, service)):
            return service
    if name.upper() in SERVICES or class_of(name.lower()):
        return services[0]
    raise UsageError(f"there is no service {printable(name)}: SSH, TTY, XDM, or a file in {PAM_FOLDER}")


def class_of(service: str) -> str:
    """The name that rules use for a PAM service, empty for one that goes by its own."""
    return next((name for name in SERVICES if service in SERVICES[name]), "")


def covers(wide: tuple[int, int, int] | None, narrow: tuple[int, int, int] | None) -> bool:
    """Whether every address of one network lies in another; None is everywhere."""
    if wide is None or wide == narrow:
        return True
    if narrow is None or folded.LOCAL in (wide, narrow):
        return False
    return wide[0] == narrow[0] and wide[2] >= narrow[2] and narrow[1] >> (wide[2] - narrow[2]) == wide[1]


def unreachable(rules: Rules) -> Iterator[tuple[int, str]]:
    """The rules that can never decide, since for each of their entries an earlier rule always has."""
    earlier: dict[tuple[str, str, str | None], list[tuple[tuple[int, int, int] | None, int]]] = {}
    for rule in rules.rules:
        if rule.action == "NUMBER":
            continue
        services = {"ALL", rule.service, class_of(rule.service.lower()) or rule.service}
        by = []
        for entry in rule.entries:
            keys = {(rule.target, entry.name), ("USER", None), ("GROUP", None)}
            known = (place for name in services for key in keys for place in earlier.get((name, *key), ()))
            by.append(next((line for network, line in known if covers(network, entry.network)), 0))
        if all(by):
            yield rule.line, f"can never be reached: line {max(by)} has decided before"
        for entry in rule.entries:
            earlier.setdefault((rule.service, rule.target, entry.name), []).append((entry.network, rule.line))


def unknown_names(rules: Rules) -> Iterator[tuple[int, str]]:
    """The users, groups and services that this machine does not know."""
    import grp

    for rule in rules.rules:
        try:
            if rule.service != "ALL":
                pam_service(rule.service)
        except UsageError as error:
            yield rule.line, str(error)
        for entry in rule.entries:
            try:
                if entry.name is not None and rule.target == "USER":
                    pwd.getpwnam(entry.name)
                elif entry.name is not None:
                    grp.getgrnam(entry.name)
            except (KeyError, ValueError):
                yield rule.line, f"there is no {rule.target.lower()} {printable(entry.name or '')}"


def root_locked_out(rules: Rules) -> str:
    """Why root has no way in at all, as far as rules tell; empty where there is one."""
    entries = [entry for rule in rules.rules for entry in rule.entries if entry.name in (None, "root", "wheel", "sudo")]
    hosts = {"", "198.51.100.1", "2001:db8::1"}
    for bits, number, ignored in filter(None, {entry.network for entry in entries} - {folded.LOCAL}):
        hosts.add(_socket.inet_ntop(_socket.AF_INET if bits == 32 else _socket.AF_INET6,
                                    (number << ignored).to_bytes(bits // 8, "big")))
    groups = folded.Groups("root")
    closed = set()
    for service in ("sshd", "login", "lightdm"):
        for host in hosts:
            decision = folded.decide(rules, Login(service, "root", host, groups))
            if decision.verdict != "CLOSE" and all(limit.most for limit in decision.limits):
                return ""
            closed.add(decision.where)
    return "root can log in over none of SSH, TTY and XDM: " + ", ".join(sorted(closed)) + " close them"


def faults_of(path: str) -> Iterator[str]:
    """Everything that check finds, as FILE:LINE: what."""
    rules = folded.read_rules(os.path.abspath(path))
    if rules.distrust:
        yield f"{printable(path)}: {rules.distrust}"
        if not os.path.isfile(path):
            return
        rules = folded.parse(folded.read_text(path), path)
    found = sorted([*rules.faults, *unreachable(rules), *unknown_names(rules)])
    yield from (f"{printable(path)}:{line}: {what}" for line, what in found)
    locked_out = root_locked_out(rules)
    if locked_out:
        yield f"{printable(path)}: {locked_out}"


def must_be_readable(path: str) -> None:
    """Raises UsageError for a rule file that root may read, and whoever calls may not."""
    if os.geteuid() != 0 and os.path.exists(path) and not os.access(path, os.R_OK):
        raise UsageError(f"only root can read {printable(path)}")


def check(path: str | None) -> int:
    """Prints every fault of a rule file, and of the guarded services; returns 1 if there is any. Raises UsageError."""
    must_be_readable(path or RULE_FILE)
    faults = list(faults_of(path or RULE_FILE))
    for service in guarded_services():
        faults += unguarded_ways(service)
    for fault in faults:
        print(fault)
    if not faults:
        print(f"{printable(path or RULE_FILE)}: no faults found")
    return 1 if faults else 0


def explain(name: str, user: str, address: str) -> int:
    """Prints what a login would meet, and why; returns 0 for OPEN, 1 for CLOSE, 3 for ASK. Raises UsageError."""
    if address and address != "LOCAL" and folded.parse_address(address) is None:
        raise UsageError(f"{printable(address)} is no address: IPv4, IPv6, or LOCAL")
    service = pam_service(name)
    login = Login(service, user, "" if address == "LOCAL" else address)
    must_be_readable(rule_file_of(service))
    rules = folded.read_rules(rule_file_of(service))
    decision = folded.decide(rules, login)
    place = f"from {address}" if login.rhost else "locally"
    print(f"{decision.verdict:<7} {printable(user)} {folded.over(login)} {place}")
    print(f"rule    {decision.where}: {decision.why}")
    try:
        login.groups.ask()
        print(f"groups  {', '.join(map(printable, sorted(login.groups.names())))}")
    except CannotTell as reason:
        print(f"groups  {reason}")
    crowd = everybody() if decision.limits and os.geteuid() == 0 else None
    for limit in decision.limits:
        full = how_full(limit, user, login.groups.uid, crowd) if crowd else "only root can see who is in"
        print(f"limit   {rules.where(limit.rule)}: {full}")
    return STATUS[decision.verdict]


def how_full(limit: Limit, user: str, uid: int, crowd: Crowd) -> str:
    """How full a limit is, and by whom."""
    try:
        return f"{folded.room(limit, user, uid, crowd)[1]}: {', '.join(crowd.names(limit, uid)) or 'nobody'}"
    except CannotTell as reason:
        return str(reason)


def everybody() -> Crowd:
    """Who is in, at a close look. Raises UsageError without root, and OSError."""
    if os.geteuid() != 0:
        raise UsageError("only root can see who is in")
    with Registry() as registry:
        return folded.at_a_closer_look(registry)


def status(as_json: bool) -> int:
    """Prints what is guarded, who is in, and how full each limit is, for people or for scripts. Raises UsageError."""
    crowd = everybody()
    guarded = {service: list(unguarded_ways(service)) for service in guarded_services()}
    files = sorted({rule_file_of(service) for service in guarded} or {RULE_FILE})
    limits = [
        limit_status(f"{rules.where(rule)} {rule.service}", folded.Limit(rule, entry.name, entry.most), crowd)
        for rules in map(folded.read_rules, files)
        for rule in rules.rules
        if rule.action == "NUMBER"
        for entry in rule.entries
    ]
    people = [
        {"who": it.who, "service": it.kind, "since": it.since, "pid": it.pid, "action": it.action, "rule": it.where}
        for it in crowd.ours
    ]
    others = {uid for _, uid in crowd.others} - {session.uid for session in crowd.ours}
    names = sorted(column(folded.user_name(uid)) for uid in others)
    if as_json:
        import json

        print(json.dumps({"guarded": guarded, "in": people, "in_otherwise": names, "limits": limits}, indent=2))
        return 0
    print("guarded  " + (", ".join(guarded) or "nothing: run install.sh"))
    for fault in (fault for faults in guarded.values() for fault in faults):
        print(f"         {fault}")
    for session in crowd.ours:
        since = time.strftime("%Y-%m-%d %H:%M", time.localtime(session.since))
        print(f"in       {session.who}  {session.kind}  since {since}  {session.action}  {session.where}")
    for name in names:
        print(f"in       {name}  by a service that is not guarded, or since before")
    for limit in limits:
        print(f"limit    {limit['rule']}: {limit['state']}")
    return 0


def limit_status(where: str, limit: Limit, crowd: Crowd) -> dict[str, Any]:
    """How full a limit is, as `status` tells it; of each person's own limit, just what it is."""
    told: dict[str, Any] = {"rule": where, "target": limit.target, "name": limit.name or "ALL", "most": limit.most}
    if limit.target == "USER" and limit.name is None:
        return {**told, "state": f"everybody: {limit.most} sessions each"}
    user = limit.name or ""
    try:
        uid = pwd.getpwnam(user).pw_uid if limit.target == "USER" else -1
        return {**told, "state": how_full(limit, user, uid, crowd), "who": crowd.names(limit, uid)}
    except (CannotTell, KeyError, ValueError):
        return {**told, "state": f"{printable(user)} is not known, or the directory did not answer"}


def try_window() -> NoReturn:
    """Shows the dialog, with made-up data, on the desktop of whoever calls; prints the answer. Raises UsageError."""
    try:
        folded.show_question(folded.made_up_question())
    except ImportError:
        raise UsageError("there is no PyQt5: install python3-pyqt5") from None


def parse_arguments(arguments: list[str]) -> Any:
    """The command line. Raises UsageError."""
    import argparse

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> Any:
            raise UsageError(f"{message} (see {self.prog} --help)")

    def narrow(prog: str) -> argparse.HelpFormatter:
        return argparse.HelpFormatter(prog, width=78)

    what = "Who may log in to this machine, and why."
    parser = Parser(prog="pam-accesscontrol", description=what, formatter_class=narrow)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, what: str, description: str) -> Any:
        return commands.add_parser(name, help=what, description=description, formatter_class=narrow)

    one = add("check", "look for faults in the rules and in what is guarded",
              "Prints each fault as FILE:LINE: what. Status: 0 none, 1 some, 2 usage.")
    one.add_argument("file", nargs="?", metavar="FILE", help=f"a rule file (default: {RULE_FILE})")
    one = add("explain", "tell what a login would meet, and why",
              "Prints verdict, rule, groups, limits. Status: 0 OPEN, 1 CLOSE, 3 ASK, 2 usage.")
    one.add_argument("service", metavar="SERVICE", help="SSH, TTY, XDM, or a PAM service such as su")
    one.add_argument("user", metavar="USER", help="a login name")
    one.add_argument("address", nargs="?", default="", metavar="ADDRESS", help="where from (default: LOCAL)")
    one = add("status", "tell what is guarded, who is in, and how full each limit is",
              "Prints what is guarded, who is in, and each limit. Needs root.")
    one.add_argument("--json", action="store_true", help="for scripts")
    add("ask", "show the dialog on your own desktop, to see what it looks like",
        "Shows the dialog, with made-up data, and prints the answer: allow, deny or timeout.")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """The command pam-accesscontrol: returns its exit status."""
    try:
        chosen = parse_arguments(arguments)
        if chosen.command == "check":
            if chosen.file is not None and not os.path.lexists(chosen.file):
                raise UsageError(f"there is no file {printable(chosen.file)}")
            return check(chosen.file)
        if chosen.command == "status":
            return status(chosen.json)
        if chosen.command == "ask":
            try_window()
        return explain(chosen.service, chosen.user, chosen.address)
    except (UsageError, ValueError, OSError) as error:
        print(f"pam-accesscontrol: {error}", file=sys.stderr)
        return 2
''')


if __name__ == "__main__":
    sys.exit(folded.dialog_main() if sys.argv[1:] == ["--dialog"] else folded.main(sys.argv[1:]))
