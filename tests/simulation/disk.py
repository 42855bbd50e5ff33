"""The journal's disk, and one engine's connection to it: group commit, as slow as a disk and at times full.

The rule that the simulation holds the engine to: what somebody was told is in `Disk.entries` by then.
A group that is being written when the engine dies is there wholly or not at all, and nobody is told which.
"""

from __future__ import annotations

from typing import Any, Final

import attrs
import orjson
import trio
from outcome import Error, Outcome, Value

from daemon.errors import Failed, Unavailable
from daemon.journal import Event, Record, Transaction
from tests.simulation.hosts import Faults
from tests.simulation.scheduler import Chance
from tests.simulation.trace import Trace
from tests.unit.fakes import Books

CONTAINER: Final = "container"


@attrs.frozen(eq=False)
class Entry:
    """One transaction on the disk.

    `asked` and `durable`, when it was asked for and there, are numbers of the trace; `seconds` is virtual.
    """

    asked: int
    durable: int
    seconds: float
    transaction: Transaction
    events: tuple[Event, ...]

    def state_of(self, container_id: str) -> dict[str, Any] | None:
        """Return the record of a container that this transaction wrote, if it did."""
        for record in self.transaction.put:
            if (record.kind, record.id) == (CONTAINER, container_id):
                found: dict[str, Any] = orjson.loads(record.body)
                return found
        return None


@attrs.define(eq=False)
class Pending:
    """A transaction that waits for the disk."""

    transaction: Transaction
    asked: int
    outcome: Outcome[tuple[Event, ...]] | None = None
    over: trio.Event = attrs.field(factory=trio.Event)


@attrs.define(eq=False)
class Disk:
    """What is on the disk; `refused` tells when it was full, for whom (trace numbers by object id)."""

    chance: Chance
    trace: Trace
    faults: Faults
    books: Books = attrs.field(factory=Books)
    entries: list[Entry] = attrs.field(factory=list)
    refused: dict[str, list[int]] = attrs.field(factory=dict)
    bodies: set[tuple[str, bytes]] = attrs.field(factory=set)
    _seq: int = 0

    def write(self, pending: Pending) -> tuple[Event, ...]:
        """Carry out one transaction, or nothing of it."""
        transaction = pending.transaction
        books = self.books.copy()
        books.apply(transaction)
        self.books = books
        events = tuple(
            Event(seq, seq * 1000, draft.type, draft.action, draft.actor_id, draft.attributes)
            for seq, draft in enumerate(transaction.events, self._seq + 1)
        )
        self._seq += len(events)
        self.bodies.update((record.id, comparable(record.body)) for record in transaction.put)
        tick = self.trace.note("durable", *_told(transaction))
        self.entries.append(Entry(pending.asked, tick, trio.current_time(), transaction, events))
        return events

    def refuse(self, pending: Pending) -> Failed:
        """Be full."""
        tick = self.trace.note("full", *_told(pending.transaction))
        for owner in _owners(pending.transaction):
            self.refused.setdefault(owner, []).append(tick)
        return Failed("the disk is full")

    def was_full_for(self, container_id: str) -> bool:
        return container_id in self.refused

    def records(self, kind: str) -> list[Record]:
        return [record for record in self.books.records.values() if record.kind == kind]


@attrs.define(eq=False)
class SimulatedLedger:
    """One engine's `Ledger`."""

    disk: Disk
    dead: bool = attrs.field(default=False, init=False)
    _queue: list[Pending] = attrs.field(factory=list, init=False)
    _group: list[Pending] = attrs.field(factory=list, init=False)
    _asked: trio.Event = attrs.field(factory=trio.Event, init=False)

    async def commit(self, transaction: Transaction) -> tuple[Event, ...]:
        pending = Pending(transaction, self.disk.trace.note("commit", *_told(transaction)))
        if self.dead:
            await trio.lowlevel.checkpoint()
            raise Unavailable("the journal is closed")
        self._queue.append(pending)
        self._asked.set()
        await pending.over.wait()
        assert pending.outcome is not None
        return pending.outcome.unwrap()

    def kill(self) -> None:
        """Tell nobody any more what became of what it asked for; actors that wait for that end, too."""
        self.dead = True
        for pending in (*self._group, *self._queue):
            pending.outcome = Error(Unavailable("the journal is closed"))
            pending.over.set()

    async def run(self) -> None:
        """Write group after group until the engine dies."""
        while True:
            await self._asked.wait()
            self._asked = trio.Event()
            group = self._group = self._queue
            self._queue = []
            try:
                await self.disk.chance.pause()
            except trio.Cancelled:  # the engine is killed while the disk is at work
                if self.disk.chance.happens(0.5):
                    self._settle(group)
                raise
            self._settle(group)
            await trio.lowlevel.checkpoint()  # readers of the events have their turn before committers
            for pending in group:
                pending.over.set()

    def _settle(self, group: list[Pending]) -> None:
        full = self.disk.chance.happens(self.disk.faults.disk)
        for pending in group:
            try:
                if full:
                    raise self.disk.refuse(pending)
                pending.outcome = Value(self.disk.write(pending))
            except Exception as error:  # whatever it is, it is its asker's
                pending.outcome = Error(error)


def comparable(body: bytes) -> bytes:
    """Return a record without what an engine that starts forgets of it (`restarting.at_engine_start`)."""
    always = b'"name":"always"' in body
    return body.replace(b'"stopped_by_hand":true', b'"stopped_by_hand":false') if always else body


def _owners(transaction: Transaction) -> set[str]:
    owners = {record.id for record in transaction.put} | {key[1] for key in transaction.delete}
    return owners | {event.actor_id for event in transaction.events}


def _told(transaction: Transaction) -> list[str]:
    """Return the transaction in short, without the ids that the engine itself has made up."""
    told = [f"{name.name}" for name in transaction.names]
    told += [f"-{kind}" for kind, _ in transaction.delete]
    for record in transaction.put:
        body = orjson.loads(record.body)
        told.append(f"{record.id[:6]}={body['state']}" if "state" in body else record.kind)
    return [*told, *(f"{event.action}:{event.actor_id[:6]}" for event in transaction.events)]
