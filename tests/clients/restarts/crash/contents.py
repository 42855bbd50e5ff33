"""What images consist of on the disk: every blob is what its name promises, and no other is there.

Read from the manifests, without the engine's help.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

PREFIX = "sha256:"


def problems_of_blobs(
    data: Path, listed: Sequence[Mapping[str, Any]], downloads: Collection[str]
) -> Iterator[str]:
    """Yield what is wrong with the blobs below `data`.

    Args:
        data: the engine's data-root.
        listed: all images, as the list shows them with their manifests.
        downloads: the blobs of which there may be a part, in hexadecimal.

    """
    stored = data / "blobs" / "sha256"
    wanted: set[str] = set()
    for image in listed:
        (manifest,) = image["Manifests"]
        file = stored / manifest["ID"].removeprefix(PREFIX)
        if not file.exists():
            yield f"the manifest {file.name} of {image['Id']} is lost"
            continue
        document = json.loads(file.read_bytes())
        wanted |= {file.name, *(one["digest"].removeprefix(PREFIX) for one in _descriptors(document))}
        if document["config"]["digest"] != image["Id"]:
            yield f"{image['Id']} has a manifest of another image: {document}"
    found = set(os.listdir(stored))
    if found != wanted:
        yield f"blobs too much: {sorted(found - wanted)}, missing: {sorted(wanted - found)}"
    for name in found:
        if hashlib.sha256((stored / name).read_bytes()).hexdigest() != name:
            yield f"the blob {name} is not what its name promises"
    parts = set(os.listdir(data / "blobs" / "partial"))
    if strange := parts - {*downloads}:
        yield f"parts of what nobody downloads: {strange}"
    if double := parts & found:
        yield f"parts of what is there as a whole: {double}"


def problems_of_layers(data: Path) -> Iterator[str]:
    """Yield the layers that have lost their files; of each image here every layer has one at least."""
    for directory in (data / "overlay" / "layers").iterdir():
        if not any(directory.iterdir()):
            yield f"the layer {directory.name} is empty"


def _descriptors(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [manifest["config"], *manifest["layers"]]
