"""A plain layer as it is packed for a push."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import orjson
import pytest
import trio

from daemon.errors import Failed
from daemon.images import digests, documents
from daemon.images.digests import Measured
from daemon.images.packing import PIECE_BYTES, PackedLayer
from daemon.images.progress import State

CONTENT = random.Random(1).randbytes(PIECE_BYTES) + bytes(3 * PIECE_BYTES) + b"end"


@pytest.fixture
def told() -> list[State]:
    return []


@pytest.fixture
def layer(tmp_path: Path, told: list[State]) -> PackedLayer:
    return laid_down(tmp_path, CONTENT, told)


def laid_down(directory: Path, content: bytes, told: list[State]) -> PackedLayer:
    path = directory / "layer"
    path.write_bytes(content)
    return PackedLayer(path, digests.of(content), told.append)


async def read(layer: PackedLayer, offset: int = 0) -> bytes:
    async with layer.open(offset) as pieces:
        return b"".join([piece async for piece in pieces])


@pytest.mark.parametrize("content", [b"", b"x", CONTENT])
async def test_what_comes_out_is_the_tar_as_gzip(tmp_path: Path, content: bytes, told: list[State]) -> None:
    layer = laid_down(tmp_path, content, told)
    assert layer.measured is None
    packed = await read(layer)
    assert gzip.decompress(packed) == content
    assert layer.measured == Measured(digests.of(packed), len(packed))


async def test_it_is_the_same_each_time(layer: PackedLayer) -> None:
    first = await read(layer)
    await trio.lowlevel.checkpoint()
    assert await read(layer) == first
    assert first[3:8] == bytes(5), "the header says neither a name nor a time"


@pytest.mark.parametrize("offset", [1, 1000, PIECE_BYTES, PIECE_BYTES + 500])
async def test_it_goes_on_from_anywhere(layer: PackedLayer, offset: int) -> None:
    whole = await read(layer)
    assert await read(layer, offset) == whole[offset:]
    assert layer.measured == Measured(digests.of(whole), len(whole))


async def test_nothing_is_left_behind_the_end(layer: PackedLayer) -> None:
    whole = await read(layer)
    assert await read(layer, len(whole)) == b""


async def test_no_piece_is_empty_and_none_is_much_larger_than_what_was_read(layer: PackedLayer) -> None:
    async with layer.open(0) as pieces:
        sizes = [len(piece) async for piece in pieces]
    assert min(sizes) > 0
    assert max(sizes) < 2 * PIECE_BYTES


async def test_progress_counts_the_tar(layer: PackedLayer, told: list[State]) -> None:
    await read(layer)
    whole = len(CONTENT)
    assert [state.current for state in told] == [*range(0, whole, PIECE_BYTES), whole]
    assert {(state.status, state.total) for state in told} == {("Pushing", whole)}


async def test_another_content_than_the_diff_id_says_has_no_end(
    layer: PackedLayer, told: list[State]
) -> None:
    layer.path.write_bytes(CONTENT[:-1])
    with pytest.raises(Failed, match="is damaged here"):
        await read(layer)
    assert layer.measured is None


async def test_one_that_is_cancelled_closes_its_file(layer: PackedLayer) -> None:
    with trio.CancelScope() as scope:
        async with layer.open(0) as pieces:
            file = pieces.file  # type: ignore[attr-defined]
            await anext(pieces)
            scope.cancel("enough")
            await anext(pieces)
    assert file.closed
    assert scope.cancelled_caught


def manifest(layer_type: str, digest: str, **more: object) -> bytes:
    entries = [
        {"mediaType": layer_type, "digest": digest, "size": 5, **more},
        {"mediaType": "other", "digest": digests.of(b"other"), "size": 7},
    ]
    return orjson.dumps({"schemaVersion": 2, "layers": entries, "annotations": {"a": "b"}})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip"),
        ("application/vnd.oci.image.layer.v1.tar+zstd", "application/vnd.oci.image.layer.v1.tar+gzip"),
        ("", "application/vnd.oci.image.layer.v1.tar+gzip"),
        (
            "application/vnd.docker.image.rootfs.diff.tar",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
        ),
        (
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
        ),
    ],
)
def test_a_manifest_names_packed_layers_in_its_own_words(before: str, after: str) -> None:
    digest = digests.of(b"plain")
    raw = manifest(before, digest, annotations={"c": "d"}, data="cGxhaW4=")
    made = orjson.loads(documents.with_packed_layers(raw, {digest: Measured(digests.of(b"packed"), 6)}))
    entry = {"mediaType": after, "digest": digests.of(b"packed"), "size": 6, "annotations": {"c": "d"}}
    old = orjson.loads(raw)
    assert made == {**old, "layers": [entry, old["layers"][1]]}


def test_a_manifest_of_which_nothing_was_packed_is_the_same_to_the_byte() -> None:
    raw = b'{ "layers": [] }'
    assert documents.with_packed_layers(raw, {}) is raw
