"""The child that finds out diff IDs; needs root, for it changes its own."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import zstandard

from daemon.archives.sandbox import diff_id_of
from daemon.errors import InvalidParameter
from daemon.images import digests

pytestmark = pytest.mark.runtime
CONTENT = b"layer" * 100_000


@pytest.mark.parametrize("packed", [CONTENT, gzip.compress(CONTENT), zstandard.compress(CONTENT), b""])
async def test_it_is_that_of_what_is_inside(tmp_path: Path, packed: bytes) -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(packed)
    assert await diff_id_of(blob) == digests.of(CONTENT if packed else b"")


async def test_what_cannot_be_decompressed_has_none(tmp_path: Path) -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(gzip.compress(CONTENT)[:-10])
    with pytest.raises(InvalidParameter):
        await diff_id_of(blob)
