"""How images look to Docker's clients, which differs between the versions of the API.

Source: api-contract sections 3.17, 3.18 and 3.20.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from daemon.actors.image_catalog import ImageSnapshot
from daemon.actors.image_commands import Removed
from daemon.api.versions import ApiVersion
from daemon.images import documents
from daemon.images.documents import write_time
from daemon.images.importing import portable
from daemon.wire import to_client

ZERO_TIME: Final = "0001-01-01T00:00:00Z"
NONE_TAG: Final = "<none>:<none>"
NONE_DIGEST: Final = "<none>@<none>"
# What an image's config still has from API 1.50 on: the portable part, when it says something.
PORTABLE: Final = (
    "User",
    "ExposedPorts",
    "Env",
    "Entrypoint",
    "Cmd",
    "Volumes",
    "WorkingDir",
    "Labels",
    "StopSignal",
    "ArgsEscaped",
    "Healthcheck",
    "OnBuild",
    "Shell",
)


def list_item(
    image: ImageSnapshot, version: ApiVersion, containers: int, shared_bytes: int
) -> dict[str, Any]:
    """Return an image as a row of the list; either number is -1 when it was not asked for."""
    untagged = version < (1, 43) and not image.tags
    item = {
        "Containers": containers,
        "Created": image.created_ns // 1_000_000_000,
        "Id": image.id,
        "Labels": image.config.labels,
        "ParentId": image.record.parent,
        "RepoDigests": [NONE_DIGEST] if untagged and not image.repo_digests else list(image.repo_digests),
        "RepoTags": [NONE_TAG] if untagged else list(image.repo_tags),
        "SharedSize": shared_bytes,
        "Size": image.size_bytes,
    }
    return item if version >= (1, 44) else item | {"VirtualSize": image.size_bytes}


def shared_bytes(images: Iterable[ImageSnapshot]) -> Mapping[str, int]:
    """Return for each image id the size of the layers that other images have too."""
    images = tuple(images)
    users = Counter(chain_id for image in images for chain_id in set(image.chain_ids))
    return {
        image.id: sum(layer.unpacked_bytes for layer in image.record.layers if users[layer.chain_id] > 1)
        for image in images
    }


def layers_bytes(images: Iterable[ImageSnapshot]) -> int:
    """Return the size of all layers of all images, each once."""
    sizes = {layer.chain_id: layer.unpacked_bytes for image in images for layer in image.record.layers}
    return sum(sizes.values())


def inspection(image: ImageSnapshot, version: ApiVersion, graph_driver: Mapping[str, Any]) -> dict[str, Any]:
    """Return an image as inspect shows it."""
    document = image.document
    tagged_ns = image.record.tagged_ns
    view: dict[str, Any] = {
        "Id": image.id,
        "RepoTags": list(image.repo_tags),
        "RepoDigests": list(image.repo_digests),
        "Parent": image.record.parent,
        "Comment": document.comment,
        "DockerVersion": document.docker_version,
        "Author": document.author,
        "Config": _config(image, version),
        "Architecture": document.architecture,
        "Os": document.os,
        "Size": image.size_bytes,
        "GraphDriver": graph_driver,
        "RootFS": {"Type": "layers", "Layers": list(document.diff_ids)},
        "Metadata": {"LastTagTime": write_time(tagged_ns) if tagged_ns else ZERO_TIME},
    }
    if document.variant:
        view["Variant"] = document.variant
    if document.created_ns:
        view["Created"] = write_time(document.created_ns)
    return _for_old_clients(image, version) | view


def _for_old_clients(image: ImageSnapshot, version: ApiVersion) -> dict[str, Any]:
    """Return what inspect had once.

    docker-compose 1 asks in the newest version there is, and cannot make a container anew without
    `ContainerConfig`, which went with 1.45: it has stayed.
    """
    container, config = documents.read_origin(image.document.raw)
    view: dict[str, Any] = {"ContainerConfig": to_client(config)}
    if version < (1, 45):
        view |= {"Container": container}
    if version < (1, 44):
        view |= {"Created": ZERO_TIME, "VirtualSize": image.size_bytes}
    return view


def _config(image: ImageSnapshot, version: ApiVersion) -> dict[str, Any]:
    if version < (1, 50):
        whole: dict[str, Any] = to_client(image.config)
        return whole
    said = portable(image.config)
    return {name: said[name] for name in PORTABLE if name in said}


def history(image: ImageSnapshot, ancestors: Iterable[ImageSnapshot] = ()) -> list[dict[str, Any]]:
    """Return how the image came to be, newest first.

    The newest entry has the image's name, the next ones those of its `ancestors`, its parent first.
    """
    sizes = [layer.unpacked_bytes for layer in image.record.layers]
    rows = []
    for entry in image.document.history:
        rows.append(
            {
                "Comment": entry.comment,
                "Created": entry.created_ns // 1_000_000_000,
                "CreatedBy": entry.created_by,
                "Id": "<missing>",
                "Size": 0 if entry.empty_layer or not sizes else sizes.pop(0),
                "Tags": None,
            }
        )
    rows.reverse()
    for row, known in zip(rows, (image, *ancestors), strict=False):
        row |= {"Id": known.id, "Tags": list(known.repo_tags) or None}
    return rows


def deletion(removed: Removed) -> list[dict[str, str]]:
    """Return what a deletion did."""
    return [{"Untagged": name} for name in removed.untagged] + [{"Deleted": name} for name in removed.deleted]
