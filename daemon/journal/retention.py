"""How many events are kept, and how the oldest ones go.

They go in steps, inside a transaction that is being written anyway: no commit pays for an fsync
of retention, none deletes more than two steps, and the newest event always stays.  So what is kept is what
was promised and up to a step more; a promise that has become smaller is caught up with step by step.

What events take is a running sum.  It is not written down: a journal whose whole file is within the bound
needs none, and of any other the events are measured once, with the first step that an engine completes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final

import attrs
import orjson

from daemon.journal.values import Event
from daemon.settings import Settings

STEP: Final = 256
STEP_BYTES: Final = 1 << 20  # a step of events that are larger than any ordinary one ends earlier
DAY_SECONDS: Final = 24 * 3600
DEFAULTS: Final = Settings()
NUMBERS_BYTES: Final = 16  # `seq` and `time_ns`; the third is nothing while the clock is right

SIZE: Final = f"{NUMBERS_BYTES} + " + " + ".join(
    f"length(CAST({column} AS BLOB))" for column in ("type", "action", "actor_id", "attributes")
)
TOTAL: Final = f"SELECT total({SIZE}) FROM events WHERE seq < ?"  # ruff: ignore[hardcoded-sql-expression]  of ours alone
EXPIRED: Final = (
    "SELECT max(seq) FROM (SELECT seq, time_ns - set_back_ns AS at_ns FROM events ORDER BY seq LIMIT ?) "
    "WHERE at_ns < ?"
)
HEAVY: Final = (
    "SELECT min(seq) FROM "  # ruff: ignore[hardcoded-sql-expression]  of ours alone
    f"(SELECT seq, sum({SIZE}) OVER (ORDER BY seq) AS gone FROM (SELECT * FROM events ORDER BY seq LIMIT ?)) "
    "WHERE gone >= ?"
)


def size_bytes(event: Event) -> int:
    """Return what an event counts: the bytes of its texts, its attributes as JSON, and its two numbers.

    The file needs somewhat more; it is the same as `SIZE`.
    """
    texts = (event.type, event.action, event.actor_id)
    attributes = orjson.dumps(dict(event.attributes))
    return NUMBERS_BYTES + len(attributes) + sum(len(text.encode()) for text in texts)


@attrs.frozen
class Kept:
    """Which events are in the file.

    Attributes:
        first_seq: the oldest one.
        fresh_bytes: what has come since the last step.
        total_bytes: what all of them take; None as long as nobody had to know.

    """

    first_seq: int
    fresh_bytes: int = 0
    total_bytes: int | None = None

    def __add__(self, events: Iterable[Event]) -> Kept:
        """Return what is kept with `events` as well."""
        more_bytes = sum(map(size_bytes, events))
        total_bytes = None if self.total_bytes is None else self.total_bytes + more_bytes
        return Kept(self.first_seq, self.fresh_bytes + more_bytes, total_bytes)


@attrs.frozen
class Retention:
    """What is promised to readers: the newest events, as far as they are within all three bounds.

    Attributes:
        max_events: at least 1.
        max_age_seconds: of the oldest one.
        max_bytes: of all together; 0 is no bound.

    """

    max_events: int = DEFAULTS.event_retention_count
    max_age_seconds: float = DEFAULTS.event_retention_days * DAY_SECONDS
    max_bytes: int = DEFAULTS.event_retention_bytes

    @classmethod
    def of(cls, settings: Settings) -> Retention:
        """Return what the user has asked for."""
        return cls(
            settings.event_retention_count,
            settings.event_retention_days * DAY_SECONDS,
            settings.event_retention_bytes,
        )

    @staticmethod
    def due(kept: Kept, last_seq: int, seq: int) -> bool:
        """Whether the events written between the two complete a step: the moment to prune."""
        return last_seq // STEP != seq // STEP or kept.fresh_bytes >= STEP_BYTES

    def prune(self, connection: sqlite3.Connection, kept: Kept, last_seq: int, now_ns: int) -> Kept:
        """Delete at most two steps of what need not be kept; return what is kept then."""
        total_bytes = kept.total_bytes
        if total_bytes is None and 0 < self.max_bytes < _file_bytes(connection):
            total_bytes = _taken(connection, last_seq + 1)
        keep = min(
            max(
                last_seq - self.max_events + 1,
                self._after_expired(connection, now_ns),
                self._after_heavy(connection, kept.first_seq, total_bytes),
            ),
            kept.first_seq + 2 * STEP,
            last_seq,
        )
        if keep <= kept.first_seq:
            return Kept(kept.first_seq, 0, total_bytes)
        if total_bytes is not None:
            total_bytes -= _taken(connection, keep)
        connection.execute("DELETE FROM events WHERE seq < ?", (keep,))
        return Kept(keep, 0, total_bytes)

    def _after_expired(self, connection: sqlite3.Connection, now_ns: int) -> int:
        """Return the first `seq` that is not too old, looking no further than two steps."""
        oldest_ns = max(0, now_ns - int(self.max_age_seconds * 1e9))  # SQLite knows no larger numbers
        (expired,) = connection.execute(EXPIRED, (2 * STEP, oldest_ns)).fetchone()
        return (expired or 0) + 1

    def _after_heavy(self, connection: sqlite3.Connection, first_seq: int, total_bytes: int | None) -> int:
        """Return the first `seq` with which the rest is within the bound, or two steps further."""
        if not self.max_bytes or total_bytes is None or total_bytes <= self.max_bytes:
            return first_seq
        (seq,) = connection.execute(HEAVY, (2 * STEP, total_bytes - self.max_bytes)).fetchone()
        return first_seq + 2 * STEP if seq is None else seq + 1


def _taken(connection: sqlite3.Connection, before_seq: int) -> int:
    """Return what the events before that number take, in bytes."""
    return int(connection.execute(TOTAL, (before_seq,)).fetchone()[0])


def _file_bytes(connection: sqlite3.Connection) -> int:
    """Return the size of the file with all that is in its log: more than its events can take."""
    pages, page_bytes = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
    )
    return int(pages * page_bytes)
