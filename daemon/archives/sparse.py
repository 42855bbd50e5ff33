"""Where the data of a sparse file belong: the old GNU format, and GNU's PAX formats 0.0, 0.1 and 1.0.

Source: GNU tar manual, "Storing Sparse Files".
"""

from __future__ import annotations

import struct

from daemon.archives.errors import BadArchive
from daemon.archives.numbers import number, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final

NAME_RECORD: Final = b"GNU.sparse.name"
MAP_RECORD: Final = b"GNU.sparse.map"
# Records of format 0.0, which alone may stand there many times; their values are gathered, with commas.
REPEATED: Final = frozenset({b"GNU.sparse.offset", b"GNU.sparse.numbytes"})
_SIZES: Final = (b"GNU.sparse.realsize", b"GNU.sparse.size")
_EXTENTS_LIMIT: Final = 1 << 17
_PAIR: Final = struct.Struct("12s12s")
_OLD_MAP: Final = slice(386, 482)
_OLD_CONTINUES: Final = 482
_OLD_SIZE: Final = slice(483, 495)
_MORE_MAP: Final = slice(0, 504)
_MORE_CONTINUES: Final = 504
Extents = tuple[tuple[int, int], ...]


def old_map(block: bytes, next_block: Callable[[], bytes]) -> tuple[Extents, int]:
    """Return what the header `block`, and the blocks that follow it, say: extents, and the file's size.

    Raises:
        BadArchive: they are broken.

    """
    numbers = _old_pairs(block[_OLD_MAP])
    continues = block[_OLD_CONTINUES]
    while continues:
        more = next_block()
        numbers += _old_pairs(more[_MORE_MAP])
        continues = more[_MORE_CONTINUES]
        _bounded(len(numbers) // 2)
    return _pairs(numbers), number(block[_OLD_SIZE])


def _old_pairs(fields: bytes) -> list[int]:
    pairs = (pair for pair in _PAIR.iter_unpack(fields) if pair[0][0])  # an unused one begins with a null
    return [number(field) for pair in pairs for field in pair]


def record_map(records: Mapping[bytes, bytes]) -> Extents | None:
    """Return what the records of formats 0.0 and 0.1 say; None where there are none.

    Raises:
        BadArchive: they are broken.

    """
    if MAP_RECORD in records:
        numbers = records[MAP_RECORD].split(b",")
    elif records.keys() >= REPEATED:
        offsets, lengths = (records[key].split(b",") for key in sorted(REPEATED, reverse=True))
        if len(offsets) != len(lengths):
            raise BadArchive("a sparse file is described by halves of pairs")
        numbers = [field for pair in zip(offsets, lengths, strict=True) for field in pair]
    else:
        return None
    _bounded(len(numbers) // 2)
    return _pairs([whole(field) for field in numbers if field])


def is_mapped_in_content(records: Mapping[bytes, bytes]) -> bool:
    """Tell whether it is format 1.0, whose content begins with the map."""
    return records.get(b"GNU.sparse.major") == b"1" and records.get(b"GNU.sparse.minor") == b"0"


def content_map(next_block: Callable[[], bytes]) -> Extents:
    """Return what the first blocks of the content say, in lines: how many pairs, then the pairs.

    Raises:
        BadArchive: they are broken.

    """
    text = next_block()
    count = -1
    while count < 0 or text.count(b"\n") < 2 * count + 1:
        if count < 0 and b"\n" in text:
            count = _bounded(whole(text.partition(b"\n")[0]))
        else:
            text += next_block()
            _bounded(len(text) // 32)
    return _pairs([whole(line) for line in text.split(b"\n")[1 : 2 * count + 1]])


def real_size(records: Mapping[bytes, bytes]) -> int:
    """Return the size of the file with its holes.

    Raises:
        BadArchive: it is not said.

    """
    for key in _SIZES:
        if key in records:
            return whole(records[key])
    raise BadArchive("a sparse file has no size")


def checked(extents: Extents, size: int, stored_bytes: int) -> Extents:
    """Return `extents` that lie one after the other in a file of `size`, and are as much as is stored.

    Raises:
        BadArchive: they do not.

    """
    end = 0
    for offset, length in extents:
        if offset < end or length < 0:
            raise BadArchive("the parts of a sparse file overlap")
        end = offset + length
    if end > size or sum(length for _, length in extents) != stored_bytes:
        raise BadArchive("the parts of a sparse file are not its content")
    return extents


def _pairs(numbers: list[int]) -> Extents:
    if len(numbers) % 2:
        raise BadArchive("a sparse file is described by halves of pairs")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def _bounded(count: int) -> int:
    if count > _EXTENTS_LIMIT:
        raise BadArchive("a sparse file has too many parts")
    return count
