"""A line that is no rule, option or comment is ignored, never guessed at, and always logged with its number."""

import pytest

import accesscontrol
from login_attempts import ignored, verdict

NO_FOUR_FIELDS = ("SSH", "SSH OPEN", "SSH OPEN USER", "SSH OPEN USER bob alice", "SSH OPEN USER bob, alice",
                  "SSH OPEN USER bob ,alice", "SSH OPEN USER domain user", "SSH OPEN USER bob#a comment",
                  'SSH OPEN USER "bob"#a comment', "DEFAULT:OPEN#a comment", "SSH OPEN USER #bob",
                  "SSH OPEN USER # bob", "SSH OPEN #USER bob", "bob", "DEFAULT", "DEFAULT OPEN", "-",
                  "include /etc/rules", "\\")
NO_SUCH_WORD = ("SSH ALLOW USER bob", "SSH OPENS USER bob", "SSH - USER bob", "SSH OPEN USERS bob", "SSH OPEN HOST bob",
                "SSH OPEN,CLOSE USER bob", "SSH,TTY OPEN USER bob", "OPEN SSH USER bob", "SSH OPEN USER,GROUP bob",
                '"SSH" OPEN USER bob', 'SSH "OPEN" USER bob', "DEFAULT:OPEN OPEN USER bob", "S:H OPEN USER bob",
                "\u017f\u017fH OPEN USER bob", "SSH A\u017fK USER bob", "SSH AS\u212a USER bob",
                "SSH OPEN U\u017fER bob", "\u212aDM OPEN USER bob", "SSH\u00a0OPEN\u00a0USER\u00a0bob",
                "SSH OPEN USER\u2003bob")
NO_NAMES = ("SSH OPEN USER ,", "SSH OPEN USER ,bob", "SSH OPEN USER bob,", "SSH OPEN USER bob,,alice",
            'SSH OPEN USER ""', 'SSH OPEN USER bob,""', 'SSH OPEN USER ""@10.0.0.1', "SSH OPEN USER @10.0.0.1",
            "SSH OPEN USER @LOCAL", "SSH OPEN USER bob:2", "SSH OPEN USER bob:", "SSH OPEN USER :",
            "SSH CLOSE GROUP lp:3", "SSH ASK USER ALL:1", "SSH OPEN USER bob:2@10.0.0.1",
            "SSH OPEN USER a:b@example.org")
NO_QUOTES = ('SSH OPEN USER "bob', 'SSH OPEN USER bob"', 'SSH OPEN USER "', 'SSH OPEN USER """', 'SSH OPEN USER bo"b"',
             'SSH OPEN USER b"o"b', 'SSH OPEN USER "bob"alice', 'SSH OPEN USER "bob""alice"',
             'SSH OPEN USER "domain" "users"', 'SSH OPEN USER "bob" alice', 'SSH OPEN USER "bob"#',
             'SSH OPEN USER "bob" "#"', "SSH OPEN USER 'domain user'", 'SSH OPEN USER "bob"10.0.0.1',
             'SSH OPEN USER "bob"x10.0.0.1', 'SSH OPEN USER "bob":10.0.0.1', 'SSH OPEN USER "bob"/10.0.0.1',
             'SSH OPEN USER "bob"#10.0.0.1', 'SSH OPEN USER "bob"-LOCAL', 'SSH OPEN USER "bob"@',
             'SSH OPEN USER "bob"@example.org', 'SSH OPEN USER "bob"@@10.0.0.1', 'SSH OPEN USER "bob"@"10.0.0.1"',
             'SSH OPEN USER bob@"10.0.0.1"', 'SSH OPEN USER "bob"@local', 'SSH OPEN USER "bob":2',
             'SSH OPEN USER "bob@10.0.0.1', 'SSH OPEN USER bob@fe80::1%"eth0"', 'SSH OPEN USER bob@fe80::1%" "',
             'SSH OPEN USER "bob"@fe80::1%"eth0"/64')
NO_ADDRESS = tuple(f"SSH OPEN USER bob@{place}" for place in (
    "", "10.0.0", "10.0.0.256", "10.0.0.0.1", "10", "010.0.0.1", "10.0.0.01", "10.0.0.0/33", "10.0.0.0/",
    "10.0.0.0/-8", "10.0.0.0/+8", "10.0.0.0/0008", "10.0.0.0/255.0.0.0", "10.0.0.0/8/8", "10.0.0.1%eth0", "10.", ".",
    "..", ":", "::1::", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "::12345", "::g", "::1/129", "::/", "[::1]",
    "fe80::1/64%eth0", "fe80::1%", "fe80::%/64", "%eth0", "LOCAL/8", "LOCAL%eth0", "example.org/24", "host:22",
    "::ffff:10.0.0.256", "/8", "%", "::1/\u0661",
    "192.168.1.*", "10.0.0.1-10.0.0.9", "10.0.0.1-9", "192.168.*", "*", "*.example.org", "10.0.0.?", "10.0.0.[1-9]",
    "-", "10.0.0.x", "10.0.0.0_24", "10.0.0.0\\24",
    "10.0.x.x", "10.X.X.X", "!10.0.0.1", ".example.org", "localhost", "LocalHost",
    "x.x.x.x", "10.{1", "10.0.+", "^10.0.0", "~10.0.0.1", "(10.0.0.1)", "<10.0.0.1>", "\uff11\uff10.0.0.1", "LOCAL.",
))
A_MISTAKE = ("SSH CLOSE USER ALL@host.example", "SSH CLOSE USER ALL@nowhere", "SSH OPEN GROUP ALL@example.org",
             "SSH NUMBER USER ALL@host.example:2", "SSH CLOSE USER alice,ALL@host.example", "SSH CLOSE USER bob@local",
             "SSH OPEN GROUP lp@Local", "SSH ASK USER bob@lOCAL", "SSH NUMBER USER bob@local:2",
             "SSH CLOSE USER @local", "SSH CLOSE USER ALL@local", 'SSH CLOSE USER "ALL"@host.example',
             'SSH CLOSE USER "bob"@Local', "SSH CLOSE USER ALL@", "SSH CLOSE USER bob@example.org@local")
NO_COUNT = ("SSH NUMBER USER bob", "SSH NUMBER USER bob:", "SSH NUMBER USER bob:x", "SSH NUMBER USER bob:-1",
            "SSH NUMBER USER bob:+1", "SSH NUMBER USER bob:1.5", "SSH NUMBER USER bob:1234567890", "SSH NUMBER USER :2",
            "SSH NUMBER USER bob:2:", "SSH NUMBER USER bob:2:3", "SSH NUMBER GROUP lp:2,users",
            "SSH NUMBER GROUP lp,users:2", "SSH NUMBER USER bob@10.0.0.1", "SSH NUMBER USER bob:2@10.0.0.1",
            "SSH NUMBER USER bob@::1", 'SSH NUMBER USER "bob:2"', 'SSH NUMBER USER "bob"', 'SSH NUMBER USER "bob"2',
            "SSH NUMBER USER bob:\u0661", "SSH NUMBER USER bob:\u00b2", "SSH NUMBER USER bob: 2",
            "SSH NUMBER USER bob@:2", 'SSH NUMBER USER "":2')
NO_OPTION = ("DEFAULT:", "DEFAULT:ASK", "DEFAULT:NUMBER", "DEFAULT:True", "DEFAULT: OPEN", "DEFAULT :OPEN",
             "DEFAULT:OPEN:", "DEFAULT:OPEN,CLOSE", "DEFAULT=OPEN", 'DEFAULT:"OPEN"', '"DEFAULT":OPEN',
             "DEFAULT:OPEN CLOSE", "DEFAULT:OPEN#", "DEBUG:1", "DEBUG:yes", "DEBUG:", "DEBUG:OPEN", "DEBUG:True.",
             "TIMEOUT:0", "TIMEOUT:000", "TIMEOUT:-1", "TIMEOUT:+1", "TIMEOUT:1000000", "TIMEOUT:1.5", "TIMEOUT:60s",
             "TIMEOUT:0x10", "TIMEOUT:1_0", "TIMEOUT:\u0661", "TIMEOUT:\u00b2", "REMEMBER:-1", "REMEMBER:1000000",
             "REMEMBER:", "REMEMBER:forever", "UNATTENDED:ASK", "UNATTENDED:", "FOO:OPEN", ":OPEN", ":",
             "DEFAULTS:OPEN", "SSH:OPEN", "DEFAULT:CLO\u017fE", "DEBUG:FAL\u017fE", "UNATTENDED:CLO\u017fE",
             "DEFAULT\u00a0:OPEN", "DEFAULT:OPEN\u00a0")
CONTROLS = tuple(line.format(sign) for sign in "\0\x07\x0b\x0c\r\x1b\x1f\x7f" for line in (
    "SSH OPEN USER b{}b", "SSH OPEN USER bob{}", "SSH OPEN USER {}bob", 'SSH OPEN USER "b{}b"', "SSH{}OPEN USER bob",
    "SSH {} OPEN USER bob", "SSH OPEN USER bob {}", "{} SSH OPEN USER bob", "DEFAULT:{}OPEN", "DEFAULT{}:OPEN", "{}",
    "{}#", "SSH OPEN USER bob{}#", "SSH OPEN USER bob@10.0.0.1{}", "SSH OPEN USER bob@fe80::1%e{}0",
) if not line.format(sign).endswith("\r")) + ("SSH OPEN USER bob\r\r", "DEFAULT:OPEN\r\r", "\r\r",
                                                  'SSH OPEN USER "b\tb"')
ELSEWHERE = (" \ufeff", "SSH OPEN USER bob \ufeff", "\ufeff\ufeffDEFAULT:OPEN", "\u00a0", "\u2028",
             "\ufffeDEFAULT:OPEN")

BROKEN = (NO_FOUR_FIELDS + NO_SUCH_WORD + NO_NAMES + NO_QUOTES + NO_ADDRESS + A_MISTAKE + NO_COUNT + NO_OPTION
          + CONTROLS + ELSEWHERE)

# These break no line but are names that nobody has; the fault of writing them is for `check` to find.
ODD_NAMES_THAT_ARE_NAMES = ("SSH OPEN USER 'bob'", "SSH OPEN USER *", "SSH OPEN USER bob@0x0a.0.0.1",
                            "SSH OPEN USER bob@ALL", "SSH OPEN USER all@host.example",
                            "SSH OPEN USER bob@host.example.org", "SSH OPEN USER bob;alice", "SSH OPEN USER \u00a0bob")


@pytest.mark.parametrize("broken", BROKEN)
def test_it_is_ignored_whole_and_noted_with_its_number(broken):
    rules = accesscontrol.parse(f"# one\n{broken}\n# three\n" if broken[:1] != "\ufeff" else broken, "/etc/rules")
    assert rules.rules == []
    assert [number for number, _ in rules.ignored] == [2 if broken[:1] != "\ufeff" else 1]
    assert (rules.default.action, rules.debug, rules.timeout, rules.remember, rules.unattended) == (
        "CLOSE", False, 60, 60, "OPEN")


@pytest.mark.parametrize("broken", BROKEN)
def test_the_fault_is_one_sentence_that_shows_on_one_line(broken):
    (_, what), = accesscontrol.parse(broken if broken[:1] == "\ufeff" else "\n" + broken, "/etc/rules").ignored
    assert what
    assert what.isprintable()


@pytest.mark.parametrize("broken", [line for line in BROKEN if line[:1] != "\ufeff"])
def test_the_lines_around_it_stand(broken):
    assert verdict(f"SSH OPEN USER bob\n{broken}\nDEFAULT:CLOSE") == "OPEN"
    assert verdict(f"{broken}\nSSH OPEN USER bob\n{broken}\nDEFAULT:CLOSE") == "OPEN"
    assert verdict(f"DEFAULT:OPEN\n{broken}\nSSH CLOSE USER bob") == "CLOSE"
    assert verdict(f"DEFAULT:OPEN\n{broken}", user="alice") == "OPEN"


@pytest.mark.parametrize("rule", ODD_NAMES_THAT_ARE_NAMES)
def test_an_odd_name_is_a_name(rule):
    assert ignored(rule) == []


def test_a_broken_entry_spoils_its_own_line_whole():
    assert verdict("SSH OPEN USER bob,alice@10.0.0.0/33\nSSH OPEN USER carol") == "CLOSE"
    assert verdict("SSH OPEN USER bob,alice@10.0.0.0/33\nSSH OPEN USER carol", user="carol") == "OPEN"
    assert verdict("DEFAULT:OPEN\nSSH CLOSE USER bob,") == "OPEN"


def test_every_broken_line_of_many_is_noted():
    text = "".join(f"SSH OPEN\nSSH OPEN USER user{number}\n" for number in range(1000))
    assert ignored(text) == list(range(1, 2001, 2))


def test_a_number_of_thousands_of_digits_is_no_accident_for_the_file():
    for option in ("TIMEOUT", "REMEMBER"):
        for digits in ("9" * 5000, "0" * 5000 + "9"):
            assert verdict(f"{option}:{digits}\nSSH OPEN USER bob") == "OPEN"
    assert ignored("SSH NUMBER USER bob:" + "9" * 5000) == [1]


def test_a_line_of_a_hundred_thousand_characters_is_no_accident_for_the_file():
    for part in ("x", '"', '""', '"x"', ",", "@", ":", "x,", '"x",', " ", "#", "x@10.0.0.1/", "::", "\t#", '" '):
        for before in ("SSH OPEN USER ", "", "DEFAULT:"):
            line = before + part * (100_000 // len(part))
            assert verdict(f"{line}\nSSH OPEN USER bob", user="bob") == "OPEN"


def test_each_is_logged_as_a_warning_with_its_file_and_number(monkeypatch):
    lines = []
    monkeypatch.setattr(accesscontrol, "syslog", lambda priority, message: lines.append((priority, message)))
    accesscontrol.log_ignored(accesscontrol.parse("DEFAULT:OPEN\nSSH OPEN\n\nFOO:\x1b[2J\n", "/etc/rules.conf"))
    assert [priority for priority, _ in lines] == [accesscontrol.LOG_WARNING] * 2
    assert lines[0][1].startswith("rules.conf:2: ")
    assert lines[1][1].startswith("rules.conf:4: ")
    assert all(message.isprintable() for _, message in lines)


def test_no_number_is_missing_from_the_log_however_many_there_are(monkeypatch):
    lines = []
    monkeypatch.setattr(accesscontrol, "syslog", lambda priority, message: lines.append(message))
    accesscontrol.log_ignored(accesscontrol.parse("SSH OPEN\n" * 300, "/etc/rules.conf"))
    words = " ".join(lines).replace(",", " ").replace(":", " ").split()
    assert {str(number) for number in range(1, 301)} <= set(words)
