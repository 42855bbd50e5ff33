"""The journal: commits that are on the disk when they return, and the log of events.

What was answered is on disk.  So nobody is told anything before the group's fsync is done, and
then readers of the events come first and committers second: whoever learns that a transition
has happened can rely on every reader being ahead of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from daemon.errors import Unavailable
from daemon.journal.archive import FileArchive, Shelf
from daemon.journal.database import Database, open_database
from daemon.journal.log import EventLog
from daemon.journal.retention import Kept, Retention
from daemon.journal.values import Event, Record, Transaction
from daemon.journal.writer import Pending, Writer, Written


@attrs.define(eq=False)
class Journal:
    """An open journal; made by `open_journal`.

    Attributes:
        events: the log of events.
        set_aside: where the file went that was found damaged on opening, if one was.

    """

    events: EventLog
    set_aside: Path | None
    _shelf: Shelf
    _writer: Writer
    _closed: bool = attrs.field(default=False, init=False)

    async def commit(self, transaction: Transaction) -> tuple[Event, ...]:
        """Carry out `transaction` and return its events once it is on the disk.

        It is queued before the first checkpoint: commits take effect in the order they are asked
        for, and one whose asker is cancelled while it waits still happens.

        Raises:
            NameTaken: another record has one of the names.
            Held: a record to delete is still held.
            Missing: a name or a hold refers to a record that does not exist.
            Failed: the disk would not take it; nothing was changed.
            Unavailable: the journal is closed.

        """
        if self._closed:
            raise Unavailable("the journal is closed")
        pending = Pending(transaction)
        self._writer.submit(pending)
        return await pending.result()

    def records(self, kind: str) -> list[Record]:
        """Return all records of `kind`, in the order they were first put; for start-up."""
        return self._shelf.records(kind)

    def record(self, kind: str, record_id: str) -> Record | None:
        """Return one record; for an actor that is started anew."""
        return self._shelf.record(kind, record_id)

    def names(self, kind: str) -> dict[str, str]:
        """Return the id behind every name of `kind`; for start-up."""
        return self._shelf.names(kind)

    def retain(self, retention: Retention) -> None:
        """Keep events as `retention` says from now on."""
        self._writer.retention = retention  # which its thread reads once for each group

    def close(self) -> None:
        """Refuse further commits; those under way are completed."""
        self._closed = True


def _announcer(log: EventLog, token: trio.lowlevel.TrioToken) -> Callable[[Written], None]:
    """Return what tells the trio thread of a written group: readers first, then committers.

    Trio runs the tasks that are ready at the same moment in any order.  The second callback runs
    one turn of the loop after the first, so every reader has had its turn before a committer wakes.
    """

    def show(written: Written) -> None:
        log.append(written.events, written.first_seq)
        token.run_sync_soon(settle, written)

    def settle(written: Written) -> None:
        for pending, outcome in written.results:
            pending.settle(outcome)

    return lambda written: token.run_sync_soon(show, written)


@asynccontextmanager
async def open_journal(
    path: Path, retention: Retention | None = None, now_ns: Callable[[], int] = time.time_ns
) -> AsyncGenerator[Journal, None]:
    """Open the journal at `path`, or begin one; on leaving, complete what was asked and close it.

    Raises:
        Failed: it is in use by another engine, out of reach, or written by a newer engine.

    """
    async with _opened(path, now_ns) as database:
        shelf = Shelf(database.reader())
        position, first_seq = shelf.position()
        log = EventLog(FileArchive(database.reader()), position.seq, first_seq, shelf.last_set_back())
        deliver = _announcer(log, trio.lowlevel.current_trio_token())
        kept = Kept(first_seq)
        writer = Writer(database.connection, retention or Retention(), now_ns, deliver, position, kept)
        journal = Journal(log, database.set_aside, shelf, writer)
        async with _running(writer):
            try:
                yield journal
            finally:
                journal.close()


@asynccontextmanager
async def _opened(path: Path, now_ns: Callable[[], int]) -> AsyncGenerator[Database, None]:
    database = await trio.to_thread.run_sync(open_database, path, now_ns)
    try:
        yield database
    finally:
        with trio.CancelScope(shield=True):  # or the lock would stay with a process that goes on
            await trio.to_thread.run_sync(database.close)


@asynccontextmanager
async def _running(writer: Writer) -> AsyncGenerator[None, None]:
    """Have a thread of its own for the writer; on leaving, wait until all is written."""
    thread = threading.Thread(target=writer.run, name="journal", daemon=True)
    thread.start()
    try:
        yield
    finally:
        # Shielded: what was asked for is written even while the engine is being torn down.  The
        # wait ends, since by now nothing more can be queued.
        writer.stop()
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(thread.join)
