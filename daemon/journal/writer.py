"""The thread that writes: everything that waits while one fsync runs shares the next.

Each transaction of a group stands in its own savepoint, so one that is refused fails alone.  When
the disk itself fails, the group is written again one by one: a transaction that is too large for
what is left must not take the others with it.  The thread never ends because of a transaction,
and goes on when there is space again.
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
from collections.abc import Callable
from typing import Final

import attrs
import trio
from outcome import Error, Outcome, Value

from daemon.errors import Failed
from daemon.failpoints import reached
from daemon.journal.apply import Position, apply
from daemon.journal.retention import Kept, Retention
from daemon.journal.values import Event, Transaction

GROUP_MAX: Final = 256  # so that the first of a group does not wait for too many others
CHECKPOINT_CHANGES: Final = 1000  # rows; about 4 MB of log to fold into the file


@attrs.define(eq=False)
class Pending:
    """A transaction on its way, and the task that waits for it."""

    transaction: Transaction
    _settled: trio.Event = attrs.field(factory=trio.Event, init=False)
    _outcome: Outcome[tuple[Event, ...]] | None = attrs.field(default=None, init=False)

    def settle(self, outcome: Outcome[tuple[Event, ...]]) -> None:
        """Wake the committer; in the trio thread only."""
        self._outcome = outcome
        self._settled.set()

    async def result(self) -> tuple[Event, ...]:
        """Wait for the outcome and return it, or raise it."""
        await self._settled.wait()
        assert self._outcome is not None
        return self._outcome.unwrap()


@attrs.frozen
class Written:
    """A group that is on the disk (or was refused), and the oldest event still kept after it."""

    results: tuple[tuple[Pending, Outcome[tuple[Event, ...]]], ...]
    first_seq: int

    @property
    def events(self) -> list[Event]:
        """The group's events, in order."""
        return [event for _, outcome in self.results if isinstance(outcome, Value) for event in outcome.value]


@attrs.define(eq=False)
class Writer:
    """Owns the only connection that writes, in the thread that runs `run`."""

    connection: sqlite3.Connection
    retention: Retention
    now_ns: Callable[[], int]
    deliver: Callable[[Written], None]
    position: Position
    kept: Kept
    _queue: queue.SimpleQueue[Pending | None] = attrs.field(factory=queue.SimpleQueue, init=False)
    _folded: int = attrs.field(default=0, init=False)

    def submit(self, pending: Pending) -> None:
        """Queue `pending`; from any thread, never blocks."""
        self._queue.put(pending)

    def stop(self) -> None:
        """Have `run` return once everything submitted so far is written."""
        self._queue.put(None)

    def run(self) -> None:
        """Write until stopped; the thread's main function."""
        running = True
        while running:
            group = [self._queue.get()]
            with contextlib.suppress(queue.Empty):
                while len(group) < GROUP_MAX:
                    group.append(self._queue.get_nowait())
            running = None not in group
            for written in self._write([pending for pending in group if pending is not None]):
                self.deliver(written)
            self._checkpoint()

    def _write(self, group: list[Pending]) -> list[Written]:
        try:
            return [self._together(group)]
        except sqlite3.Error as error:
            self._take_back()
            if len(group) > 1:
                return [written for pending in group for written in self._write([pending])]
            failed = Failed(f"the journal cannot be written: {error}; nothing was changed; {_cure(error)}")
            return [Written(tuple((pending, Error(failed)) for pending in group), self.kept.first_seq)]

    def _take_back(self) -> None:
        """Undo what of a group has been done; a disk that fails even at that has undone it by itself."""
        with contextlib.suppress(sqlite3.Error):
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")

    def _together(self, group: list[Pending]) -> Written:
        """Write all of `group` in one transaction; nothing of it on `sqlite3.Error`."""
        position, kept, results = self.position, self.kept, []
        self.connection.execute("BEGIN IMMEDIATE")
        for pending in group:
            outcome = self._alone(pending.transaction, position)
            results.append((pending, outcome))
            if isinstance(outcome, Value) and outcome.value:
                position = Position(outcome.value[-1].seq, outcome.value[-1].order_ns)
                kept += outcome.value
        if self.retention.due(kept, self.position.seq, position.seq):
            kept = self.retention.prune(self.connection, kept, position.seq, self.now_ns())
        reached("journal-commit-before")
        self.connection.execute("COMMIT")
        reached("journal-commit-after")
        self.position, self.kept = position, kept
        return Written(tuple(results), kept.first_seq)

    def _alone(self, transaction: Transaction, position: Position) -> Outcome[tuple[Event, ...]]:
        self.connection.execute("SAVEPOINT alone")
        try:
            events = apply(self.connection, transaction, position, self.now_ns)
        except sqlite3.Error:
            raise
        except Exception as error:  # a refusal, or values SQLite cannot store: the committer's affair
            self.connection.execute("ROLLBACK TO alone")
            self.connection.execute("RELEASE alone")
            return Error(error)
        self.connection.execute("RELEASE alone")
        return Value(events)

    def _checkpoint(self) -> None:
        """Fold the log into the file, after the answers and not in the middle of a commit."""
        if self.connection.total_changes - self._folded < CHECKPOINT_CHANGES:
            return
        self._folded = self.connection.total_changes
        # What cannot be folded now (disk full) stays in the log, is safe there, and is tried again.
        with contextlib.suppress(sqlite3.Error):
            self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def _cure(error: sqlite3.Error) -> str:
    """Say what whoever reads the error can do about it."""
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return "free space on the disk of data-root"
    return "look for disk errors in the kernel's log"
