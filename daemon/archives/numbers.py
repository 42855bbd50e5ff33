"""Numbers as tars write them, and the one that proves a header."""

from __future__ import annotations

from zlib import adler32

from daemon.archives.entry import BLOCK_BYTES
from daemon.archives.errors import BadArchive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

NANOSECONDS: Final = 1_000_000_000
_NANOSECOND_DIGITS: Final = 9
_BINARY: Final = 0x80
_NEGATIVE: Final = 0x40
_DIGITS_LIMIT: Final = 20
_CHECKSUM: Final = slice(148, 156)
_HALF: Final = BLOCK_BYTES // 2
_ADDITIVE: Final = 0xFFFF
_NO_HEADER: Final = "there is no header of a tar where one should be: it is no tar, or broken"


def number(field: bytes) -> int:
    """Return what a field of a header says: octal digits, or GNU's binary form.

    Raises:
        BadArchive: neither of them.

    """
    if field[0] & _BINARY:
        sign_bit = 1 << 8 * len(field) - 1
        value = int.from_bytes(field, "big") - sign_bit
        return value - sign_bit if field[0] & _NEGATIVE else value
    digits = field.partition(b"\0")[0].strip(b" ")
    if digits and not digits.isdigit():
        raise BadArchive(f"{field!r} is no octal number")
    try:
        return int(digits or b"0", 8)
    except ValueError:
        raise BadArchive(f"{field!r} is no octal number") from None


def whole(digits: bytes) -> int:
    """Return a natural number of a PAX record.

    Raises:
        BadArchive: it is none.

    """
    if not digits.isdigit() or len(digits) > _DIGITS_LIMIT:
        raise BadArchive(f"{digits[:_DIGITS_LIMIT]!r} is no natural number")
    return int(digits)


def decimal_ns(text: bytes) -> int:
    """Return a time of a PAX record, in nanoseconds; digits below these are left out.

    Raises:
        BadArchive: it is no decimal number.

    """
    seconds, _, fraction = text.removeprefix(b"-").partition(b".")
    digits = fraction[:_NANOSECOND_DIGITS].ljust(_NANOSECOND_DIGITS, b"0")
    if fraction and not fraction.isdigit():
        raise BadArchive(f"{text[:_DIGITS_LIMIT]!r} is no time")
    nanoseconds = whole(seconds or b"0") * NANOSECONDS + int(digits)
    return -nanoseconds if text.startswith(b"-") else nanoseconds


def verify(block: bytes) -> None:
    """Prove that a block is a header by its checksum: the sum of its bytes, with blanks where it stands.

    The low half of an Adler checksum is such a sum as long as it stays below 65521, as for half a block it
    does.

    Raises:
        BadArchive: it is none.

    """
    try:
        stated = number(block[_CHECKSUM])
    except BadArchive:
        raise BadArchive(_NO_HEADER) from None
    blank = b"%b        %b" % (block[:148], block[156:])
    counted = (adler32(blank[:_HALF]) & _ADDITIVE) + (adler32(blank[_HALF:]) & _ADDITIVE) - 2
    if stated == counted:
        return
    if stated != sum(byte - 256 if byte > 127 else byte for byte in blank):  # some old tars count so
        raise BadArchive(_NO_HEADER)
