"""kill -9 at any step of a login: no place is lost, nobody is locked out, and the next login is as any other."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import time

from desktop import logins_under_way
from faults import ALL, World
from host import SUCCESS
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
        with world.host("start B scratch bob", "open B"):
            pass
    assert killed > 40
    assert "error in the plugin" not in " ".join(world.syslog())
    entries = [path for path in world.sessions.iterdir() if path.name != "turn"]
    assert len(entries) <= 1  # of the last one, who has just been killed
    assert len(list((world.sessions / "turn").iterdir())) == 1


def test_the_first_login_of_all_that_is_killed_leaves_a_state_folder_that_others_use(world: World, rules) -> None:

    def forget() -> None:
        for path in world.state.iterdir():
            shutil.rmtree(path)

    rules(ONE_PLACE)
    killed = 0
    steps = world.steps(LOGIN, WHAT_IT_WRITES, afresh=forget)
    assert {"mkdir", "symlink", "rename"} <= {step.call for step in steps}
    for step in steps:
        forget()
        attempt = world.attempt(LOGIN, step.kills())
        killed += attempt.code == -signal.SIGKILL
        with world.host("start B scratch bob", "open B"), world.host("start D scratch alice") as alice:
            assert alice.do("open D") != SUCCESS
    assert killed > 40
    assert "error in the plugin" not in " ".join(world.syslog())


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
