from __future__ import annotations

import contextlib

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import InvalidParameter
from daemon.images import digests, documents
from tests.unit.images import tars

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_the_id_of_an_image_is_the_digest_of_its_config_as_it_came() -> None:
    raw = tars.config_of([b"a"])
    assert documents.read_image(raw).id == digests.of(raw)


def test_chain_ids_follow_the_specification() -> None:
    one, two = digests.of(b"1"), digests.of(b"2")
    assert digests.chain_ids([one, two]) == (one, digests.of(f"{one} {two}".encode()))


def test_a_config_without_anything_is_an_image_without_layers() -> None:
    document = documents.read_image(b"{}")
    assert (document.diff_ids, document.os, document.created_ns) == ((), "linux", 0)


@pytest.mark.parametrize(
    "fields",
    [
        {"rootfs": []},
        {"rootfs": {"diff_ids": "x"}},
        {"rootfs": {"diff_ids": ["sha256:12"]}},
        {"rootfs": {"diff_ids": [None]}},
        {"rootfs": {"diff_ids": ["sha256:" + "a" * 64] * 501}},
        {"os": "windows"},
        {"os": 1},
        {"history": {}},
        {"history": [1]},
        {"history": [{"empty_layer": "yes"}]},
        {"config": []},
        {"config": {"Cmd": 1}},
    ],
)
def test_a_config_of_another_shape_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidParameter):
        documents.read_image(tars.config_of([], **fields))


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b"{}" * 2])
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidParameter):
        documents.read_image(raw)


def test_a_huge_document_is_refused_unread() -> None:
    with pytest.raises(InvalidParameter, match="larger than"):
        documents.read_image(b" " * (documents.DOCUMENT_LIMIT_BYTES + 1))


@given(st.dictionaries(st.sampled_from(["config", "rootfs", "history", "os", "created", "author"]), JSON))
def test_any_config_is_read_or_refused(document: dict[str, object]) -> None:
    with contextlib.suppress(InvalidParameter):
        documents.read_image(orjson.dumps(document))


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000_000),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1970-01-01T01:00:00.5+01:00", 500_000_000),
        ("0001-01-01T00:00:00Z", 0),
        ("2024-13-01T00:00:00Z", 0),
        ("yesterday", 0),
    ],
)
def test_times_are_read_to_the_nanosecond(text: str, time_ns: int) -> None:
    assert documents.read_time(text) == time_ns


@given(st.integers(0, 253402300799 * 10**9))
def test_times_survive_being_written_and_read(time_ns: int) -> None:
    assert documents.read_time(documents.write_time(time_ns)) == time_ns


def test_times_are_written_without_trailing_zeros() -> None:
    assert documents.write_time(1_500_000_000) == "1970-01-01T00:00:01.5Z"


@pytest.mark.parametrize("entry", [None, {}, {"digest": "x"}, {"digest": "sha256:" + "a" * 64, "size": "1"}])
def test_a_descriptor_without_digest_or_size_is_refused(entry: object) -> None:
    with pytest.raises(InvalidParameter):
        documents.read_descriptor(entry, "it")
