"""What stands in accesscontrol.py as text is as sound as what is compiled with it."""

import __future__

import builtins
import dis
import re
import traceback
from pathlib import Path

import pytest

import accesscontrol

TEXTS = accesscontrol.folded.texts
SOURCE = Path(accesscontrol.__file__).read_text(encoding="utf-8")
PIECES = re.findall(r"(?ms)^piece\(r'''(.*?)^'''\)$", SOURCE)


FOR_THE_TYPE_CHECKER = {
    *("Any", "Callable", "Iterable", "Iterator", "Sequence", "annotations"),
    *("Groups", "Limit", "Rule", "Rules"),
}


def compiled(text):
    return compile(text, "text", "exec", __future__.annotations.compiler_flag)


def names_in(code):
    """The names that some compiled text takes from its module, and those that it makes there itself."""
    used, made = set(), set()
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            used.add(step.argval)
        elif step.opname in ("STORE_NAME", "STORE_GLOBAL"):
            made.add(step.argval)
        elif hasattr(step.argval, "co_code"):
            inner_used, inner_made = names_in(step.argval)
            used |= inner_used
            made |= inner_made
    return used, made


def test_every_text_is_a_piece_or_folded():
    assert len(PIECES) == SOURCE.count("\npiece(") > 4
    assert len(TEXTS) == SOURCE.count("\nfolded(")


def test_a_piece_uses_no_name_that_is_folded_away():
    used, made = (set().union(*sets) for sets in zip(*(names_in(compiled(text)) for text in (SOURCE, *PIECES))))
    used = {name for name in used if not name.startswith("__")}
    assert used - made - set(dir(builtins)) == set()


@pytest.mark.parametrize(("line", "text"), TEXTS, ids=[f"line{line}" for line, _ in TEXTS])
def test_a_text_uses_no_name_that_stands_in_another_text(line, text):
    every_login = set().union(*(names_in(compiled(text))[1] for text in (SOURCE, *PIECES)))
    used, made = names_in(compiled(text))
    used = {name for name in used if not name.startswith("__")}
    assert used - made - (every_login - FOR_THE_TYPE_CHECKER) - set(dir(builtins)) == set()


@pytest.mark.parametrize(("line", "text"), TEXTS, ids=[f"line{line}" for line, _ in TEXTS])
def test_a_text_stands_on_the_line_that_tracebacks_name(line, text):
    assert SOURCE.split("\n")[line - 1 :][: text.count("\n")][1:] == text.split("\n")[1:-1]


def test_a_traceback_shows_the_line_in_the_text():
    try:
        accesscontrol.parse_entry("bob", limited=True)
    except accesscontrol.Fault as fault:
        [*_, last] = traceback.extract_tb(fault.__traceback__)
    assert last.name == "parse_entry"
    assert "has no limit" in SOURCE.split("\n")[last.lineno - 1]


def test_no_name_stands_in_two_texts():
    texts = [SOURCE, *PIECES, *(text for _, text in TEXTS)]
    steps = [step for text in texts for step in dis.get_instructions(compiled(text))]
    made = [step.argval for step in steps if step.opname == "STORE_NAME"]
    assert {name for name in made if made.count(name) > 1 and not name.startswith("__")} <= FOR_THE_TYPE_CHECKER


def test_what_stands_nowhere_is_no_attribute():
    with pytest.raises(AttributeError):
        _ = accesscontrol.nothing
    assert not hasattr(accesscontrol, "pam_sm_end")
