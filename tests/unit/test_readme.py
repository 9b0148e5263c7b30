"""README promises what the program does: its links lead somewhere, its rules are rules, its names are there."""

import datetime
import re
import subprocess
from pathlib import Path

import pytest

import accesscontrol
from login_attempts import attempt, decide, ignored, limits, verdict

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RULE_FILE = (ROOT / "pam-accesscontrol.conf").read_text(encoding="utf-8")
BLOCKS = ["\n".join(line[4:] for line in block.splitlines()) for block in re.findall(r"(?:^ {4}.*\n)+", README, re.M)]
RULES = [text for text in BLOCKS if re.match(r"DEFAULT:|\w+ +(OPEN|CLOSE|ASK|NUMBER) +(USER|GROUP) ", text)]
FIRST = RULES[0]
TABLE_OF_COMMANDS = README.split("\n| command |")[1].split("\n\n")[0]
COMMANDS = ("check", "explain", "replay", "edit", "status", "forget", "ask")
ON_DEBIAN = {"lp": False, "users": False}  # whether somebody is in them; of base-passwd


def section(heading):
    """What stands between a heading and the next one of the same level or a higher one."""
    level, behind = len(heading.split()[0]), README.split(f"\n{heading}\n")[1]
    return re.split(rf"^#{{1,{level}}} ", behind, maxsplit=1, flags=re.M)[0]


def anchor(heading):
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def help_of(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        accesscontrol.parse_arguments([*arguments, "--help"])
    assert ended.value.code in (0, None)
    return capsys.readouterr().out


# --- links and lines --------------------------------------------------------------------------------------------------


def test_every_link_within_it_leads_to_a_heading():
    headings = [anchor(heading) for heading in re.findall(r"^#+ (.*)$", README, re.M)]
    links = re.findall(r"\]\(#([^)]*)\)", README)
    assert len(links) > 20
    assert set(links) <= set(headings)
    assert len(headings) == len(set(headings)), "two headings share an anchor"


def test_every_file_that_it_links_to_is_there():
    files = re.findall(r"\]\((?!#|https?:)([^)]*)\)", README)
    assert files
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_the_line_of_contents_has_every_part_in_its_order():
    contents = re.findall(r"\(#([^)]*)\)", README.split("\nContents: ")[1].split("\n\n")[0])
    assert contents == [anchor(heading) for heading in re.findall(r"^## (.*)$", README, re.M)]


def test_no_line_is_longer_than_120_columns_but_for_lines_of_the_log():
    lines = [line for line in README.split("\n") if not re.match(r" {4}\d{4}-\d\d-\d\d ", line)]
    assert [line for line in lines if len(line) > 120] == []


def test_every_row_of_a_table_has_as_many_columns_as_its_head():
    for table in re.findall(r"(?:^\|.*\n)+", README, re.M):
        columns = {len(re.findall(r"(?<!\\)\|", re.sub(r"`[^`]*`", "", row))) for row in table.splitlines()}
        assert len(columns) == 1, table


# --- the rules that it shows ------------------------------------------------------------------------------------------


def test_it_has_rules_to_show():
    assert len(RULES) >= 7


@pytest.mark.parametrize("text", RULES, ids=lambda text: text.split("\n")[-1].split("#")[0].strip())
def test_every_block_of_rules_is_read_without_an_ignored_line(text):
    assert ignored(text) == []
    assert accesscontrol.parse(text, "/etc/rules").rules


@pytest.mark.parametrize("text", RULES, ids=lambda text: text.split("\n")[-1].split("#")[0].strip())
def test_no_rule_of_a_block_is_out_of_reach(text):
    assert list(accesscontrol.unreachable(accesscontrol.parse(text, "/etc/rules"))) == []


def test_the_first_example_uses_every_action():
    actions = {rule.action for rule in accesscontrol.parse(FIRST, "/etc/rules").rules}
    assert actions == {"OPEN", "CLOSE", "ASK", "NUMBER"}


@pytest.mark.parametrize("service", ["su", "su-l", "sudo", "sudo-i", "login", "lightdm", "cron", "polkit-1"])
@pytest.mark.parametrize("user", ["root", "erin"])
def test_the_first_example_takes_neither_su_nor_sudo_nor_the_console_from_anybody(service, user):
    found = decide(FIRST, service, user, "", ON_DEBIAN, uid=0 if user == "root" else 1000)
    assert (found.verdict, found.limits) == ("OPEN", [])


def test_the_first_example_lets_root_in_over_ssh_from_the_network_only_and_on_the_console():
    def meets(service, rhost):
        return verdict(FIRST, service, "root", rhost, ON_DEBIAN, uid=0)

    assert meets("sshd", "10.1.2.3") == "OPEN"
    assert meets("sshd", "192.0.2.7") == meets("sshd", "") == "CLOSE"
    assert meets("login", "") == "OPEN"


def test_the_first_example_does_over_ssh_what_its_comments_say():
    def meets(*groups):
        return verdict(FIRST, groups={**ON_DEBIAN, **dict.fromkeys(groups, True)})

    assert [meets(), meets("users"), meets("lp"), meets("lp", "users")] == ["CLOSE", "OPEN", "ASK", "ASK"]
    assert limits(FIRST, groups={"lp": True, "users": True}) == [(6, "GROUP", "users", 20), (6, "GROUP", "lp", 3)]


def test_every_rule_of_its_table_for_scripts_lets_the_script_through_and_nothing_else():
    table = section("### Scripts of root under DEFAULT:CLOSE")
    rules = re.findall(r"\| `(\w+ OPEN USER \w+)` \|$", table, re.M)
    meet = {"SU": [("su", "bob"), ("su-l", "bob")], "SUDO": [("sudo", "root"), ("sudo-i", "root")],
            "RUNUSER": [("runuser", "bob"), ("runuser-l", "bob")], "CRON": [("cron", "games")], "ATD": [("atd", "bob")]}
    assert [rule.split()[0] for rule in rules] == list(meet)
    for rule in rules:
        mine = meet[rule.split()[0]]
        assert ignored(rule) == []
        for service, user in (pair for pairs in meet.values() for pair in pairs):
            person = accesscontrol.LoginAttempt(service, user, "", "root", attempt(user=user).person)
            found = accesscontrol.decide(accesscontrol.parse(f"DEFAULT:CLOSE\n{rule}", "/etc/rules"), person)
            assert (found.verdict == "OPEN") == ((service, user) in mine), (rule, service)


# --- the command ------------------------------------------------------------------------------------------------------


def test_its_table_of_commands_has_every_subcommand_of_the_parser_and_no_other(capsys):
    rows = re.findall(r"^\| `([a-z]+)\b[^`]*` \|", TABLE_OF_COMMANDS, re.M)
    assert tuple(rows) == COMMANDS
    assert rows == re.findall(r"^    ([a-z]+) ", help_of(capsys).split("COMMAND\n")[1], re.M)


@pytest.mark.parametrize("command", COMMANDS)
def test_its_table_of_commands_has_every_option_and_operand_of_each(command, capsys):
    [row] = re.findall(rf"^\| `{command}\b([^`]*)` \|", TABLE_OF_COMMANDS, re.M)
    usage = help_of(capsys, command).split("\n\n")[0].split(f"{command} [-h]")[1]
    assert " ".join(row.split()) == " ".join(usage.split())


def test_it_names_this_version():
    assert f"prints `pam-accesscontrol {accesscontrol.VERSION}`" in README


def test_the_choices_of_edit_are_as_it_prints_them():
    source = (ROOT / "accesscontrol.py").read_text(encoding="utf-8")
    [shown] = [text for text in BLOCKS if text.startswith("(e)dit")]
    assert f'"{shown.rstrip(":")}"' in source


# --- recipes, and what is done by hand --------------------------------------------------------------------------------


def test_the_line_for_the_refusals_of_yesterday_prints_these_and_no_others(tmp_path):
    [line] = [text for text in BLOCKS if "awk" in text]
    today = datetime.date.today()
    line_of_log = "%s 12:03:10  %-8s  %-6s  %-28s  %-7s  %s\n"  # as accesscontrol.monthly() has it
    log = "".join(line_of_log % (today - datetime.timedelta(age), "SSH", "ASK", "bob@192.0.2.7", outcome, "f:1: denied")
                  for age in (2, 1, 0) for outcome in ("granted", "denied", "closed"))
    (tmp_path / "pam-accesscontrol-2026-11.log").write_text(log)
    command = line.removeprefix("sudo ").replace("/var/log/", f"{tmp_path}/")
    shown = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout.splitlines()
    yesterday = str(today - datetime.timedelta(1))
    assert shown == [row for row in log.splitlines() if row.startswith(yesterday) and " denied " in row]
    assert len(shown) == 1


def test_what_is_called_once_it_is_installed_does_not_need_the_checkout():
    for text in (README.split("\n## The first rule\n")[1].split("\n## Tests\n")[0], RULE_FILE):
        places = {place.lstrip("`") for place in re.findall(r"(\S*)/(?:un)?install\.sh", text)}
        assert places == {"/usr/share/pam-accesscontrol"}


def test_its_pam_lines_are_those_that_install_writes():
    shown = re.findall(r"^    (account|session|auth) +(\w+) +(pam_python\.so \S+) # pam-accesscontrol$", README, re.M)
    assert [kind for kind, _, _ in shown] == ["account", "session", "auth"]
    for kind, control, call in shown:
        [written] = accesscontrol.our_lines("pam_python.so", kind, "/lib/security/accesscontrol.py")
        assert written.split() == [kind, control, *call.split(), "#", "pam-accesscontrol"]


def test_every_example_in_the_rule_file_is_a_rule_or_an_option():
    examples = "\n".join(line[1:] for line in RULE_FILE.splitlines() if re.match(r"#[A-Z]", line))
    assert examples.count("\n") > 15
    assert ignored(RULE_FILE) == ignored(examples) == []


def test_the_rules_and_the_shipped_file_are_edited_by_the_command():
    assert "pam-accesscontrol edit" in RULE_FILE
    assert not re.search(r"\bnano /etc", README + RULE_FILE)
