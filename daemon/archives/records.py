"""What a PAX header says of a member beyond what fits into its own header.

Source: POSIX.1-2017, pax, "pax Header Block"; SCHILY.xattr is star's.
"""

from __future__ import annotations

import os

from daemon.archives import sparse
from daemon.archives.entry import XATTR_NAMESPACES, XATTR_RECORD
from daemon.archives.errors import BadArchive
from daemon.archives.numbers import decimal_ns, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final

    from daemon.archives.entry import Entry

_LENGTH_DIGITS: Final = 20
Records = dict[bytes, bytes]


def parse(content: bytes) -> Records:
    """Take a PAX header apart into its records.

    Raises:
        BadArchive: it is broken.

    """
    found: Records = {}
    at = 0
    while at < len(content):
        blank = content.find(b" ", at, at + _LENGTH_DIGITS)
        end = at + whole(content[at:blank]) if blank > 0 else 0
        key, equals, value = content[blank + 1 : end - 1].partition(b"=")
        if not key or not equals or content[end - 1 : end] != b"\n":
            raise BadArchive("broken header: a record of it has no end")
        found[key] = found[key] + b"," + value if key in sparse.REPEATED and key in found else value
        at = end
    return found


def amend(entry: Entry, records: Records) -> None:
    """Have records replace what the header says; an empty one leaves it as it is."""
    for key, value in records.items():
        if value and key in _AMENDMENTS:
            attribute, read = _AMENDMENTS[key]
            setattr(entry, attribute, read(value))
    if sparse.NAME_RECORD in records:
        entry.name = records[sparse.NAME_RECORD]
    names = (os.fsdecode(key).removeprefix(XATTR_RECORD) for key in records if key.startswith(_XATTR))
    entry.xattrs = tuple(
        (name, records[os.fsencode(XATTR_RECORD + name)])
        for name in names
        if name.startswith(XATTR_NAMESPACES)
    )


def _same(value: bytes) -> bytes:
    return value


_XATTR: Final = XATTR_RECORD.encode()
_AMENDMENTS: Final[Mapping[bytes, tuple[str, Callable[[bytes], int | bytes]]]] = {
    b"path": ("name", _same),
    b"linkpath": ("target", _same),
    b"size": ("size", whole),
    b"uid": ("uid", whole),
    b"gid": ("gid", whole),
    b"mtime": ("mtime_ns", decimal_ns),
}
