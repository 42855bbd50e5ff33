from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.archives.flow import AHEAD_CHUNKS, Flow, Hasher, hasher_for


def supply(*chunks: bytes) -> Callable[[], bytes]:
    left = iter(chunks)
    return lambda: next(left, b"")


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=3 * AHEAD_CHUNKS))
def test_every_chunk_arrives_in_order_and_is_hashed(chunks: list[bytes]) -> None:
    hasher = Hasher()
    flow = Flow(supply(*chunks), hasher)
    assert [flow.next() for _ in range(len(chunks) + 2)] == [*chunks, b"", b""]
    assert hasher.digest() == f"sha256:{hashlib.sha256(b''.join(chunks)).hexdigest()}"


def test_what_nobody_has_used_is_hashed_all_the_same() -> None:
    hasher = Hasher()
    flow = Flow(supply(b"a", b"b"), hasher)
    flow.drain()
    assert hasher.digest() == f"sha256:{hashlib.sha256(b'ab').hexdigest()}"


def test_an_error_comes_where_the_chunk_was_wanted() -> None:
    def fail() -> bytes:
        raise OSError("the disk is broken")

    with pytest.raises(OSError, match="the disk is broken"):
        Flow(fail).next()


@pytest.mark.parametrize(
    ("is_encoded", "known", "hashes"),
    [(True, "sha256:1", True), (False, "", True), (False, "sha256:1", False)],
)
def test_only_what_is_not_known_is_hashed(is_encoded: bool, known: str, hashes: bool) -> None:
    assert (hasher_for(is_encoded, known) is not None) is hashes
