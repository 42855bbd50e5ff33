"""The file is read anew each time, and joined with the flags."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.configuration import InvalidSettings, Source
from daemon.settings import Settings


def test_a_file_that_nobody_named_may_be_missing(tmp_path: Path) -> None:
    assert Source({}, tmp_path / "absent", required=False).read() == Settings()


def test_a_file_that_somebody_named_must_exist(tmp_path: Path) -> None:
    path = tmp_path / "absent"
    with pytest.raises(InvalidSettings) as refused:
        Source({}, path, required=True).read()
    assert refused.value.problems == (
        f"cannot read the configuration file {path}: No such file or directory",
    )


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match=r"cannot read the configuration file .*: Is a directory"):
        Source({}, tmp_path, required=False).read()


def test_the_file_is_read_each_time(tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    source = Source({"debug": True}, path, required=False)
    assert source.read() == Settings(debug=True)
    path.write_text('{"labels": ["a=b"]}')
    assert source.read() == Settings(debug=True, labels=("a=b",))
    path.write_text('{"debug": false}')
    with pytest.raises(InvalidSettings, match="specified both as a flag and in the configuration file"):
        source.read()
