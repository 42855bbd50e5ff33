"""The wait before a container is started again by itself."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import structlog
import trio

from daemon.actors.container.commands import StartAgain
from daemon.actors.container.reports import GivenUp
from daemon.actors.container.restarting import LONGEST_BACKOFF_NS, NANOSECONDS
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.mailbox import Mailbox
from daemon.actors.published import Cell
from daemon.errors import EngineError, InvalidParameter
from daemon.runtimes.table import RuntimeTable

LOG = structlog.get_logger(__name__)


@attrs.define(eq=False)
class BackOff:
    """The waits of one container, one after the other; they are tasks of its actor."""

    cell: Cell[ContainerSnapshot]
    mailbox: Mailbox
    runtimes: Callable[[], RuntimeTable]
    tasks: trio.Nursery
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    def begin(self, _: object) -> None:
        """Wait, then have the container started."""
        self._scope = trio.CancelScope()
        self.tasks.start_soon(self._wait, self._scope)

    def end(self, _: object) -> None:
        """Wait no longer, and start nothing: a start that the actor has not taken is withdrawn at once."""
        self._scope.cancel()

    async def _wait(self, scope: trio.CancelScope) -> None:
        with scope:
            wait_ns = self.cell.current.backoff_ns
            while wait_ns:
                await trio.sleep(wait_ns / NANOSECONDS)
                wait_ns = await self._start()

    async def _start(self) -> int:
        """Return after how many nanoseconds to try once more, because what hinders may pass; 0 is never."""
        try:
            await self.mailbox.ask(StartAgain(self.runtimes()))
        except InvalidParameter as gone:
            LOG.error("not started again", container=self.cell.current.id, reason=str(gone))
            await self.mailbox.tell(GivenUp(gone))
        except EngineError as error:  # a full disk, say
            LOG.error("not started again yet", container=self.cell.current.id, reason=str(error))
            return LONGEST_BACKOFF_NS
        return 0
