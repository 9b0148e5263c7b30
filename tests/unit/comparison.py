"""Holds accesscontrol.py against the reference: one rule file and some logins, and a sentence on where they differ."""

import accesscontrol
import reference
from door import GroupsFrom

OPTIONS = ("timeout", "remember", "debug", "unattended")


def disagreements(text, logins):
    """What the two readings do not agree on, one sentence each; and what no reading may do at all."""
    found = []
    rules, file = accesscontrol.parse(text, "/etc/rules"), reference.parse(text)

    def compare(what, ours, theirs):
        if ours != theirs:
            found.append(f"{what}: accesscontrol.py has {ours!r}, the reference {theirs!r}")

    compare("ignored lines", [number for number, _ in rules.faults], file.ignored)
    compare("rules", [(rule.line, rule.service, rule.action, rule.target) for rule in rules.rules],
            [(rule.line, rule.service, rule.action, rule.target) for rule in file.rules])
    for option in OPTIONS:
        compare(option.upper(), getattr(rules, option), file.options[option.upper()])
    for number, what in rules.faults:
        if not what or not what.isprintable() or len(what) > 1000:
            found.append(f"line {number}: the fault is not one short printable sentence: {what!r}")
    without = accesscontrol.parse(blanked(text, [number for number, _ in rules.faults]), "/etc/rules")
    for login in logins:
        who = "{}: {}@{}".format(*login[:3])
        ours = decision(rules, login)
        compare(who, ours, expected(file, login))
        compare(f"{who}, with the ignored lines blanked", decision(without, login), ours)
        compare(f"{who}, with every rule noted", decision(rules, login, note=lambda _: None), ours)
        compare(f"{who}, with the lines that are left in the sieve", sieved(text, login), ours)
        compare(f"{who}, with those that are left of a long file", sieved(text, login, many=2), ours)
    return found


def differ(text, logins):
    """The disagreements again, where an exception is one, too."""
    try:
        return disagreements(text, logins)
    except Exception as error:
        return [f"an exception: {error!r}"]


def smallest(text, logins):
    """A case that disagrees, without the lines and logins that have no part in it."""
    lines = text.split("\n")
    for part in (lines, logins := list(logins)):
        at = 0
        while at < len(part):
            taken = part.pop(at)
            if not differ("\n".join(lines), logins):
                part.insert(at, taken)
                at += 1
    return "\n".join(lines), logins


def blanked(text, ignored):
    """The text with an empty line in the place of each ignored one."""
    lines = text.split("\n")
    for number in ignored:
        lines[number - 1] = ""
    return "\n".join(lines)


def decision(rules, login, note=None):
    """(verdict, deciding line, limits), as accesscontrol.py has it. Limits mean nothing to a login that is refused."""
    service, user, rhost, groups = login
    found = accesscontrol.decide(rules, accesscontrol.Login(service, user, rhost, GroupsFrom(groups)), note)
    limits = [(limit.rule.line, limit.target, limit.name, limit.most) for limit in found.limits]
    return found.verdict, found.rule.line if found.rule else 0, [] if found.verdict == "CLOSE" else limits


def sieved(text, login, many=1000):
    """The same, by what a login really reads: the lines that may have a say in it, and as rules only where it must."""
    service, user, rhost, groups = login
    accesscontrol.MANY = many
    rows, plain = accesscontrol.sieve(text, accesscontrol.Login(service, user, rhost, GroupsFrom(groups)))
    if not plain:
        return decision(accesscontrol.parse_rows(rows, "/etc/rules"), login)
    found = accesscontrol.plain_verdict(rows, "rules")
    return found.verdict, int(found.where.partition(":")[2] or 0), []


def expected(file, login):
    """The same, as the reference has it."""
    service, user, rhost, groups = login
    return reference.decide(file, service, user, rhost, {} if groups is None else groups)
