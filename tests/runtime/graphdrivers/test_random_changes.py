"""Whatever a container does to its files: the changes say it, and the diff makes it again; needs root."""

from __future__ import annotations

import contextlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.runtime.graphdrivers import trees
from tests.runtime.graphdrivers.rigs import RIGS, rig_of
from tests.runtime.graphdrivers.test_contract import BASE, OTHER, ROOT, TOP
from tests.unit.images.tars import member, tar

pytestmark = pytest.mark.runtime
FILES: Final = ("a", "d/b", "d/e/c", "f/g")
LOWER: Final = tar(
    *((member(name, mtime=1_000 + i), b"lower" * (i + 1)) for i, name in enumerate(FILES)),
    member("h", tarfile.LNKTYPE, linkname="a"),
)
UPPER: Final = tar(
    (member("d/e/i", mtime=2_000), b"upper"), member("f/.wh.g"), (member("j", mtime=2_001), b"j")
)
NAMES: Final = ("a", "d", "d/b", "d/e", "d/e/c", "d/e/i", "f", "f/g", "h", "j", "k", "d/l", "d/e/m/n")
PATHS: Final = st.sampled_from(NAMES)


def write(path: Path, other: Path) -> None:
    path.write_bytes(os.fsencode(other.name))


def append(path: Path, _: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def remove(path: Path, _: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def make_again(path: Path, _: Path) -> None:
    """What leaves an opaque directory, or a file where one was."""
    shutil.rmtree(path)
    path.mkdir(0o700)


def device(path: Path, _: Path) -> None:
    os.mknod(path, 0o20600, os.makedev(1, 3))


def set_capability(path: Path, _: Path) -> None:
    if not path.is_file():
        return
    path.chmod(0o755)
    value = b"\x01\x00\x00\x02\x00\x04" + bytes(14)
    os.setxattr(path, "security.capability", value)


DEEDS: Final[Mapping[str, Callable[[Path, Path], object]]] = MappingProxyType(
    {
        "write": write,
        "append": append,
        "remove": remove,
        "make again": make_again,
        "mkdir": lambda path, _: path.mkdir(parents=True),
        "move": lambda path, other: os.rename(path, other),
        "link": lambda path, other: os.link(path, other, follow_symlinks=False),
        "symlink": lambda path, other: path.symlink_to(other.name),
        "chmod": lambda path, _: path.chmod(0o640),
        "chown": lambda path, _: os.chown(path, 3, 4, follow_symlinks=False),
        "truncate": lambda path, _: os.truncate(path, 1),
        "fifo": lambda path, _: os.mkfifo(path),
        "device": device,
        "capability": set_capability,
    }
)


@pytest.mark.parametrize("kind", RIGS)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(deeds=st.lists(st.tuples(st.sampled_from(sorted(DEEDS)), PATHS, PATHS), min_size=1, max_size=12))
async def test_changes_and_diff_are_those_of_what_was_done(
    kind: str, deeds: list[tuple[str, str, str]]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with rig_of(kind, Path(directory)) as rig:
            await rig.layer(BASE, LOWER)
            await rig.layer(TOP, UPPER, BASE)
            await rig.driver.create_read_write(ROOT, TOP)
            async with rig.shown(ROOT) as root:
                before = trees.tree(root)
                for deed, one, other in deeds:
                    with contextlib.suppress(OSError):  # most make no sense where they come
                        DEEDS[deed](root / one, root / other)
                after = trees.tree(root)
            assert set(await rig.driver.changes(ROOT, None)) == trees.changes(before, after)
            await rig.layer(OTHER, await rig.diff(ROOT), TOP)
            async with rig.shown(OTHER) as again:
                assert comparable(trees.tree(again)) == comparable(after)


def comparable(found: Mapping[bytes, trees.File]) -> dict[bytes, object]:
    """Leave out what a tar of changes cannot say.

    A new name for a file of a layer below is a file of its own, and an unchanged directory keeps its time.
    """
    return {path: attrs.evolve(file, names=(), mtime_ns=0) for path, file in found.items()}
