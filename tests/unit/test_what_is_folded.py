"""What most logins do without stands in accesscontrol.py as text, and is as sound as what every login compiles."""

import __future__

import builtins
import dis
import traceback
from pathlib import Path

import pytest

import accesscontrol

TEXTS = accesscontrol.folded.texts
SOURCE = Path(accesscontrol.__file__).read_text(encoding="utf-8")


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


@pytest.mark.parametrize(("line", "text"), TEXTS, ids=[f"line{line}" for line, _ in TEXTS])
def test_a_text_uses_no_name_that_stands_in_another_text(line, text):
    _, every_login = names_in(compiled(SOURCE))
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
    steps = [step for text in (SOURCE, *(text for _, text in TEXTS)) for step in dis.get_instructions(compiled(text))]
    made = [step.argval for step in steps if step.opname == "STORE_NAME"]
    assert {name for name in made if made.count(name) > 1 and not name.startswith("__")} <= FOR_THE_TYPE_CHECKER


def test_what_stands_nowhere_is_no_attribute():
    with pytest.raises(AttributeError):
        _ = accesscontrol.nothing
    assert not hasattr(accesscontrol, "pam_sm_end")
