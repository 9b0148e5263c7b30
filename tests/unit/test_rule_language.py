"""What a rule file may say, and what it means."""


import pytest

import accesscontrol
import reference
from login_attempts import attempt, decide, ignored, limits, line, verdict

MANUAL = """\
# who may come in, and how
DEFAULT:CLOSE
SSH  OPEN    GROUP  lp,users
XDM  OPEN    USER   bob,alice
TTY  OPEN    USER   bob,alice@10.0.0.0/8
SSH  ASK     GROUP  "domain users"
SSH  NUMBER  GROUP  users:2,lp:3
"""
NOWHERE = {"lp": False, "users": False, "domain users": False}


def parse(text):
    return accesscontrol.parse(text, "/etc/rules")


# --- the example that the manual opens with ---------------------------------------------------------------------------


def test_the_example_has_no_fault():
    rules = parse(MANUAL)
    assert rules.ignored == []
    assert [rule.line for rule in rules.rules] == [3, 4, 5, 6, 7]


@pytest.mark.parametrize(("service", "user", "rhost", "groups", "meaning", "by"), [
    ("sshd", "carol", "192.0.2.1", {"lp": True}, "OPEN", 3),
    ("sshd", "carol", "192.0.2.1", {"users": True}, "OPEN", 3),
    ("sshd", "carol", "192.0.2.1", {"domain users": True}, "ASK", 6),
    ("sshd", "carol", "192.0.2.1", {"domain users": True, "users": True}, "OPEN", 3),
    ("sshd", "bob", "192.0.2.1", {}, "CLOSE", 2),
    ("sddm", "bob", "", {}, "OPEN", 4),
    ("lightdm", "alice", "", {}, "OPEN", 4),
    ("gdm-password", "carol", "", {"users": True}, "CLOSE", 2),
    ("login", "bob", "", {}, "OPEN", 5),
    ("login", "bob", "192.0.2.1", {}, "OPEN", 5),
    ("remote", "alice", "10.20.30.40", {}, "OPEN", 5),
    ("remote", "alice", "11.20.30.40", {}, "CLOSE", 2),
    ("login", "alice", "", {}, "CLOSE", 2),
    ("su", "bob", "", {"users": True}, "CLOSE", 2),
])
def test_the_example_means(service, user, rhost, groups, meaning, by):
    found = decide(MANUAL, service, user, rhost, {**NOWHERE, **groups})
    assert (found.verdict, found.rule.line) == (meaning, by)


def test_the_limits_of_the_example_hold_for_whoever_is_in_those_groups():
    assert limits(MANUAL, groups={**NOWHERE, "users": True}) == [(7, "GROUP", "users", 2)]
    assert limits(MANUAL, groups={**NOWHERE, "lp": True}) == [(7, "GROUP", "lp", 3)]
    assert limits(MANUAL, groups={**NOWHERE, "lp": True, "users": True}) == [(7, "GROUP", "users", 2),
        (7, "GROUP", "lp", 3)]
    assert limits(MANUAL, groups={**NOWHERE, "domain users": True}) == []


@pytest.mark.parametrize("text", [
    "SSH OPEN GROUP lp\nSSH NUMBER GROUP lp:3\n",
    "SSH NUMBER GROUP lp:3\nSSH OPEN GROUP lp\n",
])
def test_an_open_and_its_number_belong_together_in_either_order(text):
    assert verdict(text, groups=["lp"]) == "OPEN"
    assert [found[2:] for found in limits(text, groups=["lp"])] == [("lp", 3)]


# --- fields -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [
    "SSH OPEN USER bob",
    "SSH\tOPEN\tUSER\tbob",
    "  SSH \t OPEN   USER\t\tbob \t ",
    "ssh open user bob",
    "sSh OpEn uSeR bob",
    "SSH OPEN USER bob\r",
    "\ufeffSSH OPEN USER bob",
])
def test_fields_are_parted_by_blanks_and_the_first_three_ignore_case(rule):
    assert ignored(rule) == []
    assert verdict(rule) == "OPEN"


def test_names_do_not_ignore_case():
    assert verdict("SSH OPEN USER Bob") == "CLOSE"
    assert verdict("SSH OPEN GROUP Users", groups={"users": True, "Users": False}) == "CLOSE"


def test_a_rule_is_kept_with_its_line_its_fields_and_its_text():
    rule = parse("\n# one\nssh Number group users:2,lp:3  # three\n").rules[0]
    assert (rule.line, rule.service, rule.action, rule.target) == (3, "SSH", "NUMBER", "GROUP")
    assert [entry.name for entry in rule.entries] == ["users", "lp"]
    assert "users:2,lp:3" in rule.text


@pytest.mark.parametrize("action", ["OPEN", "CLOSE", "ASK"])
def test_three_actions_are_verdicts(action):
    assert verdict(f"DEFAULT:OPEN\nSSH {action} USER bob") == action


# --- services ---------------------------------------------------------------------------------------------------------

DISPLAY_MANAGERS = ("sddm", "lightdm", "gdm-password", "gdm", "xdm", "kdm", "lxdm", "slim", "wdm", "greetd", "ly",
                    "plasmalogin", "sddm-autologin", "lightdm-autologin", "gdm-autologin", "kdm-np",
                    "plasmalogin-autologin", "gdm-fingerprint", "gdm-smartcard", "nodm", "emptty", "cosmic-greeter",
                    "lemurs", "ly-autologin", "weston-autologin", "cage", "ddm", "mdm", "entrance",
                    "gdm-smartcard-pkcs11-exclusive", "gdm-switchable-auth")


@pytest.mark.parametrize(("name", "services"), [("SSH", ["sshd"]), ("TTY", ["login", "remote"]),
    ("XDM", DISPLAY_MANAGERS), ("SU", ["su", "su-l"]), ("SUDO", ["sudo", "sudo-i"])])
def test_a_class_stands_for_its_services_and_for_no_other(name, services):
    for service in ("sshd", "login", "remote", "su", "su-l", "sudo", "sudo-i", "cockpit", *DISPLAY_MANAGERS):
        assert verdict(f"{name} OPEN USER bob", service) == ("OPEN" if service in services else "CLOSE"), service


def test_each_service_of_a_class_is_known_to_the_reference_too():
    known = {name: sorted(services) for name, services in accesscontrol.SERVICES.items()}
    assert known == {name: sorted(services) for name, services in reference.CLASSES.items()}


@pytest.mark.parametrize("name", accesscontrol.GREETERS)
def test_a_greeter_is_one_by_its_exact_name_alone(name):
    class RootsHost(accesscontrol.Host):
        def is_only(self, uid):
            return False

    assert not accesscontrol.is_judged("session", attempt(name), RootsHost(), [])
    for other in (name.upper(), name.title(), f"{name}x", f"x{name}", f" {name}"):
        assert accesscontrol.is_judged("session", attempt(other), RootsHost(), []), other


def test_all_stands_for_every_service():
    for service in ("sshd", "login", "sddm", "su", "cockpit", "vsftpd", "all"):
        assert verdict("ALL OPEN USER bob", service) == "OPEN"


@pytest.mark.parametrize(("name", "service"), [
    ("SU", "su"), ("su", "su"), ("COCKPIT", "cockpit"), ("Vsftpd", "vsftpd"), ("SU-L", "su-l"),
    ("polkit-1", "polkit-1"),
    ("SSHD", "sshd"), ("SDDM", "sddm"), ("gdm-Password", "gdm-password"), ("LOGIN", "login"), ("xrdp_x.y", "xrdp_x.y"),
])
def test_any_other_service_goes_by_its_own_name_and_so_may_one_of_a_class(name, service):
    assert verdict(f"{name} OPEN USER bob", service) == "OPEN"
    assert verdict(f"{name} OPEN USER bob", "another") == "CLOSE"
    assert verdict(f"{name}X OPEN USER bob", service) == "CLOSE"


@pytest.mark.parametrize(("short", "long"), [("su", "su-l"), ("sudo", "sudo-i"), ("runuser", "runuser-l")])
def test_a_service_with_a_login_shell_is_covered_by_the_short_name_as_well_as_by_its_own(short, long):
    for action in ("OPEN", "CLOSE", "ASK"):
        assert verdict(f"DEFAULT:OPEN\n{short} {action} USER bob", long) == action
        assert verdict(f"DEFAULT:OPEN\n{long} {action} USER bob", long) == action
    assert limits(f"DEFAULT:OPEN\n{short} NUMBER USER bob:2\n{long} NUMBER USER bob:3", long) == [
        (2, "USER", "bob", 2), (3, "USER", "bob", 3)]
    assert verdict(f"{long} OPEN USER bob", short) == "CLOSE"
    assert attempt(long).name == short.upper()


@pytest.mark.parametrize("service", ["polkit-1", "gdm-launch-environment", "runuser-x", "x-login", "l", "i", "sul"])
def test_no_other_end_of_a_name_is_left_off(service):
    for name in ("polkit", "gdm", "XDM", "runuser", "x", "TTY", "su"):
        assert verdict(f"{name} OPEN USER bob", service) == "CLOSE"


def test_a_service_of_a_class_does_not_stand_for_the_class():
    assert verdict("SDDM OPEN USER bob", "lightdm") == "CLOSE"
    assert verdict("LOGIN OPEN USER bob", "remote") == "CLOSE"


# --- names ------------------------------------------------------------------------------------------------------------


def test_all_is_everyone_but_only_in_capitals():
    assert verdict("SSH OPEN USER ALL", user="whoever") == "OPEN"
    assert verdict("SSH OPEN GROUP ALL", user="whoever", groups={}) == "OPEN"
    assert verdict("SSH OPEN USER all", user="whoever") == "CLOSE"
    assert verdict("SSH OPEN USER all", user="all") == "OPEN"
    assert verdict("SSH OPEN USER ALLY", user="whoever") == "CLOSE"


@pytest.mark.parametrize(("entry", "user"), [
    ('"domain user"', "domain user"),
    ('"bob"', "bob"),
    ('"ALL"', "ALL"),
    ('"a@b"', "a@b"),
    ('"bob@10.0.0.1"', "bob@10.0.0.1"),
    ('"a,b"', "a,b"),
    ('"a #b"', "a #b"),
    ('"#"', "#"),
    ('"a:2"', "a:2"),
    ('" "', " "),
    ('"b\\o"', "b\\o"),
    ("b#b", "b#b"),
    ("b'b", "b'b"),
    ("%s", "%s"),
    ("*", "*"),
    ("-", "-"),
    ("bob$", "bob$"),
    ("AD\\bob", "AD\\bob"),
    ("b\u00f6b", "b\u00f6b"),
    ("b\udcf6b", "b\udcf6b"),
    ("b\u00a0b", "b\u00a0b"),
    ("b\u2028b", "b\u2028b"),
    ("bob@ad.example.org", "bob@ad.example.org"),
    ("a@b@c", "a@b@c"),
    ("bob@host.example", "bob@host.example"),
    ("bob@localhost.example", "bob@localhost.example"),
    ("bob@10.example.org", "bob@10.example.org"),
    ("bob@1.2.example.org", "bob@1.2.example.org"),
    ("bob@pc-1.example.org", "bob@pc-1.example.org"),
    ("x@ALL@host", "x@ALL@host"),
    ('"bob@local"', "bob@local"),
    ('"bob@localhost"', "bob@localhost"),
    ('"ALL@host.example"', "ALL@host.example"),
])
def test_a_name_is_taken_as_it_stands(entry, user):
    text = f"SSH OPEN USER root,{entry},mary"
    assert ignored(text) == []
    for name in (user, "root", "mary"):
        assert verdict(text, user=name) == "OPEN"
    for name in ("bob", "domain", "ALL", "b", "", user + "x"):
        if name != user:
            assert verdict(text, user=name) == "CLOSE", name


def test_all_in_quotes_is_a_user_of_that_name():
    assert verdict('SSH OPEN USER "ALL"') == "CLOSE"


def test_a_quoted_name_may_have_an_address_and_a_count_behind_the_quotes():
    assert verdict('SSH OPEN USER "domain user"@10.0.0.0/8', user="domain user", rhost="10.0.0.1") == "OPEN"
    assert verdict('SSH OPEN USER "domain user"@10.0.0.0/8', user="domain user", rhost="11.0.0.1") == "CLOSE"
    assert limits('DEFAULT:OPEN\nSSH NUMBER GROUP "domain users":3', groups=["domain users"]) == [
        (2, "GROUP", "domain users", 3)]
    assert limits('DEFAULT:OPEN\nSSH NUMBER USER "a:b"@10.0.0.1:4', user="a:b",
        rhost="10.0.0.1") == [(2, "USER", "a:b", 4)]


def test_a_group_may_have_an_at_in_its_name_too():
    assert verdict("SSH OPEN GROUP users@ad.example.org", groups=["users@ad.example.org"]) == "OPEN"


def test_a_login_name_that_looks_like_an_entry_with_an_address_matches_it_whole_and_from_anywhere():
    assert verdict("SSH OPEN USER bob@10.0.0.1", user="bob@10.0.0.1", rhost="192.0.2.1") == "OPEN"
    assert verdict("SSH CLOSE USER bob@10.0.0.1\nDEFAULT:OPEN", user="bob@10.0.0.1",
        rhost="host.example.org") == "CLOSE"
    assert verdict("SSH OPEN GROUP lp@10.0.0.1", user="lp@10.0.0.1", groups={"lp": False}, rhost="10.0.0.1") == "CLOSE"


# --- comments, blank lines, line ends ---------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [
    "", " ", "\t", "\n\n\n", "#", "# SSH OPEN USER bob", "#SSH OPEN USER bob", "  \t# SSH OPEN USER bob", "\r\n\r\n",
    "\ufeff",
    "\ufeff# comment", "# \0 \r \x1b[2J \udcff \u2028 SSH OPEN USER bob", '# "', "## DEFAULT:OPEN",
])
def test_comments_and_blank_lines_say_nothing(text):
    assert ignored(text) == []
    assert parse(text).rules == []
    assert verdict(text) == "CLOSE"


@pytest.mark.parametrize("text", [
    "SSH OPEN USER bob # a comment", "SSH OPEN USER bob\t#a comment", 'SSH OPEN USER bob # "', "SSH OPEN USER bob #",
    'SSH OPEN USER "bob" # "alice"', "SSH OPEN USER bob # \0 \r \x1b", "DEFAULT:OPEN # a comment", "DEFAULT:OPEN\t#",
])
def test_a_comment_may_stand_behind_a_blank(text):
    assert ignored(text) == []
    assert verdict(text) == "OPEN"


def test_a_sign_that_follows_no_blank_starts_no_comment():
    assert verdict("SSH OPEN USER bob#alice", user="bob#alice") == "OPEN"
    assert verdict("SSH OPEN USER bob#alice", user="bob") == "CLOSE"
    assert ignored("DEFAULT:OPEN#") == [1]


def test_only_a_newline_ends_a_line():
    for sign in ("\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"):
        text = f"# harmless{sign}SSH OPEN USER bob\n"
        assert verdict(text) == "CLOSE", repr(sign)


def test_line_numbers_count_newlines_whatever_stands_between():
    text = "# \r \x0c \u2028\r\n\r\nSSH OPEN USER bob\r\nSSH OPEN\r\n"
    assert line(text) == 3
    assert ignored(text) == [4]


def test_a_file_from_another_system_means_the_same():
    other = "\ufeff" + MANUAL.replace("\n", "\r\n").replace("  ", "\t")
    assert ignored(other) == []
    for groups in ({"lp": True}, {"users": True}, {"domain users": True}, {}):
        for text in (MANUAL, other):
            assert (verdict(text, groups={**NOWHERE, **groups}), line(text, groups={**NOWHERE, **groups})) == (
                ("OPEN", 3) if groups.keys() & {"lp", "users"} else ("ASK", 6) if groups else ("CLOSE", 2))


def test_the_last_line_needs_no_newline():
    assert verdict("SSH OPEN USER bob") == verdict("SSH OPEN USER bob\r") == "OPEN"


# --- options ----------------------------------------------------------------------------------------------------------


def test_without_options_everything_has_its_usual_value():
    rules = parse("")
    assert (rules.default.action, rules.debug, rules.timeout, rules.remember, rules.unattended) == (
        "CLOSE", False, 60, 60, "OPEN")


@pytest.mark.parametrize(("text", "name", "value"), [
    ("DEBUG:True", "debug", True), ("DEBUG:False", "debug", False), ("debug:TRUE", "debug", True),
    ("Debug:tRuE", "debug", True),
    ("TIMEOUT:1", "timeout", 1), ("TIMEOUT:90", "timeout", 90), ("TIMEOUT:999999", "timeout", 999999),
    ("timeout:007", "timeout", 7), ("TIMEOUT:0000000007", "timeout", 7),
    ("REMEMBER:0", "remember", 0), ("REMEMBER:000", "remember", 0), ("REMEMBER:999999", "remember", 999999),
    ("REMEMBER:0000000007", "remember", 7),
    ("UNATTENDED:CLOSE", "unattended", "CLOSE"), ("unattended:open", "unattended", "OPEN"),
    (" \tTIMEOUT:5 \t", "timeout", 5), ("TIMEOUT:5\r", "timeout", 5), ("\ufeffTIMEOUT:5", "timeout", 5),
])
def test_an_option_is_set(text, name, value):
    assert ignored(text) == []
    assert getattr(parse(text), name) == value


@pytest.mark.parametrize(("text", "meaning"), [
    ("DEFAULT:OPEN", "OPEN"), ("DEFAULT:CLOSE", "CLOSE"), ("default:open", "OPEN"), ("Default:Open # why", "OPEN"),
])
def test_default_is_what_happens_where_no_rule_fits(text, meaning):
    assert (verdict(text), line(text)) == (meaning, 1)


@pytest.mark.parametrize(("text", "name", "value"), [
    ("TIMEOUT:5\nTIMEOUT:7", "timeout", 7), ("DEBUG:True\nDEBUG:False", "debug", False),
    ("REMEMBER:5\nSSH OPEN USER bob\nREMEMBER:0", "remember", 0),
    ("UNATTENDED:CLOSE\nUNATTENDED:OPEN", "unattended", "OPEN"),
    ("TIMEOUT:5\nTIMEOUT:0\nTIMEOUT:x", "timeout", 5),
])
def test_the_last_valid_option_of_a_kind_wins(text, name, value):
    assert getattr(parse(text), name) == value


def test_the_last_valid_default_wins_wherever_it_stands():
    assert verdict("DEFAULT:CLOSE\nDEFAULT:OPEN") == "OPEN"
    assert verdict("DEFAULT:OPEN\nSSH CLOSE USER alice\nDEFAULT:CLOSE") == "CLOSE"
    assert verdict("DEFAULT:OPEN\nDEFAULT:ASK") == "OPEN"
    assert line("DEFAULT:OPEN\nDEFAULT:OPEN\nDEFAULT:ASK") == 2


def test_a_login_knows_its_service_user_and_host():
    somebody = attempt("sshd", "bob", "192.0.2.1")
    assert (somebody.service, somebody.user, somebody.rhost) == ("sshd", "bob", "192.0.2.1")
    assert (somebody.name, str(somebody)) == ("SSH", "bob@192.0.2.1")
