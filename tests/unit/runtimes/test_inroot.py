"""Paths inside a container's root lead nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daemon.errors import InvalidParameter
from daemon.runtimes.inroot import ensure_in_root, open_in_root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("outside")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "secret").write_text("inside")
    return tmp_path / "root"


def read(root: Path, path: str) -> str:
    with os.fdopen(open_in_root(root, path, os.O_RDONLY)) as file:
        return file.read()


@pytest.mark.parametrize("path", ["secret", "/secret", "../secret", "/../../secret", "link", "absolute"])
def test_every_way_out_ends_inside(root: Path, path: str) -> None:
    (root / "link").symlink_to("../secret")
    (root / "absolute").symlink_to("/secret")
    assert read(root, path) == "inside"


def test_a_magic_link_is_refused(root: Path) -> None:
    (root / "fd").symlink_to("/proc/self/root/secret")
    with pytest.raises(OSError, match="No such file"):
        read(root, "fd")


def test_a_path_with_nul_is_refused(root: Path) -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        read(root, "secret\0/x")


def test_a_missing_directory_is_made_with_its_parents(root: Path) -> None:
    ensure_in_root(root, "/a/./b//c")
    ensure_in_root(root, "/a/b/c")
    assert (root / "a/b/c").is_dir()
    assert (root / "a").stat().st_mode & 0o777 == 0o755


def test_a_link_on_the_way_is_followed_inside(root: Path, tmp_path: Path) -> None:
    (root / "var").mkdir()
    (root / "out").symlink_to("/var")
    (root / "up").symlink_to("../../..")
    ensure_in_root(root, "/out/x")
    ensure_in_root(root, "/up/y")
    assert (root / "var/x").is_dir()
    assert (root / "y").is_dir()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["root", "secret"]


@pytest.mark.parametrize("path", ["/secret", "/secret/x", "/dangling"])
def test_something_in_the_way_is_an_error(root: Path, path: str) -> None:
    (root / "dangling").symlink_to("/nowhere")
    with pytest.raises(InvalidParameter, match="is not a directory"):
        ensure_in_root(root, path)
