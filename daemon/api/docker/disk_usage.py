"""What takes how much room on the disk: `docker system df`.

Sizes of images are known since they came.  What containers have written is measured on the disk, in a thread
and one container after the other, once for all clients that ask meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Final

from quart import Blueprint, Response

from daemon import wire
from daemon.actors.engine import Engine
from daemon.api import answers
from daemon.api.app import engine
from daemon.api.docker import image_filters, image_views
from daemon.api.docker.container_views import with_members
from daemon.api.docker.containers import list_items, sizes
from daemon.api.query import texts
from daemon.api.versions import ApiVersion, api_version
from daemon.errors import InvalidParameter

routes = Blueprint("disk_usage", __name__)
KINDS: Final = ("image", "container", "volume", "build-cache")
CHOICE_SINCE: Final = (1, 42)
NONE: Final = b"null"
EMPTY: Final = b"[]"


@routes.get("/system/df")
async def disk_usage() -> Response:
    """Answer with the kinds of things that the query names, all of them if it names none."""
    found, version = engine(), api_version()
    kinds = chosen(texts("type"), version)
    members = {
        "LayersSize": b"%d" % (image_views.layers_bytes(found.images) if "image" in kinds else 0),
        "Images": wire.render(_images(found, version)).rstrip() if "image" in kinds else NONE,
        "Containers": await _containers(found, version) if "container" in kinds else NONE,
        "Volumes": EMPTY if "volume" in kinds else NONE,  # there are none yet
        "BuildCache": EMPTY if "build-cache" in kinds else NONE,
    }
    return answers.json(
        b"{" + b",".join(b'"%s":%s' % (name.encode(), member) for name, member in members.items()) + b"}\n"
    )


def chosen(types: Collection[str], version: ApiVersion) -> Collection[str]:
    """Return the kinds of things to measure.

    Raises:
        InvalidParameter: one of `types` is no such kind.

    """
    if version < CHOICE_SINCE or not types:
        return KINDS
    for type_ in types:
        if type_ not in KINDS:
            raise InvalidParameter(f"unknown object type: {type_[:200]}")
    return types


def _images(found: Engine, version: ApiVersion) -> list[dict[str, object]]:
    catalog = found.images.catalog.current
    images = tuple(filter(image_filters.shown(catalog.parents), catalog))
    shared = image_views.shared_bytes(images)
    return [
        image_views.list_item(image, version, len(tuple(found.images.users_of(image.id))), shared[image.id])
        for image in images
    ]


async def _containers(found: Engine, version: ApiVersion) -> bytes:
    written = await found.written.get()
    snapshots = [container.snapshot for container in found.containers]
    items = list_items(found, snapshots, version, time.time_ns())
    rows = [
        with_members(item, sizes(found, snapshot, written[snapshot.id])) if snapshot.id in written else item
        for snapshot, item in zip(snapshots, items, strict=True)
    ]
    return b"[" + b",".join(rows) + b"]"
