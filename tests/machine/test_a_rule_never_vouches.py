"""A rule only narrows what the rest of the PAM stack allows: OPEN stands in for no password, no account, no session."""

from __future__ import annotations

import pytest

from host import PASSING, PLUGIN, SUCCESS, TYPES, WAYS, host, lines, passing, with_our_lines

KINDS = dict(zip(TYPES, ("auth", "acct", "open")))
PAM_EXEC = WAYS[1]


def returned(kind: str) -> int:
    return host("scratch", "bob", KINDS[kind]).returned[KINDS[kind]]


def lines_of(kind: str, *modules: str) -> str:
    """A service with these lines of one kind, and with nothing that refuses of the others."""
    others = "".join(f"{other} required pam_permit.so\n" for other in KINDS if other != kind)
    return others + "".join(f"{kind} {module}\n" for module in modules)


@pytest.fixture(autouse=True)
def _open(rules) -> None:
    rules("DEFAULT:OPEN\nALL OPEN USER ALL\n")


@pytest.mark.parametrize("control", ["required", "requisite", "sufficient", "optional"])
@pytest.mark.parametrize("kind", KINDS)
def test_where_the_only_other_module_fails(kind: str, control: str, service) -> None:
    service("scratch", lines_of(kind, "required pam_deny.so", f"{control} {PLUGIN}"))
    assert returned(kind) != SUCCESS


@pytest.mark.parametrize("control", ["required", "requisite", "sufficient", "optional"])
@pytest.mark.parametrize("kind", KINDS)
def test_where_the_only_other_module_fails_behind_it(kind: str, control: str, service) -> None:
    service("scratch", lines_of(kind, f"{control} {PLUGIN}", "required pam_deny.so"))
    assert returned(kind) != SUCCESS


@pytest.mark.parametrize("kind", KINDS)
def test_where_the_failure_of_the_only_other_module_is_ignored(kind: str, service) -> None:
    service("scratch", lines_of(kind, "[default=ignore] pam_deny.so", f"required {PLUGIN}"))
    assert returned(kind) != SUCCESS


@pytest.mark.parametrize("kind", KINDS)
def test_where_there_is_no_other_module(kind: str, service) -> None:
    service("scratch", lines_of(kind, f"required {PLUGIN}"))
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


# ------------------------------------------------------------------------- by pam_exec.so, with the lines as they stand


def guarded(kind: str, *modules: str) -> str:
    """A service that pam_exec.so guards, with these lines of one kind, and with nothing that refuses of the others."""
    return with_our_lines(PAM_EXEC, lines_of(kind, *modules))


@pytest.mark.parametrize(
    "modules",
    [
        [],
        ["required pam_deny.so"],
        ["sufficient pam_deny.so"],
        ["sufficient pam_deny.so", "sufficient pam_succeed_if.so quiet uid = 4242"],
        ["[default=ignore] pam_deny.so"],
        ["optional pam_deny.so"],
        ["[success=1 default=ignore] pam_deny.so", "requisite pam_deny.so"],
    ],
    ids="; ".join,
)
@pytest.mark.parametrize("kind", KINDS)
def test_by_pam_exec_a_stack_that_takes_nobody_refuses_as_it_does_without_it(kind: str, modules, service) -> None:
    service("scratch", lines_of(kind, *modules))
    if modules:  # or it would be what `other` says
        assert returned(kind) != SUCCESS
    service("scratch", guarded(kind, *modules))
    assert returned(kind) != SUCCESS


@pytest.mark.parametrize("module", ["required", "sufficient", "requisite", "[success=done default=die]"])
@pytest.mark.parametrize("kind", KINDS)
def test_by_pam_exec_a_stack_that_takes_somebody_takes_them_as_without_it(kind: str, module: str, service) -> None:
    service("scratch", guarded(kind, f"{module} pam_permit.so"))
    assert returned(kind) == SUCCESS


@pytest.mark.parametrize("kind", KINDS)
def test_by_pam_exec_where_the_rule_refuses_it_is_one(kind: str, service, rules) -> None:
    service("scratch", guarded(kind, "required pam_permit.so"))
    rules("ALL CLOSE USER bob\n")
    assert returned(kind) != SUCCESS


@pytest.mark.parametrize("operations", [["cred"], ["auth", "cred"], ["acct", "cred", "open"]], ids="-".join)
def test_by_pam_exec_pam_setcred_does_what_it_does_without_it(operations: list[str], service, rules) -> None:
    """cron and atd call it without pam_authenticate, systemd neither."""
    service("scratch", passing(PAM_EXEC))
    assert set(host("scratch", "bob", *operations).returned.values()) == {SUCCESS}
    service("scratch", f"auth required pam_deny.so\n{lines(PAM_EXEC, 'auth')}")
    assert host("scratch", "bob", "cred").returned["cred"] != SUCCESS
    service("scratch", passing(PAM_EXEC))
    rules("ALL CLOSE USER bob\n")
    assert host("scratch", "bob", "auth").returned["auth"] != SUCCESS


def test_by_pam_exec_a_close_of_a_session_calls_nothing(service, rules, journal) -> None:
    service("scratch", passing(PAM_EXEC))
    assert host("scratch", "bob", "acct", "open").returned["open"] == SUCCESS
    rules("ALL CLOSE USER bob\n")
    assert host("scratch", "bob", "close").returned["close"] == SUCCESS
    assert not [line for line in journal() if "refused" in line]
