"""Freezing and thawing: one try each, unless the container is to end.

With cgroups of version 1 a frozen process does not even hear SIGKILL.  So a thaw that comes with a kill and
fails is tried again, ever more slowly, for as long as the run lasts; nobody has to kill once more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import attrs
import structlog
import trio

from daemon.actors.container.host import ContainerHost
from daemon.actors.container.reports import FreezeFailed, Frozen, Thawed, ThawFailed
from daemon.actors.container.runtasks import RunTasks
from daemon.actors.container.snapshot import ContainerRecord, ContainerSnapshot
from daemon.actors.mailbox import Event, Mailbox
from daemon.actors.published import Cell
from daemon.errors import EngineError

LOG = structlog.get_logger(__name__)
FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 15.0


@attrs.define(eq=False)
class Freezing:
    """The freezer of one container; what it does ends with the run."""

    cell: Cell[ContainerSnapshot]
    mailbox: Mailbox
    host: ContainerHost
    of_run: RunTasks
    _trying: bool = attrs.field(default=False, init=False)

    def freeze(self, _: object) -> None:
        """Begin to freeze all processes."""
        self.of_run.begin(self._report, self.host.freeze, Frozen(), FreezeFailed)

    def thaw(self, _: object) -> None:
        """Begin to let them go on."""
        self.of_run.begin(self._report, self.host.thaw, Thawed(), ThawFailed)

    def thaw_again(self, _: object) -> None:
        """Go on trying, which has just failed, until they do; it is reported then."""
        if not self._trying:
            self.of_run.begin(self._try)

    async def _try(self) -> None:
        self._trying = True
        pause_seconds = FIRST_PAUSE_SECONDS
        try:
            while not await self._thawed_after(pause_seconds):
                pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)
        finally:
            self._trying = False
        await self.mailbox.tell(Thawed())

    async def _thawed_after(self, seconds: float) -> bool:
        await trio.sleep(seconds)
        record = self.cell.current.record
        try:
            await self.host.thaw(record)
        except EngineError as error:
            LOG.error("what is to end is still frozen", container=record.id, reason=str(error))
            return False
        return True

    async def _report(
        self,
        work: Callable[[ContainerRecord], Awaitable[None]],
        done: Event,
        failed: Callable[[EngineError], Event],
    ) -> None:
        report = done
        try:
            await work(self.cell.current.record)
        except EngineError as error:
            report = failed(error)
        await self.mailbox.tell(report)
