"""Which manifests are taken from a registry: Docker's schema 2 and OCI's, of one image or of several.

Source: OCI image specification 1.1 (manifest.md, image-index.md); the distribution project's "Image Manifest
Version 2, Schema 2", which has the same members under other media types.
"""

from __future__ import annotations

from typing import Final

import orjson

from daemon.images.documents import OCI_INDEX, OCI_MANIFEST
from daemon.images.registry.errors import ImageUnusable, RegistryFailed

DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
TAKEN: Final = (DOCKER_MANIFEST, DOCKER_INDEX, OCI_INDEX, OCI_MANIFEST)
SCHEMA_1: Final = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }
)
# What servers that know nothing of manifests say of a file with one.
UNSPECIFIC: Final = frozenset({"", "application/json", "application/octet-stream", "text/plain"})


def media_type_of(content_type: str, raw: bytes) -> str:
    """Return the media type of a manifest: what it says itself counts, then what it was sent as.

    Raises:
        ImageUnusable: it is nothing this engine knows.
        RegistryFailed: it is no JSON object.

    """
    document = _document(raw)
    sent_as = content_type.partition(";")[0].strip().lower()
    said = document.get("mediaType")
    media_type = said if isinstance(said, str) and said else sent_as
    if document.get("schemaVersion") == 1 or media_type in SCHEMA_1:
        raise ImageUnusable(
            "Docker Image Format v1 and Docker Image manifest version 2, schema 1 are not supported: "
            "ask the image's author for one in the OCI format or in schema 2"
        )
    if media_type in TAKEN:
        return media_type
    if document.get("schemaVersion") == 2 and media_type in UNSPECIFIC:
        return OCI_INDEX if "manifests" in document else OCI_MANIFEST
    raise ImageUnusable(f"unsupported media type {media_type[:200]}")


def _document(raw: bytes) -> dict[str, object]:
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise RegistryFailed(f"invalid manifest: it is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise RegistryFailed("invalid manifest: it must be a JSON object")
    return document
