"""Our children and GNU tar, each reading what the other has written; needs root for owners and devices.

Where both unpack the same tar the kernel must show the same files.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.archives import sandbox
from daemon.archives.sandbox import Extracted
from daemon.errors import InvalidParameter
from daemon.images import digests
from tests.runtime.archives.trees import facts, grow

pytestmark = pytest.mark.runtime
XATTRS: Final = ("--xattrs", "--xattrs-include=user.*", "--xattrs-include=security.capability")
POSIX: Final = ("--format=posix", *XATTRS)
WRITERS: Final = {
    "gnu": ("--format=gnu",),
    "gnu-sparse": ("--format=gnu", "--sparse"),
    "posix": POSIX,
    "posix-sparse-0.0": (*POSIX, "--sparse", "--sparse-version=0.0"),
    "posix-sparse-0.1": (*POSIX, "--sparse", "--sparse-version=0.1"),
    "posix-sparse-1.0": (*POSIX, "--sparse", "--sparse-version=1.0"),
}
FEW: Final = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@contextmanager
def three_trees() -> Generator[tuple[Path, Path, Path], None, None]:
    """Lend a tree to fill, and two to unpack into."""
    with tempfile.TemporaryDirectory(prefix="longshore-test-") as name:
        trees = tuple(Path(name) / part for part in ("original", "theirs", "ours"))
        for tree in trees:
            tree.mkdir(mode=0o755)
        yield trees  # type: ignore[misc]  # three they are


def gnu_tar(*arguments: str) -> None:
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "TAR_OPTIONS": ""}
    subprocess.run(["tar", "--numeric-owner", *arguments], check=True, capture_output=True, env=environment)


def gnu_unpack(archive: Path, tree: Path) -> None:
    gnu_tar(*XATTRS, "--same-owner", "--same-permissions", "-C", str(tree), "-xf", str(archive))


async def extract(blob: Path, tree: Path) -> Extracted:
    return await sandbox.extract(blob, tree)


async def pack(tree: Path, archive: Path) -> None:
    with archive.open("wb") as file:
        async with sandbox.pack(tree) as chunks:
            async for chunk in chunks:
                file.write(chunk)


@pytest.mark.parametrize("options", WRITERS.values(), ids=WRITERS.keys())
@FEW
@given(st.data())
def test_both_unpack_the_same_from_what_gnu_tar_wrote(options: tuple[str, ...], data: st.DataObject) -> None:
    with three_trees() as (original, theirs, ours):
        grow(original, data)
        archive = original.parent / "tar"
        gnu_tar(*options, "-C", str(original), "-cf", str(archive), ".")
        gnu_unpack(archive, theirs)
        extracted = trio.run(extract, archive, ours)
        assert extracted.diff_id == digests.of(archive.read_bytes())
        assert facts(ours, holes=True) == facts(theirs, holes=True)


@FEW
@given(st.data())
def test_both_unpack_the_same_from_what_we_wrote(data: st.DataObject) -> None:
    with three_trees() as (original, theirs, ours):
        grow(original, data)
        archive = original.parent / "tar"
        trio.run(pack, original, archive)
        gnu_unpack(archive, theirs)
        trio.run(extract, archive, ours)
        expected = facts(original)
        assert facts(theirs) == expected
        assert facts(ours) == expected
        again = original.parent / "again"
        trio.run(pack, ours, again)
        assert again.read_bytes() == archive.read_bytes()


@FEW
@given(st.data())
def test_a_damaged_blob_is_refused_or_unpacked_and_nothing_else(data: st.DataObject) -> None:
    with three_trees() as (original, _, ours):
        grow(original, data)
        archive = original.parent / "tar"
        gnu_tar(*POSIX, "--sparse", "-C", str(original), "-cf", str(archive), ".")
        raw = bytearray(archive.read_bytes())
        for _ in range(data.draw(st.integers(1, 6))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        before = facts(original)
        archive.write_bytes(gzip.compress(raw, 1) if data.draw(st.booleans()) else raw)
        with contextlib.suppress(InvalidParameter):
            trio.run(extract, archive, ours)
        assert facts(original) == before
