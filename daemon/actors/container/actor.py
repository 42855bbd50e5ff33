"""The owner of one container: the only code that changes its state.

It takes one message at a time, looks it up in the table, commits what comes of it, shows it, and
only then acts and answers.  Slow work is done by child tasks that report back as messages
(`effects.py`), so a container that is being started can still be killed, and one whose runtime
hangs can still be asked.

Every request that was taken is answered, whatever happens: a crash of the actor refuses those that
are open, and the supervisor starts it anew from its record.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import attrs
import structlog
import trio

from daemon.actors.container.changes import changed
from daemon.actors.container.effects import Effects
from daemon.actors.container.events import Transition, events_of
from daemon.actors.container.host import ContainerHost
from daemon.actors.container.lifecycle import BEFORE_COMMIT, Effect, step
from daemon.actors.container.names import name_conflict
from daemon.actors.container.refusals import refusal
from daemon.actors.container.reports import DeleteFailed
from daemon.actors.container.restarting import as_told
from daemon.actors.container.resuming import RESUME
from daemon.actors.container.settling import DEFEATED, FAILS, SETTLED
from daemon.actors.container.snapshot import ContainerSnapshot, Stored
from daemon.actors.container.states import State
from daemon.actors.container.visits import Visits
from daemon.actors.mailbox import Event, Mailbox, Request
from daemon.actors.published import Cell
from daemon.errors import EngineError, InvalidParameter, NotFound, Unavailable
from daemon.journal import EventDraft, Ledger, Name, NameTaken, Record, Transaction
from daemon.runtimes.attach import AttachSession
from daemon.runtimes.stages import Stages
from daemon.runtimes.table import RuntimeTable
from daemon.wire import to_record

LOG = structlog.get_logger(__name__)
KIND = "container"


@attrs.define(eq=False)
class Container:
    """A container, as the rest of the engine sees it: where to ask, what it shows, what it is at.

    `owed` are the events of transitions that a full disk would not take; they outlive a crash of the actor.
    """

    id: str
    mailbox: Mailbox
    cell: Cell[ContainerSnapshot]
    stages: Stages = attrs.field(factory=Stages, init=False)
    visits: Visits = attrs.field(factory=Visits, init=False)
    owed: tuple[EventDraft, ...] = attrs.field(default=(), init=False)

    @property
    def snapshot(self) -> ContainerSnapshot:
        """What it shows now."""
        return self.cell.current


def as_record(snapshot: ContainerSnapshot) -> Record:
    """Return what the journal keeps of a container."""
    return Record(KIND, snapshot.id, to_record(snapshot.stored()))


@attrs.define(eq=False)
class ContainerActor:
    """One incarnation of a container's owner; the mailbox and the cell outlive it.

    `forget` is called before anyone is told that it is gone; `runtimes` returns those in force.
    """

    container: Container
    host: ContainerHost
    ledger: Ledger
    forget: Callable[[], None]
    runtimes: Callable[[], RuntimeTable]
    now_ns: Callable[[], int] = time.time_ns
    _open: list[Request[Any]] = attrs.field(factory=list, init=False)
    _postponed: list[Request[Any]] = attrs.field(factory=list, init=False)
    _again: deque[Request[Any]] = attrs.field(factory=deque, init=False)
    _at_hand: Request[Any] | Event | None = attrs.field(default=None, init=False)
    _written: Stored = attrs.field(init=False)
    _effects: Effects = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._written = self.snapshot.stored()

    @property
    def snapshot(self) -> ContainerSnapshot:
        """The container as it is."""
        return self.container.cell.current

    async def run(self) -> None:
        """Own the container until it is removed."""
        container = self.container
        try:
            async with trio.open_nursery() as tasks:
                self._effects = Effects(
                    container.cell,
                    container.mailbox,
                    self.host,
                    tasks,
                    self.runtimes,
                    self.now_ns,
                    container.visits,
                )
                if container.owed:
                    self._effects.remind()
                self._perform(RESUME.get(self.snapshot.state, ()), None)
                while not self.snapshot.removed:
                    self._at_hand = self._once_more() if self._again else await container.mailbox.take()
                    await self._take(self._at_hand)
                tasks.cancel_scope.cancel()
        finally:
            self._part()

    def _once_more(self) -> Request[Any]:
        self.container.mailbox.note(self._again[0])
        return self._again.popleft()

    def _part(self) -> None:
        """Answer whoever still waits for this incarnation."""
        error: EngineError = Unavailable(f"the engine stopped looking after container {self.container.id}")
        if self.snapshot.removed:
            error = NotFound(f"No such container: {self.container.id}")
        for request in (self._at_hand, *self._open, *self._postponed, *self._again):
            if isinstance(request, Request):
                request.refuse(error)
        self._effects.close_sessions()

    async def _take(self, item: Request[Any] | Event) -> None:
        request = item if isinstance(item, Request) else None
        if request is not None and request.withdrawn:
            request.answer(None)  # it waited for its turn, and whoever asked has left
            return
        message = as_told(self.snapshot, item.command if isinstance(item, Request) else item)
        found = step(self.snapshot.state, message)
        if found is not None:
            await self._transit(request, message, *found)
        elif request is not None:
            request.refuse(self._refusal(message))
        else:  # a report that the table does not know is a bug of ours
            raise AssertionError(f"{type(message).__name__} while {self.snapshot.state.value}")

    async def _transit(
        self, request: Request[Any] | None, message: Any, target: State, effects: tuple[Effect, ...]
    ) -> None:
        before = self.snapshot
        try:
            after = changed(before, target, message, self.now_ns())
        except InvalidParameter as error:
            assert request is not None  # a report cannot ask for what there is not
            request.refuse(error)
            return
        events = events_of(Transition(before, after, message, effects, self._wanted(message)))
        early = tuple(effect for effect in effects if effect in BEFORE_COMMIT)
        for effect in early:
            self._effects.perform(effect, message)
        try:
            await self._commit(after, events)
        except EngineError as error:
            if request is not None and not early:
                request.refuse(error)
                return
            if after.removed:  # nobody may be told what a restart would undo
                await self._take(DeleteFailed(error))
                return
            # A fact stays a fact: go on, and write it with the next transition.
            LOG.error("transition not written", container=self.container.id, reason=str(error))
            self.container.owed = (*self.container.owed, *events)
            self._effects.remind()
        self.container.cell.publish(after)
        if target is not before.state:
            self._again.extend(self._postponed)
            self._postponed.clear()
        if after.removed:
            self.forget()
        self._file(request, effects)
        self._perform(tuple(effect for effect in effects if effect not in early), message, request)
        self._settle(message)

    def _wanted(self, message: Any) -> set[type]:
        return {type(message), *(type(waiting.command) for waiting in (*self._open, *self._postponed))}

    async def _commit(self, after: ContainerSnapshot, events: tuple[EventDraft, ...]) -> None:
        """Write the transition, unless a restart would find out by itself and nobody is told of it."""
        before, stored = self.snapshot, after.stored()
        if not (events or self.container.owed or stored != self._written):
            return
        renamed = after.record.name != before.record.name
        transaction = Transaction(
            put=() if after.removed else (as_record(after),),
            delete=((KIND, after.id),) if after.removed else (),
            names=(Name(KIND, after.record.name, after.id),) if renamed else (),
            release=((KIND, before.record.name),) if renamed else (),
            events=(*self.container.owed, *events),
        )
        try:
            with trio.CancelScope(shield=True):  # it happens in any case, and the next incarnation must know
                await self.ledger.commit(transaction)
        except NameTaken as taken:
            raise name_conflict(after.record.name, taken.holder_id) from taken
        self._written, self.container.owed = stored, ()

    def _file(self, request: Request[Any] | None, effects: tuple[Effect, ...]) -> None:
        if request is None:
            return
        request.begun = request.begun or effects != (Effect.POSTPONE,)
        request.postponed = Effect.POSTPONE in effects
        if request.postponed:
            self._postponed.append(request)
        elif type(request.command) in SETTLED:
            self._open.append(request)

    def _perform(
        self, effects: tuple[Effect, ...], message: Any, request: Request[Any] | None = None
    ) -> None:
        """Perform `effects`; a command that is done with them is answered, or refused with their error."""
        answer = None
        try:
            for effect in effects:
                answer = self._effects.perform(effect, message)
        except EngineError as error:
            assert request is not None  # no report has an effect that can be refused
            request.refuse(error)
        if request is not None and type(message) not in SETTLED and Effect.POSTPONE not in effects:
            request.answer(answer)
            if request.abandoned and isinstance(answer, AttachSession):
                answer.abandon()  # nobody is going to read it, and that would stop the monitor

    def _settle(self, message: Any) -> None:
        """Answer whoever has what it asked for, or will not get it because of `message`."""
        failed = FAILS.get(type(message), ())
        state = self.snapshot.state
        for request in list(self._open):
            kind = type(request.command)
            if kind in failed:
                request.refuse(message.error)
            elif state in SETTLED[kind]:
                request.answer(None)
            elif state in DEFEATED.get(kind, ()):
                request.refuse(self._refusal(request.command))
            if request.answered:
                self._open.remove(request)

    def _refusal(self, command: Any) -> EngineError:
        return refusal(self.snapshot, command)
