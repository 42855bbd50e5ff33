from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.archives.regular import RegularFiles


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def test_a_regular_file_is_opened(tmp_path: Path, directory: int) -> None:
    (tmp_path / "file").write_bytes(b"content")
    with open(RegularFiles().open("file", directory), "rb") as file:
        assert file.read() == b"content"


@pytest.mark.parametrize(
    ("name", "code"),
    [("pipe", errno.ENXIO), ("link", errno.ELOOP), ("directory", errno.ENXIO), ("gone", errno.ENOENT)],
)
def test_nothing_else_is_and_no_descriptor_is_left(
    tmp_path: Path, directory: int, name: str, code: int
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "directory").mkdir()
    files = RegularFiles()
    before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError, match=os.strerror(code)) as caught:
        files.open(name, directory)
    assert caught.value.errno == code
    assert os.listdir("/proc/self/fd") == before
