"""Names and hosts come from strangers. In a log they are one line, and never pass for something that they are not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import accesscontrol
from accesscontrol import column, printable
from login_attempts import attempt, decide

texts = st.text(st.integers(0, 0x10FFFF).map(chr), max_size=120) | st.text("ab\\xnu0185@ \n\x85\udc85", max_size=12)


@pytest.mark.parametrize("text", [
    "bob", "", "a b", "bob@example.org", "%s%n", "<b>bob</b>", "b\u00f6b", "\u5f20\u4f1f", "'", '"', "a:b,c#d",
    "EXAMPLE\\bob", "\\", "a\\nb",
])
def test_what_can_be_read_stays_as_it_is(text):
    assert printable(text) == text


@pytest.mark.parametrize(("text", "shown"), [
    ("a\nb", "a\\nb"), ("a\rb", "a\\rb"), ("a\tb", "a\\tb"), ("a\0b", "a\\x00b"), ("a\x1b[2Jb", "a\\x1b[2Jb"),
    ("a\x7fb", "a\\x7fb"), ("a\x9bb", "a\\x9bb"), ("a\u00a0b", "a\\xa0b"), ("a\u200bb", "a\\u200bb"),
    ("a\u202eb", "a\\u202eb"), ("a\u2066b", "a\\u2066b"), ("a\u200fb", "a\\u200fb"), ("a\u061cb", "a\\u061cb"),
    ("a\u2028b", "a\\u2028b"), ("a\u2029b", "a\\u2029b"), ("a\ufeffb", "a\\ufeffb"), ("a\u3000b", "a\\u3000b"),
    ("a\udcffb", "a\\xffb"), ("a\ud800b", "a\\ud800b"),
    ("a\U000e0041b", "a\\U000e0041b"),
])
def test_what_cannot_be_read_is_a_backslash_and_a_number(text, shown):
    assert printable(text) == shown


@settings(max_examples=1000)
@given(texts)
def test_it_is_always_one_line_that_every_log_can_take(text):
    for shown in (printable(text), column(text)):
        assert shown.isprintable()
        assert "\n" not in shown
        shown.encode("utf-8")


@settings(max_examples=1000)
@given(texts, texts)
def test_two_different_names_never_look_alike(one, other):
    """But for a byte that is not UTF-8 and the control character of that number: both are \\x85; and a backslash, which
    stands as it is, may look like one that was put there."""

    def same(text):
        return "".join(chr(ord(char) - 0xDC00) if "\udc80" <= char <= "\udcff" else char for char in text)

    one, other = one.replace("\\", ""), other.replace("\\", "")
    assert (printable(one) == printable(other)) == (same(one) == same(other))
    assert (column(one) == column(other)) == (same(one) == same(other))


@pytest.mark.parametrize(("text", "shown"), [
    ("bob", "bob"), ("EXAMPLE\\bob", "EXAMPLE\\bob"), ("domain user", "domain\\x20user"), ("a@b", "a\\x40b"),
    (" ", "\\x20"),
])
def test_in_a_column_blanks_and_at_signs_are_escaped_too(text, shown):
    assert column(text) == shown


@given(texts)
def test_a_column_is_one_word_without_an_at(text):
    shown = column(text)
    assert "@" not in shown
    assert shown.split() == ([shown] if text else [])


@given(texts, texts)
def test_user_and_host_can_be_told_apart(user, rhost):
    shown = str(attempt("sshd", user, rhost))
    assert shown.split("@") == [column(user), "local" if rhost == "LOCAL" else column(rhost) or "LOCAL"]
    assert shown.isprintable()
    assert " " not in shown


@pytest.mark.parametrize("size", [257, 300, 65536, 1 << 20])
@pytest.mark.parametrize("char", ["x", "\n", "\u202e", "\udcff", "\\"])
def test_a_name_without_end_is_cut_and_says_so(size, char):
    shown = printable(char * size)
    assert len(shown) < 3000
    assert shown.isprintable()
    assert str(size) in shown
    assert printable(char * size) != printable(char * (size + 1))


def test_a_name_of_ordinary_length_is_never_cut():
    assert printable("x" * 256) == "x" * 256


@pytest.mark.parametrize("name", [
    "bob\nsshd: accepted", "bob\x1b[1A", "bob\u202e", "bob\udcff", "bob OPEN: rules:1",
    pytest.param("x" * 65536, id="long"),
])
def test_what_a_decision_says_is_one_line_whoever_is_at_the_door(name):
    notes = []
    for text in ("SSH OPEN USER alice", "SSH CLOSE USER bob@10.0.0.1", "SSH CLOSE GROUP gone",
        f"SSH OPEN USER \"{name}\"", f"FOO:{name}"):
        for somebody in (attempt("sshd", name, "192.0.2.1"), attempt("sshd", "bob", name), attempt(name, "bob", "")):
            found = accesscontrol.decide(accesscontrol.parse(text, f"/etc/{name}"), somebody, notes.append)
            notes += [found.why, found.where, str(somebody), somebody.name]
    assert [note for note in notes if not note.isprintable() or len(note) > 3000] == []


def test_the_name_of_a_group_that_cannot_be_told_is_printable():
    assert decide("SSH CLOSE GROUP gr\u202e\udcff").why.isprintable()
