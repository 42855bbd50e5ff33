"""What the journal keeps of an image, as frozen values.

An image is a record of kind `image` under its id; its tags, in canonical form, are the names of that
record, so that a tag is unique by the journal's own rule and moves in one transaction.
"""

from __future__ import annotations

from typing import Final

import attrs

from daemon.images.digests import Measured

IMAGE_KIND: Final = "image"


@attrs.frozen
class LayerRecord:
    """One layer: what it is, and the blob it came as; `unpacked_bytes` is the size of its files.

    `packed` is what a plain one became when it was last packed for a push, if it was.
    """

    diff_id: str
    chain_id: str
    blob: str
    media_type: str
    size_bytes: int
    unpacked_bytes: int
    packed: Measured | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the blob is the layer's tar itself, whatever its media type says."""
        return self.blob == self.diff_id


@attrs.frozen
class ImageRecord:
    """One image; its id is the digest of its config blob, layers are lowest first.

    `parent` is the id of the image that a container was of which this one was made; empty for others.
    """

    id: str
    manifest: str
    manifest_bytes: int
    layers: tuple[LayerRecord, ...]
    repo_digests: tuple[str, ...] = ()
    tagged_ns: int = 0
    parent: str = ""

    @property
    def blobs(self) -> tuple[str, ...]:
        """Every blob this image needs."""
        return (self.id, self.manifest, *(layer.blob for layer in self.layers))

    @property
    def sent(self) -> frozenset[str]:
        """Every blob that a registry may have of it, wherever it came from or went to."""
        return frozenset(self.blobs) | {layer.packed.digest for layer in self.layers if layer.packed}

    @property
    def chain_ids(self) -> tuple[str, ...]:
        """Every unpacked layer this image needs."""
        return tuple(layer.chain_id for layer in self.layers)
