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
    found = {container.id: await written_by(driver, container.id) for container in tuple(containers)}
    return {container_id: size for container_id, size in found.items() if size is not None}


async def written_by(driver: GraphDriver, container_id: str) -> int | None:
    """Return what a container has written; None if that cannot be told, and the log says why."""
    try:
        return await driver.written_bytes(container_id)
    except (EngineError, OSError) as error:
        LOG.warning("cannot be measured", container_id=container_id, error=str(error))
        return None
