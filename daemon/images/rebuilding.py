"""Images found again from their content, after the journal that knew them was lost.

A manifest is written last of all that an image has, and names the rest: where manifest and config have the
content that their names promise, and every layer is there packed and unpacked, there is the image.  Only its
names are nowhere else.  What a power cut may have left half-written is not trusted: an unpacked layer cannot
be checked, so the manifest must have been written since the host was started, or long enough before the end
of the lost journal for the kernel to have written everything (vm.dirty_expire_centisecs: 30 s).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import attrs
import structlog

from daemon.errors import EngineError, InvalidParameter
from daemon.images import digests, documents
from daemon.images.blobs import BlobStore
from daemon.images.content import LayerStore
from daemon.images.documents import Descriptor, ImageDocument
from daemon.images.records import ImageRecord, LayerRecord

LOG = structlog.get_logger(__name__)
MOST_BYTES: Final = 4 << 20  # of a manifest; layers are longer as a rule
WRITTEN_SECONDS: Final = 120.0


@attrs.frozen
class Rebuilding:
    """Looks for images; `unpacked_bytes` returns how much the layer with a chain ID has unpacked."""

    blobs: BlobStore
    layers: LayerStore
    unpacked_bytes: Callable[[str], int]

    def images(self, lost_at: float, booted_at: float | None = None) -> list[ImageRecord]:
        """Return the images of which everything is there; blocks.

        Args:
            lost_at: when the lost journal was last written, in seconds since 1970.
            booted_at: when the host was started, by the same clock; None to ask it.

        """
        booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) if booted_at is None else booted_at
        found = {}
        for file in self._manifests():
            written_at = file.stat().st_mtime
            if not (written_at > booted or written_at + WRITTEN_SECONDS < lost_at):
                LOG.warning("perhaps half-written; load the image again", manifest=file.name)
                continue
            try:
                record = self._image(file)
            except (EngineError, OSError) as error:
                LOG.info("no image is made of this", blob=file.name, reason=str(error))
            else:
                found[record.id] = record
        return list(found.values())

    def _manifests(self) -> Iterator[Path]:
        directory = self.blobs.root / "sha256"
        for file in sorted(directory.iterdir()) if directory.is_dir() else ():
            if file.stat().st_size <= MOST_BYTES:
                with file.open("rb") as opened:
                    start = opened.read(1)
                if start == b"{" and b'"layers"' in file.read_bytes():
                    yield file

    def _image(self, file: Path) -> ImageRecord:
        raw = self._content(digests.PREFIX + file.name)
        manifest = documents.read_json(raw, "manifest", dict)
        config = documents.read_descriptor(manifest.get("config"), "config")
        document = documents.read_image(self._content(config.digest))
        stated = documents.member(manifest, "layers", list, "manifest")
        blobs = [documents.read_descriptor(one, "layer") for one in stated]
        layers = tuple(self._layers(document, blobs))
        return ImageRecord(document.id, digests.of(raw), len(raw), layers)

    def _content(self, digest: str) -> bytes:
        content = self.blobs.path(digest).read_bytes()
        if digests.of(content) != digest:
            raise InvalidParameter(f"{digest} has another content")
        return content

    def _layers(self, document: ImageDocument, blobs: list[Descriptor]) -> Iterator[LayerRecord]:
        if len(blobs) != len(document.diff_ids):
            raise InvalidParameter("the manifest has other layers than the config")
        for diff_id, chain_id, blob in zip(
            document.diff_ids, digests.chain_ids(document.diff_ids), blobs, strict=True
        ):
            path = self.blobs.path(blob.digest)
            if not path.exists() or path.stat().st_size != blob.size or chain_id not in self.layers:
                raise InvalidParameter(f"layer {diff_id} is not there, or not all of it")
            unpacked_bytes = self.unpacked_bytes(chain_id)
            yield LayerRecord(diff_id, chain_id, blob.digest, blob.media_type, blob.size, unpacked_bytes)
