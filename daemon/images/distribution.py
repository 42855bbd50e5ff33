"""What a registry says of an image, without any of it being brought here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from daemon.images import documents
from daemon.images.pulling.plan import index_entries, read_config
from daemon.images.references import Reference
from daemon.images.registry.repository import Manifest, Repository


@attrs.frozen
class Listing:
    """A manifest or index, and the platforms that are to be had by it, in the words of indexes."""

    manifest: Manifest
    platforms: tuple[Mapping[str, Any], ...]


async def look_up(repository: Repository, reference: Reference) -> Listing:
    """Ask for what `reference` stands for.

    Raises:
        RegistryError: the registry does not give it.
        InvalidParameter: it is no image.

    """
    manifest = await repository.manifest(reference.digest or reference.tag)
    document = documents.read_json(manifest.raw, "image manifest", dict)
    if manifest.media_type in documents.INDEXES:
        stated = [documents.member(entry, "platform", dict, "index") for entry in index_entries(document)]
        return Listing(manifest, tuple(platform for platform in stated if platform))
    descriptor = documents.read_descriptor(document.get("config"), "config of image manifest")
    config = documents.read_json(await read_config(repository, descriptor), "image config", dict)
    platform = {name: config[name] for name in ("architecture", "os", "variant") if config.get(name)}
    return Listing(manifest, (platform,) if {"os", "architecture"} <= platform.keys() else ())
