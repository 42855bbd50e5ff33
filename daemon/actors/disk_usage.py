"""How much of the disk containers take."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from daemon.actors.containers import Containers
from daemon.errors import EngineError
from daemon.graphdrivers.base import GraphDriver

LOG = structlog.get_logger(__name__)


async def written_bytes(driver: GraphDriver, containers: Containers) -> Mapping[str, int]:
    """Return what each container has written; those of which it cannot be told are left out.

    One after the other, so that this never takes more than one thread from what else needs the disk.
    """
    found = {}
    for container in tuple(containers):
        try:
            found[container.id] = await driver.written_bytes(container.id)
        except (EngineError, OSError) as error:
            LOG.warning("cannot be measured", container_id=container.id, error=str(error))
    return found
