"""accesscontrol.py and the reference read every rule file alike, and decide every login alike.

What is compared: the lines that are ignored, the rules, the options, and for each login the verdict, the line that
decided and the limits. Of accesscontrol.py alone: no exception; an ignored line never changes a verdict; DEBUG never
does, either.
tests/fuzz does the same for as long as one likes.
"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comparison import differ, disagreements, smallest
from rulefiles import Choices, a_file, a_login


def check(data):
    choices = Choices(data)
    text = a_file(choices)
    logins = [a_login(choices) for _ in range(3)]
    if differ(text, logins):
        text, logins = smallest(text, logins)
        assert disagreements(text, logins) == [], f"rule file {text!r}, logins {logins!r}"


@settings(max_examples=8_000)
@given(st.binary(min_size=280, max_size=280))
def test_files_that_hypothesis_makes_mean_the_same_to_both(data):
    check(data)


@pytest.mark.parametrize("seed", range(16))
def test_files_that_chance_makes_mean_the_same_to_both(seed):
    chance = random.Random(seed)
    for _ in range(1_000):
        check(chance.getrandbits(8 * 300).to_bytes(300, "little"))
