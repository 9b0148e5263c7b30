"""Logins that want a place under a limit, each by a host that is some process of the test's."""

import os

import accesscontrol
from login_attempts import attempt

ME = os.getuid()


class SomeHost(accesscontrol.Host):
    """A host by its pid; in the class, `start` is looked up by that."""

    loader = ""

    def __init__(self, pid=0):
        self.pid = pid or os.getpid()


def take(limit, pid=0, counted="USER bob", **person):
    """What comes of a login where a user may have so many sessions (None: no limit), of a host with this pid."""
    text = "SSH OPEN USER ALL\n" + ("" if limit is None else f"ALL NUMBER {counted}:{limit}\n")
    rules = accesscontrol.parse(text, "/etc/rules")
    somebody = attempt(**{"user": "bob", "uid": ME, **person})
    decision = accesscontrol.decide(rules, somebody)
    return accesscontrol.take_place(somebody, decision, SomeHost(pid), decision.limits, accesscontrol.NOT_ASKED)


def outcome(limit, pid=0, **more):
    """The outcome in one word."""
    try:
        return "in" if take(limit, pid, **more) else "not written down"
    except accesscontrol.Refused as refused:
        cannot = f": {refused.decision.why}" if "cannot be counted" in refused.decision.why else ""
        return "refused" + cannot


def links():
    """The names of the entries of sessions."""
    return {entry.link for entry in accesscontrol.Sessions().entries()}


def close(pid):
    """PAM closes the session that the host with this pid has opened."""
    ledger = accesscontrol.Sessions()
    ledger.close(ledger.open_in(SomeHost(pid), attempt(user="bob", uid=ME)))
