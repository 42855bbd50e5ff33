"""Where damaged records go: one file each, for whoever wants to know what was lost.

As long as such a file lies there, nothing is cleared away that the record might have referred to.  So a
file has the record's kind and id in its name, and is on the disk before the journal forgets the record.
"""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

import attrs
import orjson

from daemon.actors.recovery.known import Damaged
from daemon.runtimes.layout import write_private

ID_LENGTH: Final = 120  # escaped; a longer one is no object's, but some damage's
DIGEST_LENGTH: Final = 12


@attrs.frozen
class Aside:
    """The directory of damaged records."""

    directory: Path

    def put(self, damaged: Damaged) -> Path:
        """Write a record's file, unless this very damage has one; blocks until it is on the disk.

        Raises:
            OSError: the disk refuses.

        """
        self.directory.mkdir(mode=0o700, exist_ok=True)
        digest = hashlib.sha256(damaged.body).hexdigest()[:DIGEST_LENGTH]
        path = self.directory / f"{damaged.kind}-{quote(damaged.id, safe='')[:ID_LENGTH]}-{digest}.json"
        new = path.with_suffix(".new")
        new.unlink(missing_ok=True)
        write_private(new, _document(damaged))
        _sync(new)
        new.replace(path)
        _sync(self.directory)
        return path

    def ids(self, kind: str) -> frozenset[str]:
        """Return the ids of the records of `kind` that have a file."""
        names = (path.name.removeprefix(f"{kind}-") for path in self.directory.glob(f"{kind}-*.json"))
        return frozenset(unquote(name.rpartition("-")[0]) for name in names)


def _document(damaged: Damaged) -> bytes:
    """Return a record as text if it is text, so that a person can mend it."""
    try:
        body = {"body": damaged.body.decode()}
    except UnicodeDecodeError:
        body = {"body_base64": base64.b64encode(damaged.body).decode()}
    about = {"kind": damaged.kind, "id": damaged.id, "names": damaged.names, "reason": damaged.reason}
    return orjson.dumps(about | body, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
