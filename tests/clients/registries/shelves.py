"""Images on the shelf of a scripted registry, and what the engine under test may be found to have asked."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
from typing import Any

import attrs

from daemon.images import digests
from tests.registries.shelf import OCI_INDEX, OCI_MANIFEST, Shelf

REPOSITORY = "box"


def tar_of(**files: bytes) -> bytes:
    """Return a tar of plain files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def noise(size_bytes: int, seed: int = 1) -> bytes:
    """Return what does not get smaller by compression."""
    return random.Random(seed).randbytes(size_bytes)


@attrs.frozen
class Shelved:
    """An image on a shelf: the digests of its manifest and of its layers' blobs."""

    digest: str
    layers: tuple[str, ...]


def shelve(shelf: Shelf, tag: str, *tars: bytes, name: str = REPOSITORY, **config: Any) -> Shelved:
    """Have an image of these tars."""
    blobs = [gzip.compress(tar, 1, mtime=0) for tar in tars]
    document = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digests.of(tar) for tar in tars]},
    }
    digest = shelf.add_image(name, tag, document | config, blobs)
    return Shelved(digest, tuple(map(digests.of, blobs)))


def shelve_index(shelf: Shelf, tag: str, name: str = REPOSITORY, **images: Shelved) -> str:
    """Have an index of images by architecture; return its digest."""
    entries = [
        {
            "mediaType": OCI_MANIFEST,
            "digest": image.digest,
            "size": len(shelf.manifests[name, image.digest][1]),
            "platform": {"os": "linux", "architecture": architecture},
        }
        for architecture, image in images.items()
    ]
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    return shelf.add_manifest(name, tag, document, OCI_INDEX)
