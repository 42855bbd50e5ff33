"""What a reference stands for: which manifest of which image, and what that is made of.

Everything comes from a registry and is checked before anything of it is kept.  Manifests have been verified
by whoever fetched them, the config is here.

Source: OCI image specification (image-index.md, manifest.md); Docker's image manifest version 2, schema 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from daemon.errors import NotFound
from daemon.images import digests, documents, platforms
from daemon.images.blobs import BlobStore
from daemon.images.documents import DOCUMENT_LIMIT_BYTES, OCI_CONFIG, Descriptor, ImageDocument
from daemon.images.iterating import iterated
from daemon.images.platforms import Platform
from daemon.images.registry.errors import ImageUnusable, WrongContent
from daemon.images.registry.repository import Manifest, Repository

INDEX_DEPTH_LIMIT: Final = 4
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
_CONFIGS: Final = frozenset({OCI_CONFIG, DOCKER_CONFIG, "application/json", "text/plain"})
_ENCRYPTED: Final = "+encrypted"  # how the types of such layers end
_ATTESTATION: Final = "vnd.docker.reference.type"


@attrs.frozen
class Layer:
    """One layer to bring: its blob, and what it must turn out to be on top of `parent`."""

    blob: Descriptor
    diff_id: str
    chain_id: str
    parent: str | None


@attrs.frozen
class Plan:
    """An image at a registry; `digest` is that of the manifest or index that the reference stands for."""

    digest: str
    manifest: Manifest
    document: ImageDocument
    layers: tuple[Layer, ...]


async def chosen_manifest(repository: Repository, named: Manifest, wanted: Platform) -> Manifest:
    """Return `named`, or where that is an index the manifest in it that suits `wanted` best.

    Raises:
        NotFound: the index has none for that platform.
        RegistryError: the registry would not give it.

    """
    manifest = named
    for _ in range(INDEX_DEPTH_LIMIT):
        if manifest.media_type not in documents.INDEXES:
            return manifest
        index = documents.read_json(manifest.raw, "index", dict)
        entries = [entry for entry in index_entries(index) if _ATTESTATION not in _annotations(entry)]
        entry = platforms.best(wanted, entries, platform_of)
        if entry is None:
            raise NotFound(
                f"no matching manifest for {wanted} in the manifest list entries: "
                "no match for platform in manifest: not found"
            )
        manifest = await repository.manifest(documents.read_descriptor(entry, "index").digest)
    raise ImageUnusable("invalid image: its indexes are nested too deeply")


def index_entries(index: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what an index lists.

    Raises:
        ImageUnusable: that is no list of objects.

    """
    entries: list[dict[str, Any]] = documents.member(index, "manifests", list, "index")
    if not all(isinstance(entry, dict) for entry in entries):
        raise ImageUnusable("invalid image: an index must be made of JSON objects")
    return entries


def platform_of(entry: Mapping[str, Any]) -> Platform | None:
    """Return what an entry of an index is made for, or None if it does not say."""
    stated = documents.member(entry, "platform", dict, "index")
    if not stated:
        return None
    parts = (documents.member(stated, name, str, "platform") for name in ("os", "architecture", "variant"))
    return platforms.make(*parts)


def _annotations(entry: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = documents.member(entry, "annotations", dict, "index")
    return found


async def read_plan(repository: Repository, named: Manifest, wanted: Platform, blobs: BlobStore) -> Plan:
    """Return what is to be brought.

    Raises:
        NotFound: there is nothing for that platform.
        InvalidParameter: what the registry has is no image that could run here.
        RegistryError: the registry would not give it.

    """
    manifest = await chosen_manifest(repository, named, wanted)
    stated = documents.read_json(manifest.raw, "image manifest", dict)
    config = documents.read_descriptor(stated.get("config"), "config of image manifest")
    if config.media_type not in _CONFIGS:
        raise ImageUnusable(f"this is no image to run: its config has the type {config.media_type!r}")
    listed = documents.member(stated, "layers", list, "image manifest")
    descriptors = tuple(_layer_descriptor(layer) for layer in listed)
    # A manifest may name any blob for a config, a layer too, which would not fit into memory.
    known = config.digest in blobs and blobs.size_bytes(config.digest) <= DOCUMENT_LIMIT_BYTES
    raw = await (blobs.read(config.digest) if known else read_config(repository, config))
    document = documents.read_image(raw)
    if len(descriptors) != len(document.diff_ids):
        raise ImageUnusable(
            f"invalid image: its config has {len(document.diff_ids)} layers, its manifest {len(descriptors)}"
        )
    chain = digests.chain_ids(document.diff_ids)
    layers = zip(descriptors, document.diff_ids, chain, (None, *chain), strict=False)
    return Plan(named.digest, manifest, document, tuple(Layer(*parts) for parts in layers))


def _layer_descriptor(layer: Any) -> Descriptor:
    descriptor = documents.read_descriptor(layer, "layer of image manifest")
    if "foreign" in descriptor.media_type or "nondistributable" in descriptor.media_type:
        raise ImageUnusable(
            f"layer {digests.short(descriptor.digest)} may only be had from its owner (foreign layer), "
            "which this engine does not do"
        )
    if descriptor.media_type.endswith(_ENCRYPTED):
        raise ImageUnusable(
            f"layer {digests.short(descriptor.digest)} is encrypted, which this engine does not read"
        )
    return descriptor


async def read_config(repository: Repository, config: Descriptor) -> bytes:
    """Return an image's config.

    Raises:
        ImageUnusable: it is too large to be one.
        RegistryError: the registry would not give it, or gave something else.

    """
    if config.size > DOCUMENT_LIMIT_BYTES:
        raise ImageUnusable(f"invalid image: its config is larger than {DOCUMENT_LIMIT_BYTES} bytes")
    while True:
        try:
            return await _verified(repository, config)
        except WrongContent:
            if not repository.distrust(config.digest):
                raise


async def _verified(repository: Repository, config: Descriptor) -> bytes:
    content = bytearray()
    async with repository.blob(config.digest) as blob, iterated(blob) as chunks:
        async for chunk in chunks:
            content += chunk
            if len(content) > config.size:
                break
    raw = bytes(content)
    if digests.of(raw) != config.digest:
        raise WrongContent(f"image config verification failed for digest {config.digest}")
    return raw
