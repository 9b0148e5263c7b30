"""A second reading of the rule language and of the decision: slow, plain, from the manual and not from the code.

It shares nothing with accesscontrol.py. It looks at one character at a time and uses no regular expressions, so that a
mistake in one of the two readings is not made again in the other. tests/unit/test_reference_agrees.py and tests/fuzz
hold both against each other.

Where the manual leaves two readings open, the comment says which one was taken.
"""

import functools
import ipaddress

OPTIONS = ("DEFAULT", "DEBUG", "TIMEOUT", "REMEMBER", "UNATTENDED")

CLASSES = {
    "SSH": ["sshd"],
    "TTY": ["login", "remote"],
    "XDM": ["cage", "cosmic-greeter", "ddm", "ddm-autologin", "emptty", "entrance", "gdm", "gdm-autologin",
            "gdm-fingerprint", "gdm-password", "gdm-smartcard", "gdm-smartcard-pkcs11-exclusive",
            "gdm-smartcard-sssd-exclusive", "gdm-smartcard-sssd-or-password", "gdm-switchable-auth", "greetd", "kdm",
            "kdm-np", "lemurs", "lightdm", "lightdm-autologin", "lxdm", "ly", "ly-autologin", "mdm", "mdm-autologin",
            "nodm", "plasmalogin", "plasmalogin-autologin", "sddm", "sddm-autologin", "slim", "wdm",
            "weston-autologin", "xdm"],
}


class Broken(Exception):
    """The line is neither a rule nor an option nor empty."""


class Entry:
    """One name of a LIST. `name` is None for ALL; `place` is None, "LOCAL", or a network; `whole` is all of it."""

    def __init__(self, name, place, count, whole):
        self.name, self.place, self.count, self.whole = name, place, count, whole


class Rule:
    def __init__(self, line, service, action, target, entries):
        self.line, self.service, self.action, self.target, self.entries = line, service, action, target, entries


class File:
    def __init__(self):
        self.rules = []
        self.ignored = []
        self.default_line = 0
        self.options = {"DEFAULT": "CLOSE", "DEBUG": False, "TIMEOUT": 60, "REMEMBER": 60, "UNATTENDED": "OPEN"}


# --- characters -------------------------------------------------------------------------------------------------------


def is_blank(char):
    return char in (" ", "\t")


def is_control(char):
    """As iscntrl(3) has it. A tab is one, too: it parts fields, but no name has one."""
    return ord(char) < 32 or ord(char) == 127


def upper(text):
    """In capitals, the letters a to z alone: a long s is not an S, nor a Kelvin sign a K."""
    out = ""
    for char in text:
        out += chr(ord(char) - 32) if "a" <= char <= "z" else char
    return out


def all_digits(text):
    for char in text:
        if not ("0" <= char <= "9"):
            return False
    return text != ""


# --- addresses --------------------------------------------------------------------------------------------------------


def read_ipv4(text):
    """An IPv4Address, or None. Four numbers from 0 to 255, nothing in front of them, not even a zero."""
    parts = text.split(".")
    if len(parts) != 4:
        return None
    for part in parts:
        if not all_digits(part) or len(part) > 3 or int(part) > 255 or (part[0] == "0" and part != "0"):
            return None
    return ipaddress.IPv4Address(".".join(parts))


def read_ipv6(text):
    """An IPv6Address, or None. No scope."""
    for char in text:
        if char not in "0123456789abcdefABCDEF:.":
            return None
    if "." in text and read_ipv4(text[text.rfind(":") + 1:]) is None:
        return None
    try:
        return ipaddress.IPv6Address(text)
    except ValueError:
        return None


def without_scope(text):
    """fe80::1%eth0 is fe80::1. None where the scope is no word, or where an IPv4 address has one."""
    at = text.find("%")
    if at < 0:
        return text
    scope = text[at + 1:]
    if scope == "" or ":" not in text[:at]:
        return None
    for char in scope:
        if is_blank(char) or is_control(char) or char in '",/':
            return None
    return text[:at]


@functools.lru_cache(maxsize=10_000)
def read_address(text):
    """An address as ipaddress has it, IPv4 where it is one in IPv6's clothes, or None."""
    bare = without_scope(text)
    if bare is None:
        return None
    four = read_ipv4(bare)
    if four is not None:
        return four
    six = read_ipv6(bare)
    if six is None:
        return None
    return six.ipv4_mapped if six.ipv4_mapped is not None else six


def read_network(text):
    """A network as ipaddress has it (one address is a network of one), or None."""
    slash = text.find("/")
    if slash < 0:
        address = read_address(text)
        return None if address is None else ipaddress.ip_network(address)
    prefix = text[slash + 1:]
    if not all_digits(prefix) or len(prefix) > 3:
        return None
    length = int(prefix)
    bare = without_scope(text[:slash])
    if bare is None:
        return None
    four = read_ipv4(bare)
    if four is not None:
        return ipaddress.ip_network((int(four), length), strict=False) if length <= 32 else None
    six = read_ipv6(bare)
    if six is None or length > 128:
        return None
    if six.ipv4_mapped is not None and length >= 96:
        return ipaddress.IPv4Network((int(six.ipv4_mapped), length - 96), strict=False)
    return ipaddress.IPv6Network((int(six), length), strict=False)


# --- lines ------------------------------------------------------------------------------------------------------------


def lines_of(text):
    """(number, line) for each line. Only a newline ends a line; one carriage return before it belongs to it."""
    if text[:1] == "\ufeff":
        text = text[1:]
    for number, line in enumerate(text.split("\n"), 1):
        if line[-1:] == "\r":
            line = line[:-1]
        yield number, line


def fields_of(line):
    """The fields of a line, without its comment. The fourth, a LIST, comes as list_at() has it."""
    fields = []
    at = 0
    while True:
        while at < len(line) and is_blank(line[at]):
            at += 1
        if at == len(line) or line[at] == "#":
            return fields
        if len(fields) == 3:
            entries, at = list_at(line, at)
            fields.append(entries)
        else:
            field = ""
            while at < len(line) and not is_blank(line[at]):
                if is_control(line[at]):
                    raise Broken("control character")
                field += line[at]
                at += 1
            fields.append(field)


def list_at(line, at):
    """The entries of the LIST that begins at `at`, and where it ends. An entry is its text, whether that stood in
    double quotes, and what followed the closing quote."""
    entries = []
    while True:
        quoted, name, rest = False, "", ""
        if at < len(line) and line[at] == '"':
            quoted = True
            at += 1
            while at < len(line) and line[at] != '"':
                if is_control(line[at]):
                    raise Broken("control character in quotes")
                name += line[at]
                at += 1
            if at == len(line):
                raise Broken("quote not closed")
            at += 1
            if name == "":
                raise Broken("empty quotes")
        while at < len(line) and not is_blank(line[at]) and line[at] != ",":
            if is_control(line[at]):
                raise Broken("control character")
            if line[at] == '"':
                raise Broken("quote in the middle of an entry")
            rest += line[at]
            at += 1
        entries.append((name, True, rest) if quoted else (rest, False, ""))
        if at == len(line) or is_blank(line[at]):
            return entries, at
        at += 1  # the comma


def read_count(text):
    if not all_digits(text) or len(text) > 9:
        raise Broken("no count")
    return int(text)


def looks_like_address(text):
    """It was meant as an address, a network, a range or a pattern, well or badly written, and is no realm."""
    for char in text:
        if not (char.isalnum() or char in "_-."):
            return True
    parts = text.split(".")
    if "" in parts:
        return True
    rest = text
    for char in ".-":
        rest = rest.replace(char, "")
    if rest.isdecimal() or rest == "":
        return True
    if len(parts) > 3 and parts[0].isdecimal() and parts[1].isdecimal() and parts[2].isdecimal():
        return True
    return len(parts) > 1 and all(part.isdecimal() or part in ("x", "X") for part in parts)


def read_place(text):
    """"LOCAL", a network, or None."""
    return "LOCAL" if text == "LOCAL" else read_network(text)


def read_entry(action, raw):
    text, quoted, rest = raw
    if quoted:
        return read_quoted_entry(action, text, rest)
    count = None
    if action == "NUMBER":
        colon = text.rfind(":")
        if colon < 0:
            raise Broken("no count")
        count = read_count(text[colon + 1:])
        text = text[:colon]
    at = text.rfind("@")
    name, place = text, None
    if at >= 0:
        place = read_place(text[at + 1:])
        if place is not None:
            name = text[:at]
        elif looks_like_address(text[at + 1:]) or upper(text[at + 1:]) in ("LOCAL", "LOCALHOST") or text[:at] == "ALL":
            raise Broken("bad address")
    if name == "":
        raise Broken("no name")
    if ":" in name:
        raise Broken("colon in a name")
    return Entry(None if name == "ALL" else name, place, count, text)


def read_quoted_entry(action, name, rest):
    count = None
    if action == "NUMBER":
        colon = rest.rfind(":")
        if colon < 0:
            raise Broken("no count")
        count = read_count(rest[colon + 1:])
        rest = rest[:colon]
    place = None
    if rest != "":
        if rest[0] != "@":
            raise Broken("something behind the quotes")
        place = read_place(rest[1:])
        if place is None:
            raise Broken("bad address")
    return Entry(name, place, count, '"' + name + '"' + rest)  # what is quoted is the name, and no part of one


def read_rule(fields):
    service, action, target = upper(fields[0]), upper(fields[1]), upper(fields[2])
    for char in service:  # the manual does not say what a service may be called; these are the names in /etc/pam.d
        if not ("A" <= char <= "Z" or "0" <= char <= "9" or char in "._@+-"):
            raise Broken("no service")
    if action not in ("OPEN", "CLOSE", "ASK", "NUMBER") or target not in ("USER", "GROUP"):
        raise Broken("no such action or target")
    return service, action, target, [read_entry(action, raw) for raw in fields[3]]


def read_option(field):
    colon = field.find(":")
    if colon < 0:
        raise Broken("neither rule nor option")
    name, value = upper(field[:colon]), upper(field[colon + 1:])
    if name in ("DEFAULT", "UNATTENDED") and value in ("OPEN", "CLOSE"):
        return name, value
    if name == "DEBUG" and value in ("TRUE", "FALSE"):
        return name, value == "TRUE"
    if name in ("TIMEOUT", "REMEMBER") and all_digits(value):
        # A number with thousands of zeros in front of it is still that number.
        while len(value) > 1 and value[0] == "0":
            value = value[1:]
        if len(value) <= 6 and (name == "REMEMBER" or value != "0"):
            return name, int(value)
    raise Broken("no such option or value")


@functools.lru_cache(maxsize=10_000)
def read_line(line):
    """What a line says: a list of (service, action, target, entries), an (option, value), None where it is blank, or
    why it is broken."""
    try:
        fields = fields_of(line)
        if len(fields) == 1:
            return read_option(fields[0])
        if len(fields) == 4:
            return [read_rule(fields)]
        if fields:
            raise Broken("not four fields")
    except Broken as broken:
        return str(broken)
    return None


def parse(text):
    """What a rule file says."""
    file = File()
    for number, line in lines_of(text):
        said = read_line(line)
        if isinstance(said, str):
            file.ignored.append(number)
        elif isinstance(said, list):
            file.rules.append(Rule(number, *said[0]))
        elif said is not None:
            name, value = said
            file.options[name] = value
            if name == "DEFAULT":
                file.default_line = number
    return file


# --- the decision -----------------------------------------------------------------------------------------------------

FITS, FITS_NOT, CANNOT_TELL = "fits", "does not fit", "cannot tell"


def about_service(rule, service):
    if rule.service == "ALL" or upper(service) == rule.service:
        return True
    # su-l is su with a login shell, and sudo-i is sudo with one.
    if service[-2:] in ("-l", "-i") and upper(service[:-2]) == rule.service:
        return True
    for member in CLASSES.get(rule.service, []):
        if upper(member) == upper(service):
            return True
    return False


def place_fits(place, rhost):
    if place is None:
        return FITS
    if place == "LOCAL":
        return FITS if rhost == "" else FITS_NOT
    if rhost == "":
        return FITS_NOT
    address = read_address(rhost)
    if address is None:
        return CANNOT_TELL
    return FITS if address.version == place.version and address in place else FITS_NOT


def names_of(action, attempt):
    """The login names by which a rule may mean a person. What opens is meant to the letter; the rest means the person,
    by any login name of that uid."""
    if action == "OPEN" or attempt.groups is None:
        return {attempt.user}
    return {attempt.user, *attempt.aliases}


def name_fits(action, target, name, attempt):
    """`groups` says True or False of each group that there is; of an unknown one, it says nothing."""
    if name is None:
        return FITS
    if target == "USER":
        return FITS if name in names_of(action, attempt) else FITS_NOT
    groups = attempt.groups or {}
    if name not in groups:
        # Or nobody could mend a directory that is away, or a typing error.
        return FITS_NOT if action != "OPEN" and is_root(attempt) else CANNOT_TELL
    return FITS if groups[name] else FITS_NOT


def is_root(attempt):
    return attempt.groups is not None and attempt.uid == 0


def entry_fits(rule, entry, attempt):
    if rule.target == "USER" and entry.place is not None and entry.whole in names_of(rule.action, attempt):
        return FITS
    there = place_fits(entry.place, attempt.rhost)
    if there == FITS_NOT:
        return FITS_NOT
    who = name_fits(rule.action, rule.target, entry.name, attempt)
    if who == FITS_NOT:
        return FITS_NOT
    return FITS if (there, who) == (FITS, FITS) else CANNOT_TELL


def decide(file, attempt):
    """(verdict, number of the deciding line or 0, limits). A limit is (line, target, name, count).

    An attempt has service, user, rhost, groups (None for a user who is not known), aliases and uid.
    """
    verdict, line, limits = None, 0, []
    for rule in file.rules:
        if not about_service(rule, attempt.service) or (rule.action != "NUMBER" and verdict is not None):
            continue
        answers = [entry_fits(rule, entry, attempt) for entry in rule.entries]
        if rule.action == "NUMBER":
            # Each entry is a limit of its own: one that fits says nothing about the next, of which nothing is known.
            if CANNOT_TELL in answers and verdict != "CLOSE":
                return "CLOSE", rule.line, []
            for entry, answer in zip(rule.entries, answers):
                if answer == FITS:
                    limits.append((rule.line, rule.target, entry.name, entry.count))
        elif FITS in answers:
            verdict, line = rule.action, rule.line
        elif CANNOT_TELL in answers and rule.action != "OPEN":
            return "CLOSE", rule.line, []
    if verdict is None:
        verdict, line = file.options["DEFAULT"], file.default_line
    return verdict, line, [] if verdict == "CLOSE" else limits


def lines_that_concern(file, attempt):
    """The numbers of the rules that fit an attempt, or may, whatever stands above them."""
    found = []
    for rule in file.rules:
        if about_service(rule, attempt.service):
            answers = [entry_fits(rule, entry, attempt) for entry in rule.entries]
            if FITS in answers or (CANNOT_TELL in answers and rule.action != "OPEN"):
                found.append(rule.line)
    return found
