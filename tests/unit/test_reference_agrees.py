"""accesscontrol.py and the reference read every rule file alike, and decide every login attempt alike.

What is compared: the lines that are ignored, the rules, the options, and for each attempt the verdict, the line that
decided and the limits. Of accesscontrol.py alone: no exception; an ignored line never changes a verdict; DEBUG never
does, either; and what a login reads of a long file decides like the whole file.
tests/fuzz does the same for as long as one likes.
"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comparison import differ, disagreements, smallest
from rulefiles import Choices, a_case, a_file


def check(data):
    choices = Choices(data)
    text = a_file(choices)
    cases = [a_case(choices) for _ in range(3)]
    if differ(text, cases):
        text, cases = smallest(text, cases)
        assert disagreements(text, cases) == [], f"rule file {text!r}, cases {cases!r}"


@settings(max_examples=1_000)
@given(st.binary(min_size=360, max_size=360))
def test_files_that_hypothesis_makes_mean_the_same_to_both(data):
    check(data)


@pytest.mark.parametrize("seed", range(20))
def test_files_that_chance_makes_mean_the_same_to_both(seed):
    chance = random.Random(seed)
    for _ in range(1_000):
        check(chance.getrandbits(8 * 360).to_bytes(360, "little"))
