"""The child that looks what a path in a container is: `python -m daemon.copying.look N`.

Answer, on stdout: a line of JSON with the members of `daemon.copying.pathstat.PathStat`.
"""

from __future__ import annotations

import json
import os
import stat
from functools import partial
from typing import Any

from daemon.copying import paths
from daemon.copying.child import Rest, read_link, serve
from daemon.copying.orders import CopyOrder


def look(path: str) -> tuple[str, dict[str, Any]]:
    """Return where an `absolute` path leads, and what is there.

    Raises:
        FileNotFoundError, NotADirectoryError, paths.TooManyLinks: it leads nowhere.

    """
    place = paths.resolved(path, read_link)
    found = os.lstat(path if paths.is_followed(path) else place)
    is_link = stat.S_ISLNK(found.st_mode)
    return place, {
        "name": paths.name(path),
        "size": found.st_size,
        "mode": found.st_mode,
        "mtime_ns": found.st_mtime_ns,
        "link_target": paths.followed(path, read_link) if is_link else "",
    }


def tell(found: dict[str, Any]) -> None:
    """Write the answer, in one piece and before anything else."""
    os.write(1, json.dumps(found).encode() + b"\n")


def _look(_: CopyOrder, path: str) -> Rest:
    return partial(tell, look(path)[1])


if __name__ == "__main__":
    serve(_look)
