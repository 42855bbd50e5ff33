"""Files that the kernel writes: what is in them, and what becomes of files that go away."""

from __future__ import annotations

import errno
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.runtimes.usage.kernelfiles import READ_BYTES, content, device, number, numbers, table
from daemon.runtimes.usage.sample import NO_LIMIT


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"0\n", 0),
        (b"12", 12),
        (b"max\n", NO_LIMIT),
        (b"99999999999999999999\n", NO_LIMIT),
        (b"", None),
        (b"-1\n", None),
        (b"1 2\n", None),
        (b"1" * 5000, None),
        ("\u0661".encode(), None),
    ],
)
def test_a_number_is_one_or_none(text: bytes, value: int | None) -> None:
    assert number(text) == value


@given(st.binary())
def test_whatever_a_file_has_numbers_fit_into_64_bits(text: bytes) -> None:
    found = [number(text), *numbers(text), *table(text).values(), *(device(text) or ())]
    assert all(value is None or 0 <= value <= NO_LIMIT for value in found)


def test_lines_that_are_no_pairs_are_passed_over() -> None:
    assert table(b"a 1\nb\n\nc 2 3\nd x\ne 4") == {b"a": 1, b"e": 4}


@pytest.mark.parametrize(
    ("word", "numbered"), [(b"8:0", (8, 0)), (b"8", None), (b"8:0:1", None), (b":", None), (b"", None)]
)
def test_a_disk_has_two_numbers(word: bytes, numbered: tuple[int, int] | None) -> None:
    assert device(word) == numbered


def test_a_file_is_read_to_its_end(tmp_path: Path) -> None:
    long = tmp_path / "long"
    long.write_bytes(b"x" * (2 * READ_BYTES + 1))
    assert len(content(str(long))) == 2 * READ_BYTES + 1


def test_what_is_not_there_has_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert content(str(tmp_path / "none")) == content(str(tmp_path / "file" / "none")) == b""


def test_a_process_that_has_ended_has_no_network_before_it_is_waited_for() -> None:
    with subprocess.Popen(["true"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read()  # it has ended, or is about to
        while b") Z" not in Path(f"/proc/{process.pid}/stat").read_bytes():
            pass
        assert content(f"/proc/{process.pid}/net/dev") == b""
    assert content(f"/proc/{process.pid}/net/dev") == b""


def test_a_fault_of_ours_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="directory") as told:
        content(str(tmp_path))
    assert told.value.errno == errno.EISDIR
