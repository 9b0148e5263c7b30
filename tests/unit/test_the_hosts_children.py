"""A child of ours is none of the host's business: it gets no signal of ours, and every one of its own."""

import os
import signal
import subprocess

import pytest

import accesscontrol


@pytest.fixture
def signals():
    """How often the host's handler of SIGCHLD was called, as so many entries."""
    heard = []
    before = signal.signal(signal.SIGCHLD, lambda *_: heard.append("SIGCHLD"))
    yield heard
    signal.signal(signal.SIGCHLD, before)


def ended(*command):
    """A child that has ended, and that nobody has waited for."""
    child = subprocess.Popen(command)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    return child


def a_child_of_ours():
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGCHLD,))
    assert ended("true").wait() == 0
    return mask


def test_the_host_is_not_told_of_ours(signals):
    accesscontrol.take_back_sigchld(a_child_of_ours())
    assert signals == []
    assert signal.SIGCHLD not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_the_host_is_told_of_its_own_that_has_ended_meanwhile(signals):
    mask = a_child_of_ours()
    child = ended("true")
    accesscontrol.take_back_sigchld(mask)
    assert "SIGCHLD" in signals
    assert child.wait() == 0


def test_the_host_is_told_only_when_it_wants_to_be(signals):
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGCHLD,))
    child = ended("true")
    accesscontrol.take_back_sigchld(a_child_of_ours())
    assert signals == []
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert "SIGCHLD" in signals
    assert child.wait() == 0


def test_a_child_of_ours_has_ended_behind_the_block(signals):
    with accesscontrol.HiddenChild("sleep", "infinity") as child:
        pass
    assert child.process.returncode == -signal.SIGKILL
    assert signals == []


def test_one_that_cannot_be_started_leaves_the_mask_as_it_was(signals):
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with pytest.raises(FileNotFoundError):
        accesscontrol.HiddenChild("/nonexistent")
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
