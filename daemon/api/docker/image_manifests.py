"""What clients are shown of an image's manifest (API 1.47); an image here has one.

Source: `ImageManifestSummary` of the API's schema.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import trio

from daemon.actors.image_catalog import ImageSnapshot
from daemon.actors.images import Images
from daemon.images import documents
from daemon.images.blobs import BlobStore
from daemon.images.documents import OCI_MANIFEST, Descriptor
from daemon.images.records import ImageRecord

LIST_SINCE: Final = (1, 47)
INSPECT_SINCE: Final = (1, 48)


async def manifests(images: Images, chosen: Sequence[ImageSnapshot]) -> list[list[dict[str, Any]]]:
    """Return for each image what its member Manifests holds; looks at the disk."""
    blobs = images.content.blobs
    found = await trio.to_thread.run_sync(lambda: [_found(image.record, blobs) for image in chosen])
    return [
        [_summary(image, available, media_type, [user.container_id for user in images.users_of(image.id)])]
        for image, (available, media_type) in zip(chosen, found, strict=True)
    ]


def _found(record: ImageRecord, blobs: BlobStore) -> tuple[bool, str]:
    """Return whether all blobs of an image are there, and of which type its manifest is."""
    if not all(digest in blobs for digest in record.blobs):
        return False, OCI_MANIFEST
    manifest = documents.read_json(blobs.path(record.manifest).read_bytes(), "image manifest", dict)
    return True, documents.member(manifest, "mediaType", str, "image manifest") or OCI_MANIFEST


def _summary(
    image: ImageSnapshot, available: bool, media_type: str, containers: Sequence[str]
) -> dict[str, Any]:
    record, document = image.record, image.document
    packed_bytes = record.manifest_bytes + len(document.raw) + sum(one.size_bytes for one in record.layers)
    platform = {"architecture": document.architecture, "os": document.os}
    if document.variant:
        platform["variant"] = document.variant
    descriptor = documents.as_json(Descriptor(media_type, record.manifest, record.manifest_bytes))
    return {
        "ID": record.manifest,
        "Descriptor": descriptor | {"platform": platform},
        "Available": available,
        "Size": {"Content": packed_bytes, "Total": packed_bytes + image.size_bytes},
        "Kind": "image",
        "ImageData": {
            "Platform": platform,
            "Containers": list(containers),
            "Size": {"Unpacked": image.size_bytes},
        },
    }
