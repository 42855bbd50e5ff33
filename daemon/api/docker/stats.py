"""GET /containers/{name}/stats: what a container consumes, once or every second.

A stream begins at once, with nothing to compare with, and goes on through stops and starts until the
container is removed: while it does not run, the records have nothing in them.  One record that compares takes
two readings, so it comes a second later; with `one-shot` nobody waits, and nothing is compared.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from quart import Blueprint, Response

from daemon.actors.statistics import Watch
from daemon.api.answers import JSON, json, stream
from daemon.api.app import engine
from daemon.api.docker.stats_views import render
from daemon.api.query import flag
from daemon.api.versions import api_version
from daemon.errors import InvalidParameter, NotFound

routes = Blueprint("stats", __name__)
ONE_SHOT_SINCE: Final = (1, 41)


@routes.get("/containers/<name>/stats")
async def stats(name: str) -> Response:
    """Answer with a container's consumption."""
    streaming, one_shot = flag("stream", default=True), flag("one-shot") and api_version() >= ONE_SHOT_SINCE
    if streaming and one_shot:
        raise InvalidParameter("cannot have stream=true and one-shot=true")
    container = engine().containers.resolve(name)
    watch = engine().statistics.watch(container)
    if streaming:
        return stream(_records(watch), JSON)
    reading = await watch.next()
    if reading is not None and reading.now is not None and not one_shot:
        reading = await watch.next()
    if reading is None:
        raise NotFound(f"No such container: {name}")
    return json(render(reading))


async def _records(watch: Watch) -> AsyncIterator[bytes]:
    while (reading := await watch.next()) is not None:
        yield render(reading)
