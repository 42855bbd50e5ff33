"""What one tree has over another."""

from __future__ import annotations

import enum
from typing import NamedTuple


class Kind(enum.IntEnum):
    """How a file differs; the values are those of Docker's API."""

    MODIFIED = 0
    ADDED = 1
    DELETED = 2


class Change(NamedTuple):
    """One path that differs, absolute within the tree; bytes that are not UTF-8 are surrogates (PEP 383)."""

    path: str
    kind: Kind
