"""Lets the tests import accesscontrol.py from the checkout that they lie in, and leaves nothing behind in it."""

import os
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(os.path.dirname(HERE)), HERE]

import hypothesis  # noqa: E402
import hypothesis.configuration  # noqa: E402
import pytest  # noqa: E402

hypothesis.configuration.set_hypothesis_home_dir(os.path.join(tempfile.gettempdir(), f"hypothesis-{os.getuid()}"))
hypothesis.settings.register_profile(
    "unit",
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.filter_too_much],
)
hypothesis.settings.load_profile("unit")


@pytest.fixture
def state(tmp_path, monkeypatch):
    """A state folder of our own, not yet made, and nobody whom logind knows. `state.logged` has what was logged."""
    import accesscontrol

    class StateFolder(type(Path())):
        logged = []

    folder, StateFolder.logged = StateFolder(tmp_path / "state"), []
    monkeypatch.setattr(accesscontrol, "STATE", str(folder))
    monkeypatch.setattr(accesscontrol, "LOGIND_SESSIONS", str(tmp_path / "logind"))
    monkeypatch.setattr(accesscontrol, "LOOKS_AGAIN_AFTER", 0.001)
    monkeypatch.setattr(accesscontrol, "syslog", lambda _, message: StateFolder.logged.append(message))
    monkeypatch.setattr(accesscontrol, "monthly", lambda *_: None)
    return folder
