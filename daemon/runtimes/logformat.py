"""One line of a container's log, as conmon writes it: `TIME STREAM TAG TEXT`.

TIME is RFC 3339 with nine digits and an offset, STREAM stdout or stderr, TAG F for a line that
ended or P for a piece of one (at most 8 KiB, conmon's read buffer).  The format is Kubernetes' (KEP
"CRI logging"), "k8s-file" to conmon.  TEXT is bytes: it may hold anything but a newline, so a
newline always ends a record.

The rule: nothing here raises on a damaged line.  A power cut leaves cut lines and runs of NUL, and
whoever reads a log must see all the rest of it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple

STDOUT: Final = b"stdout"
STDERR: Final = b"stderr"
NUL: Final = b"\0"

KIND: Final = slice(29, 45)
"""Where a line has its offset, stream and tag, if the offset is a number; conmon writes no others."""

UTC_LINES: Final = {STDOUT: b"+00:00 stdout F ", STDERR: b"+00:00 stderr F "}
"""What a whole line has there, as conmon runs in UTC."""

UTC_PIECES: Final = {STDOUT: b"+00:00 stdout P ", STDERR: b"+00:00 stderr P "}
"""What a piece of a line has there."""

FRACTION_END: Final = 29
TEXT_START: Final = 45
_SECOND: Final = 1_000_000_000
_LINE: Final = re.compile(
    rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(?:Z|[+-]\d\d:\d\d)) (stdout|stderr) ([FP]) (.*)", re.DOTALL
)


class Record(NamedTuple):
    """A sound line; `text` is without its newline."""

    stamp: bytes
    stream: bytes
    partial: bool
    text: bytes


def parse(line: bytes) -> Record | None:
    """Return what `line`, given without its newline, says; None if it is damaged.

    NULs before a record are the hole that a power cut has left in front of it.
    """
    found = _LINE.fullmatch(line.lstrip(NUL))
    if found is None:
        return None
    return Record(found[1], found[2], found[3] == b"P", found[4])


def time_ns(record: Record) -> int | None:
    """Return when it was written, in nanoseconds since the epoch; None if its time is damaged."""
    seconds = _epoch(record.stamp[:19], record.stamp[29:])
    return None if seconds is None else seconds * _SECOND + int(record.stamp[20:29])


def utc(stamp: bytes) -> bytes:
    """Return a record's time as Docker shows it: in UTC, with nine digits and a Z."""
    if stamp[29:] in {b"+00:00", b"Z"}:
        return stamp[:29] + b"Z"
    seconds = _epoch(stamp[:19], stamp[29:])
    if seconds is None:
        return stamp
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode() + stamp[19:29] + b"Z"


@lru_cache(maxsize=64)
def _epoch(second: bytes, offset: bytes) -> int | None:
    """Return a time without its fraction in seconds since the epoch; None if there is no such time."""
    try:
        return int(datetime.fromisoformat((second + offset).decode()).timestamp())
    except (ValueError, OverflowError):
        return None
