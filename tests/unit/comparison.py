"""Holds accesscontrol.py against the reference: one rule file and some attempts, and a sentence where they differ."""

import contextlib

import accesscontrol
import reference

OPTIONS = ("timeout", "remember", "debug", "unattended")
LONG = 16 * 1024  # bytes; of a longer file, lines that cannot concern a login attempt are left out

FEW_COLONS = (0, 10**9)  # how the options are found in a long file depends on how many colons there are


def disagreements(text, cases):
    """What the two readings do not agree on, one sentence each; and what no reading may do at all."""
    found = []
    data = as_bytes(text)
    text = data.decode("utf-8", "surrogateescape")
    rules, file = accesscontrol.parse(text, "/etc/rules"), reference.parse(text)

    def compare(what, ours, theirs):
        if ours != theirs:
            found.append(f"{what}: accesscontrol.py has {ours!r}, the reference {theirs!r}")

    compare("ignored lines", [number for number, _ in rules.ignored], file.ignored)
    compare("rules", [(rule.line, rule.service, rule.action, rule.target) for rule in rules.rules],
            [(rule.line, rule.service, rule.action, rule.target) for rule in file.rules])
    for option in OPTIONS:
        compare(option.upper(), getattr(rules, option), file.options[option.upper()])
    for number, why in rules.ignored:
        if not why or not why.isprintable() or len(why) > 1000:
            found.append(f"line {number}: why it is ignored is not one short printable sentence: {why!r}")
    without = accesscontrol.parse(blanked(text, [number for number, _ in rules.ignored]), "/etc/rules")
    for case in cases:
        who = f"{case.service}: {case.user}@{case.rhost}"
        ours = decision(rules, case)
        compare(who, ours, reference.decide(file, case))
        compare(f"{who}, with the ignored lines blanked", decision(without, case), ours)
        compare(f"{who}, with a trace", decision(rules, case, trace=lambda _: None), ours)
        compare(f"{who}, by the file", decision(loaded(data, case), case), ours)
        for few_colons in FEW_COLONS:
            thinned = loaded(data, case, LONG_FILE=-1, FEW_COLONS=few_colons)
            how = f"by the relevant lines, as if {few_colons} colons were few"
            compare(f"{who}, {how}", decision(thinned, case), ours)
            for option in OPTIONS:
                compare(f"{who}, {option.upper()} {how}", getattr(thinned, option), getattr(rules, option))
            kept = [number for number, _ in relevant_lines(data, case, few_colons)]
            lost = sorted(set(reference.lines_that_concern(file, case)) - set(kept))
            compare(f"{who}, lines that concern it and are left out, {how}", lost, [])
            compare(f"{who}, the order {how}", kept, sorted(set(kept)))
    return found


def differ(text, cases):
    """The disagreements again, where an exception is one, too."""
    try:
        return disagreements(text, cases)
    except Exception as error:
        return [f"an exception: {error!r}"]


def smallest(text, cases):
    """A rule file and attempts that disagree, without the lines and attempts that have no part in it."""
    lines = text.split("\n")
    for part in (lines, cases := list(cases)):
        at = 0
        while at < len(part):
            taken = part.pop(at)
            if not differ("\n".join(lines), cases):
                part.insert(at, taken)
                at += 1
    return "\n".join(lines), cases


def as_bytes(text):
    """A rule file as it lies on the disk. Half a surrogate pair is bytes that are not UTF-8."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return b"".join(char.encode("utf-8", "surrogateescape" if "\udc80" <= char <= "\udcff" else "surrogatepass")
                        for char in text)


def relevant_lines(data, case, few_colons=FEW_COLONS[0]):
    """The lines of a file that may concern a login attempt, with their numbers."""
    person = case.attempt().person
    with constants(FEW_COLONS=few_colons):
        return accesscontrol.relevant_lines(data, person.names | person.group_names)


def blanked(text, ignored):
    """The text with an empty line in the place of each ignored one."""
    lines = text.split("\n")
    for number in ignored:
        lines[number - 1] = ""
    return "\n".join(lines)


def decision(rules, case, trace=None):
    """(verdict, deciding line, limits), as accesscontrol.py has it. Limits mean nothing to a login that is refused."""
    found = accesscontrol.decide(rules, case.attempt(), trace)
    limits = [(limit.rule.line, limit.target, limit.name, limit.most) for limit in found.limits]
    return found.verdict, found.rule.line if found.rule else 0, [] if found.verdict == "CLOSE" else limits


def loaded(data, case, **values):
    """What a login reads of a rule file with this in it, where constants of accesscontrol.py have these values."""
    with constants(read_rule_file=lambda path: data, **values):
        return accesscontrol.load_rules("/etc/rules", case.attempt())


@contextlib.contextmanager
def constants(**values):
    """Names of accesscontrol.py that stand for something else for a while."""
    before = {name: getattr(accesscontrol, name) for name in values}
    vars(accesscontrol).update(values)
    try:
        yield
    finally:
        vars(accesscontrol).update(before)
