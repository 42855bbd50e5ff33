"""Updating a container: first what runs, then its record, and one update after the other.

So the record never promises what the kernel has refused, and of two updates at the same time the later one
holds in both.  The actor does not wait for the runtime: whoever asked has a promise.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import attrs
import trio

from daemon.actors.container.admission.updates import updated
from daemon.actors.container.commands import Update
from daemon.actors.container.host import ContainerHost
from daemon.actors.container.reports import Updated
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.container.states import ALIVE
from daemon.actors.mailbox import Mailbox, Promise
from daemon.actors.published import Cell
from daemon.errors import Conflict, EngineError, Failed, Unavailable
from daemon.model import HostConfig
from daemon.runtimes.base import Run
from daemon.runtimes.spec.resources import changeable


@attrs.define(eq=False)
class Updates:
    """The updates of one container; they are tasks of its actor."""

    cell: Cell[ContainerSnapshot]
    mailbox: Mailbox
    host: ContainerHost
    tasks: trio.Nursery
    _turn: trio.Lock = attrs.field(factory=trio.Lock, init=False)

    def begin(self, update: Update) -> Promise[None]:
        """Begin an update; the promise is kept once it is written and whatever runs obeys it."""
        promise: Promise[None] = Promise()
        self.tasks.start_soon(self._see_through, update, promise)
        return promise

    async def _see_through(self, update: Update, promise: Promise[None]) -> None:
        try:
            async with self._turn:
                await self._carry_out(update)
        except EngineError as error:
            promise.refuse(error)
        else:
            promise.answer(None)
        finally:
            promise.refuse(Unavailable(f"the engine stopped looking after container {self.cell.current.id}"))

    async def _carry_out(self, update: Update) -> None:
        record = self.cell.current.record
        with _named(record.id):
            whole = updated(record.config, record.host_config, update.wanted, update.host)
        limits = changeable(whole) != changeable(record.host_config)
        run = await self._apply(whole) if limits else None
        await self.mailbox.ask(Updated(whole))
        if limits and self.cell.current.run != run:  # it was started meanwhile, with what was written then
            await self._apply(whole)

    async def _apply(self, host_config: HostConfig) -> Run | None:
        """Have the process that runs now, if there is one, obey `host_config`; return its run."""
        now = self.cell.current
        if now.state not in ALIVE:
            return now.run
        with _named(now.id):
            await self.host.update(attrs.evolve(now.record, host_config=host_config))
        return now.run


@contextmanager
def _named(container_id: str) -> Generator[None, None, None]:
    """Say of which container the update has failed; it is the client's fault if its options conflict."""
    try:
        yield
    except (Conflict, Failed) as error:
        kind = Conflict if isinstance(error, Conflict) else Failed
        raise kind(f"Cannot update container {container_id}: {error}") from error
