from __future__ import annotations

from pathlib import Path

from daemon.graphdrivers.trees import size_bytes


def test_a_file_with_two_names_counts_once_and_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    (tmp_path / "deep" / "deeper" / "file").write_bytes(b"12345")
    (tmp_path / "again").hardlink_to(tmp_path / "deep" / "deeper" / "file")
    link = tmp_path / "deep" / "loop"
    link.symlink_to(tmp_path)
    assert size_bytes(tmp_path) == 5 + len(str(tmp_path))


def test_what_is_not_there_has_no_size(tmp_path: Path) -> None:
    assert size_bytes(tmp_path / "missing") == 0
