"""Of a file of more than 16 KiB, a login leaves out the lines that cannot concern it, and no other."""

import pytest

import accesscontrol
from comparison import FEW_COLONS, LONG, as_bytes, constants, decision, loaded, relevant_lines
from login_attempts import Case

BOB = Case("sshd", "bob", "192.0.2.1")
MANY = 1000
AT = MANY // 2


def file(line, start="SSH OPEN USER", end="\n"):
    """A rule file of many rules about others, and one other line in their midst."""
    rows = [f"{start} user{number}" + (":2" if "NUMBER" in start else "") for number in range(MANY)]
    rows[AT - 1] = line
    text = end.join(["DEFAULT:CLOSE", *rows[1:], ""])
    assert len(text) > LONG
    return text


def kept(text, case=BOB, few_colons=FEW_COLONS[0]):
    """The numbers of the lines that are left in, but for the DEFAULT in the first one."""
    relevant = relevant_lines(as_bytes(text), case, few_colons)
    rows = text.removeprefix("\ufeff").split("\n")
    assert all(row == rows[number - 1] for number, row in relevant)
    return [number for number, _ in relevant if number != 1]


MAY_CONCERN_BOB = [
    "SSH OPEN USER bob", "SSH OPEN USER ALL", "SSH OPEN USER alice,bob", "SSH OPEN USER bob@192.0.2.0/24",
    "SSH OPEN USER bob@LOCAL", 'SSH OPEN USER "bob"', "SSH  OPEN USER bob", "ssh open user bob", "ALL OPEN USER bob",
    "SSH CLOSE USER bob", "SSH ASK USER bob", "SSH NUMBER USER bob:1", "SSH OPEN GROUP ALL", "SSH CLOSE GROUP lp",
    "SSH ASK GROUP lp", "SSH NUMBER GROUP lp:2", "ssh close group lp", "\tSSH\tNumber \t gRoUp\tlp:2",
    "SSH CLOSE USER ALL@10.0.0.0/8", "SSH NUMBER USER ALL:3", 'SSH ASK GROUP "domain users"', "ALL Close Group lp",
    "\tSSH OPEN USER bob", "SSH OPEN USER bob # comment", "SSH OPEN USER\tbob", "SSHD OPEN USER bob",
    "TIMEOUT:5", "DEBUG:True", "DEFAULT:OPEN", "UNATTENDED:CLOSE", "REMEMBER:5", "timeout:5", "  Default:open",
    "\t \tunattended:close\t# a comment",
]


@pytest.mark.parametrize("line", MAY_CONCERN_BOB)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("few_colons", FEW_COLONS, ids=["many colons", "few colons"])
def test_a_line_that_may_concern_the_login_is_kept_wherever_it_stands(line, end, few_colons):
    assert kept(file(line, end=end), BOB, few_colons) == [AT]
    first, *_ = relevant_lines(as_bytes("\ufeff" + line + end + file("", end=end)), BOB, few_colons)
    assert first == (1, (line + end).removesuffix("\n"))
    *_, last = relevant_lines(as_bytes(file("", end=end) + line), BOB, few_colons)
    assert last == (MANY + 1, line)


@pytest.mark.parametrize("line", [
    "", "  ", "# SSH OPEN USER carol", "SSH OPEN USER bo", "SSH OPEN USER BOB", "SSH OPEN USER all",
    "SSH OPEN USER alice,carol", "SSH CLOSE USER alice", "SSH ASK USER alice@LOCAL", "SSH NUMBER USER alice:1",
    "SSH OPEN USER alice@10.0.0.0/8,carol@2001:db8::/32,erin", "SSH OPEN GROUP lp", 'SSH OPEN USER "domain user"',
])
def test_a_line_about_others_is_left_out(line):
    assert kept(file(line)) == []


@pytest.mark.parametrize("start", [
    "SSH OPEN USER", "SSH CLOSE USER", "TTY OPEN USER", "SSH OPEN GROUP", "SSH NUMBER USER",
])
def test_of_many_rules_about_others_none_is_left(start):
    assert kept(file("", start)) == []


@pytest.mark.parametrize("action", ["CLOSE", "ASK", "NUMBER"])
def test_what_closes_asks_or_limits_by_another_name_of_the_person_is_kept(action):
    line = f"SSH {action} USER bobadm" + (":2" if action == "NUMBER" else "")
    assert kept(file(line), BOB._replace(aliases={"bobadm"})) == [AT]


@pytest.mark.parametrize("name", [
    "g\u00e4ste", "j\udcfcrgen", "domain user", "AD\\bob", "a", "bob@ad.example.org", "\u5f20",
])
def test_a_name_is_found_whatever_its_characters(name):
    assert kept(file(f'SSH OPEN USER "{name}"'), BOB._replace(user=name)) == [AT]
    groups = {name: True}
    assert AT in kept(file(f'SSH OPEN GROUP "{name}"', "SSH OPEN GROUP"), BOB._replace(groups=groups))


def test_groups_that_open_are_told_by_their_names():
    def with_groups(*names):
        return BOB._replace(user="erin", groups=dict.fromkeys(names, True))

    assert kept(file("SSH OPEN GROUP lp", "SSH OPEN GROUP"), with_groups("lp")) == [AT]
    assert kept(file("SSH OPEN GROUP lp", "SSH OPEN GROUP"), with_groups("users")) == []
    assert 8 in kept(file("SSH OPEN GROUP lp", "SSH OPEN GROUP"), with_groups("user7", "users"))


@pytest.mark.parametrize("line", MAY_CONCERN_BOB)
@pytest.mark.parametrize("start", ["SSH OPEN USER", "SSH CLOSE USER", "SSH NUMBER USER", "SSH OPEN GROUP"])
def test_the_verdict_is_that_of_the_whole_file(line, start):
    text = file(line, start)
    whole = accesscontrol.parse(text, "/etc/rules")
    for case in (
        BOB, BOB._replace(groups=None), BOB._replace(groups={"lp": True}), BOB._replace(user="alice", aliases={"bob"}),
        BOB._replace(uid=0), BOB._replace(rhost="host.example.org"), BOB._replace(rhost=""),
    ):
        assert decision(loaded(text.encode(), case), case) == decision(whole, case)


def test_a_file_of_16_kib_is_read_whole_and_a_longer_one_is_thinned():
    rows = b"SSH OPEN USER alice\n" * (LONG // 20)
    whole = rows + b"\n" * (LONG - len(rows))
    assert len(loaded(whole, BOB).rules) == LONG // 20
    assert loaded(whole + b"\n", BOB).rules == []


def test_a_long_file_is_read_whole_where_no_login_asks():
    with constants(read_rule_file=lambda path: as_bytes(file("SSH OPEN USER bob,"))):
        rules = accesscontrol.load_rules("/etc/rules")
    assert len(rules.rules) == MANY - 2
    assert [number for number, _ in rules.ignored] == [AT]


def test_a_rule_of_a_long_file_has_the_number_of_its_line():
    for end in ("\n", "\r\n"):
        rules = loaded(as_bytes("\ufeff" + file("SSH CLOSE USER bob", end=end)), BOB)
        assert [(rule.line, rule.text) for rule in rules.rules] == [(AT, "SSH CLOSE USER bob")]
        assert rules.where(rules.rules[0]) == f"rules:{AT}"


def test_in_one_process_each_person_has_their_own_lines_of_it():
    text = as_bytes(file("SSH OPEN USER bob\nSSH OPEN GROUP lp\nSSH CLOSE USER bobadm"))
    carol = BOB._replace(user="carol")
    for case, verdict in (
        (BOB, ("OPEN", AT, [])), (carol, ("CLOSE", 1, [])), (BOB, ("OPEN", AT, [])),
        (carol._replace(groups={"lp": True}), ("OPEN", AT + 1, [])), (carol, ("CLOSE", 1, [])),
        (carol._replace(aliases={"bobadm"}), ("CLOSE", AT + 2, [])),
        (carol._replace(groups=None), ("CLOSE", 1, [])), (carol._replace(groups={"lp": True}), ("OPEN", AT + 1, [])),
    ):
        assert decision(loaded(text, case), case) == verdict


def test_however_many_people_it_judges_a_process_keeps_the_file_once():
    text = as_bytes(file("SSH OPEN USER bob"))
    loaded(text, BOB)
    kept = len(accesscontrol.texts)
    for number in range(100):
        loaded(text, BOB._replace(user=f"stranger{number}", service=f"service{number}"))
    assert len(accesscontrol.texts) == kept
