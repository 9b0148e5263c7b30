"""Fixtures of the tests that need a whole desktop: GNOME or KDE Plasma, in the machine of `tests/run --desktops`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

MACHINE = Path(__file__).parents[1] / "machine"
sys.path.insert(0, str(MACHINE))

from alice import Desktop  # noqa: E402
from desktop import SEEN  # noqa: E402
from desktop_fixtures import EYE, EYE_FILES  # noqa: E402
from gnome import Gnome  # noqa: E402
from kde import Kde, KdeOnX11  # noqa: E402

_spec = spec_from_file_location("conftest_of_the_machine", MACHINE / "conftest.py")
assert _spec is not None and _spec.loader is not None
_conftest = module_from_spec(_spec)
_spec.loader.exec_module(_conftest)
_machine, rules, journal, monthly_log = _conftest._machine, _conftest.rules, _conftest.journal, _conftest.monthly_log
pytest_configure = _conftest.pytest_configure


@pytest.fixture(scope="session")
def _eye(_machine) -> Iterator[None]:
    """Every window of the plugin tells what is on it, in a file of SEEN."""
    SEEN.mkdir(exist_ok=True)
    SEEN.chmod(0o1777)
    for path, text in zip(EYE_FILES, (EYE, "import tests_eye\n")):
        path.write_text(text)
    yield
    for path in EYE_FILES:
        path.unlink()
    shutil.rmtree(SEEN)


@pytest.fixture(scope="session", params=[Gnome, Kde, KdeOnX11], ids=["gnome", "plasma", "plasma-x11"])
def _session(request: pytest.FixtureRequest, _eye) -> Iterator[Desktop]:
    found = request.param()
    yield found
    found.stop()


@pytest.fixture
def desktop(_session: Desktop, rules) -> Iterator[Desktop]:
    """alice's desktop, with nothing on it. Nobody else is in, and nobody was asked about before."""
    rules("SSH ASK USER bob\nDEFAULT:OPEN\nREMEMBER:0\n")
    if not _session.is_there():
        _session.stop()
        _session.start()
    _session.clear()
    yield _session
    _session.clear()
