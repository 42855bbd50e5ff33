"""Journals of earlier engines: what they hold is what this engine reads."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Final

import orjson
import pytest

from daemon.actors.container.snapshot import Stored
from daemon.errors import Failed
from daemon.journal import EventDraft, Name, Record, Transaction, open_journal
from daemon.journal.database import open_database
from daemon.journal.migrations import STEPS, VERSION
from daemon.runtimes.table import LockedRuntime
from daemon.wire import parse_record, to_record

WRITTEN_BY_VERSION_1: Final = (Path(__file__).parent / "container_of_version_1.json").read_bytes()
ID: Final = orjson.loads(WRITTEN_BY_VERSION_1)["record"]["id"]


async def journal_of_version_1(path: Path, *bodies: bytes) -> None:
    """Write what an engine of version 1 wrote."""
    async with open_journal(path) as journal:
        records = tuple(
            Record("container", f"{ID}{number or ''}", body) for number, body in enumerate(bodies)
        )
        name = Name("container", "never", ID)
        await journal.commit(
            Transaction(put=records, names=(name,), events=(EventDraft("container", "create", ID),))
        )
    set_version(path, 1)


def set_version(path: Path, version: int) -> None:
    """Have the tables as they were until version 4."""
    with sqlite3.connect(path) as connection:
        connection.execute("DROP INDEX events_set_back")
        connection.execute("ALTER TABLE events DROP COLUMN set_back_ns")
        connection.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", (str(version),))
    connection.close()


def version_of(path: Path) -> str:
    connection = sqlite3.connect(path)
    (value,) = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    connection.close()
    return str(value)


async def test_a_container_of_version_1_keeps_everything_and_has_its_runtime_locked_in(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.db"
    await journal_of_version_1(path, WRITTEN_BY_VERSION_1)
    async with open_journal(path) as journal:
        (record,) = journal.records("container")
        assert journal.names("container") == {"never": ID}
        assert (journal.set_aside, journal.events.last_seq) == (None, 1)
    stored = parse_record(record.body, Stored)
    assert stored.record.runtime == LockedRuntime("crun", "/usr/bin/crun", "/usr/bin/crun", (), 0)
    old, new = orjson.loads(WRITTEN_BY_VERSION_1), orjson.loads(to_record(stored))
    del old["record"]["runtime_path"], new["record"]["runtime"], new["record"]["networks"]
    assert new.items() >= old.items()  # what is new since has its default


async def test_events_of_an_earlier_version_keep_their_times(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with open_journal(path, now_ns=lambda: 1234) as journal:
        written = await journal.commit(Transaction(events=(EventDraft("container", "create", ID),)))
    set_version(path, 4)
    async with open_journal(path, now_ns=lambda: 5678) as journal:
        assert await journal.events.read(0, 10) == written
        (later,) = await journal.commit(Transaction(events=(EventDraft("container", "start", ID),)))
        assert (later.seq, later.time_ns) == (2, 5678)


def test_the_tables_of_a_migrated_journal_are_those_of_a_new_one(tmp_path: Path) -> None:
    shapes = []
    for name in ("new", "migrated"):
        path = tmp_path / name
        open_database(path).close()
        if name == "migrated":
            set_version(path, 4)
            open_database(path).close()
        with contextlib.closing(sqlite3.connect(path)) as connection:
            columns = connection.execute("PRAGMA table_info(events)").fetchall()
            shapes.append((columns, connection.execute("PRAGMA index_list(events)").fetchall()))
    assert shapes[0] == shapes[1]


async def test_a_journal_is_migrated_once(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await journal_of_version_1(path, WRITTEN_BY_VERSION_1)
    seen = []
    for _ in range(2):
        async with open_journal(path) as journal:
            seen.append(journal.records("container"))
        assert version_of(path) == str(VERSION)
    assert seen[0] == seen[1]


async def test_a_record_that_is_no_json_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await journal_of_version_1(path, WRITTEN_BY_VERSION_1, b"\xff not JSON")
    async with open_journal(path) as journal:
        bodies = [record.body for record in journal.records("container")]
    assert b"\xff not JSON" in bodies
    assert any(b'"generation":0' in body for body in bodies)


async def test_a_migration_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.db"
    await journal_of_version_1(path, WRITTEN_BY_VERSION_1)
    broken = {1: (*STEPS[1], "INSERT INTO nowhere VALUES (1)")}
    with monkeypatch.context() as patched:
        patched.setattr("daemon.journal.migrations.STEPS", broken)
        with pytest.raises(Failed, match="no such table: nowhere"):
            async with open_journal(path):
                pass
    assert version_of(path) == "1"
    async with open_journal(path) as journal:
        assert parse_record(journal.records("container")[0].body, Stored).record.name == "never"


def test_every_version_has_a_way_to_this_one() -> None:
    assert sorted(STEPS) == list(range(1, VERSION))
