"""Images found again from their content, and only those that are whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from daemon.graphdrivers.layers import Layers
from daemon.images.blobs import BlobStore
from daemon.images.documents import OCI_CONFIG, Descriptor, manifest_of
from daemon.images.rebuilding import WRITTEN_SECONDS, Rebuilding
from daemon.images.records import ImageRecord
from tests.unit.graphdrivers.fakes import fake_layers, put_layers
from tests.unit.images import tars

LOST_AT, BOOTED_AT = 2_000_000.0, 1_000_000.0


@attrs.frozen
class Store:
    """Both stores with one image in them."""

    blobs: BlobStore
    layers: Layers
    record: ImageRecord

    def images(self, lost_at: float = LOST_AT, booted_at: float = BOOTED_AT) -> list[ImageRecord]:
        return Rebuilding(self.blobs, self.layers, lambda _: 7).images(lost_at, booted_at)

    @property
    def manifest(self) -> Path:
        return self.blobs.path(self.record.manifest)


@pytest.fixture
async def store(tmp_path: Path) -> Store:
    blobs, layers = BlobStore(tmp_path / "blobs"), await fake_layers(tmp_path / "graph")
    blobs.open()
    brought = tars.brought("a")
    known = []
    for layer in brought.record.layers:
        blob = blobs.add(layer.chain_id.encode())
        await put_layers(layers, [layer.chain_id])
        size_bytes = blobs.path(blob).stat().st_size
        known.append(attrs.evolve(layer, blob=blob, size_bytes=size_bytes, unpacked_bytes=7))
    config = blobs.add(brought.document.raw)
    raw = manifest_of(
        Descriptor(OCI_CONFIG, config, len(brought.document.raw)),
        tuple(Descriptor(layer.media_type, layer.blob, layer.size_bytes) for layer in known),
    )
    record = ImageRecord(config, blobs.add(raw), len(raw), tuple(known))
    return Store(blobs, layers, record)


async def test_an_image_that_is_all_there_is_found(store: Store) -> None:
    store.blobs.add(b"{ neither JSON nor a manifest: layers")
    store.blobs.add(b'{"layers": 3}')
    assert store.images() == [store.record]


async def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    layers = await fake_layers(tmp_path)
    assert Rebuilding(BlobStore(tmp_path / "none"), layers, lambda _: 0).images(1) == []


SPOILED: dict[str, Callable[[Store], object]] = {
    "the config": lambda store: store.blobs.path(store.record.id).unlink(),
    "the config's content": lambda store: store.blobs.path(store.record.id).write_bytes(b"{}"),
    "the manifest's content": lambda store: store.manifest.write_bytes(store.manifest.read_bytes() + b" "),
    "a layer's blob": lambda store: store.blobs.path(store.record.layers[-1].blob).unlink(),
    "the end of a layer's blob": lambda store: os.truncate(store.blobs.path(store.record.layers[-1].blob), 1),
    "an unpacked layer": lambda store: store.layers.discard(store.record.chain_ids[-1]),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
async def test_one_of_which_something_is_missing_is_not(
    store: Store, spoil: Callable[[Store], object]
) -> None:
    spoil(store)
    assert store.images() == []


@pytest.mark.parametrize(
    ("written_at", "is_found"),
    [
        (BOOTED_AT + 1, True),  # nothing was cut off since
        (LOST_AT - WRITTEN_SECONDS - 1, True),
        (LOST_AT - 1, False),  # by then the kernel may not have written it
    ],
)
async def test_what_a_power_cut_may_have_cut_short_is_not(
    store: Store, written_at: float, is_found: bool
) -> None:
    os.utime(store.manifest, (written_at, written_at))
    booted_at = BOOTED_AT if written_at == BOOTED_AT + 1 else LOST_AT + 100
    assert (store.images(booted_at=booted_at) == [store.record]) is is_found
