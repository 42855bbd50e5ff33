"""The routes of swarm mode, which this engine is never in; clients probe them to find that out."""
# ruff: noqa: RUF029  Quart would run a handler that is not async in a thread

from __future__ import annotations

from typing import Final, NoReturn

from quart import Blueprint

from daemon.errors import NotImplementedHere, Unavailable

routes = Blueprint("swarm", __name__)

GROUPS: Final = ("swarm", "services", "nodes", "tasks", "secrets", "configs")
METHODS: Final = ["GET", "POST", "DELETE"]
NO_MANAGER: Final = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" '
    "to connect this node to swarm and try again."
)


@routes.post("/swarm/init")
@routes.post("/swarm/join")
async def join() -> NoReturn:
    """Refuse to become part of a swarm."""
    raise NotImplementedHere("swarm mode is not supported")


@routes.route("/<any({}):group>".format(",".join(GROUPS)), methods=METHODS)
@routes.route("/<any({}):group>/<path:rest>".format(",".join(GROUPS)), methods=METHODS)
async def no_manager(group: str, rest: str = "") -> NoReturn:
    """Say that there is no swarm."""
    raise Unavailable(NO_MANAGER)
