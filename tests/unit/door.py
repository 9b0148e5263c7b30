"""How the tests bring somebody to the door: a rule file as a text, a login, and groups that are what the test says."""

import accesscontrol


class GroupsFrom:
    """Stands in for NSS: `members` says of each group that there is whether the user is in it; the rest is unknown.

    With no dictionary at all, it is the user that the directory does not know. `asked` keeps every question.
    `name` is what NSS calls the user, where that is not the name that he came by.
    """

    def __init__(self, members, name=None):
        self.members = members
        self.name = name
        self.asked = []

    def names(self):
        return frozenset(name for name in self.members or () if self.members[name])

    def own_name(self):
        return self.name or ""

    def has(self, name, closing):
        self.asked.append(name)
        if self.members is None:
            raise accesscontrol.CannotTell("there is no such user")
        if name in self.members:
            return self.members[name]
        if closing:
            raise accesscontrol.CannotTell("there is no such group")
        return False


def login(service="sshd", user="bob", rhost="192.0.2.1", groups=None):
    """A login; `groups` may be a dictionary, or the names of the groups that the user is in (and no other exists)."""
    if groups is not None and not isinstance(groups, dict):
        groups = dict.fromkeys(groups, True)
    return accesscontrol.Login(service, user, rhost, GroupsFrom({} if groups is None else groups))


def decide(text, *args, **kwargs):
    """The decision on a login, under the rules in a text."""
    return accesscontrol.decide(accesscontrol.parse(text, "/etc/rules"), login(*args, **kwargs))


def verdict(text, *args, **kwargs):
    return decide(text, *args, **kwargs).verdict


def line(text, *args, **kwargs):
    """The number of the line that decided; 0 where no line did."""
    rule = decide(text, *args, **kwargs).rule
    return rule.line if rule else 0


def limits(text, *args, **kwargs):
    """The limits that must have room, as (line, target, name, most)."""
    return [(found.rule.line, found.target, found.name, found.most) for found in decide(text, *args, **kwargs).limits]


def faults(text):
    """The numbers of the lines that were ignored."""
    return [number for number, _ in accesscontrol.parse(text, "/etc/rules").faults]
