"""Routes of Docker's API that this engine does not have yet, each with what to tell its callers.

They are listed so that nobody takes them for a mistyped path: 501 says that the request was
understood and what is missing.  Looking for one volume is answered 404, which is the
truth and lets `docker inspect NAME` go on to the next kind of object.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

from quart import Blueprint, Response

from daemon.api.answers import json
from daemon.errors import NotFound, NotImplementedHere

routes = Blueprint("absent", __name__)

ABSENT: Final = (
    ("GET", "/containers/<name>/checkpoints", "checkpoints"),
    ("POST", "/containers/<name>/checkpoints", "checkpoints"),
    ("DELETE", "/containers/<name>/checkpoints/<checkpoint>", "checkpoints"),
    ("POST", "/build", "building images"),
    ("POST", "/build/prune", "building images"),
    ("POST", "/build/cancel", "building images"),
    ("POST", "/session", "building images"),
    ("POST", "/grpc", "building images"),
    ("POST", "/volumes/create", "volumes"),
    ("POST", "/volumes/prune", "volumes"),
)


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
