"""What can still be read of a journal that was set aside: as much as SQLite gives, and no error."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Final

import structlog

LOG = structlog.get_logger(__name__)
NAMES: Final = "SELECT name, id FROM names WHERE kind = ?"


def rescued_names(path: Path, kind: str) -> dict[str, str]:
    """Return those names of a kind that can be read, with the id each stands for; blocks."""
    found: dict[str, str] = {}
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            found.update(connection.execute(NAMES, (kind,)))
    except (sqlite3.Error, UnicodeDecodeError) as error:
        LOG.warning("not all names could be read", file=str(path), kind=kind, reason=str(error))
    return found
