"""Netlink messages, as bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.networks.netlink import attribute, attributes, number, string, text

KINDS = st.integers(1, 0x3FFF)


@given(st.dictionaries(KINDS, st.binary(max_size=40)))
def test_attributes_come_back_as_they_went_out(values: dict[int, bytes]) -> None:
    message = b"head" + b"".join(attribute(kind, value) for kind, value in values.items())
    assert len(message) % 4 == 0
    assert attributes(message, 4) == values


@given(KINDS, st.lists(st.tuples(KINDS, st.binary(max_size=10)), min_size=2, unique_by=lambda pair: pair[0]))
def test_attributes_nest(outer: int, inner: list[tuple[int, bytes]]) -> None:
    message = attribute(outer, *(attribute(kind, value) for kind, value in inner))
    assert attributes(attributes(message)[outer]) == dict(inner)


@given(st.binary(max_size=200))
def test_damaged_attributes_end_the_reading(message: bytes) -> None:
    attributes(message)


def test_flags_in_an_attributes_type_are_no_part_of_it() -> None:
    assert attributes(attribute(5 | 0x8000, b"abcd")) == {5: b"abcd"}


def test_strings_and_numbers_are_the_kernels() -> None:
    assert text(3, "eth0") == b"\x09\0\x03\0eth0\0\0\0\0"
    assert string(b"eth0\0") == "eth0"
    assert attributes(number(4, 1500))[4] == (1500).to_bytes(4, "little")
