"""Makes rule files and logins out of bytes: mostly valid ones, so that rules fit, then spoilt ones.

The bytes come from hypothesis, from a random number generator, or from a coverage-guided fuzzer: all three use this.
Names, addresses and services come from small pools, so that a rule is often about the person who logs in.
"""

from login_attempts import Case

USERS = ("bob", "alice", "root", "Bob", "ALL", "all", "bob@ad.example.org", "bob@10.0.0.1", "alice@LOCAL",
         "ALL@10.0.0.0/8", "domain user", "a,b", "a:2", "b#c", "#bob", "bo\udcffb", "\u017fue", "sue", "x@y@10.0.0.1",
         "a", "al", "ALLY", "x ALL", "bobby", "toor", "g\u00e4ste", "j\u00fcrgen", "j\udcfcrgen", "j\udcc3",
         "\u5f20\u4f1f", "ALL@host.example", "AD\\bob", "OPEN", "bob@local")
GROUPS = ("users", "lp", "wheel", "domain users", "users@ad.example.org", "ALL", "All", "a:b", "g\u00e4ste",
          "g\udce4ste", "user", "l")
PLACES = ("10.0.0.1", "LOCAL", "10.0.0.0/8", "10.1.2.3/8", "0.0.0.0/0", "10.0.0.1/32", "10.0.0.0/31", "192.0.2.128/25",
          "::1", "::/0", "2001:db8::/32", "2001:DB8::1", "2001:db8::1/127", "fe80::1%eth0", "fe80::/10",
          "fe80::%eth0/64", "::ffff:10.0.0.1", "::ffff:10.0.0.0/104", "::ffff:0:0/96", "::ffff:0:0/95",
          "::ffff:a00:1/128", "0.0.0.0/00")
NO_PLACES = ("10.0.0.256", "10.0.0", "10.0.0.0/33", "::1/129", "10.0.0.0/255.0.0.0", "", "10.0.0.1%eth0",
             "ad.example.org", "fe80::1/64%eth0", "local", "Local", "lOCAL", "LOCALE", "host.example", "010.0.0.1",
             "10.0.0.0/", "10.0.0.0/0008", "10.0.0.0/+8", ":::", "1.2.3.4::", "%", "fe80::1%", "fe80::%/64")
HOSTS = ("10.0.0.1", "", "10.0.0.0", "10.9.9.9", "11.0.0.1", "192.0.2.129", "192.0.2.127", "::1", "2001:db8::1",
         "2001:db8::2", "2001:db9::1", "fe80::1%eth1", "fe80::1", "fe80::1%", "fe80::1:0:0:0:1", "::ffff:10.0.0.1",
         "::ffff:a00:1", "::FFFF:10.9.9.9", "::ffff:192.0.2.129", "::fffe:10.0.0.1", "::10.0.0.1",
         "client.example.org", "LOCAL", "localhost", "10.0.0.256", "10.0.0.1 ")
SERVICES = ("SSH", "ALL", "TTY", "XDM", "SU", "SUDO", "SSHD", "SDDM", "LOGIN", "COCKPIT", "RUNUSER", "RUNUSER-L",
            "SU-L", "SUDO-I", "S", "NODM")
AT_PAM = ("sshd", "login", "remote", "sddm", "gdm-password", "lightdm-autologin", "su", "cockpit", "ssh", "xdm", "nodm",
          "cosmic-greeter", "runuser", "runuser-l", "su-l", "sudo", "sudo-i")
OPTIONS = ("DEFAULT:OPEN", "DEFAULT:CLOSE", "DEBUG:True", "DEBUG:False", "TIMEOUT:60", "TIMEOUT:007", "REMEMBER:0",
           "REMEMBER:999999", "UNATTENDED:CLOSE", "UNATTENDED:OPEN", "  dEFAULT:oPEN", "\tDefault:Close",
           " \t remember:5", "\tTimeOut:0030", " debug:tRUE")
NO_OPTIONS = ("DEFAULT:ASK", "DEFAULT:", "DEBUG:1", "TIMEOUT:0", "TIMEOUT:1000000", "TIMEOUT:99999999999999999999",
              "REMEMBER:-1", "DEFAULT: OPEN", "UNATTENDED:True", "DEFAULT", "FOO:OPEN", ":OPEN", "DEFAULT:OPEN:",
              "OPEN", "DEFAULT:OPEN#", "REMEMBER:1.5")
# Lines of a long file, with names that are part of others, in their lists and in comments.
ABOUT_OTHERS = ("SSH OPEN USER user{}", "SSH OPEN USER bobby{},carol", "SSH CLOSE USER erin{}@10.0.0.0/8",
                "# bob, ALL {}", "SSH OPEN GROUP staff{}", "SSH CLOSE GROUP ALL@192.0.2.{}",
                "TTY OPEN USER x{} # bob, alice", "SSH NUMBER USER erin{}:2", 'SSH OPEN USER "user {}"',
                "XDM CLOSE USER g\u00e4ste{}", "SSH OPEN USER ,{}", "SSH ASK USER ALLY{},alicia")
MANY = 900  # lines of them are more than 16 KiB
COMMENTS = ("# who may come in", "#", "# bob", "\t # ALL alice", "#SSH OPEN USER bob", "#DEFAULT:OPEN", '# "',
            "# \0\r\udc80 \u2028")
NO_RULES = ("SSH OPEN USER", "SSH OPEN USER bob alice", "SSH OPEN USERS bob", "SSH ALLOW USER bob",
            "SSH OPEN USER bob,", "SSH OPEN USER ,bob", "SSH OPEN USER bob,,alice", 'SSH OPEN USER ""',
            'SSH OPEN USER "bob', "SSH OPEN USER b\"o\"b", "SSH NUMBER USER bob", "SSH OPEN USER bob:2",
            "SSH NUMBER USER bob:2:", "S:SH OPEN USER bob", '"SSH" OPEN USER bob', 'SSH OPEN USER "bob"alice',
            "SSH OPEN USER bob, alice", "SSH OPEN USER #bob", "SSH OPEN USER ALL@host.example",
            "SSH CLOSE USER ALL@Local", "SSH ASK USER bob@local", "SSH NUMBER USER bob@LOCAl:2",
            "SSH CLOSE USER @local", 'SSH CLOSE USER "bob"@host.example', "SSH CLOSE USER @10.0.0.1")
NASTY = (" ", "\t", '"', "#", ",", ":", "@", "/", "%", ".", "\n", "\r", "\0", "\x0b", "\x0c", "\x1c", "\x1f", "\x7f",
         "\x85", "\xa0", "\u017f", "\u212a", "\u0131", "\ufb01", "\u2028", "\ufeff", "\udc80", "\ud800", "\\", "0", "1",
         "9", "A", "a", "\u0661", "-", "*", "'", "=", "\U0001f600", "\r\n", " #", "ALL", "LOCAL", "::", "\n\n")


class Choices:
    """Choices that a row of bytes makes. Where the bytes end, it is always the first, so that shorter means simpler."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def below(self, end):
        """A number from 0 to end - 1."""
        number = 0
        for _ in range(1 if end <= 256 else 2):
            number = number * 256 + (self.data[self.at] if self.at < len(self.data) else 0)
            self.at += 1
        return number % end

    def one_of(self, values):
        return values[self.below(len(values))]

    def chance(self, percent):
        return self.below(100) > 99 - percent


def a_file(choices):
    """The text of a rule file."""
    lines = [a_line(choices) for _ in range(choices.below(10))]
    if choices.chance(2):
        lines = among_many(choices, lines)
    text = "\n".join(lines) + "\n"
    if choices.chance(45):
        for _ in range(1 + choices.below(3)):
            text = choices.one_of(MUTATIONS)(choices, text)
    return text


def among_many(choices, lines):
    """The same lines in a file of more than 16 KiB, with what others are told between them."""
    many = []
    patterns = [choices.one_of(ABOUT_OTHERS) for _ in range(3)]
    while len(many) < MANY:
        many += [pattern.format(len(many) % 7) for pattern in patterns]
    for line in lines:
        at = choices.below(len(many) + 1)
        many[at:at] = [line]
    return many


def a_case(choices):
    """A login attempt. Groups are True, False, or missing: unknown. None: a user whom the directory does not know."""
    groups = {}
    for name in GROUPS:
        part = choices.below(5)
        if part < 4:
            groups[name] = part < 2
    if choices.chance(4):
        groups = None
    service = choices.one_of(AT_PAM) if choices.chance(40) else "sshd"
    aliases = [choices.one_of(USERS) for _ in range(1 + choices.below(2))] if choices.chance(20) else []
    uid = 0 if choices.chance(15) else 1000
    return Case(service, a_name(choices, USERS), choices.one_of(HOSTS), groups, frozenset(aliases), uid)


def a_name(choices, names):
    """The first two names most of the time, so that people meet their rules."""
    return choices.one_of(names) if choices.chance(40) else choices.one_of(names[:2])


def a_line(choices):
    if choices.chance(70):
        return a_rule(choices)
    if choices.chance(40):
        return in_some_case(choices, choices.one_of(OPTIONS)) + a_comment(choices)
    return choices.one_of(choices.one_of((COMMENTS, ("", " ", "\t"), NO_OPTIONS, NO_RULES)))


def a_rule(choices):
    action = choices.one_of(("OPEN", "CLOSE", "ASK", "NUMBER"))
    target = choices.one_of(("USER", "GROUP"))
    entries = [an_entry(choices, action, target) for _ in range(1 + choices.below(3))]
    fields = [choices.one_of(SERVICES) if choices.chance(50) else "SSH", action, target]
    fields = [in_some_case(choices, field) for field in fields] + [",".join(entries)]
    line = " " if choices.chance(5) else ""
    for field in fields[:-1]:
        line += field + choices.one_of((" ", "  ", "\t", " \t "))
    return line + fields[-1] + a_comment(choices)


def an_entry(choices, action, target):
    name = "ALL" if choices.chance(15) else a_name(choices, USERS if target == "USER" else GROUPS)
    if choices.chance(15) or any(char in name for char in ' ,:#"'):
        name = f'"{name}"'
    if choices.chance(35):
        name += "@" + choices.one_of(NO_PLACES if choices.chance(5) else PLACES)
    if action == "NUMBER" or choices.chance(1):
        name += ":" + choices.one_of(("2", "0", "03", "999999999"))
    return name


def a_comment(choices):
    return choices.one_of((" # why", "\t#", " ", "#", ' #"')) if choices.chance(12) else ""


def in_some_case(choices, word):
    return choices.one_of((word, word.lower(), word.title())) if choices.chance(10) else word


# --- what may happen to a file between two hands ----------------------------------------------------------------------


def a_place(choices, text):
    return choices.below(min(len(text), 65535) + 1)


def drop(choices, text):
    at = a_place(choices, text)
    return text[:at] + text[at + 1:]


def double(choices, text):
    at = a_place(choices, text)
    return text[:at + 1] + text[at:]


def replace(choices, text):
    at = a_place(choices, text)
    return text[:at] + choices.one_of(NASTY) + text[at + 1:]


def insert(choices, text):
    at = a_place(choices, text)
    return text[:at] + choices.one_of(NASTY) + text[at:]


def swap(choices, text):
    at = a_place(choices, text)
    return text[:at] + text[at:at + 2][::-1] + text[at + 2:]


def cut(choices, text):
    return text[:a_place(choices, text)]


def punctuation(choices, text):
    """A sign that means something goes, comes twice, or becomes another."""
    places = [at for at, char in enumerate(text) if char in '",@:/%.#']
    if not places:
        return text
    at = choices.one_of(places)
    return text[:at] + choices.one_of(("", text[at] * 2, choices.one_of(NASTY))) + text[at + 1:]


def look_alike(choices, text):
    """One letter becomes another that lower() or upper() takes for it."""
    letter, twin = choices.one_of((("S", "\u017f"), ("s", "\u017f"), ("K", "\u212a"), ("I", "\u0131"),
        ("fi", "\ufb01")))
    places = [at for at in range(len(text)) if text.startswith(letter, at)]
    if not places:
        return text
    at = choices.one_of(places)
    return text[:at] + twin + text[at + len(letter):]


def swap_lines(choices, text):
    lines = text.split("\n")
    one, other = choices.below(len(lines)), choices.below(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return "\n".join(lines)


def double_line(choices, text):
    lines = text.split("\n")
    at = choices.below(len(lines))
    return "\n".join(lines[:at + 1] + lines[at:])


def join_lines(choices, text):
    lines = text.split("\n")
    at = choices.below(len(lines))
    return "\n".join(lines[:at]) + choices.one_of((" ", "", "\r", ",", "\x85", "\u2028")) + "\n".join(lines[at:])


def crlf(choices, text):
    return text.replace("\n", choices.one_of(("\r\n", "\r", "\r\r\n", "\n\r")))


def bom(choices, text):
    return choices.one_of(("\ufeff", "\ufeff\ufeff", "\n\ufeff", "\ufffe")) + text


def other_blanks(choices, text):
    return text.replace(" ", choices.one_of(("\t", "\xa0", "\u2003", "\x0b", "  ")))


MUTATIONS = (drop, double, replace, insert, punctuation, punctuation, swap, cut, look_alike, swap_lines, double_line,
    join_lines,
             crlf, bom, other_blanks)
