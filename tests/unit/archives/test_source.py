from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.archives.errors import BadArchive
from daemon.archives.source import COMPLETE, NEWS, Source


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "blob"
    path.write_bytes(b"0123456789")
    descriptor = os.open(path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    os.close(ends[0])


def tell(entry: int, *sizes: int) -> None:
    """Say all of `sizes`, and nothing after that."""
    os.write(entry, b"".join(map(NEWS.pack, sizes)))
    os.close(entry)


def test_a_file_is_read_to_its_end(file: int) -> None:
    assert Source(file).read(100) == b"0123456789"


def test_of_a_growing_file_only_what_is_there_is_read(file: int, pipe: tuple[int, int]) -> None:
    tell(pipe[1], 4, 6, 6 | COMPLETE)
    source = Source(file, pipe[0])
    assert [source.read(4), source.read(100), source.read(100)] == [b"0123", b"45", b""]


def test_it_is_complete_with_the_last_news(file: int, pipe: tuple[int, int]) -> None:
    tell(pipe[1], 10 | COMPLETE)
    source = Source(file, pipe[0])
    assert [source.read(100), source.read(100), source.read(100)] == [b"0123456789", b"", b""]


def test_news_that_end_too_early_are_an_error(file: int, pipe: tuple[int, int]) -> None:
    tell(pipe[1], 4)
    source = Source(file, pipe[0])
    assert source.read(100) == b"0123"
    with pytest.raises(BadArchive, match="broke off"):
        source.read(100)


def test_a_file_that_is_shorter_than_was_told_is_an_error(file: int, pipe: tuple[int, int]) -> None:
    tell(pipe[1], 11 | COMPLETE)
    source = Source(file, pipe[0])
    assert source.read(100) == b"0123456789"
    with pytest.raises(BadArchive, match="shorter"):
        source.read(100)
