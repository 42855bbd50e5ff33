"""Files that are damaged, from the future, or out of reach."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from daemon.errors import Failed
from daemon.journal import EventDraft, Gap, Record, Transaction, open_journal
from daemon.journal.database import open_database
from daemon.journal.migrations import VERSION

STARTED = Transaction(events=(EventDraft("container", "start", "1"),))


async def filled(path: Path) -> None:
    async with open_journal(path) as journal:
        records = tuple(Record("container", str(number), b"x" * 300) for number in range(500))
        await journal.commit(Transaction(put=records, events=STARTED.events * 3))


def overwrite_middle(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096 * 3 :] = b"\xa5" * (len(content) - 4096 * 3)
    path.write_bytes(content)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


def drop_meta(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE meta")
    connection.close()


DAMAGES = {
    "not a database": lambda path: path.write_bytes(b"hello" * 1000),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:6000]),
    "overwritten": overwrite_middle,
    "another application's": drop_meta,
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_file_is_set_aside_and_the_engine_goes_on(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await filled(path)
    DAMAGES[damage](path)
    broken = path.read_bytes()
    async with open_journal(path) as journal:
        assert journal.set_aside is not None
        assert journal.set_aside.name.startswith("journal.db.damaged-")
        assert journal.set_aside.read_bytes() == broken
        assert journal.records("container") == []
        (event,) = await journal.commit(STARTED)
    async with open_journal(path) as journal:
        assert journal.set_aside is None
        assert journal.events.last_seq == event.seq


async def test_a_replacement_never_uses_a_number_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await filled(path)
    path.write_bytes(b"hello" * 1000)
    async with open_journal(path, now_ns=lambda: 1_700_000_000_000_000_000) as journal:
        assert journal.events.last_seq == 1_700_000_000_000
        assert journal.events.first_seq == 1_700_000_000_001
        with pytest.raises(Gap) as gap:  # for a reader of the old file, although nothing was written yet
            await journal.events.read(2, 10)
        assert gap.value.first_available == 1_700_000_000_001
        (event,) = await journal.commit(STARTED)
    assert event.seq == 1_700_000_000_001


async def test_a_file_of_a_newer_engine_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await filled(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = '99'")
    connection.close()
    with pytest.raises(Failed, match=f"schema version 99 and this engine knows {VERSION}"):
        async with open_journal(path):
            pass
    assert set(modes(tmp_path)) == {"journal.db", "journal.db.lock"}


async def test_an_empty_file_is_a_new_journal(tmp_path: Path) -> None:
    (tmp_path / "journal.db").touch()
    async with open_journal(tmp_path / "journal.db") as journal:
        assert (journal.set_aside, journal.events.last_seq) == (None, 0)


@pytest.mark.parametrize("loss", ["gone", "empty", "without its log"])
async def test_a_journal_that_was_there_and_is_empty_is_damaged(loss: str, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    database = open_database(path)
    header = path.read_bytes()  # all else is in the log until that is folded into the file
    database.close()
    if loss == "gone":
        path.unlink()
    else:
        path.write_bytes(header if loss == "without its log" else b"")
    again = open_database(path, now_ns=lambda: 7_000_000_000)
    assert again.set_aside == tmp_path / "journal.db.damaged-7"
    again.close()
    third = open_database(path)
    assert third.set_aside is None
    third.close()


@pytest.mark.parametrize("path", ["missing/journal.db", "folder"])
async def test_a_place_where_nothing_can_be_written_is_reported(path: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(Failed, match="cannot open the journal"):
        async with open_journal(tmp_path / path):
            pass


async def test_only_the_engines_user_can_read_it(tmp_path: Path) -> None:
    async with open_journal(tmp_path / "journal.db") as journal:
        await journal.commit(STARTED)
        assert set(modes(tmp_path).values()) == {0o600}


async def test_a_strange_path_is_no_problem(tmp_path: Path) -> None:
    folder = tmp_path / "a?b#c%41 é"
    folder.mkdir()
    async with open_journal(folder / "journal.db") as journal:
        await journal.commit(STARTED)
    assert (folder / "journal.db").exists()
