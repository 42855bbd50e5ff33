"""Routes of Docker's API that this engine does not have yet, each with what to tell its callers.

They are listed so that nobody takes them for a mistyped path: 501 says that the request was
understood and what is missing.  What only looks for such things, or clears them away, is told that
there are none: `docker inspect NAME` goes on to the next kind of object after a 404, and
`docker system prune` prunes each kind in turn and ends at the first that is refused, without a
word of what it has deleted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

from quart import Blueprint, Response

from daemon.api.answers import json
from daemon.api.app import engine
from daemon.api.docker.pruning import tell_of_prune
from daemon.api.query import filters
from daemon.errors import NotFound, NotImplementedHere

routes = Blueprint("absent", __name__)

ABSENT: Final = (
    ("GET", "/containers/<name>/checkpoints", "checkpoints"),
    ("POST", "/containers/<name>/checkpoints", "checkpoints"),
    ("DELETE", "/containers/<name>/checkpoints/<checkpoint>", "checkpoints"),
    ("POST", "/build", "building images"),
    ("POST", "/build/cancel", "building images"),
    ("POST", "/session", "building images"),
    ("POST", "/grpc", "building images"),
    ("POST", "/volumes/create", "volumes"),
)
# `label` is none of a build cache's, but the CLI gives all it prunes the same filters.
BUILD_KEYS: Final = frozenset(
    {"description", "id", "inuse", "parent", "private", "shared", "type", "unused-for"}
    | {"label", "label!", "until"}
)
VOLUME_KEYS: Final = frozenset({"all", "label", "label!"})


def _refusing(what: str) -> Callable[..., Awaitable[NoReturn]]:
    async def refuse(**_: str) -> NoReturn:  # ruff: ignore[unused-async]  sync = a thread
        raise NotImplementedHere(f"{what}: not supported yet")

    return refuse


for _method, _path, _what in ABSENT:
    routes.add_url_rule(_path, f"{_method} {_path}", _refusing(_what), methods=[_method])


@routes.get("/volumes")
async def volumes() -> Response:  # ruff: ignore[unused-async]  sync = a thread
    """Answer with the volumes: there are none."""
    return json({"Volumes": [], "Warnings": None})


@routes.route("/volumes/<name>", methods=["GET", "DELETE"])
async def volume(name: str) -> NoReturn:  # ruff: ignore[unused-async]  sync = a thread
    """Say that there is no such volume."""
    raise NotFound(f"get {name}: no such volume")


@routes.post("/volumes/prune")
async def prune_volumes() -> Response:
    """Delete the volumes that nobody uses: there are none."""
    filters(VOLUME_KEYS)
    await tell_of_prune(engine().journal, "volume", 0)
    return json({"VolumesDeleted": [], "SpaceReclaimed": 0})


@routes.post("/build/prune")
async def prune_builds() -> Response:
    """Delete what earlier builds have left: nothing is built here."""
    filters(BUILD_KEYS)
    await tell_of_prune(engine().journal, "builder", 0)
    return json({"CachesDeleted": [], "SpaceReclaimed": 0})
