"""What one container's networks need to know of other containers."""

from __future__ import annotations

from typing import Final

import attrs
import trio

from daemon.actors.container.namespaces import Containers
from daemon.actors.container.networking.naming import SHORT_ID
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.container.states import CLEARING, State
from daemon.errors import Conflict, EngineError

BRIDGE: Final = "bridge"
CLEARED_SECONDS: Final = 10.0
BEING_CLEARED: Final = frozenset({*CLEARING, State.RELAPSED})


@attrs.define
class OtherContainers:
    """Looks containers up; `containers` is set once, before the first launch."""

    containers: Containers | None = None

    def link(self, reference: str) -> tuple[str, str, str]:
        """Return the address on the bridge, the short id and the name of a container to link to."""
        other = self._found(reference)
        attachment = other.attachments.named(BRIDGE)
        if not other.running or attachment is None or attachment.lease.address4 is None:
            raise Conflict(f"Cannot link to a non running container: /{other.record.name}")
        return str(attachment.lease.address4.ip), other.id[:SHORT_ID], other.record.name

    async def cleared(self, container_id: str) -> bool:
        """Wait until what is being cleared away of a container's last run is gone; False if nothing is."""
        assert self.containers is not None
        try:
            cell = self.containers.resolve(container_id).cell
        except EngineError:
            return False
        if cell.current.state not in BEING_CLEARED:
            return False
        with trio.move_on_after(CLEARED_SECONDS):
            await cell.wait_for(lambda now: now.state not in BEING_CLEARED)
            return True
        return False

    def _found(self, reference: str) -> ContainerSnapshot:
        assert self.containers is not None
        return self.containers.resolve(reference).snapshot
