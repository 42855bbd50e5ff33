"""The owner of one exec session.

Works as a container's actor does (`daemon.actors.container.actor`): one message at a time, commit,
show, act, answer.  What has ended can be inspected for a while (`KEEP_SECONDS`, as dockerd's five
minutes), across restarts of the engine, and is then forgotten, as is what was never started once its
container is gone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import attrs
import structlog
import trio

from daemon.actors.container.actor import Container
from daemon.actors.container.restarting import EXIT_UNKNOWN
from daemon.actors.exec.changes import changed, events_of
from daemon.actors.exec.host import ExecHost
from daemon.actors.exec.lifecycle import (
    Effect,
    ExecExited,
    ExecFailed,
    ExecStarted,
    ResizeExec,
    StartExec,
    State,
    step,
)
from daemon.actors.exec.session import ExecSession, ExecSnapshot, as_record
from daemon.actors.mailbox import Event, Request
from daemon.actors.seeing_out import seen_out, unless
from daemon.errors import Conflict, EngineError, Failed, Unavailable
from daemon.failpoints import boundaries, reached
from daemon.journal import EventDraft, Ledger, Transaction
from daemon.runtimes.attach import AttachSession
from daemon.runtimes.base import Run
from daemon.runtimes.failures import launch_failure

LOG = structlog.get_logger(__name__)
KEEP_SECONDS: Final = 300
NOBODY_KNOWS: Final = "the engine ended while it was being started, and it may have run"
NANOSECONDS: Final = 1_000_000_000
FAILPOINTS: Final = boundaries("exec-effect", Effect)


@attrs.define(eq=False)
class ExecActor:
    """One incarnation of an exec session's owner.

    `begun` is what came of a start that an earlier engine began, as far as anybody can know.
    """

    session: ExecSession
    container: Container
    host: ExecHost
    ledger: Ledger
    now_ns: Callable[[], int] = time.time_ns
    begun: Run | None = None
    _tasks: trio.Nursery = attrs.field(init=False)
    _start: Request[Any] | None = attrs.field(default=None, init=False)
    _at_hand: Request[Any] | Event | None = attrs.field(default=None, init=False)
    _owed: tuple[EventDraft, ...] = attrs.field(default=(), init=False)
    _stdio: list[AttachSession] = attrs.field(factory=list, init=False)

    @property
    def snapshot(self) -> ExecSnapshot:
        """The session as it is."""
        return self.session.cell.current

    async def run(self) -> None:
        """Own the session until it has been over for a while."""
        try:
            async with trio.open_nursery() as self._tasks:
                self._resume()
                self._tasks.start_soon(self._outlive_container)
                await self._live()
                self._tasks.cancel_scope.cancel()
        finally:
            error = Unavailable(f"the engine stopped looking after exec session {self.session.id}")
            for request in (self._start, self._at_hand):
                if isinstance(request, Request):
                    request.refuse(error)

    def _resume(self) -> None:
        """Go on where an earlier incarnation was."""
        if self.snapshot.running:
            self._tasks.start_soon(self._watch)
        elif self.snapshot.state is State.STARTING:
            self._tasks.start_soon(self.session.mailbox.tell, self._came_of_start())

    def _came_of_start(self) -> ExecStarted | ExecFailed:
        if self.begun is not None:
            return ExecStarted(self.begun, AttachSession())
        LOG.warning("nobody knows whether it ran", exec=self.session.id)
        return ExecFailed(Failed(NOBODY_KNOWS), EXIT_UNKNOWN)

    async def _outlive_container(self) -> None:
        """End with the container, unless there is something to see to its end or to be inspected."""
        await self.container.cell.wait_for(lambda now: now.removed)
        if self.snapshot.state is State.CREATED:
            self._tasks.cancel_scope.cancel()

    async def _live(self) -> None:
        over = math.inf
        while True:
            if self.snapshot.state is State.EXITED:
                over = min(over, trio.current_time() + self._kept_seconds())
            with trio.move_on_at(over) as keeping:
                self._at_hand = item = await self.session.mailbox.take()
            if keeping.cancelled_caught:
                return
            await self._take(item)

    def _kept_seconds(self) -> float:
        """Return for how much longer the session, which has ended, can be inspected."""
        elapsed_seconds = (self.now_ns() - self.snapshot.record.ended_ns) / NANOSECONDS
        return min(max(KEEP_SECONDS - elapsed_seconds, 0), KEEP_SECONDS)  # the clock may have been set

    async def _take(self, item: Request[Any] | Event) -> None:
        request = item if isinstance(item, Request) else None
        if request is not None and request.abandoned:
            request.answer(None)  # whoever asked has left
            return
        message: Any = item.command if isinstance(item, Request) else item
        found = step(self.snapshot.state, message)
        if found is None:
            if request is None:  # a report that the table does not know is a bug of ours
                raise AssertionError(f"{type(message).__name__} while {self.snapshot.state.value}")
            request.refuse(self._refusal(message))
            return
        state, effects = found
        after = changed(self.snapshot, state, message, self.now_ns())
        try:
            await self._commit(after, message)
        except EngineError as error:
            if request is not None:
                request.refuse(error)
                return
            # A fact stays a fact, as with containers: its events are written with the next one.
            LOG.error("transition not written", exec=self.session.id, reason=str(error))
            self._owed = (*self._owed, *events_of(self.container, after, message))
        self.session.cell.publish(after)
        self._act(effects, message, request)

    async def _commit(self, after: ExecSnapshot, message: Any) -> None:
        events = (*self._owed, *events_of(self.container, after, message))
        if events:
            transaction = Transaction(put=(as_record(after),), events=events)
            with trio.CancelScope(shield=True):  # it happens in any case, and the next incarnation must know
                await self.ledger.commit(transaction)
            self._owed = ()

    def _act(self, effects: tuple[Effect, ...], message: Any, request: Request[Any] | None) -> None:
        for effect in effects:
            reached(FAILPOINTS[effect].before)
            match effect:
                case Effect.LAUNCH:
                    self._start = request
                    self._tasks.start_soon(self._launch, message)
                case Effect.RESIZE:
                    self._resize(message, request)
                case Effect.CLEAN_UP:
                    self._tasks.start_soon(self.host.clean_up, self.snapshot.record)
                case Effect.NOTE if request is not None:
                    request.answer(None)
            reached(FAILPOINTS[effect].after)
        if isinstance(message, ExecStarted):
            self._tasks.start_soon(self._watch)
            self._hand_over(message.session)
        elif isinstance(message, ExecFailed) and self._start is not None:
            self._start.refuse(message.error)

    def _hand_over(self, session: AttachSession) -> None:
        if self._start is None or self._start.abandoned:
            session.abandon()  # an unread connection would stop the monitor
        else:
            self._stdio.append(session)
            self._start.answer(session)

    def _resize(self, message: ResizeExec, request: Request[Any] | None) -> None:
        assert request is not None
        try:
            self.host.resize(self.snapshot.record, message.height, message.width)
        except EngineError as error:
            request.refuse(error)
        else:
            request.answer(None)

    async def _launch(self, message: StartExec) -> None:
        execute = partial(self.host.execute, self.container, self.snapshot.record, message)
        try:
            started = await unless(self._container_ended, execute)
            if started is None:
                raise Conflict(f"container {self.container.id} is not running")
        except EngineError as error:
            await self.session.mailbox.tell(ExecFailed(*launch_failure(error)))
        else:
            await self.session.mailbox.tell(ExecStarted(*started))

    async def _container_ended(self) -> None:
        await self.container.cell.wait_for(lambda now: not now.running)

    async def _watch(self) -> None:
        record = self.snapshot.record
        assert record.run is not None
        ended = await seen_out(
            partial(self.host.process_ended, record.run),
            partial(self.host.wait, record, record.run),
            self._stdio,
        )
        await self.session.mailbox.tell(ExecExited(ended))

    def _refusal(self, message: Any) -> EngineError:
        if isinstance(message, StartExec) and self.snapshot.interrupted:
            return Conflict(f"exec command {self.session.id} is not run again: {NOBODY_KNOWS}")
        if isinstance(message, StartExec) and self.snapshot.state is State.EXITED:
            return Conflict(f"exec command {self.session.id} has already run")
        if isinstance(message, StartExec):
            return Conflict(f"exec command {self.session.id} is already running")
        return Conflict(f"exec command {self.session.id} is not running")
