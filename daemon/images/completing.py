"""The last step of bringing an image in: what ties it together goes into the store."""

from __future__ import annotations

from collections.abc import Sequence

from daemon.images import digests, documents
from daemon.images.content import Lease
from daemon.images.documents import OCI_CONFIG, Descriptor, ImageDocument
from daemon.images.records import ImageRecord, LayerRecord


def complete(
    lease: Lease,
    document: ImageDocument,
    layers: tuple[LayerRecord, ...],
    manifest: bytes = b"",
    stated: Sequence[str] = (),
) -> ImageRecord:
    """Store an image's config and manifest, and return its record.

    Args:
        lease: what keeps them until that is recorded.
        document: the config.
        layers: lowest first; their blobs are there.
        manifest: the image's own, if it has one.
        stated: the digests of the layers' blobs in that.  Where a layer was there already in another form,
            it is not true here, and a manifest is made that is.

    """
    if not manifest or tuple(stated) != tuple(layer.blob for layer in layers):
        manifest = _manifest(document, layers)
    for content in (document.raw, manifest):
        lease.blob(digests.of(content))
        lease.content.blobs.add(content)
    return ImageRecord(document.id, digests.of(manifest), len(manifest), layers)


def _manifest(document: ImageDocument, layers: tuple[LayerRecord, ...]) -> bytes:
    return documents.manifest_of(
        Descriptor(OCI_CONFIG, document.id, len(document.raw)),
        tuple(Descriptor(layer.media_type, layer.blob, layer.size_bytes) for layer in layers),
    )
