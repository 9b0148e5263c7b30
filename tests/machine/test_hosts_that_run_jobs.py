"""cron and atd ask PAM about each job: by account and session, and by pam_setcred without pam_authenticate before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hosts import PAM, as_user, files, guarded
from machine import run, wait_for

DONE = Path("/run/tests-jobs")
USERS = ["root", "bob", "carol"]
RULES = {
    "closed": "{0} CLOSE USER bob\nDEFAULT:OPEN\n",
    "not opened": "{0} OPEN USER root,carol\nDEFAULT:CLOSE\n",
    "nobody to ask": "{0} ASK USER bob\nUNATTENDED:CLOSE\nDEFAULT:OPEN\n",
    "a full limit": "{0} NUMBER USER bob:0\nDEFAULT:OPEN\n",
}


@pytest.fixture(autouse=True)
def _done() -> Iterator[None]:
    """A folder in which each job leaves a file."""
    DONE.mkdir(mode=0o777)
    DONE.chmod(0o777)
    yield
    run("rm", "-r", str(DONE))


def job(user: str) -> str:
    return f"id -un > {DONE}/{user}"


@contextmanager
def cron() -> Iterator[None]:
    """Within the block, cron runs a job of each of them once: when it starts."""
    jobs = "".join(f"@reboot {user} {job(user)}\n" for user in USERS)
    with guarded("cron"), files({"/etc/cron.d/tests": jobs}):
        Path("/run/crond.reboot").unlink(missing_ok=True)
        run("systemctl", "restart", "cron")
        try:
            yield
        finally:
            run("systemctl", "stop", "cron")


@contextmanager
def atd() -> Iterator[None]:
    """Within the block, atd runs a job of each of them once. As shipped, its PAM file says user_readenv=1."""
    text = (PAM / "atd").read_text().replace("user_readenv=1", "user_readenv=0")
    with files({str(PAM / "atd"): text}), guarded("atd"):
        run("systemctl", "restart", "atd")
        try:
            for user in USERS:
                run(*as_user(user, "at", "-M", "now"), input=f"{job(user)}\n", cwd="/")
            yield
        finally:
            run("systemctl", "stop", "atd")
            run("sh", "-c", "atq | cut -f 1 | xargs -r atrm")


HOSTS = {"CRON": cron, "ATD": atd}


@pytest.mark.parametrize("host", HOSTS)
def test_a_job_of_everybody_runs(host: str, rules: Callable[[str], None]) -> None:
    rules("DEFAULT:OPEN\n")
    with HOSTS[host]():
        wait_for(lambda: done() == USERS, "the jobs have run")


@pytest.mark.parametrize("how", RULES)
@pytest.mark.parametrize("host", HOSTS)
def test_a_job_of_whom_the_rules_refuse_does_not(host: str, how: str, rules: Callable[[str], None], journal) -> None:
    rules(RULES[how].format(host))
    with HOSTS[host]():
        wait_for(lambda: done() == ["root", "carol"], "the jobs of the others have run")
        wait_for(lambda: any(f"{host} " in line and "bob@" in line for line in refused(journal)), "bob is refused")
    assert done() == ["root", "carol"]


def done() -> list[str]:
    """Whose jobs have run, and as whom they should."""
    return [user for user in USERS if (DONE / user).exists() and (DONE / user).read_text() == f"{user}\n"]


def refused(journal: Callable[..., list[str]]) -> list[str]:
    return [line for line in journal() if "refused" in line]
