"""What stopping the engine does to containers: nothing, unless `live-restore` is off.

Then each is stopped as by `docker stop`, all at once.  Who has not ended within `shutdown-timeout` is
killed, but for those that were given a longer stop timeout of their own: a database must not lose its
data because the engine is in a hurry, and dockerd waits for it as well.
"""

from __future__ import annotations

import math
from typing import Final

import structlog
import trio

from daemon.actors.container.actor import Container
from daemon.actors.container.commands import Kill, Stop
from daemon.actors.engine import Engine
from daemon.actors.mailbox import Command
from daemon.errors import Conflict, EngineError, NotFound, NotModified
from daemon.settings import Settings

LOG = structlog.get_logger(__name__)
KILL_SECONDS: Final = 5.0  # a process may be unkillable, and the host may be on its way down


async def stop_unless_live_restore(engine: Engine) -> None:
    """Stop every container if the configuration says so; return when none runs, or time is up."""
    settings = engine.configuration.settings
    alive = [container for container in engine.containers if _lives(container)]
    if settings.live_restore or not alive:
        return
    within = {container: _seconds(container, settings) for container in alive}
    LOG.info("stopping all containers", containers=len(alive), within_seconds=max(within.values()))
    async with trio.open_nursery() as nursery:
        for container, seconds in within.items():
            nursery.start_soon(_stop, container, seconds)


def _seconds(container: Container, settings: Settings) -> float:
    """Return how long its stop may take: a little longer than a stop timeout of its own, which kills it."""
    own = container.snapshot.record.config.stop_timeout
    if own is None:
        return settings.shutdown_timeout_seconds
    return math.inf if own < 0 else max(own + KILL_SECONDS, settings.shutdown_timeout_seconds)


def _lives(container: Container) -> bool:
    return not container.snapshot.idle


async def _stop(container: Container, seconds: float) -> None:
    with trio.move_on_after(seconds):
        await _tell(container, Stop(by_hand=False))
    if _lives(container):
        with trio.move_on_after(KILL_SECONDS):
            await _tell(container, Kill(by_hand=False))


async def _tell(container: Container, command: Command[None]) -> None:
    try:
        await container.mailbox.ask(command)
    except (Conflict, NotFound, NotModified):
        return  # it has ended by itself
    except EngineError as error:
        LOG.error("container not stopped", container=container.id, reason=str(error))
