"""Names out of a journal that was set aside, as far as they can be read."""

from __future__ import annotations

from pathlib import Path

from daemon.journal import Name, Record, Transaction, open_journal
from daemon.journal.rescue import rescued_names


async def a_journal(path: Path) -> None:
    records = tuple(Record(kind, kind, b"{}") for kind in ("image", "container"))
    names = (
        Name("image", "box:1", "image"),
        Name("image", "box:2", "image"),
        Name("container", "web", "container"),
    )
    async with open_journal(path) as journal:
        await journal.commit(Transaction(put=records, names=names))


async def test_names_of_a_whole_file_are_all_there(tmp_path: Path) -> None:
    await a_journal(tmp_path / "journal.db")
    assert rescued_names(tmp_path / "journal.db", "image") == {"box:1": "image", "box:2": "image"}


async def test_a_file_that_is_no_journal_or_not_there_has_none(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"no journal" * 1000)
    assert rescued_names(tmp_path / "other", "image") == {}
    assert rescued_names(tmp_path / "nowhere", "image") == {}
    assert not (tmp_path / "nowhere").exists()


async def test_damage_elsewhere_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await a_journal(path)
    content = bytearray(path.read_bytes())
    content[-4096:] = b"\xff" * 4096
    path.write_bytes(content)
    assert "box:1" in rescued_names(path, "image")
