"""The routes that say what a container has changed, and make an image of that."""

from __future__ import annotations

import time
from collections.abc import Callable
from http.client import CREATED

from quart import Blueprint, Response

from daemon.actors.container.admission.merging import merged
from daemon.actors.container.commits import Wish
from daemon.api.answers import json, readable
from daemon.api.app import engine
from daemon.api.body import json_body
from daemon.api.docker.changes import changed
from daemon.api.query import parse_boolean, text
from daemon.errors import InvalidParameter
from daemon.images import references
from daemon.images.committing import Description
from daemon.model import Config

routes = Blueprint("commit", __name__)


@routes.get("/containers/<name>/changes")
async def changes(name: str) -> Response:
    """List what a container has changed; null if that is nothing."""
    found = await engine().files.changes(engine().containers.resolve(name))
    rows = [{"Path": readable(change.path), "Kind": int(change.kind)} for change in found]
    return json(rows or None)


@routes.post("/commit")
async def commit() -> Response:
    """Make an image of a container and answer with its id."""
    container = engine().containers.resolve(_named())
    record = container.snapshot.record
    tag = references.for_tagging(text("repo"), text("tag")) if text("repo") else None
    given = await json_body(Config, if_empty=Config())
    config = resulting(given, record.config, changed)
    description = Description(
        config, record.id, record.config, text("author"), text("comment"), time.time_ns()
    )
    wish = Wish(description, tag, pause=parse_boolean(text("pause") or "true"))
    return json({"Id": await engine().commits.commit(container, wish)}, CREATED)


def _named() -> str:
    """Return what the client calls the container.

    Raises:
        InvalidParameter: it does not say.

    """
    if name := text("container"):
        return name
    raise InvalidParameter('invalid name or ID supplied: ""')


def resulting(given: Config, of_container: Config, change: Callable[[Config], Config]) -> Config:
    """Return the new image's config: what the client gives, or else the container's, after `change`.

    What that leaves open is the container's.

    Raises:
        InvalidParameter: a change is malformed, or none that could be made here.

    """
    base = of_container if given == Config() else given
    return merged(change(base), of_container)
