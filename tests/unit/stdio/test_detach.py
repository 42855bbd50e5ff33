"""Detach keys: how they are written, and how they are found."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.api.detach import DetachScanner, parse_keys
from daemon.errors import InvalidParameter

KEYS = {
    "": b"\x10\x11",
    "ctrl-p,ctrl-q": b"\x10\x11",
    "a": b"a",
    "ctrl-@": b"\0",
    "ctrl-a,x,ctrl-_": b"\x01x\x1f",
}


@pytest.mark.parametrize(("text", "keys"), KEYS.items())
def test_keys_are_read_as_docker_writes_them(text: str, keys: bytes) -> None:
    assert parse_keys(text) == keys


@pytest.mark.parametrize("text", ["ctrl-", "ctrl-A", "ctrl-pp", "ab", "a,", ",", "é", "ctrl-1"])
def test_what_is_no_key_is_refused_with_dockers_text(text: str) -> None:
    with pytest.raises(InvalidParameter, match="Invalid detach keys") as refused:
        parse_keys(text)
    assert str(refused.value) == f"Invalid detach keys ({text}) provided"


def test_a_first_key_is_held_back_until_the_next_one_decides() -> None:
    scanner = DetachScanner(b"\x10\x11")
    assert scanner.feed(b"a\x10") == (b"a", False)
    assert scanner.feed(b"b") == (b"\x10b", False)
    assert scanner.feed(b"\x10\x10") == (b"\x10", False)
    assert scanner.feed(b"\x11later") == (b"", True)


@given(
    st.text("abx").map(str.encode),
    st.lists(st.integers(0, 40)),
    st.sampled_from([b"ab", b"aab", b"a", b"abab"]),
)
def test_the_sequence_is_found_however_the_input_is_cut(typed: bytes, cuts: list[int], keys: bytes) -> None:
    scanner, passed, found, start = DetachScanner(keys), b"", False, 0
    for end in [*sorted(cuts), len(typed)]:
        forward, found = scanner.feed(typed[start:end])
        passed, start = passed + forward, max(start, end)
        if found:
            break
    before, sequence, _ = typed.partition(keys)
    assert found == bool(sequence)
    assert before.startswith(passed)
    assert len(before) - len(passed) < len(keys)


@given(st.text(max_size=20))
def test_no_text_does_anything_but_parse_or_be_refused(text: str) -> None:
    with contextlib.suppress(InvalidParameter):
        assert parse_keys(text)
