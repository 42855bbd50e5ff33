"""A layer store without a disk, and images at registries without a network."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import orjson
import trio

from daemon.archives.growing import Growing
from daemon.archives.sandbox import Extracted
from daemon.archives.supply import Archived
from daemon.errors import Failed, InvalidParameter
from daemon.images import digests, documents
from daemon.images.documents import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Descriptor
from daemon.images.registry.repository import Manifest
from tests.registries.fake import FakeRepository
from tests.unit.images import tars


@attrs.define(eq=False)
class FakeLayers:
    """Layers by chain ID with the size of their tars; a blob is read as it arrives, to its end.

    Attributes:
        begun: the chain IDs in the order in which they were unpacked.
        gate: unpacking waits for it before it reads, while it is there.
        refusal: what the disk says once all has been read, instead of taking it.

    """

    home: Path
    in_any_order: bool = True
    sizes: dict[str, int] = attrs.field(factory=dict)
    begun: list[str] = attrs.field(factory=list)
    gate: trio.Event | None = None
    refusal: Failed | None = None

    def __contains__(self, chain_id: str) -> bool:
        return chain_id in self.sizes

    async def add(
        self, chain_id: str, parent: str | None, blob: Archived, accept: Callable[[Extracted], None]
    ) -> Extracted:
        self.begun.append(chain_id)
        assert self.in_any_order or parent is None or parent in self, "a parent must be in place first"
        if self.gate is not None:
            await self.gate.wait()
        content = await _whole(blob)
        if self.refusal is not None:
            raise self.refusal
        try:
            tar = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
        except (EOFError, OSError, ValueError) as error:
            raise InvalidParameter(f"invalid archive: {error}") from None
        extracted = Extracted(digests.of(tar), len(tar))
        accept(extracted)
        self.sizes[chain_id] = extracted.size_bytes
        return extracted

    async def know(self, chain_ids: Sequence[str]) -> None:
        await trio.lowlevel.checkpoint()

    async def size_bytes(self, chain_id: str) -> int:
        await trio.lowlevel.checkpoint()
        return self.sizes[chain_id]

    def describe(self, chain_ids: Sequence[str]) -> Mapping[str, Any]:
        return {"Name": "fake", "Data": {}}

    def discard(self, chain_id: str) -> None:
        self.sizes.pop(chain_id, None)

    def keep_only(self, chain_ids: Collection[str]) -> None:
        self.sizes = {chain_id: size for chain_id, size in self.sizes.items() if chain_id in chain_ids}

    async def sweep(self) -> None:
        await trio.lowlevel.checkpoint()


async def _whole(blob: Archived) -> bytes:
    if isinstance(blob, Path):
        return blob.read_bytes()
    assert isinstance(blob, Growing)
    opened = blob.path.open("rb")
    with opened:
        progress = None
        while progress is None or not progress.is_complete:
            progress = await blob.beyond(progress)
        return opened.read(progress.size_bytes)


def layer(content: bytes, name: str = "file") -> bytes:
    """Return the tar of a layer with one file."""
    return tars.tar((tars.member(name), content))


@attrs.frozen
class Made:
    """An image at a registry: what it is made of."""

    manifest: Manifest
    config: bytes
    tars: tuple[bytes, ...]
    blobs: tuple[bytes, ...]

    @property
    def id(self) -> str:
        return digests.of(self.config)

    @property
    def chain_ids(self) -> tuple[str, ...]:
        return digests.chain_ids([digests.of(tar) for tar in self.tars])

    @property
    def digests(self) -> tuple[str, ...]:
        return tuple(digests.of(blob) for blob in self.blobs)


def make_image(
    repository: FakeRepository,
    *layers: bytes,
    tag: str = "",
    level: int | None = 6,
    layer_type: str = documents.OCI_LAYER + "+gzip",
    **config: Any,
) -> Made:
    """Have an image of these tars in `repository`, under its digest and `tag`; plain without a level."""
    raw_config = tars.config_of(layers, **config)
    blobs = layers if level is None else tuple(gzip.compress(tar, level, mtime=0) for tar in layers)
    for blob in (raw_config, *blobs):
        repository.add_blob(blob)
    raw = orjson.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": documents.as_json(Descriptor(OCI_CONFIG, digests.of(raw_config), len(raw_config))),
            "layers": [
                documents.as_json(Descriptor(layer_type, digests.of(blob), len(blob))) for blob in blobs
            ],
        }
    )
    return Made(repository.add_manifest(OCI_MANIFEST, raw, tag), raw_config, tuple(layers), blobs)


def make_index(repository: FakeRepository, images: Mapping[str, Made], tag: str = "") -> Manifest:
    """Have an index of `images` by platform, such as "linux/arm64"."""
    entries = []
    for name, image in images.items():
        os, architecture, *variant = name.split("/")
        platform = {"os": os, "architecture": architecture} | ({"variant": variant[0]} if variant else {})
        manifest = image.manifest
        pointer = Descriptor(OCI_MANIFEST, manifest.digest, len(manifest.raw))
        entries.append(documents.as_json(pointer) | {"platform": platform})
    raw = orjson.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
    return repository.add_manifest(OCI_INDEX, raw, tag)
