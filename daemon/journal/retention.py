"""How many events are kept, and how the oldest ones go.

They go in steps, inside a transaction that is being written anyway: no commit pays for an fsync
of retention, none deletes more than two steps, and the newest event always stays.  So what is kept is what
was promised and up to a step more; a promise that has become smaller is caught up with step by step.
"""

from __future__ import annotations

import sqlite3
from typing import Final

import attrs

from daemon.settings import Settings

STEP: Final = 256
DAY_SECONDS: Final = 24 * 3600
DEFAULTS: Final = Settings()

EXPIRED: Final = (
    "SELECT max(seq) FROM (SELECT seq, time_ns FROM events ORDER BY seq LIMIT ?) WHERE time_ns < ?"
)


@attrs.frozen
class Retention:
    """What is promised to readers: at least this many events, as long as they are this young."""

    max_events: int = DEFAULTS.event_retention_count
    max_age_seconds: float = DEFAULTS.event_retention_days * DAY_SECONDS

    @classmethod
    def of(cls, settings: Settings) -> Retention:
        """Return what the user has asked for."""
        return cls(settings.event_retention_count, settings.event_retention_days * DAY_SECONDS)

    @staticmethod
    def due(last_seq: int, seq: int) -> bool:
        """Whether the events written between the two complete a step: the moment to prune."""
        return last_seq // STEP != seq // STEP

    def prune(self, connection: sqlite3.Connection, first_seq: int, last_seq: int, now_ns: int) -> int:
        """Delete at most two steps of what need not be kept; return the new `first_seq`."""
        oldest_ns = max(0, now_ns - int(self.max_age_seconds * 1e9))  # SQLite knows no larger numbers
        (expired,) = connection.execute(EXPIRED, (2 * STEP, oldest_ns)).fetchone()
        wanted = max(last_seq - self.max_events, expired or 0) + 1
        keep = min(wanted, first_seq + 2 * STEP, last_seq)
        if keep <= first_seq:
            return first_seq
        connection.execute("DELETE FROM events WHERE seq < ?", (keep,))
        return keep
