"""Updating a container: first what runs, then its record, and one update after the other.

So the record never promises what the kernel has refused, and of two updates at the same time the later one
holds in both.  The actor does not wait for the runtime: whoever asked has a promise.

An update happens wholly or not at all.  Before a cgroup is touched it is written that what runs may obey
other limits than the record's (`may_obey`); that is forgotten together with the change of the record.
Whatever comes between, a refusal, a full disk or the engine's death, the cgroup is made to obey the record
again, of which alone somebody may have been told.  That may be done again and again, so it does not matter
how far it has come.  (Writing the record first would promise, and show, what the kernel may refuse.)
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import attrs
import structlog
import trio

from daemon.actors.container.admission.updates import updated
from daemon.actors.container.commands import Update
from daemon.actors.container.host import ContainerHost
from daemon.actors.container.reports import Updated, Updating
from daemon.actors.container.snapshot import ContainerRecord, ContainerSnapshot
from daemon.actors.container.states import ALIVE
from daemon.actors.mailbox import Mailbox, Promise
from daemon.actors.published import Cell
from daemon.errors import Conflict, EngineError, Failed, NotFound, Unavailable
from daemon.failpoints import reached
from daemon.model import HostConfig
from daemon.runtimes.base import Run
from daemon.runtimes.spec.resources import changeable

LOG = structlog.get_logger(__name__)


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

    def take_back(self, _: object) -> None:
        """Undo an update that the engine's death has cut off, before any other update."""
        self.tasks.start_soon(self._take_back)

    async def _take_back(self) -> None:
        async with self._turn:
            await self._obey()

    async def _see_through(self, update: Update, promise: Promise[None]) -> None:
        try:
            async with self._turn:
                if not promise.abandoned:  # whoever asked has left while it waited for its turn
                    await self._carry_out(update)
        except EngineError as error:
            promise.refuse(error)
        else:
            promise.answer(None)
        finally:
            now = self.cell.current
            if now.removed:
                promise.refuse(NotFound(f"No such container: {now.id}"))
            promise.refuse(Unavailable(f"the engine stopped looking after container {now.id}"))

    async def _carry_out(self, update: Update) -> None:
        await self._obey()  # an earlier one may not have been undone
        now = self.cell.current.record
        with _named(now.id):
            whole = updated(now.config, now.host_config, update.wanted, update.host)
        refusal: EngineError | None = None
        try:
            run = self.cell.current.run
            if changeable(whole) != changeable(now.host_config):
                run = await self._apply(whole, now.host_config)
            await self.mailbox.ask(Updated(whole, run))
        except EngineError as error:
            refusal = error
        await self._obey()  # what was refused is taken back, and who was started meanwhile obeys, too
        if refusal is not None:
            raise refusal

    async def _apply(self, host_config: HostConfig, before: HostConfig) -> Run | None:
        """Have the process that runs now, if there is one, obey `host_config`; return its run if it does."""
        now = self.cell.current
        if now.state not in ALIVE:
            return None
        await self.mailbox.ask(Updating(host_config))
        reached("update-announced")
        with _named(now.id):
            run = await self._change(now.run, attrs.evolve(now.record, host_config=host_config), before)
        reached("update-applied")
        return run

    async def _obey(self) -> None:
        """Have what runs obey its record; if that fails, the next update or start of the engine tries again.

        Whatever does not run, or is being stopped, obeys its record when it is started again.
        """
        now = self.cell.current
        if now.may_obey is None or now.state not in ALIVE:
            return
        try:
            await self._change(now.run, now.record, now.may_obey)
            reached("update-taken-back")
            await self.mailbox.ask(Updating(None))
        except EngineError as error:
            LOG.error("limits may not be as recorded", container=now.id, reason=str(error))

    async def _change(self, run: Run | None, record: ContainerRecord, before: HostConfig) -> Run | None:
        """Change the limits of `run` and return it; the next one begins with the record's, and ends this."""
        done: Run | None = None
        failure: EngineError | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._break_off_after, run, nursery.cancel_scope)
            try:
                await self.host.update(record, before)
                done = run
            except EngineError as error:  # out of the nursery, which would wrap it
                failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return done

    async def _break_off_after(self, run: Run | None, change: trio.CancelScope) -> None:
        await self.cell.wait_for(lambda now: now.run != run)
        change.cancel()


@contextmanager
def _named(container_id: str) -> Generator[None, None, None]:
    """Say of which container the update has failed; it is the client's fault if its options conflict."""
    try:
        yield
    except (Conflict, Failed) as error:
        kind = Conflict if isinstance(error, Conflict) else Failed
        raise kind(f"Cannot update container {container_id}: {error}") from error
