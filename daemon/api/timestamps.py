"""Points in time as clients write them, and as we do: nanoseconds since the epoch inside.

`since` and `until` come as seconds with or without a fraction, as RFC 3339 with more or less of it
left out, or as a Go duration that counts back from now.  A time without a zone is UTC.  Fractions
are read as text, because a float has no room for nanoseconds.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Final

from daemon.errors import InvalidParameter

NS_PER_SECOND: Final = 10**9
LATEST_NS: Final = 2**63 - 1  # what fits into the journal
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
GO_ZERO_TIME: Final = "0001-01-01T00:00:00Z"

SECONDS: Final = re.compile(r"(-?)(\d{1,18})(?:\.(\d*))?", re.ASCII)
DURATION: Final = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|\u00b5s|\u03bcs|ms|s|m|h))+", re.ASCII)
PART: Final = re.compile(r"(\d*)\.?(\d*)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)", re.ASCII)
RFC3339: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:T(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?)?"
    r"(?:(Z)|([+-])(\d\d):(\d\d))?",
    re.ASCII,
)
UNIT_NS: Final = MappingProxyType(
    {
        "ns": 1,
        "us": 1_000,
        "\u00b5s": 1_000,
        "\u03bcs": 1_000,
        "ms": 1_000_000,
        "s": NS_PER_SECOND,
        "m": 60 * NS_PER_SECOND,
        "h": 3600 * NS_PER_SECOND,
    }
)
LONGEST_TEXT: Final = 64  # no time needs more; int() must not be fed without a limit


def parse_timestamp(text: str, now_ns: int) -> int | None:
    """Return the time that `text` names, in ns; None if it is empty or Go's zero time.

    Raises:
        InvalidParameter: it is none of the forms.

    """
    if text in {"", GO_ZERO_TIME}:
        return None
    if len(text) <= LONGEST_TEXT:
        for read in (_from_seconds, _from_rfc3339):
            found = read(text)
            if found is not None:
                return max(-LATEST_NS, min(found, LATEST_NS))
        if DURATION.fullmatch(text):
            return max(-LATEST_NS, min(now_ns - parse_duration(text), LATEST_NS))
    raise InvalidParameter(
        f"invalid timestamp {text[:LONGEST_TEXT]!r}: write seconds, RFC 3339 or a duration such as 10m"
    )


def parse_duration(text: str) -> int:
    """Return the Go duration that `text` is ("1h30m"), in ns.

    Raises:
        InvalidParameter: it is none.

    """
    if len(text) > LONGEST_TEXT or not DURATION.fullmatch(text):
        raise InvalidParameter(f"invalid duration {text[:LONGEST_TEXT]!r}: write for example 1h30m or 10s")
    total = 0
    for whole, fraction, unit in PART.findall(text):
        total += int(whole or 0) * UNIT_NS[unit]
        total += int(fraction or 0) * UNIT_NS[unit] // 10 ** len(fraction)
    return -total if text.startswith("-") else total


def rfc3339(time_ns: int) -> str:
    """Write a time as Go does in JSON: UTC, up to 9 digits of a second, no trailing zeros."""
    seconds, fraction = divmod(time_ns, NS_PER_SECOND)
    text = (EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f".{fraction:09}".rstrip("0") if fraction else ""
    return f"{text:0>19}{digits}Z"


def _nanoseconds(fraction: str | None) -> int:
    return int((fraction or "")[:9].ljust(9, "0"))


def _from_seconds(text: str) -> int | None:
    found = SECONDS.fullmatch(text)
    if found is None:
        return None
    size = int(found[2]) * NS_PER_SECOND + _nanoseconds(found[3])
    return -size if found[1] else size


def _from_rfc3339(text: str) -> int | None:
    found = RFC3339.fullmatch(text)
    if found is None:
        return None
    *numbers, fraction, _, sign, hours, minutes = found.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        zone = timezone(-offset if sign == "-" else offset)
        year, month, day, hour, minute, second = (int(number or 0) for number in numbers)
        moment = datetime(year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError:  # a 13th month
        return None
    elapsed = moment - EPOCH
    return (elapsed.days * 86400 + elapsed.seconds) * NS_PER_SECOND + _nanoseconds(fraction)
