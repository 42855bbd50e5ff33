"""What the journal keeps and what it is told, as frozen values.

The journal does not look into a record's body: kinds, ids and bodies mean something only to the
actor that wrote them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import attrs


@attrs.frozen
class Record:
    """The whole state of one object that must outlive the engine; `body` is JSON."""

    kind: str
    id: str
    body: bytes


@attrs.frozen
class Name:
    """A name, unique within its kind, for the record `(kind, id)`."""

    kind: str
    name: str
    id: str


@attrs.frozen
class Hold:
    """A reference: as long as the holder has it, the record `(kind, id)` cannot be deleted."""

    holder_kind: str
    holder_id: str
    kind: str
    id: str


@attrs.frozen
class EventDraft:
    """Something that happened, before the journal has given it its place and time."""

    type: str
    action: str
    actor_id: str
    attributes: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Event:
    """Something that happened; `seq` strictly increases.

    So does `time_ns` (since 1970), except while the clock is behind where it has been: then that is what the
    clock said, and `set_back_ns` how far it is behind the event's place in the order of times, `order_ns`.
    """

    seq: int
    time_ns: int
    type: str
    action: str
    actor_id: str
    attributes: Mapping[str, str]
    set_back_ns: int = 0

    @property
    def order_ns(self) -> int:
        """The time by which events are looked up; it strictly increases whatever the clock does."""
        return self.time_ns + self.set_back_ns


@attrs.frozen
class Transaction:
    """Changes that happen together or not at all.

    They are carried out in this order, whatever order they are written in: `release`, `unhold`,
    `delete`, `put`, `names`, `move`, `hold`, `events`.  So a rename is `release` plus `names`, and
    a holder may be deleted together with what it holds.

    Attributes:
        put: records to insert or replace.
        delete: `(kind, id)` of records to delete, with their names and the holds they have on
            others; one that does not exist is passed over.
        names: names to reserve; refused when another record has one of them.
        release: `(kind, name)` of names to give back; one that is free is passed over.
        move: names to reserve even when another record has them (image tags).
        hold: references to take.
        unhold: references to drop.
        events: what to report, in this order.

    """

    put: tuple[Record, ...] = ()
    delete: tuple[tuple[str, str], ...] = ()
    names: tuple[Name, ...] = ()
    release: tuple[tuple[str, str], ...] = ()
    move: tuple[Name, ...] = ()
    hold: tuple[Hold, ...] = ()
    unhold: tuple[Hold, ...] = ()
    events: tuple[EventDraft, ...] = ()


class Ledger(Protocol):
    """What an actor needs of the journal."""

    async def commit(self, transaction: Transaction) -> tuple[Event, ...]:
        """Carry out `transaction` and return its events once it is on the disk.

        Raises:
            NameTaken: another record has one of the names.
            Held: a record to delete is still held.
            Missing: a name or a hold refers to a record that does not exist.
            Failed: the disk would not take it; nothing was changed.
            Unavailable: the journal is closed.

        """
        ...
