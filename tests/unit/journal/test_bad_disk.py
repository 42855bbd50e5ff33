"""A disk that refuses at the worst moment: what was asked for is refused, and the writer lives on."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from pathlib import Path
from typing import Any

import attrs
import pytest
from outcome import Error, Value

from daemon.errors import Failed
from daemon.journal import EventDraft, Record, Transaction
from daemon.journal.apply import Position
from daemon.journal.database import Database, open_database
from daemon.journal.retention import Kept, Retention
from daemon.journal.writer import CHECKPOINT_CHANGES, Pending, Writer, Written

SAID = "disk I/O error"


@attrs.define
class BadConnection:
    """A connection whose statements fail as told: by their first words, so many times."""

    real: sqlite3.Connection
    fails: dict[str, int] = attrs.field(factory=dict)
    error: sqlite3.Error = attrs.field(factory=lambda: sqlite3.OperationalError(SAID))

    def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
        for start, left in self.fails.items():
            if statement.startswith(start) and left:
                self.fails[start] = left - 1
                raise self.error
        return self.real.execute(statement, *arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


@attrs.define
class Bench:
    database: Database
    connection: BadConnection
    writer: Writer
    delivered: list[Written] = attrs.field(factory=list)

    def write(self, *ids: str) -> list[str]:
        """Return what became of each record: an event's number, or the error."""
        for record_id in ids:
            event = EventDraft("container", "create", record_id)
            self.writer.submit(
                Pending(Transaction(put=(Record("container", record_id, b"{}"),), events=(event,)))
            )
        self.writer.stop()
        self.writer.run()
        outcomes = [outcome for written in self.delivered for _, outcome in written.results]
        self.delivered.clear()
        return [str(one.value[0].seq) if isinstance(one, Value) else _error(one) for one in outcomes]

    def ids(self) -> list[str]:
        return [row[0] for row in self.connection.real.execute("SELECT id FROM records")]


def _error(outcome: Any) -> str:
    assert isinstance(outcome, Error)
    assert isinstance(outcome.error, Failed)
    return str(outcome.error)


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench, None, None]:
    database = open_database(tmp_path / "journal.db")
    connection = BadConnection(database.connection)
    delivered: list[Written] = []
    writer = Writer(connection, Retention(), lambda: 1, delivered.append, Position(0, 0), Kept(1))  # type: ignore[arg-type]
    yield Bench(database, connection, writer, delivered)
    database.close()


@pytest.mark.parametrize("statement", ["BEGIN", "SAVEPOINT", "RELEASE", "COMMIT"])
def test_a_write_that_fails_is_refused_and_the_next_one_is_not(bench: Bench, statement: str) -> None:
    bench.connection.fails = {statement: 1}
    (refused,) = bench.write("1")
    cure = "look for disk errors in the kernel's log"
    assert refused == f"the journal cannot be written: {SAID}; nothing was changed; {cure}"
    assert bench.write("2") == ["1"]  # no number is used twice, nor left out
    assert bench.ids() == ["2"]


def test_of_a_group_only_those_are_refused_whose_own_write_fails(bench: Bench) -> None:
    bench.connection.fails = {"COMMIT": 2}  # of the group, and of its first by itself
    first, *others = bench.write("1", "2", "3")
    assert (SAID in first, others) == (True, ["1", "2"])
    assert bench.ids() == ["2", "3"]


def test_a_disk_that_cannot_even_take_back_does_not_end_the_writer(bench: Bench) -> None:
    bench.connection.fails = {"COMMIT": 1, "ROLLBACK": 1}
    assert SAID in bench.write("1")[0]
    again = bench.write("2")  # the transaction that could not be taken back is in the way, once
    assert again == ["1"] or SAID in again[0] or "transaction" in again[0]
    assert bench.write("3")[0].isdecimal()
    assert "1" not in bench.ids()


@pytest.mark.parametrize("error", [sqlite3.OperationalError(SAID), sqlite3.DatabaseError("malformed")])
def test_a_log_that_cannot_be_folded_is_tried_again(
    bench: Bench, tmp_path: Path, error: sqlite3.Error
) -> None:
    bench.connection.error = error
    bench.connection.fails = {"PRAGMA wal_checkpoint": 1}
    many = [str(number) for number in range(CHECKPOINT_CHANGES)]
    before = (tmp_path / "journal.db").stat().st_size
    bench.write(*many)
    assert bench.connection.fails == {"PRAGMA wal_checkpoint": 0}
    bench.write(*many)
    assert (tmp_path / "journal.db").stat().st_size > before
    assert len(bench.ids()) == CHECKPOINT_CHANGES


def test_a_journal_is_opened_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_database(tmp_path / "journal.db").close()
    real = sqlite3.connect

    class FullDisk(sqlite3.Connection):
        def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
            if "padding" in statement:
                raise sqlite3.OperationalError("database or disk is full")
            return super().execute(statement, *arguments)

    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: real(*a, **k, factory=FullDisk))
    database = open_database(tmp_path / "journal.db")
    assert not database.connection.in_transaction
    database.close()
