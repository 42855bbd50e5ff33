"""The file that says that this is a container."""

from __future__ import annotations

from pathlib import Path

from daemon.runtimes.marker import NAME, mark


def test_it_is_there_and_empty(tmp_path: Path) -> None:
    mark(tmp_path)
    mark(tmp_path)
    assert (tmp_path / NAME).stat().st_size == 0


def test_what_an_image_has_of_that_name_stays(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("the image's")
    mark(tmp_path)
    assert (tmp_path / NAME).read_text() == "the image's"


def test_a_link_of_that_name_is_not_followed(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    (root / NAME).symlink_to(outside)
    mark(root)
    assert not outside.exists()
