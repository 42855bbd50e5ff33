"""The owner of one network: the only code that says who is in it.

Works as a container's actor does (`daemon.actors.container.actor`), but a place in a network is nothing
that the journal knows: it is in the snapshot, and in the record of the container that has it, which gives
it back after a restart.  So to join costs no commit, and a crash on the way to the container's own loses
nothing but an address that nobody has.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs
import structlog
import trio

from daemon.actors.mailbox import Command, Event, Request
from daemon.actors.network.host import NetworkHost
from daemon.actors.network.kernel import lower_network, raise_network
from daemon.actors.network.leasing import Leasing
from daemon.actors.network.lifecycle import RESUME, Effect, State, step
from daemon.actors.network.messages import (
    Join,
    Leave,
    Raised,
    RaiseFailed,
    Remove,
    Removed,
    RemoveFailed,
    Rename,
)
from daemon.actors.network.refusals import gone, refusal
from daemon.actors.network.snapshot import Network, NetworkSnapshot
from daemon.errors import EngineError, Unavailable
from daemon.failpoints import reached
from daemon.journal import EventDraft, Ledger, Transaction
from daemon.networks.records import NETWORK_KIND, Endpoint, Lease, NetworkRecord

LOG = structlog.get_logger(__name__)


def draft(record: NetworkRecord, action: str) -> EventDraft:
    """Return an event about the network, as Docker has them."""
    return EventDraft(NETWORK_KIND, action, record.id, {"name": record.name, "type": record.driver})


@attrs.define(eq=False)
class NetworkActor:
    """One incarnation of a network's owner.

    `ready` returns what it is to be in the kernel, and `forget` is called before anyone is told that it is
    gone.
    """

    network: Network
    host: NetworkHost
    ledger: Ledger
    ready: Callable[[], Awaitable[NetworkRecord]]
    forget: Callable[[], None]
    _tasks: trio.Nursery = attrs.field(init=False)
    _leasing: Leasing = attrs.field(init=False)
    _at_hand: Request[Any] | Event | None = attrs.field(default=None, init=False)
    _postponed: list[Request[Any]] = attrs.field(factory=list, init=False)
    _again: deque[Request[Any]] = attrs.field(factory=deque, init=False)

    def __attrs_post_init__(self) -> None:
        self._leasing = Leasing(self.snapshot.record)
        self._leasing.keep(self.snapshot.endpoints.values())

    @property
    def snapshot(self) -> NetworkSnapshot:
        """The network as it is."""
        return self.network.cell.current

    async def run(self) -> None:
        """Own the network until it is removed."""
        try:
            async with trio.open_nursery() as self._tasks:
                if (begun := RESUME.get(self.snapshot.state)) is not None:
                    self._perform(begun, None, None)
                while not self.snapshot.removed:
                    self._at_hand = await self._next()
                    self._take(self._at_hand)
                self._tasks.cancel_scope.cancel()
        finally:
            self._part()

    async def _next(self) -> Request[Any] | Event:
        if not self._again:
            return await self.network.mailbox.take()
        self.network.mailbox.note(self._again[0])
        return self._again.popleft()

    def _part(self) -> None:
        """Answer whoever still waits for this incarnation."""
        error: EngineError = Unavailable(f"the engine stopped looking after network {self.network.id}")
        if self.snapshot.removed:
            error = gone(self.snapshot.record)
        for request in (self._at_hand, *self._postponed, *self._again):
            if isinstance(request, Request):
                request.refuse(error)

    def _take(self, item: Request[Any] | Event) -> None:
        if isinstance(item, Event):
            found = step(self.snapshot.state, item)
            if found is None:  # a report that the table does not know is a bug of ours
                raise AssertionError(f"{type(item).__name__} while {self.snapshot.state.value}")
            self._transit(item, None, *found)
        elif item.withdrawn:
            item.answer(None)  # it waited for its turn, and whoever asked has left
        elif (refused := refusal(self.snapshot, item.command)) is not None:
            item.refuse(refused)
        else:
            found = step(self.snapshot.state, item.command)
            assert found is not None  # or it would have been refused
            self._transit(item.command, item, *found)

    def _transit(
        self, message: Any, request: Request[Any] | None, target: State, effects: tuple[Effect, ...]
    ) -> None:
        moved = target is not self.snapshot.state
        if moved:
            self._publish(state=target)
        for effect in effects:
            self._perform(effect, message, request)
        if moved:
            self._again.extend(self._postponed)
            self._postponed.clear()

    def _publish(self, **changes: Any) -> None:
        self.network.cell.publish(self.snapshot.replace(**changes))

    def _perform(self, effect: Effect, message: Any, request: Request[Any] | None) -> None:
        match effect:
            case Effect.RAISE:
                self._tasks.start_soon(self._raise)
            case Effect.DISMANTLE:
                self._tasks.start_soon(self._dismantle)
            case Effect.REFUSE_JOINS:
                self._refuse_postponed(Join, message.error)
            case Effect.REFUSE_REMOVALS:
                self._refuse_postponed(Remove, message.error)
            case Effect.FORGET:
                self._forget()
            case Effect.SETTLE:
                self._settle(message.record)
            case Effect.POSTPONE if request is not None:
                request.postponed = True
                self._postponed.append(request)
            case _ if request is not None:
                self._attend(effect, message, request)

    def _attend(self, effect: Effect, message: Any, request: Request[Any]) -> None:
        """Do at once what is asked, and answer."""
        attend: Mapping[Effect, Callable[[Any], Lease | None]] = {
            Effect.GIVE: self._give,
            Effect.TAKE_BACK: self._take_back,
            Effect.RENAME: self._rename,
        }
        try:
            answer = attend[effect](message)
        except EngineError as error:
            request.refuse(error)
        else:
            request.answer(answer)

    def _give(self, join: Join) -> Lease:
        endpoints = self.snapshot.endpoints
        if (present := endpoints.get(join.container_id)) is not None:
            return present.lease
        lease = self._leasing.give(join)
        self._publish(endpoints={**endpoints, join.container_id: Endpoint(join.container_name, lease)})
        return lease

    def _take_back(self, leave: Leave) -> Lease | None:
        endpoints = dict(self.snapshot.endpoints)
        left = endpoints.pop(leave.container_id, None)
        if left is None:
            return None
        self._leasing.take_back(left.lease)
        self._publish(endpoints=endpoints)
        return left.lease

    def _rename(self, rename: Rename) -> None:
        endpoints = self.snapshot.endpoints
        if (present := endpoints.get(rename.container_id)) is not None:
            renamed = attrs.evolve(present, container_name=rename.container_name)
            self._publish(endpoints={**endpoints, rename.container_id: renamed})

    def _settle(self, record: NetworkRecord) -> None:
        if record != self.snapshot.record:
            self._publish(record=record)
            self._leasing = Leasing(record)  # nobody is in it, or it would have stayed as it was

    def _refuse_postponed(self, command: type[Command[Any]], error: EngineError) -> None:
        for request in self._postponed:
            if isinstance(request.command, command):
                request.refuse(error)
        self._postponed = [request for request in self._postponed if not request.answered]

    def _forget(self) -> None:
        self.forget()
        for request in self._postponed:  # removals, as anything else is refused meanwhile
            request.answer(None)

    async def _raise(self) -> None:
        try:
            record = await self.ready()
            await raise_network(self.host, record)
        except EngineError as error:
            LOG.error("a network cannot be raised", network=self.snapshot.record.name, reason=str(error))
            await self.network.mailbox.tell(RaiseFailed(error))
        else:
            await self.network.mailbox.tell(Raised(record))

    async def _dismantle(self) -> None:
        record = self.snapshot.record
        deletion = Transaction(delete=((NETWORK_KIND, record.id),), events=(draft(record, "destroy"),))
        try:
            await lower_network(self.host, record)
            reached("network-lowered")
            with trio.CancelScope(shield=True):  # it happens in any case, and the next incarnation must know
                await self.ledger.commit(deletion)
                reached("network-deleted")
        except EngineError as error:
            await self.network.mailbox.tell(RemoveFailed(error))
        else:
            await self.network.mailbox.tell(Removed())
