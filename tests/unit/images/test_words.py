from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import InvalidParameter
from daemon.images import words

VARIABLES = {"A": "1", "LONG_name2": "x", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a  b\tc", ["a", "b", "c"]),
        ("a='b c' d=\"e 'f\"g", ["a='b c'", 'd="e \'f"g']),
        (r"a\ b c", [r"a\ b", "c"]),
        (r'"a\" b" c', [r'"a\" b"', "c"]),
        ("a 'b c", ["a", "'b c"]),
        ("", []),
    ],
)
def test_words_end_at_blanks_outside_quotes(text: str, found: list[str]) -> None:
    assert words.split(text) == found


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("plain", "plain"),
        ("$A/${A}/$LONG_name2-$B.", "1/1/x-."),
        ("'$A'\"$A\"$A", "$A11"),
        (r"\$A \'x\' \\", r"$A 'x' \\".replace("\\\\", "\\")),
        (r'"\$A \" \x"', r'$A " \x'),
        ("${B:-d}${B-d}${EMPTY:-d}${EMPTY-d}${A:-d}", "ddd1"),
        ("${A:+p}${B:+p}${EMPTY+p}${EMPTY:+p}", "pp"),
        ("${B:-${A}'}'}", "1}"),
        ("${A:?no}", "1"),
        ("$", "$"),
        ("a$/b", "a$/b"),
        ("a\\", "a"),  # what a backslash was to go on with is not there
        ("$1${2}$$x", "x"),
    ],
)
def test_quotes_escapes_and_variables(word: str, meaning: str) -> None:
    assert words.expand(word, VARIABLES) == meaning


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("'a", "ends too early"),
        ('"a', "ends too early"),
        ('"a\\', "ends too early"),
        ("${A", "bad substitution"),
        ("${}", "bad substitution"),
        ("${A:x}", "bad substitution"),
        ("${B:-x", "ends too early"),
        ("${B:?is needed}", "B: is needed"),
        ("${B:-" * 40 + "}" * 40, "nested too deeply"),
    ],
)
def test_malformed_words_are_refused(word: str, why: str) -> None:
    with pytest.raises(InvalidParameter, match=why):
        words.expand(word, VARIABLES)


@given(st.text(alphabet="$\\{}:-+?'\"A b"))
def test_any_text_is_read_or_refused(text: str) -> None:
    for word in words.split(text):
        with contextlib.suppress(InvalidParameter):
            words.expand(word, VARIABLES)


@given(st.text().filter(lambda text: not set(text) & set("'\"\\")))
def test_without_quotes_words_are_what_is_between_blanks(text: str) -> None:
    assert words.split(text) == text.split()
