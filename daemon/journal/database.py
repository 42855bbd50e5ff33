"""The journal's file: its schema, how it is opened, and what happens when it cannot be read.

Opening never crashes on a damaged file: the file is set aside under another name and a new
journal is begun, because an engine that runs with adopted containers is worth more than one that
refuses to start.  A file that is merely out of reach (permissions, disk trouble, written by a newer
engine, in use) is left alone and reported instead: nothing is wrong with what it holds.

A file that is empty or gone is a new journal only where there has never been one.  Elsewhere it is the worst
damage of all: an engine that took it for a new one would clear away every image and stopped container that
it knows nothing of.  So the file beside it, which is the lock, says that the journal has been begun.

The number that a replacement's events start from is taken from the clock, so that none is ever used
twice: a reader who remembers the old file is told of a gap and not given other events in its place.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import attrs

from daemon.errors import Failed
from daemon.journal.migrations import STEPS, VERSION, migrate

PADDING_PIECES: Final = 8
PADDING_PIECE_BYTES: Final = 1_000_000  # together, twice what is written between two checkpoints
SPILL_PAGES: Final = 10
BEGUN: Final = b"The journal beside this file has been begun.\n"

# What SQLite says when the bytes are wrong, not when they are out of reach.
DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

TABLES: Final = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    """CREATE TABLE records (
        kind TEXT NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (kind, id)
    ) STRICT""",
    """CREATE TABLE names (
        kind TEXT NOT NULL, name TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (kind, name),
        FOREIGN KEY (kind, id) REFERENCES records ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX names_of_record ON names (kind, id)",
    """CREATE TABLE holds (
        holder_kind TEXT NOT NULL, holder_id TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
        PRIMARY KEY (holder_kind, holder_id, kind, id),
        FOREIGN KEY (holder_kind, holder_id) REFERENCES records ON DELETE CASCADE,
        FOREIGN KEY (kind, id) REFERENCES records ON DELETE RESTRICT
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX holders_of_record ON holds (kind, id)",
    """CREATE TABLE events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, time_ns INTEGER NOT NULL, type TEXT NOT NULL,
        action TEXT NOT NULL, actor_id TEXT NOT NULL, attributes TEXT NOT NULL,
        set_back_ns INTEGER NOT NULL DEFAULT 0
    ) STRICT""",
    "CREATE INDEX events_set_back ON events (seq) WHERE set_back_ns > 0",
)


class Damaged(Exception):
    """The file is there and readable, and is not a whole journal."""


@attrs.define(eq=False)
class Database:
    """An opened journal file; the only one that may write to it."""

    path: Path
    connection: sqlite3.Connection
    set_aside: Path | None
    _lock: int
    _readers: list[sqlite3.Connection] = attrs.field(factory=list, init=False)

    def reader(self) -> sqlite3.Connection:
        """Open a connection that can only read, and never waits for the writer."""
        reader = _connect(self.path, "ro")
        self._readers.append(reader)
        return reader

    def close(self) -> None:
        """Close the connections, the writer's last: that folds the log into the file; then let go."""
        for connection in (*self._readers, self.connection):
            connection.close()
        os.close(self._lock)


def open_database(path: Path, now_ns: Callable[[], int] = time.time_ns) -> Database:
    """Open the journal at `path`, or begin one.

    Raises:
        Failed: it is in use by another engine, out of reach, or written by a newer engine.

    """
    lock = _lock(path)
    try:
        return _open_or_replace(path, lock, now_ns)
    except (sqlite3.Error, OSError) as error:
        os.close(lock)
        raise Failed(f"cannot open the journal {path}: {error}") from error
    except Failed:
        os.close(lock)
        raise


def _open_or_replace(path: Path, lock: int, now_ns: Callable[[], int]) -> Database:
    aside = None
    try:
        connection = _open(path, sequence=0, may_be_new=not os.fstat(lock).st_size)
    except Damaged:
        aside = _set_aside(path, now_ns() // 1_000_000_000)
        connection = _open(path, sequence=now_ns() // 1_000_000, may_be_new=True)
    with contextlib.suppress(OSError):  # the disk is full: the next start will say it
        os.pwrite(lock, BEGUN, 0)
    return Database(path, connection, aside, lock)


def _lock(path: Path) -> int:
    """Take the file beside the journal; SQLite would let two engines write in turn."""
    try:
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Failed(f"cannot open the journal {path}: {error}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise Failed(f"the journal {path} is in use by another engine") from error
    return lock


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    # A connection is handed over from the thread that opened it to the one that owns it from then
    # on, so `check_same_thread` would refuse what is right.
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False
    )


def _open(path: Path, sequence: int, *, may_be_new: bool) -> sqlite3.Connection:
    path.touch(mode=0o600)  # before SQLite makes it: environments and labels are in the records
    connection = _connect(path, "rw")
    try:
        if may_be_new or _has_tables(connection):
            _prepare(connection, path, sequence)
        else:
            raise Damaged("it is empty")
    except sqlite3.DatabaseError as error:
        connection.close()
        # The low byte is the primary code; corruption has several extended ones.
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGE:
            raise Damaged(str(error)) from error
        raise
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, sequence: int) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # every commit survives a power cut
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # the writer chooses the moment
    connection.execute("PRAGMA journal_size_limit = 67108864")
    if not _has_tables(connection):
        _begin(connection, sequence)
    version = _version(connection, path)
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]  # 40 ms for 100 000 events
    if verdict != "ok":
        raise Damaged(verdict)
    if version != VERSION:
        migrate(connection, version)
    _lengthen_log(connection)


def _has_tables(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])


def _lengthen_log(connection: sqlite3.Connection) -> None:
    """Make the write-ahead log as long as it will be, with a transaction that is taken back.

    A commit that makes the file longer waits for the file system's own journal as well: 0.45 ms at the
    median and 4.5 at the 99th percentile here, against 0.3 and 1.3 for one that overwrites.  A small
    cache makes SQLite write the pages out before the transaction ends.
    """
    kept_pages = connection.execute("PRAGMA cache_size").fetchone()[0]
    connection.execute(f"PRAGMA cache_size = {SPILL_PAGES}")
    connection.execute("BEGIN")
    # On a full disk the log is as long as it can be: an engine that only reads is better than none.
    with contextlib.suppress(sqlite3.OperationalError):
        connection.execute("CREATE TABLE padding (piece BLOB)")
        for _ in range(PADDING_PIECES):
            connection.execute("INSERT INTO padding VALUES (zeroblob(?))", (PADDING_PIECE_BYTES,))
    if connection.in_transaction:  # which a full disk may have ended
        connection.execute("ROLLBACK")
    connection.execute(f"PRAGMA cache_size = {kept_pages}")


def _begin(connection: sqlite3.Connection, sequence: int) -> None:
    connection.execute("BEGIN")
    for table in TABLES:
        connection.execute(table)
    connection.execute("INSERT INTO meta VALUES ('schema_version', ?)", (str(VERSION),))
    connection.execute("INSERT INTO sqlite_sequence VALUES ('events', ?)", (sequence,))
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection, path: Path) -> int:
    try:
        row = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
        version = int(row[0])
    except (sqlite3.OperationalError, TypeError, ValueError) as error:
        raise Damaged(f"no schema version: {error}") from error
    if version not in {*STEPS, VERSION}:
        raise Failed(
            f"the journal {path} has schema version {version} and this engine knows {VERSION}: "
            "start the engine that wrote it, or move the file away"
        )
    return version


def _set_aside(path: Path, stamp: int) -> Path:
    """Rename the file and its companions, and return where the file is now."""
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    for suffix in ("", "-wal", "-shm"):
        companion = Path(f"{path}{suffix}")
        if companion.exists():
            companion.rename(f"{aside}{suffix}")
    return aside
