"""One transaction as SQL, and SQLite's refusals as ours.

Foreign keys in the schema are the last word on what may refer to what; the statements here only
find out, when a key has refused, whom to blame.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

import attrs
import orjson

from daemon.journal.refusals import Held, Missing, NameTaken
from daemon.journal.values import Event, EventDraft, Hold, Name, Transaction

PUT: Final = "INSERT INTO records VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body"
DELETE: Final = "DELETE FROM records WHERE kind = ? AND id = ?"
LET_GO: Final = "DELETE FROM holds WHERE holder_kind = ? AND holder_id = ?"
HOLDERS: Final = "SELECT holder_kind, holder_id FROM holds WHERE kind = ? AND id = ?"
NAME: Final = "INSERT INTO names VALUES (?, ?, ?)"
OWNER: Final = "SELECT id FROM names WHERE kind = ? AND name = ?"
MOVE: Final = "INSERT OR REPLACE INTO names VALUES (?, ?, ?)"
RELEASE: Final = "DELETE FROM names WHERE kind = ? AND name = ?"
HOLD: Final = "INSERT OR IGNORE INTO holds VALUES (?, ?, ?, ?)"
UNHOLD: Final = "DELETE FROM holds WHERE holder_kind = ? AND holder_id = ? AND kind = ? AND id = ?"
EXISTS: Final = "SELECT 1 FROM records WHERE kind = ? AND id = ?"
EVENT: Final = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)"
SLIP_NS: Final = 1_000_000_000  # a clock that is adjusted by no more only stands still

Row: TypeAlias = tuple[int, int, str, str, str, str, int]
"""An event in the file: its column `time_ns` is the place in the order of times."""


@attrs.frozen
class Position:
    """Where the last event stands; the next one comes after it in both."""

    seq: int
    order_ns: int

    def stamp(self, drafts: Iterable[EventDraft], now_ns: int) -> tuple[Event, ...]:
        """Give each draft its place, even when the clock stands still or goes back.

        An event whose place is later than the clock, because that has been set back, has the clock's time:
        one that was ahead by a day must not make the times of a day's events wrong.
        """
        first_ns = max(now_ns, self.order_ns + 1)
        back_ns = first_ns - now_ns if first_ns - now_ns > SLIP_NS else 0
        return tuple(
            Event(
                self.seq + 1 + i,
                first_ns + i - back_ns,
                draft.type,
                draft.action,
                draft.actor_id,
                draft.attributes,
                back_ns,
            )
            for i, draft in enumerate(drafts)
        )


def apply(
    connection: sqlite3.Connection, transaction: Transaction, position: Position, now_ns: Callable[[], int]
) -> tuple[Event, ...]:
    """Carry out `transaction` inside the caller's savepoint and return its events.

    Raises:
        NameTaken: another record has one of the names.
        Held: a record to delete is still held.
        Missing: a name or a hold refers to a record that does not exist.
        sqlite3.Error: the disk would not take it.

    """
    _each(connection, RELEASE, transaction.release)
    _each(connection, UNHOLD, [attrs.astuple(hold) for hold in transaction.unhold])
    _delete(connection, transaction.delete)
    _each(connection, PUT, [(record.kind, record.id, record.body) for record in transaction.put])
    for name in transaction.names:
        _reserve(connection, name)
    for name in transaction.move:
        _refer(connection, MOVE, name, ((name.kind, name.id),))
    for hold in transaction.hold:
        _refer(connection, HOLD, hold, ((hold.kind, hold.id), (hold.holder_kind, hold.holder_id)))
    if not transaction.events:
        return ()
    events = position.stamp(transaction.events, now_ns())
    _each(connection, EVENT, [_row(event) for event in events])
    return events


def event(row: Row) -> Event:
    """Make an event of its row."""
    seq, order_ns, type_, action, actor_id, attributes, back_ns = row
    return Event(seq, order_ns - back_ns, type_, action, actor_id, orjson.loads(attributes), back_ns)


def _row(event: Event) -> Row:
    attributes = orjson.dumps(dict(event.attributes)).decode()
    place = event.seq, event.order_ns
    return *place, event.type, event.action, event.actor_id, attributes, event.set_back_ns


def _each(connection: sqlite3.Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Run `statement` for each row, and nothing for none.

    What a statement costs is not SQLite's time: each one gives the interpreter's lock away and has
    to get it back from a trio thread that may be busy.
    """
    if rows:
        connection.executemany(statement, rows)


def _delete(connection: sqlite3.Connection, keys: tuple[tuple[str, str], ...]) -> None:
    _each(connection, LET_GO, keys)  # all first: one of them may hold another
    for key in keys:
        holders = tuple(connection.execute(HOLDERS, key))
        if holders:
            raise Held(*key, holders)
        connection.execute(DELETE, key)


def _reserve(connection: sqlite3.Connection, name: Name) -> None:
    owner = connection.execute(OWNER, (name.kind, name.name)).fetchone()
    if owner is None:
        _refer(connection, NAME, name, ((name.kind, name.id),))
    elif owner[0] != name.id:
        raise NameTaken(name.kind, name.name, owner[0])


def _refer(
    connection: sqlite3.Connection, statement: str, value: Name | Hold, keys: tuple[tuple[str, str], ...]
) -> None:
    try:
        connection.execute(statement, attrs.astuple(value))
    except sqlite3.IntegrityError as error:
        for key in keys:
            if connection.execute(EXISTS, key).fetchone() is None:
                raise Missing(*key) from error
        raise
