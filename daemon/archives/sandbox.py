"""What confined children do for the engine: they read and write archives of what others have made.

The engine itself never parses a tar: a hostile one can cost a child its life, nothing more.  Data goes from
the archive's file straight to the child's stdin and from there to disk; the engine moves no bytes, except
those of a tar that is on its way to or from a client.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import trio

from daemon.archives.changes import Change, Kind
from daemon.archives.children import Chunks, as_file, ended, is_hosts_fault, last_words, opened, run, run_fed
from daemon.archives.orders import (
    CompareOrder,
    DigestOrder,
    ExtractOrder,
    PackOrder,
    SplitOrder,
    StackOrder,
    Whiteouts,
    write,
)
from daemon.archives.places import place
from daemon.archives.supply import Archived, Known, supplied
from daemon.errors import Failed, InvalidParameter
from daemon.syscalls import INERT, MOUNT_ATTR_RDONLY

EMPTY: Final = Path("/proc/self/fdinfo")  # nobody can put anything there: the root of who needs no file


@attrs.frozen
class Extracted:
    """What a layer turned out to be; `size_bytes` is that of all its files, unpacked."""

    diff_id: str
    size_bytes: int


@attrs.frozen
class Member:
    """A file of an archive, now lying at `path`."""

    path: Path
    size_bytes: int
    digest: str


@attrs.frozen
class Archive:
    """The files of an archive by name; a link to a file is one more name for it."""

    members: Mapping[str, Member]


async def extract(
    archived: Archived,
    root: Path,
    *,
    whiteouts: Whiteouts = Whiteouts.OVERLAYFS,
    into: str = "",
    keep_kinds: bool = False,
    owner: tuple[int, int] | None = None,
    hashed: bool = True,
) -> Extracted:
    """Unpack a tar, compressed or not, into the directory `into` of `root`, which no name in it can leave.

    For `Whiteouts.OVERLAYFS` the directory must be empty.  `owner` (uid, gid) gets everything, if given; with
    `keep_kinds` no directory is replaced by something else, and nothing else by a directory.  Unless it is to
    be `hashed`, the diff ID in the answer is empty.

    Raises:
        InvalidParameter: it is not a tar that could be unpacked; the text says why.
        Failed: the disk is full, or broken.
        EngineError: what a growing file was broken off with.

    """
    async with place(root, INERT) as (called, mount):
        order = ExtractOrder(called, whiteouts, into, keep_kinds, owner, hashed, _known(archived))
        return Extracted(**await _read("extract", archived, order, mount))


async def diff_id_of(archived: Archived) -> str:
    """Return the digest of what is in a file, which may be compressed.

    Raises:
        InvalidParameter: it cannot be decompressed.
        EngineError: what a growing file was broken off with.

    """
    return str(await _read("digest", archived, DigestOrder(str(EMPTY), _known(archived))))


async def split(archive: Archived, directory: Path) -> Archive:
    """Take an image archive apart into the empty `directory`.

    Raises:
        InvalidParameter: it is not a tar, or a broken one.
        Failed: the disk is full, or broken.

    """
    async with place(directory, INERT) as (called, mount):
        answer = await _read("split", archive, SplitOrder(called), mount)
    files = {
        name: Member(directory / found["number"], found["size_bytes"], found["digest"])
        for name, found in answer["files"].items()
    }
    linked = {
        name: files[target]
        for name, target in answer["links"].items()
        if target in files and name not in files
    }
    return Archive(files | linked)


def pack(
    root: Path,
    *,
    path: str = "",
    top: str | None = None,
    whiteouts: Whiteouts = Whiteouts.ORDINARY,
    closed: Sequence[str] = (),
    changes: Iterable[Change] | None = None,
) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
    """Lend the chunks of a tar of what is at `path` in `root`; nothing in the tree can lead out of it.

    `top` is what the tar calls it (`/` and `.` too); with None the members of a directory lie at the tar's
    top.  `closed` are directories below it whose content is left out.  With `changes` only these are packed,
    the deleted ones as whiteouts.  Names that a layer cannot hold are refused unless whiteouts are ORDINARY.

    The iterator raises:
        Failed: something could not be read; what came before is worthless.

    """
    listed = None if changes is None else tuple(changes)
    chosen = None if listed is None else tuple(one.path for one in listed if one.kind != Kind.DELETED)
    deleted = tuple(one.path for one in listed or () if one.kind == Kind.DELETED)
    return _written(PackOrder(str(root), path, top, whiteouts, tuple(closed), chosen, deleted))


async def compare(lower: Path | None, upper: Path) -> tuple[Change, ...]:
    """Return what the tree `upper` has over `lower`, directories before what is in them.

    Files are the same if their metadata are; a directory in which something differs is modified.

    Raises:
        Failed: something could not be read.

    """
    return (await _differences("compare", _both(lower, upper)))[0]


async def compare_bytes(lower: Path | None, upper: Path) -> int:
    """Return the size of the files that `upper` has and `lower` has not, or not so.

    Raises:
        Failed: something could not be read.

    """
    return (await _differences("compare", _both(lower, upper)))[1]


async def compare_stacked(lowers: Sequence[Path], upper: Path) -> tuple[Change, ...]:
    """Return what `upper` changes when overlayfs shows it over `lowers`, uppermost first.

    Only what is in `upper` is looked at, so it takes no longer the more there is below.

    Raises:
        Failed: something could not be read.

    """
    return (await _differences("stacked", StackOrder(tuple(map(str, lowers)), str(upper))))[0]


def _both(lower: Path | None, upper: Path) -> CompareOrder:
    return CompareOrder(None if lower is None else str(lower), str(upper))


async def _differences(module: str, order: CompareOrder | StackOrder) -> tuple[tuple[Change, ...], int]:
    with as_file(write(order).encode()) as stdin:
        done = await run(module, (), stdin)
    if done.returncode != 0:
        raise Failed(f"cannot compare layers: {last_words(done.stderr, done.returncode)}")
    changes, size_bytes = await trio.to_thread.run_sync(json.loads, done.stdout)
    return tuple(Change(path, Kind(kind)) for path, kind in changes), size_bytes


async def _read(
    module: str, archived: Archived, order: ExtractOrder | SplitOrder | DigestOrder, *files: int
) -> Any:
    async with supplied(archived) as (stdin, news, feed):
        arguments = order.arguments(news)
        passed = () if news is None else (news,)
        done = await run_fed(feed, module, arguments, stdin, (*passed, *files))
    if done.returncode == 0:
        return json.loads(done.stdout)  # not orjson, which refuses names that are not UTF-8
    said = last_words(done.stderr, done.returncode)
    if is_hosts_fault(done.returncode):
        raise Failed(f"cannot unpack: {said}")
    raise InvalidParameter(f"invalid archive: {said}")


def _known(archived: Archived) -> str:
    return archived.digest if isinstance(archived, Known) else ""


@asynccontextmanager
async def _written(order: PackOrder) -> AsyncGenerator[AsyncIterator[bytes], None]:
    async with place(Path(order.root), INERT | MOUNT_ATTR_RDONLY) as (called, mount):
        with as_file(write(order._replace(root=called)).encode()) as stdin:
            process = await opened("pack", (), stdin, (mount,))
    try:
        yield Chunks(process)
    finally:
        with trio.CancelScope(shield=True):  # it is killed, so this cannot take long
            await ended(process)
