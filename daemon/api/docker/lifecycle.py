"""Container routes that change a container: each asks its actor and says how that went.

A handler may be cancelled at any await: what was asked for and begun is completed by the actor.
"""

from __future__ import annotations

import signal as signals
import time
from collections.abc import AsyncIterator
from typing import Final

from quart import Blueprint, Response

from daemon import wire
from daemon.actors.container.actor import Container
from daemon.actors.container.commands import (
    ForceRemove,
    Kill,
    Pause,
    Remove,
    Restart,
    Signal,
    Start,
    Stop,
    Unpause,
    Update,
)
from daemon.actors.container.signals import parse_signal
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.container.waiting import Waiting, waiting_for
from daemon.actors.mailbox import Command
from daemon.api.answers import empty, json, stream
from daemon.api.app import engine
from daemon.api.body import current_body, json_body
from daemon.api.docker.pruning import prune_containers, tell_of_prune
from daemon.api.query import filters, flag, integer, text
from daemon.api.versions import api_version
from daemon.errors import InvalidParameter
from daemon.model import HostConfig

routes = Blueprint("lifecycle", __name__)
TOLERATED_BODY_BYTES: Final = 7
PRUNE_KEYS: Final = frozenset({"until", "label", "label!"})


async def _ask(name: str, command: Command[None]) -> Response:
    await engine().containers.resolve(name).mailbox.ask(command)
    return empty()


@routes.post("/containers/<name>/start")
async def start(name: str) -> Response:
    """Start a container and answer once it runs."""
    if len(await current_body()) > TOLERATED_BODY_BYTES:
        raise InvalidParameter(
            "starting container with non-empty request body was deprecated since API v1.22 "
            "and removed in v1.24"
        )
    return await _ask(name, Start(engine().configuration.runtimes))


@routes.post("/containers/<name>/stop")
async def stop(name: str) -> Response:
    """Stop a container and answer once it has ended."""
    return await _ask(name, Stop(_grace(), _stop_signal()))


@routes.post("/containers/<name>/restart")
async def restart(name: str) -> Response:
    """Stop a container if it runs, start it, and answer once it runs."""
    runtimes = engine().configuration.runtimes
    return await _ask(name, Restart(_grace(), _stop_signal(), runtimes=runtimes))


@routes.post("/containers/<name>/kill")
async def kill(name: str) -> Response:
    """Send a signal; SIGKILL answers once the container has ended."""
    number = parse_signal(text("signal") or "KILL")
    return await _ask(name, Kill() if number == signals.SIGKILL else Signal(number))


@routes.post("/containers/<name>/pause")
async def pause(name: str) -> Response:
    """Freeze a container."""
    return await _ask(name, Pause())


@routes.post("/containers/<name>/unpause")
async def unpause(name: str) -> Response:
    """Let a frozen container go on."""
    return await _ask(name, Unpause())


@routes.post("/containers/<name>/rename")
async def rename(name: str) -> Response:
    """Give a container another name."""
    containers = engine().containers
    await containers.rename(containers.resolve(name), text("name"))
    return empty()


@routes.post("/containers/<name>/update")
async def update(name: str) -> Response:
    """Change a container's resources and restart policy; other members of the body mean nothing here."""
    wanted = await json_body(HostConfig)
    promise = await engine().containers.resolve(name).mailbox.ask(Update(wanted, engine().host))
    await promise.outcome()
    return json({"Warnings": None})


@routes.delete("/containers/<name>")
async def remove(name: str) -> Response:
    """Delete a container; what `v` would delete, anonymous volumes, this engine does not make."""
    if flag("link"):
        raise InvalidParameter("links between containers do not exist here: leave out link")
    return await _ask(name, ForceRemove() if flag("force") else Remove())


@routes.post("/containers/<name>/wait")
async def wait(name: str) -> Response:  # ruff: ignore[unused-async]  sync = a thread
    """Answer with the exit code once the condition holds; the head goes out at once.

    The docker CLI starts the container only when it has that head.
    """
    container = engine().containers.resolve(name)
    condition = text("condition") if api_version() >= (1, 30) else ""
    waiting = waiting_for(container.snapshot, condition)
    if waiting.is_over(container.snapshot):
        return json({"StatusCode": waiting.exit_code(container.snapshot)})
    return stream(_exit_of(container, waiting), "application/json")


@routes.post("/containers/prune")
async def prune() -> Response:
    """Delete the containers that do not run."""
    pruned = await prune_containers(engine(), filters(PRUNE_KEYS), time.time_ns())
    await tell_of_prune(engine().journal, "container", pruned.reclaimed_bytes)
    return json({"ContainersDeleted": pruned.ids or None, "SpaceReclaimed": pruned.reclaimed_bytes})


async def _exit_of(container: Container, waiting: Waiting) -> AsyncIterator[bytes]:
    ended: ContainerSnapshot = await container.cell.wait_for(waiting.is_over)
    yield wire.render({"StatusCode": waiting.exit_code(ended)})


def _grace() -> float | None:
    return float(integer("t")) if text("t") else None


def _stop_signal() -> int | None:
    asked = text("signal") if api_version() >= (1, 42) else ""
    return parse_signal(asked) if asked else None
