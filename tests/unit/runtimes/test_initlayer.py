"""What every container has beside its image."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.runtimes.initlayer import MARKER, MTAB, furnish


@pytest.mark.parametrize("has_etc", [True, False])
def test_both_are_there_however_often_a_container_is_started(tmp_path: Path, has_etc: bool) -> None:
    if has_etc:
        (tmp_path / "etc").mkdir(mode=0o700)
    furnish(tmp_path)
    furnish(tmp_path)
    assert (tmp_path / MARKER).stat().st_size == 0
    assert (tmp_path / MTAB).readlink() == Path("/proc/mounts")
    assert (tmp_path / "etc").stat().st_mode & 0o777 == (0o700 if has_etc else 0o755)


def test_what_an_image_has_of_these_names_stays(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    for name in (MARKER, MTAB):
        (tmp_path / name).write_text("the image's")
    furnish(tmp_path)
    assert [(tmp_path / name).read_text() for name in (MARKER, MTAB)] == ["the image's"] * 2


def test_links_of_these_names_are_not_followed(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "etc").mkdir(parents=True)
    for name in (MARKER, MTAB):
        (root / name).symlink_to(outside)
    furnish(root)
    assert not outside.exists()
    assert (root / MTAB).readlink() == outside


def test_a_link_in_the_way_leads_nowhere_but_inside(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / str(outside).lstrip("/")).mkdir(parents=True)
    outside.mkdir()
    (root / "etc").symlink_to(outside)
    furnish(root)
    assert list(outside.iterdir()) == []
    assert (root / str(outside).lstrip("/") / "mtab").is_symlink()


@pytest.mark.parametrize("target", ["nowhere", "etc"])
def test_without_a_place_for_it_there_is_no_link(tmp_path: Path, target: str) -> None:
    (tmp_path / "etc").symlink_to(target)
    furnish(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"etc", MARKER}


def test_a_file_in_the_way_stays(tmp_path: Path) -> None:
    (tmp_path / "etc").write_text("a file")
    furnish(tmp_path)
    assert (tmp_path / "etc").read_text() == "a file"
