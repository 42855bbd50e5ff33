"""Reading a tar: ustar, star, GNU's and PAX; what GNU tar makes of sparse files is in `sparse`.

A broken header is an error and never the end of the archive; extended headers have a bounded size and number;
no size is negative.  Names stay the bytes that they are.

Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block"; tar(5) of libarchive.
"""

from __future__ import annotations

import os
import stat
import struct

from daemon.archives import sparse
from daemon.archives.entry import BLOCK_BYTES, HARD_LINK, Entry
from daemon.archives.errors import BadArchive
from daemon.archives.names import quoted, relative
from daemon.archives.numbers import NANOSECONDS, number, verify
from daemon.archives.records import Records, amend, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Final

EXTENDED_HEADER_LIMIT_BYTES: Final = 1 << 20
EXTENDED_HEADERS_LIMIT: Final = 8  # before one member
_LAYOUT: Final = struct.Struct("100s8s8s8s12s12s8sc100s8s64x8s8s155s8x4s")
_NO_BLOCK: Final = bytes(BLOCK_BYTES)
_SIZE: Final = slice(124, 136)
_GLOBAL: Final = b"g"
_POSIX: Final = b"ustar\0"
_STAR: Final = b"tar\0"
_STAR_PREFIX_BYTES: Final = 131
_SPARSE: Final = b"S"
_KINDS: Final[Mapping[bytes, int]] = {
    b"0": stat.S_IFREG,
    b"\0": stat.S_IFREG,
    b"7": stat.S_IFREG,  # "contiguous", which no file system of ours is asked for
    _SPARSE: stat.S_IFREG,
    b"1": HARD_LINK,
    b"2": stat.S_IFLNK,
    b"3": stat.S_IFCHR,
    b"4": stat.S_IFBLK,
    b"5": stat.S_IFDIR,
    b"6": stat.S_IFIFO,
}
_DEVICES: Final = frozenset({stat.S_IFCHR, stat.S_IFBLK})


class TarReader:
    """The members of the tar whose chunks `next_chunk` returns, until it returns an empty one."""

    def __init__(self, next_chunk: Callable[[], bytes]) -> None:
        self._next_chunk = next_chunk
        self._chunk, self._at = b"", 0
        self._left = 0  # bytes of the current member that have not been read yet
        self._padding = 0
        self._globals: Records = {}

    def __iter__(self) -> Iterator[Entry]:
        """Yield each member; its content must be read before the next one is asked for, or is skipped.

        Raises:
            BadArchive: the archive is broken.

        """
        is_first = True
        while True:
            self._skip_rest()
            entry = self._entry(is_first)
            if entry is None:
                return
            is_first = False
            yield entry

    def pieces(self) -> Iterator[memoryview]:
        """Yield the content of the current member, without the holes it may have.

        Raises:
            BadArchive: the archive ends first.

        """
        while self._left:
            start = self._at
            end = min(start + self._left, len(self._chunk))
            if start == end:
                if not self._refill():
                    raise _cut_off()
                continue
            self._at = end
            self._left -= end - start
            yield memoryview(self._chunk)[start:end]

    def _entry(self, is_first: bool) -> Entry | None:
        records: Records = {}
        for _ in range(EXTENDED_HEADERS_LIMIT):
            block = self._header()
            if block is None:
                if records or (is_first and not self._chunk):  # nothing at all is no archive
                    raise _cut_off()
                return None
            kind = block[156:157]
            if kind in _KINDS:
                return self._member(block, self._globals | records if records else self._globals)
            records |= self._extension(kind, block)
        raise BadArchive("a member has too many extended headers")

    def _header(self) -> bytes | None:
        """Return the next header, proved to be one, or None at the end."""
        if len(self._chunk) - self._at >= BLOCK_BYTES:  # as it nearly always is
            block = self._chunk[self._at : self._at + BLOCK_BYTES]
            self._at += BLOCK_BYTES
        else:
            block = self._take(BLOCK_BYTES, at_most=True)
            if not block:
                return None
        if block == _NO_BLOCK:
            return None
        if len(block) < BLOCK_BYTES:
            raise _cut_off()
        verify(block)
        return block

    def _extension(self, kind: bytes, block: bytes) -> Records:
        """Read what an extended header says of the next member; what it says of all is kept."""
        size = number(block[_SIZE])
        if not 0 <= size <= EXTENDED_HEADER_LIMIT_BYTES:
            raise BadArchive(f"an extended header is larger than {EXTENDED_HEADER_LIMIT_BYTES} bytes")
        if kind not in _EXTENSIONS:
            raise BadArchive(f"a member has an unknown type {kind!r}")
        content = self._take(size)
        self._take(-size % BLOCK_BYTES)
        found = _EXTENSIONS[kind](content)
        if kind != _GLOBAL:
            return found
        self._globals |= found
        return {}

    def _member(self, block: bytes, records: Records) -> Entry:
        (name, mode, uid, gid, size, mtime, _, kind, target, magic, major, minor, prefix, trailer) = (
            _LAYOUT.unpack(block)
        )
        name = name.partition(b"\0")[0]
        if prefix[0] and magic.startswith(_POSIX):
            whole_prefix = prefix[:_STAR_PREFIX_BYTES] if trailer == _STAR else prefix
            name = whole_prefix.partition(b"\0")[0] + b"/" + name
        entry = Entry(
            name,
            _KINDS[kind],
            number(mode) & 0o7777,
            number(uid),
            number(gid),
            number(mtime) * NANOSECONDS,
            number(size),
            target.partition(b"\0")[0],
        )
        if records:
            amend(entry, records)
        if entry.kind in _DEVICES:
            entry.device = os.makedev(number(major), number(minor))
        elif kind == b"\0" and entry.name.endswith(b"/"):  # before POSIX directories had no type of their own
            entry.kind = stat.S_IFDIR
        self._expect_content(entry, block if kind == _SPARSE else b"", records)
        if entry.uid < 0 or entry.gid < 0:
            raise BadArchive(f"{quoted(entry.name)} belongs to nobody")
        entry.name = relative(entry.name)
        return entry

    def _expect_content(self, entry: Entry, sparse_header: bytes, records: Records) -> None:
        if entry.kind != stat.S_IFREG:  # whatever it says
            entry.size = 0
            return
        stored = entry.size
        if stored < 0:
            raise BadArchive("a member has a negative size")
        self._padding = -stored % BLOCK_BYTES
        if sparse_header:
            entry.extents, entry.size = sparse.old_map(sparse_header, self._whole_block)
        elif records and sparse.is_mapped_in_content(records):
            self._left = stored
            entry.extents, entry.size = sparse.content_map(self._content_block), sparse.real_size(records)
            stored = self._left
        elif records and (extents := sparse.record_map(records)) is not None:
            entry.extents, entry.size = extents, sparse.real_size(records)
        self._left = stored
        if entry.extents is not None:
            sparse.checked(entry.extents, entry.size, stored)

    def _whole_block(self) -> bytes:
        return self._take(BLOCK_BYTES)

    def _content_block(self) -> bytes:
        self._left -= BLOCK_BYTES
        if self._left < 0:
            raise BadArchive("a sparse file is shorter than its map")
        return self._take(BLOCK_BYTES)

    def _skip_rest(self) -> None:
        for _ in self.pieces():
            pass
        if self._padding:
            end = self._at + self._padding
            if end <= len(self._chunk):
                self._at = end
            else:
                self._take(self._padding)
            self._padding = 0

    def _take(self, size: int, *, at_most: bool = False) -> bytes:
        """Return the next `size` bytes; `at_most` so many, where the archive ends."""
        found = self._chunk[self._at : self._at + size]
        self._at += len(found)
        while len(found) < size:
            if not self._refill():
                if at_most:
                    break
                raise _cut_off()
            more = self._chunk[: size - len(found)]
            self._at = len(more)
            found += more
        return found

    def _refill(self) -> bool:
        self._chunk, self._at = self._next_chunk(), 0
        return bool(self._chunk)


def _cut_off() -> BadArchive:
    return BadArchive("unexpected end of the archive")


_EXTENSIONS: Final[Mapping[bytes, Callable[[bytes], Records]]] = {
    b"x": parse,
    b"X": parse,  # Solaris's own letter for the same
    _GLOBAL: parse,
    b"L": lambda content: {b"path": content.partition(b"\0")[0]},
    b"K": lambda content: {b"linkpath": content.partition(b"\0")[0]},
}
