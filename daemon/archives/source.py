"""The bytes a child reads: a file, a pipe, or a file that is still being downloaded.

What has arrived of such a file is told on a second pipe, in numbers of eight bytes: how large it is by now,
with `COMPLETE` added when that is all.  When the pipe ends without that, the rest will never come.
"""

from __future__ import annotations

import io
import os
import struct

from daemon.archives.confinement import grant_cpu
from daemon.archives.errors import BadArchive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

COMPLETE: Final = 1 << 63
NEWS: Final = struct.Struct("<Q")
_GRANT_BYTES: Final = 1 << 26
_NEWS_BYTES: Final = NEWS.size * 512


class Source(io.RawIOBase):
    """Reads `descriptor`, as far as `news` says it may.

    The more has been read the more CPU is granted: a small archive that decompresses to no end is stopped,
    and a large one takes the time it needs.
    """

    def __init__(self, descriptor: int, news: int | None = None) -> None:
        self._descriptor, self._news = descriptor, news
        self._read_bytes = self._there_bytes = 0
        self._granted_bytes = 0
        self._complete = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        if self._news is not None:
            view = view[: self._wait_for_more(self._news)]
        got = os.readv(self._descriptor, [view]) if view else 0
        if not got and view and self._news is not None:
            raise BadArchive("the file is shorter than what was downloaded")
        self._read_bytes += got
        if self._read_bytes - self._granted_bytes >= _GRANT_BYTES:
            self._granted_bytes = self._read_bytes
            grant_cpu(self._read_bytes)
        return got

    def _wait_for_more(self, news: int) -> int:
        """Return how many bytes may be read now; none at the end."""
        while self._there_bytes == self._read_bytes and not self._complete:
            told = os.read(news, _NEWS_BYTES)
            if not told:
                raise BadArchive("the download broke off")
            (last,) = NEWS.unpack(told[-NEWS.size :])
            self._complete = bool(last & COMPLETE)
            self._there_bytes = last & ~COMPLETE
        return self._there_bytes - self._read_bytes
