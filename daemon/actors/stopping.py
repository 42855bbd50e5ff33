"""What stopping the engine does to containers: nothing, unless `live-restore` is off.

Then each is stopped as by `docker stop`, all at once, and who has not ended within `shutdown-timeout`
is killed: unlike dockerd's, that time is not lengthened for containers with a longer stop timeout.
"""

from __future__ import annotations

from typing import Final

import structlog
import trio

from daemon.actors.container.actor import Container
from daemon.actors.container.commands import Kill, Stop
from daemon.actors.engine import Engine
from daemon.actors.mailbox import Command
from daemon.errors import Conflict, EngineError, NotFound, NotModified

LOG = structlog.get_logger(__name__)
KILL_SECONDS: Final = 5.0  # a process may be unkillable, and the host may be on its way down


async def stop_unless_live_restore(engine: Engine) -> None:
    """Stop every container if the configuration says so; return when none runs, or time is up."""
    settings = engine.configuration.settings
    if settings.live_restore:
        return
    alive = [container for container in engine.containers if _lives(container)]
    LOG.info(
        "stopping all containers", containers=len(alive), within_seconds=settings.shutdown_timeout_seconds
    )
    with trio.move_on_after(settings.shutdown_timeout_seconds):
        await _tell_all(alive, Stop(by_hand=False))
    left = [container for container in alive if _lives(container)]
    with trio.move_on_after(KILL_SECONDS):
        await _tell_all(left, Kill(by_hand=False))


def _lives(container: Container) -> bool:
    return not container.snapshot.idle


async def _tell_all(containers: list[Container], command: Command[None]) -> None:
    async with trio.open_nursery() as nursery:
        for container in containers:
            nursery.start_soon(_tell, container, command)


async def _tell(container: Container, command: Command[None]) -> None:
    try:
        await container.mailbox.ask(command)
    except (Conflict, NotFound, NotModified):
        return  # it has ended by itself
    except EngineError as error:
        LOG.error("container not stopped", container=container.id, reason=str(error))
