"""Reading what is in the file, on connections that never wait for the writer (WAL).

The records are read where they are asked for, at start-up.  The old events of a reader that is
far behind are read in a thread, one such read at a time: they may be many, and nobody who is up
to date waits for them.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final, TypeVar

import attrs
import trio

from daemon.errors import Failed
from daemon.journal.apply import Position, Row, event
from daemon.journal.values import Event, Record

T = TypeVar("T")

EVENTS: Final = "SELECT * FROM events WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
OLDEST: Final = "SELECT seq, time_ns FROM events ORDER BY seq LIMIT 1"
NEWEST: Final = "SELECT seq, time_ns FROM events ORDER BY seq DESC LIMIT 1"
TIME: Final = "SELECT time_ns FROM events WHERE seq >= ? ORDER BY seq LIMIT 1"
SET_BACK: Final = "SELECT max(seq) FROM events WHERE set_back_ns > 0"
LAST_SEQ: Final = "SELECT seq FROM sqlite_sequence WHERE name = 'events'"


@contextmanager
def _readable() -> Generator[None, None, None]:
    try:
        yield
    except sqlite3.Error as error:
        raise Failed(f"the journal cannot be read: {error}") from error


@attrs.define(eq=False)
class Shelf:
    """Records and names, read in the calling thread."""

    connection: sqlite3.Connection

    def records(self, kind: str) -> list[Record]:
        """Return all records of `kind`, in the order they were first put."""
        query = "SELECT kind, id, body FROM records WHERE kind = ? ORDER BY rowid"
        with _readable():
            return [Record(*row) for row in self.connection.execute(query, (kind,))]

    def record(self, kind: str, record_id: str) -> Record | None:
        """Return one record."""
        query = "SELECT kind, id, body FROM records WHERE kind = ? AND id = ?"
        with _readable():
            row = self.connection.execute(query, (kind, record_id)).fetchone()
        return Record(*row) if row else None

    def names(self, kind: str) -> dict[str, str]:
        """Return the id behind every name of `kind`."""
        with _readable():
            return dict(self.connection.execute("SELECT name, id FROM names WHERE kind = ?", (kind,)))

    def position(self) -> tuple[Position, int]:
        """Return where the last event stands, and the `seq` of the oldest one kept."""
        with _readable():
            last_seq = self.connection.execute(LAST_SEQ).fetchone()[0]
            newest = self.connection.execute(NEWEST).fetchone()
            oldest = self.connection.execute(OLDEST).fetchone()
        return Position(last_seq, newest[1] if newest else 0), oldest[0] if oldest else last_seq + 1

    def last_set_back(self) -> int:
        """Return the `seq` of the last event that was told while the clock was behind, or 0."""
        with _readable():
            return self.connection.execute(SET_BACK).fetchone()[0] or 0


@attrs.define(eq=False)
class FileArchive:
    """The events in the file; an `Archive`."""

    connection: sqlite3.Connection
    _one_at_a_time: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1), init=False)

    async def read(self, after: int, last: int, limit: int) -> tuple[Event, ...]:
        """Return the oldest kept events in `after < seq <= last`, at most `limit`."""
        return await self._in_thread(lambda: tuple(map(event, self._all(EVENTS, after, last, limit))))

    async def before(self, time_ns: int) -> int:
        """Return the `seq` of the youngest kept event whose place is before `time_ns`, or 0."""
        return await self._in_thread(lambda: self._before(time_ns))

    def _before(self, time_ns: int) -> int:
        """Bisect: the order of times is that of `seq`, so no index on them has to be kept up to date."""
        oldest, newest = self._all(OLDEST), self._all(NEWEST)
        if not oldest or oldest[0][1] >= time_ns:
            return 0
        first = oldest[0][0]
        span = range(first, newest[0][0] + 1)
        return first - 1 + bisect_left(span, time_ns, key=lambda seq: self._all(TIME, seq)[0][0])

    def _all(self, query: str, *parameters: int) -> list[Row]:
        return self.connection.execute(query, parameters).fetchall()

    async def _in_thread(self, read: Callable[[], T]) -> T:
        def checked() -> T:
            with _readable():
                return read()

        return await trio.to_thread.run_sync(checked, limiter=self._one_at_a_time)
