"""kill -9 at any step of a login: no place is lost, nobody is locked out, and the next login is as any other."""

from __future__ import annotations

import fcntl
import os
import random
import re
import signal
import subprocess
import time

from desktop import logins_under_way
from faults import ALL, World
from limits import wait_until_gone
from machine import ssh, ssh_command, wait_for

pytest_plugins = ["faults_fixtures", "limits_fixtures"]

ONE_PLACE = "ALL OPEN USER ALL\nALL NUMBER GROUP users:1\n"
WHAT_IT_WRITES = re.compile(r"/run/pam-accesscontrol|/var/log|/dev/log")
LOGIN = ["start A scratch carol", "acct A", "open A", "close A", "end A"]


def test_a_login_that_is_killed_leaves_its_place_free(world: World, rules) -> None:
    rules(ONE_PLACE)
    killed = 0
    for step in world.steps(LOGIN, WHAT_IT_WRITES):
        attempt = world.attempt(LOGIN, step.kills())
        killed += attempt.code == -signal.SIGKILL
        with (world.root / "run/pam-accesscontrol/lock").open("a") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with world.host("start B scratch bob", "open B"):
            pass
    assert killed > 40
    assert "error in the plugin" not in " ".join(world.syslog())
    left = {path.name for path in world.registry.parent.iterdir()}
    assert left <= {"lock", "sessions", "sessions.new"}


def test_an_sshd_that_is_killed_at_any_moment_leaves_its_place_free(rules, nobody) -> None:
    """At random moments, from before it knows who is there until after the session has begun."""
    rules(ONE_PLACE)
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    line, environment = ssh_command("carol", "cat")
    for _ in range(100 if ALL else 10):
        with subprocess.Popen(line, env=environment, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as client:
            wait_for(logins_under_way, "sshd knows who is there")
            time.sleep(chance.uniform(0, 0.3))  # not for an event: it is the moment of the kill that is at random
            for pid in logins_under_way():
                os.kill(pid, signal.SIGKILL)
            client.kill()
        wait_until_gone(["carol"])
        assert ssh("bob").returncode == 0, f"locked out, with the seed {seed}"
        wait_until_gone(["bob"])
