"""Fakes that keep the same contracts as the real things, in memory and at once."""

from __future__ import annotations

import attrs
import trio

from daemon.journal import Event, Held, Hold, Missing, Name, NameTaken, Record, Transaction

Key = tuple[str, str]


@attrs.define
class Books:
    """All that a `FakeLedger` has been told; a transaction works on a copy and then replaces it."""

    records: dict[Key, Record] = attrs.field(factory=dict)
    names: dict[Key, str] = attrs.field(factory=dict)
    holds: set[Hold] = attrs.field(factory=set)

    def copy(self) -> Books:
        return Books(dict(self.records), dict(self.names), set(self.holds))

    def apply(self, transaction: Transaction) -> None:
        for key in transaction.release:
            self.names.pop(key, None)
        self.holds.difference_update(transaction.unhold)
        self.holds = {
            hold for hold in self.holds if (hold.holder_kind, hold.holder_id) not in transaction.delete
        }
        for key in transaction.delete:
            self._delete(key)
        self.records.update({(record.kind, record.id): record for record in transaction.put})
        for name in transaction.names:
            self._reserve(name)
        for name in transaction.move:
            self._must_exist((name.kind, name.id))
            self.names[name.kind, name.name] = name.id
        for hold in transaction.hold:
            self._must_exist((hold.kind, hold.id))
            self._must_exist((hold.holder_kind, hold.holder_id))
            self.holds.add(hold)

    def _delete(self, key: Key) -> None:
        holders = sorted(
            (hold.holder_kind, hold.holder_id) for hold in self.holds if (hold.kind, hold.id) == key
        )
        if holders:
            raise Held(*key, tuple(holders))
        self.records.pop(key, None)
        self.names = {name: owner for name, owner in self.names.items() if (name[0], owner) != key}

    def _reserve(self, name: Name) -> None:
        owner = self.names.get((name.kind, name.name), name.id)
        if owner != name.id:
            raise NameTaken(name.kind, name.name, owner)
        self._must_exist((name.kind, name.id))
        self.names[name.kind, name.name] = name.id

    def _must_exist(self, key: Key) -> None:
        if key not in self.records:
            raise Missing(*key)


@attrs.define(eq=False)
class FakeLedger:
    """A `Ledger` without a disk.

    Attributes:
        history: every transaction that was carried out, in order.
        events: every event, in order.
        fails: raised by every commit while it is set, as a full disk would.
        gate: every commit waits for it while it is there, as for a slow disk.

    """

    books: Books = attrs.field(factory=Books)
    history: list[Transaction] = attrs.field(factory=list)
    events: list[Event] = attrs.field(factory=list)
    fails: Exception | None = None
    gate: trio.Event | None = None

    async def commit(self, transaction: Transaction) -> tuple[Event, ...]:
        """Carry out `transaction` before the first checkpoint, like the real one."""
        if self.fails is not None:
            await trio.lowlevel.checkpoint()
            raise self.fails
        books = self.books.copy()
        try:
            books.apply(transaction)
        except Exception:
            await trio.lowlevel.checkpoint()
            raise
        self.books = books
        self.history.append(transaction)
        if self.gate is not None:
            await self.gate.wait()
        first = len(self.events) + 1
        events = tuple(
            Event(seq, seq * 1000, draft.type, draft.action, draft.actor_id, draft.attributes)
            for seq, draft in enumerate(transaction.events, first)
        )
        self.events.extend(events)
        await trio.lowlevel.checkpoint()
        return events

    def records(self, kind: str) -> list[Record]:
        return [record for record in self.books.records.values() if record.kind == kind]

    def names(self, kind: str) -> dict[str, str]:
        return {name: owner for (found, name), owner in self.books.names.items() if found == kind}

    @property
    def actions(self) -> list[str]:
        """What the events say, in short."""
        return [event.action for event in self.events]
