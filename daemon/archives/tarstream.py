"""Reading one untrusted tar, compressed or not, in a process that can do no harm.

Only the confined children import this.  It may import nothing of the engine but this folder, so that a
child starts fast, and it must have imported all it needs before `confine`: behind the chroot
there is no standard library left to load.

`tarfile` takes a broken header for the end of the archive, swallows whole extended headers of any size
and trusts negative sizes; `StrictTarInfo` closes those three.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, Final, Protocol, cast

from daemon.archives.errors import BadArchive

EXTENDED_HEADER_LIMIT_BYTES: Final = 1 << 20
CHUNK_BYTES: Final = 1 << 18
_EXTENDED: Final = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


class Readable(Protocol):
    """What a decompressor offers."""

    def read(self, size: int, /) -> bytes: ...


class StrictTarInfo(tarfile.TarInfo):
    """A header that is right, or an error."""

    @classmethod
    def frombuf(cls, buf: Any, encoding: str, errors: str) -> Any:
        member = super().frombuf(buf, encoding, errors)
        if member.size < 0:
            raise BadArchive("a member has a negative size")
        if member.type in _EXTENDED and member.size > EXTENDED_HEADER_LIMIT_BYTES:
            raise BadArchive(f"an extended header is larger than {EXTENDED_HEADER_LIMIT_BYTES} bytes")
        return member

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile, /) -> Any:
        try:
            member = super().fromtarfile(tarfile_)
        except _BROKEN_HEADER as error:
            raise BadArchive(f"broken header at byte {tarfile_.offset}: {error}") from None
        if member.size < 0:
            raise BadArchive("a member has a negative size")
        return member


_BROKEN_HEADER: Final[tuple[type[Exception], ...]] = (
    tarfile.InvalidHeaderError,  # type: ignore[attr-defined]  # typeshed has only the base class
    tarfile.TruncatedHeaderError,  # type: ignore[attr-defined]
)


class HashedReader:
    """A stream that can be read and skipped, but not rewound, and knows the digest of what has passed.

    As much of a file as `tarfile` needs.  Its own stream mode would do without `seek`, but copies its
    whole buffer for each header.
    """

    def __init__(self, source: Readable) -> None:
        self._source, self._hash = source, hashlib.sha256()
        self.size_bytes = 0

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._source.read(size)
        self._hash.update(chunk)
        self.size_bytes += len(chunk)
        return chunk

    def tell(self) -> int:
        return self.size_bytes

    def seekable(self) -> bool:
        return True

    def seek(self, position: int) -> int:
        if position < self.size_bytes:
            raise BadArchive("a member lies where another one is")
        while left := position - self.size_bytes:
            if not self.read(min(left, CHUNK_BYTES)):
                raise BadArchive("unexpected end of the archive")
        return position

    def drain(self) -> str:
        """Read to the end, which lies behind the last member, and return the digest of everything."""
        while self.read(CHUNK_BYTES):
            pass
        return f"sha256:{self._hash.hexdigest()}"


def _zstandard(source: IO[bytes]) -> Readable:
    import zstandard  # here, because it costs 10 ms and few layers are zstd

    reader: Readable = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(
        source, read_across_frames=True
    )
    return reader


_DECOMPRESSORS: Final[Mapping[bytes, Callable[[IO[bytes]], Readable]]] = {
    b"\x1f\x8b": lambda source: gzip.GzipFile(fileobj=source),
    b"\x28\xb5\x2f\xfd": _zstandard,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}


def plain(source: io.RawIOBase) -> Readable:
    """Return the uncompressed bytes of `source`, whatever it is compressed with."""
    buffered = io.BufferedReader(source, CHUNK_BYTES)
    start = buffered.peek(8)
    for magic, decompressor in _DECOMPRESSORS.items():
        if start.startswith(magic):
            return decompressor(buffered)
    return buffered


def opened(source: HashedReader) -> tarfile.TarFile:
    """Open the tar in `source`; it reads a first header at once."""
    return tarfile.open(
        fileobj=cast("IO[bytes]", source),  # no other method of it is ever called
        mode="r:",
        tarinfo=StrictTarInfo,
        encoding="utf-8",
        errors="surrogateescape",
    )


def members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield each member once; unlike iterating the archive it does not collect them in memory."""
    while (member := archive.next()) is not None:
        yield member
        archive.members.clear()  # type: ignore[attr-defined]  # the list that would grow


def copy(source: Readable, target: int, size_bytes: int) -> None:
    """Copy exactly `size_bytes` to the file descriptor `target`.

    Raises:
        BadArchive: the archive ends first.

    """
    left = size_bytes
    while left:
        chunk = source.read(min(left, CHUNK_BYTES))
        if not chunk:
            raise BadArchive("unexpected end of the archive")
        view = memoryview(chunk)
        while view:
            view = view[os.write(target, view) :]
        left -= len(chunk)
