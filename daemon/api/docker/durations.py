"""Lengths of time in words, as `docker ps` shows them.

The steps are those of Go's units.HumanDuration, because people and scripts know its words.
"""

from __future__ import annotations

from typing import Final

NANOSECONDS: Final = 1_000_000_000
MINUTE, HOUR, DAY = 60, 3600, 86400
WEEK, MONTH, YEAR = 7 * DAY, 30 * DAY, 365 * DAY

STEPS: Final = (
    (1, "Less than a second", 0),
    (2, "1 second", 0),
    (MINUTE, "{} seconds", 1),
    (2 * MINUTE, "About a minute", 0),
    (46 * MINUTE, "{} minutes", MINUTE),
    (90 * MINUTE, "About an hour", 0),
    (2 * DAY, "{} hours", HOUR),
    (2 * WEEK, "{} days", DAY),
    (2 * MONTH, "{} weeks", WEEK),
    (2 * YEAR, "{} months", MONTH),
)


def in_words(nanoseconds: int) -> str:
    """Return a length of time in words, such as "2 minutes"."""
    seconds = max(nanoseconds, 0) // NANOSECONDS
    for limit, words, unit in STEPS:
        if seconds < limit:
            return (
                words.format((seconds + unit // 2) // unit if unit == HOUR else seconds // unit)
                if unit
                else words
            )
    return f"{seconds // YEAR} years"
