"""Login attempts as the tests make them: a rule file as a text, an attempt, and a person who is what the test says."""

import typing

import accesscontrol


class PersonFrom:
    """Stands in for what NSS knows of a person.

    `groups` says of each group that exists whether the person is in it, and any other group is unknown; it is None for
    a person that NSS does not know. `aliases` are other login names of that uid. `asked` has the groups asked for.
    """

    def __init__(self, user, groups, aliases=(), uid=1000):
        self.user, self.groups, self.aliases = user, groups, frozenset(aliases)
        self.uid = -1 if groups is None else uid
        self.asked = []

    @property
    def names(self):
        return frozenset([self.user]) if self.groups is None else self.aliases | {self.user}

    @property
    def gids(self):
        if self.groups is None:
            raise accesscontrol.Unknown("there is no such user")
        return frozenset(1000 + number for number, name in enumerate(sorted(self.groups)) if self.groups[name])

    @property
    def group_names(self):
        return frozenset(name for name in self.groups or () if self.groups[name])

    def is_in(self, group, closing):
        self.asked.append(group)
        if group in (self.groups or ()):
            return self.groups[group]
        if closing and self.groups is None:
            raise accesscontrol.Unknown("there is no such user")
        if closing and self.uid != 0:
            raise accesscontrol.UnknownGroup("there is no such group")
        return False


class Case(typing.NamedTuple):
    """A login attempt as plain values, for accesscontrol.py and for the reference alike."""

    service: str = "sshd"
    user: str = "bob"
    rhost: str = "192.0.2.1"
    groups: typing.Optional[dict] = {}
    aliases: typing.Iterable[str] = ()
    uid: int = 1000

    def attempt(self):
        person = PersonFrom(self.user, self.groups, self.aliases, self.uid)
        return accesscontrol.LoginAttempt(self.service, self.user, self.rhost, person=person)


def attempt(service="sshd", user="bob", rhost="192.0.2.1", groups=(), aliases=(), uid=1000):
    """A login attempt; `groups` may be a dictionary, or the names of the groups that the user is in (the only ones)."""
    if groups is not None and not isinstance(groups, dict):
        groups = dict.fromkeys(groups, True)
    return Case(service, user, rhost, groups, aliases, uid).attempt()


def decide(text, *args, **kwargs):
    """The decision on a login attempt, under the rules in a text."""
    return accesscontrol.decide(accesscontrol.parse(text, "/etc/rules"), attempt(*args, **kwargs))


def verdict(text, *args, **kwargs):
    return decide(text, *args, **kwargs).verdict


def line(text, *args, **kwargs):
    """The number of the line that decided; 0 where no line did."""
    rule = decide(text, *args, **kwargs).rule
    return rule.line if rule else 0


def limits(text, *args, **kwargs):
    """The limits that must have room, as (line, target, name, most)."""
    return [(limit.rule.line, limit.target, limit.name, limit.most) for limit in decide(text, *args, **kwargs).limits]


def ignored(text):
    """The numbers of the lines that are ignored."""
    return [number for number, _ in accesscontrol.parse(text, "/etc/rules").ignored]
