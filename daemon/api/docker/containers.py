"""Container routes that read: list, inspect, top; and the one that makes them.

Reads are answered from snapshots; nothing here waits for an actor.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache, partial
from http.client import CREATED

import attrs
from quart import Blueprint, Response

from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.creation import Wish, create_container
from daemon.actors.engine import Engine
from daemon.actors.images import Images
from daemon.api.answers import json
from daemon.api.app import engine
from daemon.api.body import json_body
from daemon.api.docker.container_filters import KEYS, selected
from daemon.api.docker.container_views import inspect, list_item, with_members
from daemon.api.query import filters, flag, integer, text
from daemon.api.versions import ApiVersion, api_version
from daemon.errors import InvalidParameter, NotFound
from daemon.model import Config, HostConfig, NetworkingConfig
from daemon.runtimes.processtable import process_table

routes = Blueprint("containers", __name__)
REVISION = "X-Revision"


@attrs.frozen
class CreateBody(Config):
    """The body of POST /containers/create: a Config with two more members."""

    host_config: HostConfig | None = None
    networking_config: NetworkingConfig | None = None

    def config(self) -> Config:
        """Return the portable part alone."""
        return Config(**{field.name: getattr(self, field.name) for field in attrs.fields(Config)})


@routes.post("/containers/create")
async def create() -> Response:
    """Make a container."""
    body = await json_body(CreateBody)
    wish = Wish(
        body.config(),
        body.host_config or HostConfig(),
        body.networking_config or NetworkingConfig(),
        text("name"),
        text("platform"),
        api_version(),
    )
    container, warnings = await create_container(engine(), wish)
    return json({"Id": container.id, "Warnings": list(warnings)}, CREATED)


@routes.get("/containers/json")
async def list_containers() -> Response:
    """Answer with the containers that the query selects, newest first."""
    found, version, now_ns = engine(), api_version(), time.time_ns()
    revision = found.journal.events.last_seq
    snapshots = [container.snapshot for container in found.containers]
    chosen = selected(
        snapshots,
        filters(KEYS),
        found.images,
        found.networks,
        everything=flag("all"),
        limit=integer("limit"),
    )
    items = list_items(found, chosen, version, now_ns)
    if flag("size"):
        measured = [await _measured(found, one) for one in chosen]
        items = [with_members(item, members) for item, members in zip(items, measured, strict=True)]
    return json(b"[" + b",".join(items) + b"]\n", headers={REVISION: str(revision)})


@routes.get("/containers/<name>/json")
async def inspect_container(name: str) -> Response:
    """Answer with everything there is to know of one container."""
    found = engine()
    container = found.containers.resolve(name)
    exec_ids = tuple(session.id for session in found.execs.of(container))
    stage = container.stages.latest
    document = inspect(container.snapshot, found.graph_driver, exec_ids, stage, api_version())
    if flag("size"):
        document = with_members(document, await _measured(found, container.snapshot))
    return json(document)


@routes.get("/containers/<name>/top")
async def top(name: str) -> Response:
    """Answer with the container's processes as the host's ps shows them."""
    container = engine().containers.resolve(name)
    table = await process_table(container.snapshot.id, container.snapshot.pid, text("ps_args", "-ef"))
    return json({"Titles": table.titles, "Processes": table.rows})


def list_items(
    found: Engine, chosen: Sequence[ContainerSnapshot], version: ApiVersion, now_ns: int
) -> list[bytes]:
    """Return containers as items of the list, each as JSON."""
    image_of = cache(partial(_image_of, found.images))
    return [
        list_item(one, version, now_ns, image_of(one.record.image_reference, one.record.image_id))
        for one in chosen
    ]


async def _measured(found: Engine, snapshot: ContainerSnapshot) -> dict[str, int]:
    """Return the sizes of a container; reads the disk, so only if asked."""
    return sizes(found, snapshot, await found.graph_driver.written_bytes(snapshot.id))


def sizes(found: Engine, snapshot: ContainerSnapshot, written_bytes: int) -> dict[str, int]:
    """Return what the container has written, and that with its image, as members of an item."""
    image = found.images.get(snapshot.record.image_id)
    return {"SizeRw": written_bytes, "SizeRootFs": written_bytes + (image.size_bytes if image else 0)}


def _image_of(images: Images, reference: str, image_id: str) -> str:
    """Return what the list shows as image: the reference as typed, while it still means that image."""
    try:
        current = images.resolve(reference).id
    except (NotFound, InvalidParameter):
        current = ""
    return reference if current == image_id else image_id
