from __future__ import annotations

import os
from pathlib import Path

from daemon.graphdrivers.trees import LEVELS_LIMIT, delete_tree, size_bytes


def test_a_file_with_two_names_counts_once_and_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    (tmp_path / "deep" / "deeper" / "file").write_bytes(b"12345")
    (tmp_path / "again").hardlink_to(tmp_path / "deep" / "deeper" / "file")
    link = tmp_path / "deep" / "loop"
    link.symlink_to(tmp_path)
    assert size_bytes(tmp_path) == 5 + len(str(tmp_path))


def test_what_is_not_there_has_no_size(tmp_path: Path) -> None:
    assert size_bytes(tmp_path / "missing") == 0


def test_a_tree_deeper_than_any_path_can_name_is_measured_and_deleted(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(b"12345")
    directory = os.open(tmp_path / "deep", os.O_RDONLY)
    for _ in range(3 * LEVELS_LIMIT):
        os.mkdir("d" * 100, dir_fd=directory)
        inner = os.open("d" * 100, os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = inner
    os.close(directory)
    assert size_bytes(tmp_path) == 5
    delete_tree(tmp_path / "deep")
    assert not (tmp_path / "deep").exists()


def test_a_link_in_the_place_of_the_tree_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    assert size_bytes(tmp_path / "link") == 0
