"""A rule only narrows what the rest of the PAM stack allows: OPEN stands in for no password, no account, no session."""

from __future__ import annotations

import pytest

from host import PASSING, PLUGIN, SUCCESS, host

KINDS = {"auth": "auth", "account": "acct", "session": "open"}


def returned(kind: str) -> int:
    return host("scratch", "bob", KINDS[kind]).returned[KINDS[kind]]


def lines(kind: str, *modules: str) -> str:
    """A service with these lines of one kind, and with nothing that refuses of the others."""
    others = "".join(f"{other} required pam_permit.so\n" for other in KINDS if other != kind)
    return others + "".join(f"{kind} {module}\n" for module in modules)


@pytest.fixture(autouse=True)
def _open(rules) -> None:
    rules("DEFAULT:OPEN\nALL OPEN USER ALL\n")


@pytest.mark.parametrize("control", ["required", "requisite", "sufficient", "optional"])
@pytest.mark.parametrize("kind", KINDS)
def test_where_the_only_other_module_fails(kind: str, control: str, service) -> None:
    service("scratch", lines(kind, "required pam_deny.so", f"{control} {PLUGIN}"))
    assert returned(kind) != SUCCESS


@pytest.mark.parametrize("control", ["required", "requisite", "sufficient", "optional"])
@pytest.mark.parametrize("kind", KINDS)
def test_where_the_only_other_module_fails_behind_it(kind: str, control: str, service) -> None:
    service("scratch", lines(kind, f"{control} {PLUGIN}", "required pam_deny.so"))
    assert returned(kind) != SUCCESS


@pytest.mark.parametrize("kind", KINDS)
def test_where_the_failure_of_the_only_other_module_is_ignored(kind: str, service) -> None:
    service("scratch", lines(kind, "[default=ignore] pam_deny.so", f"required {PLUGIN}"))
    assert returned(kind) != SUCCESS


@pytest.mark.parametrize("kind", KINDS)
def test_where_there_is_no_other_module(kind: str, service) -> None:
    service("scratch", lines(kind, f"required {PLUGIN}"))
    assert returned(kind) != SUCCESS


@pytest.mark.parametrize("kind", KINDS)
def test_where_the_other_module_passes_it_is_no_hindrance(kind: str, service) -> None:
    service("scratch", PASSING)
    assert returned(kind) == SUCCESS


@pytest.mark.parametrize("kind", KINDS)
def test_where_the_rule_refuses_it_is_one(kind: str, service, rules) -> None:
    service("scratch", PASSING)
    rules("ALL CLOSE USER bob\n")
    assert returned(kind) != SUCCESS


def test_it_sets_no_credentials(service) -> None:
    service("scratch", f"auth required {PLUGIN}\n")
    assert host("scratch", "bob", "cred").returned["cred"] != SUCCESS
    service("scratch", f"auth required pam_permit.so\nauth required {PLUGIN}\n")
    assert host("scratch", "bob", "cred").returned["cred"] == SUCCESS
