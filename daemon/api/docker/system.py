"""The routes about the engine itself: is it there, which one is it, how is it."""
# ruff: noqa: RUF029  Quart would run a handler that is not async in a thread

from __future__ import annotations

import functools
from typing import Final

from quart import Blueprint, Response

from daemon.api import answers
from daemon.api.app import engine
from daemon.api.docker.info import info_document, version_document
from daemon.api.versions import api_version
from daemon.errors import NotFound, NotImplementedHere
from daemon.runtimes.host import Host, read_host

routes = Blueprint("system", __name__)

PING_HEADERS: Final = {
    "Builder-Version": "1",  # the classic builder: no BuildKit here
    "Cache-Control": "no-cache, no-store, must-revalidate",
    "Pragma": "no-cache",
    "Swarm": "inactive",
}
TEXT: Final = "text/plain; charset=utf-8"
PLUGIN_VERBS: Final = frozenset({"json", "enable", "disable", "upgrade", "push", "set"})
PLUGIN_SOURCES: Final = frozenset({"privileges", "pull", "create"})


@functools.cache
def host() -> Host:
    """Return the host, which is read once."""
    return read_host()


@routes.route("/_ping", methods=["HEAD"])  # before GET, which would take HEAD as well
async def ping_head() -> Response:
    """Be there without a word; the length is not that of GET, as with dockerd."""
    return answers.empty(200, {"Content-Type": TEXT, **PING_HEADERS})


@routes.get("/_ping")
async def ping() -> Response:
    """Be there."""
    return Response(b"OK", 200, PING_HEADERS, content_type=TEXT)


@routes.get("/version")
async def version() -> Response:
    """Tell which engine this is."""
    return answers.json(version_document(engine(), host()))


@routes.get("/info")
async def info() -> Response:
    """Tell how the engine is and what its host can do."""
    return answers.json(info_document(engine(), host(), api_version()))


@routes.get("/plugins")
async def list_plugins() -> Response:
    """List managed plugins: there are none."""
    return answers.json([])


@routes.route("/plugins/<path:rest>", methods=["GET", "POST", "DELETE"])
async def plugin(rest: str) -> Response:
    """Refuse whatever is asked of a plugin."""
    if rest in PLUGIN_SOURCES:
        raise NotImplementedHere("installing plugins is not supported yet")
    name, _, verb = rest.rpartition("/")
    raise NotFound(f'plugin "{name if name and verb in PLUGIN_VERBS else rest}" not found')


@routes.route("/<path:anything>", methods=["OPTIONS"])
async def options(anything: str) -> Response:
    """Answer what browsers once asked before anything else."""
    return answers.empty(200)
