"""The child that copies into a container: `python -m daemon.copying.write N < tar`.

Who may be written to is for the kernel to say: what is read-only in the container is so in our copy of its
mounts.  It is asked before the first byte is read, so that a client learns it at once and in Docker's words.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from functools import partial

from daemon.archives import decoding
from daemon.archives.extract import unpack
from daemon.archives.placing import ORDINARY, Placing
from daemon.archives.source import Source
from daemon.copying import paths
from daemon.copying.child import Refused, Rest, read_link, serve
from daemon.copying.orders import CopyOrder


def _write(order: CopyOrder, path: str) -> Rest:
    place = paths.followed(path, read_link)
    if not stat.S_ISDIR(os.lstat(place).st_mode):
        raise Refused("extraction point is not a directory")
    if os.statvfs(place).f_flag & os.ST_RDONLY:
        is_volume = is_within(place, (bind.target for bind in order.view.binds))
        raise Refused(f"{'mounted volume' if is_volume else 'container rootfs'} is marked read-only")
    placing = Placing(ORDINARY, place, keep_kinds=order.keep_kinds, owner=order.owner)
    return partial(_unpack, placing)


def _unpack(placing: Placing) -> None:
    read, _ = decoding.decoder(Source(0, None))
    unpack(read, placing)


def is_within(path: str, directories: Iterable[str]) -> bool:
    """Return whether `path` is one of `directories` or below it."""
    return any(f"{path}/".startswith(f"{directory}/") for directory in directories)


if __name__ == "__main__":
    decoding.load()  # behind `enter` there is nothing to import it from
    serve(_write)
