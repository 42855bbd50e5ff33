"""Writing images out: one tar that is both a docker archive and an OCI image layout.

Blobs go out as they came in, so what was loaded is saved with the same digests.  Sizes are known
beforehand, so the tar is a list of pieces: nothing is ever gathered in memory, and a slow
reader slows nobody else.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs
import orjson

from daemon.errors import Failed
from daemon.images import digests
from daemon.images.blobs import BlobStore
from daemon.images.documents import OCI_INDEX, OCI_MANIFEST
from daemon.images.plan import NAME_ANNOTATION, REF_ANNOTATION
from daemon.images.records import ImageRecord
from daemon.images.references import Reference

CHUNK_BYTES: Final = 1 << 20
_END: Final = bytes(2 * tarfile.BLOCKSIZE)


@attrs.frozen
class Saved:
    """One image to save, under these names."""

    record: ImageRecord
    tags: tuple[Reference, ...]


@attrs.frozen
class _Blob:
    path: Path
    size_bytes: int


Piece = bytes | _Blob


def pieces(images: Sequence[Saved], blobs: BlobStore) -> list[Piece]:
    """Return what the tar is made of."""
    names = list(dict.fromkeys(digest for image in images for digest in image.record.blobs))
    found: list[Piece] = [_header("blobs", 0, tarfile.DIRTYPE), _header("blobs/sha256", 0, tarfile.DIRTYPE)]
    for digest in names:
        path = blobs.path(digest)
        size_bytes = path.stat().st_size
        found += [_header(_place(digest), size_bytes), _Blob(path, size_bytes), _padding(size_bytes)]
    for name, content in (
        ("index.json", _index(images)),
        ("manifest.json", _manifest(images)),
        ("oci-layout", b'{"imageLayoutVersion": "1.0.0"}'),
    ):
        found += [_header(name, len(content)), content, _padding(len(content))]
    return [*found, _END]


def _place(digest: str) -> str:
    return f"blobs/sha256/{digests.hex_of(digest)}"


def _header(name: str, size_bytes: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type = size_bytes, kind
    member.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    return member.tobuf(tarfile.PAX_FORMAT)


def _padding(size_bytes: int) -> bytes:
    return bytes(-size_bytes % tarfile.BLOCKSIZE)


def _index(images: Sequence[Saved]) -> bytes:
    entries = []
    for image in images:
        entry = {
            "mediaType": OCI_MANIFEST,
            "digest": image.record.manifest,
            "size": image.record.manifest_bytes,
        }
        names = [{NAME_ANNOTATION: tag.canonical, REF_ANNOTATION: tag.tag} for tag in image.tags]
        entries += [entry | {"annotations": name} for name in names] or [entry]
    return orjson.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})


def _manifest(images: Sequence[Saved]) -> bytes:
    entries = [
        {
            "Config": _place(image.record.id),
            "RepoTags": [tag.familiar for tag in image.tags] or None,
            "Layers": [_place(layer.blob) for layer in image.record.layers],
        }
        for image in images
    ]
    return orjson.dumps(entries or None)


def chunks(parts: Sequence[Piece]) -> Iterator[bytes]:
    """Yield the tar in chunks of `CHUNK_BYTES`, the last one shorter; reads files, so advance it in a thread.

    Raises:
        Failed: a blob is shorter than it was.

    """
    gathered = bytearray()
    for part in parts:
        for piece in _read(part):
            gathered += piece
            if len(gathered) >= CHUNK_BYTES:
                yield bytes(gathered)
                gathered.clear()
    if gathered:
        yield bytes(gathered)


def _read(part: Piece) -> Iterator[bytes]:
    if isinstance(part, bytes):
        yield part
        return
    left = part.size_bytes
    with part.path.open("rb") as file:
        while left:
            piece = file.read(min(left, CHUNK_BYTES))
            if not piece:
                raise Failed(f"the blob {part.path.name} is damaged: it is too short")
            left -= len(piece)
            yield piece
