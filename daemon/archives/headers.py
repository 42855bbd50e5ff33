"""Headers of a tar: ustar where that suffices, preceded by a PAX header for what it cannot say.

Names that are not ASCII, or too long, stand in PAX records as the bytes they are, as Go's archive/tar writes
them; GNU tar, bsdtar and Python read them back.  Owners have numbers only: names are the host's business.

Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block"; SCHILY.xattr is star's.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Mapping
from typing import Final

from daemon.archives.entry import BLOCK_BYTES, HARD_LINK, XATTR_RECORD, Entry
from daemon.archives.numbers import NANOSECONDS

END: Final = bytes(2 * BLOCK_BYTES)
_NAME_BYTES: Final = 100
_SMALL: Final = 0o7777777
_LARGE: Final = 0o77777777777
_TYPES: Final[Mapping[int, bytes]] = {
    stat.S_IFREG: b"0",
    HARD_LINK: b"1",
    stat.S_IFLNK: b"2",
    stat.S_IFCHR: b"3",
    stat.S_IFBLK: b"4",
    stat.S_IFDIR: b"5",
    stat.S_IFIFO: b"6",
}
_EXTENDED: Final = b"x"
_MAGIC: Final = b"ustar\x0000"
_NO_CHECKSUM: Final = b" " * 8
_CHECKSUM_AT: Final = 148
_LAYOUT: Final = struct.Struct("100s 8s 8s 8s 12s 12s 8s c 100s 8s 64x 8s 8s 167x")


def header(entry: Entry) -> bytes:
    """Return all that precedes the content of `entry`; a directory's name ends in a slash here."""
    records = _records(entry)
    own = _ustar(entry, _TYPES[entry.kind])
    if not records:
        return own
    label = b"PaxHeaders/" + entry.name.strip(b"/").rpartition(b"/")[2]
    pax = Entry(label, stat.S_IFREG, 0o644, 0, 0, 0, len(records))
    return b"".join((_ustar(pax, _EXTENDED), records, padding(len(records)), own))


def padding(size: int) -> bytes:
    """Return what follows `size` bytes of content."""
    return bytes(-size % BLOCK_BYTES)


def _ustar(entry: Entry, kind: bytes) -> bytes:
    block = _LAYOUT.pack(
        _plain(entry.name),
        b"%07o" % entry.mode,
        b"%07o" % _within(entry.uid, _SMALL),
        b"%07o" % _within(entry.gid, _SMALL),
        b"%011o" % _within(entry.size, _LARGE),
        b"%011o" % _within(entry.mtime_ns // NANOSECONDS, _LARGE),
        _NO_CHECKSUM,
        kind,
        _plain(entry.target),
        _MAGIC,
        b"%07o" % _within(os.major(entry.device), _SMALL),
        b"%07o" % _within(os.minor(entry.device), _SMALL),
    )
    return b"%b%06o\0 %b" % (block[:_CHECKSUM_AT], sum(block), block[_CHECKSUM_AT + len(_NO_CHECKSUM) :])


def _plain(name: bytes) -> bytes:
    """Return what an old reader may see of a name; a new one finds the whole name in a record."""
    return name if name.isascii() else name.decode("ascii", "replace").encode("ascii", "replace")


def _within(number: int, limit: int) -> int:
    return number if 0 <= number <= limit else 0


def _records(entry: Entry) -> bytes:
    """Return the records for all that is too long, too large or too exact for a ustar header."""
    found: list[tuple[bytes, bytes]] = []
    for key, name in ((b"path", entry.name), (b"linkpath", entry.target)):
        if len(name) > _NAME_BYTES or not name.isascii():
            found.append((key, name))
    for key, number, limit in (
        (b"uid", entry.uid, _SMALL),
        (b"gid", entry.gid, _SMALL),
        (b"size", entry.size, _LARGE),
    ):
        if number > limit:
            found.append((key, b"%d" % number))
    seconds, nanoseconds = divmod(entry.mtime_ns, NANOSECONDS)
    if nanoseconds or not 0 <= seconds <= _LARGE:
        found.append((b"mtime", _decimal(entry.mtime_ns)))
    found += [(os.fsencode(XATTR_RECORD + name), value) for name, value in entry.xattrs]
    return b"".join(_record(key, value) for key, value in found)


def _decimal(nanoseconds: int) -> bytes:
    seconds, fraction = divmod(abs(nanoseconds), NANOSECONDS)
    digits = b"%d.%09d" % (seconds, fraction)
    return (b"-" if nanoseconds < 0 else b"") + digits.rstrip(b"0").rstrip(b".")


def _record(key: bytes, value: bytes) -> bytes:
    """Return `LENGTH KEY=VALUE`, where the length counts its own digits."""
    rest = b" %b=%b\n" % (key, value)
    length = len(rest) + len(str(len(rest)))
    length = len(rest) + len(str(length))
    return b"%d%b" % (length, rest)
