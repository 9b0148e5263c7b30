"""tests/FAULTS.md tells of tests that are there, and of each fault what is promised."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
TESTED, BY_HAND, _ = (TESTS / "FAULTS.md").read_text().partition("\n## Tried by hand, and held\n")
ROWS = [row for row in TESTED.splitlines() if row.startswith("| ") and " fault |" not in row]


def cells(row):
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_it_has_rows():
    assert len(ROWS) > 40
    assert BY_HAND


@pytest.mark.parametrize("row", ROWS, ids=lambda row: cells(row)[0])
def test_each_row_is_whole_and_its_tests_are_there(row):
    fault, promise, tests = cells(row)
    assert fault and promise
    named = re.findall(r"`([^`]+)`", tests)
    assert tests == ", ".join(f"`{name}`" for name in named) != ""
    for name in named:
        file, _, function = name.partition("::")
        text = (TESTS / file).read_text()
        assert re.search(rf"^def {function or 'test_[a-z]'}{'[(]' if function else ''}", text, re.MULTILINE), name
