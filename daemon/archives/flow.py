"""Decoding, hashing and using the bytes of one archive at the same time.

One thread decodes and one hashes, both in C code that lets go of the interpreter; the caller parses and makes
files.  What has been decoded but not used yet is bounded in number of chunks, so memory is.
"""

from __future__ import annotations

import _queue  # queue and threading stand on these two and take longer to import than all else together
import _thread
from _hashlib import openssl_sha256  # the same of hashlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

AHEAD_CHUNKS: Final = 16
openssl_sha256()  # it reads its configuration when it is first used, which is not there behind a changed root


class Lane:
    """A queue of bounded length between two threads."""

    def __init__(self) -> None:
        self._items: _queue.SimpleQueue[Any] = _queue.SimpleQueue()
        self._room: _queue.SimpleQueue[None] = _queue.SimpleQueue()
        for _ in range(AHEAD_CHUNKS):
            self._room.put(None)

    def put(self, item: object) -> None:
        """Add an item, when there is room for it."""
        self._room.get()
        self._items.put(item)

    def get(self) -> Any:
        """Take the next item, when there is one."""
        item = self._items.get()
        self._room.put(None)
        return item


class Hasher:
    """Computes the digest of what it is given, in a thread of its own, by OpenSSL."""

    def __init__(self) -> None:
        self._hash = openssl_sha256()
        self._lane = Lane()
        self._is_done = _thread.allocate_lock()
        self._is_done.acquire()
        _thread.start_new_thread(self._run, ())

    def put(self, piece: bytes | memoryview) -> None:
        """Go on with `piece`, which is not empty."""
        self._lane.put(piece)

    def digest(self) -> str:
        """Return the digest of everything so far; the last call to make."""
        self._lane.put(b"")
        self._is_done.acquire()
        return f"sha256:{self._hash.hexdigest()}"

    def _run(self) -> None:
        while piece := self._lane.get():
            self._hash.update(piece)
        self._is_done.release()


def hasher_for(is_encoded: bool, known: str) -> Hasher | None:
    """Return what finds out the digest of what has been decoded; nothing if it is `known` of what has not."""
    return Hasher() if is_encoded or not known else None


class Flow:
    """The chunks that `read` returns until it returns an empty one; `hasher`, if given, gets all of them."""

    def __init__(self, read: Callable[[], bytes], hasher: Hasher | None = None) -> None:
        self._read, self._hasher = read, hasher
        self._lane = Lane()
        self._has_ended = False
        _thread.start_new_thread(self._run, ())

    def next(self) -> bytes:
        """Return the next chunk; an empty one at the end, and from then on.

        Raises:
            Exception: what `read` raised.

        """
        if self._has_ended:
            return b""
        chunk: bytes | Exception = self._lane.get()
        if isinstance(chunk, Exception):
            raise chunk
        self._has_ended = not chunk
        return chunk

    def drain(self) -> None:
        """Read to the end, which lies behind the last member; a last checksum is only looked at there."""
        while self.next():
            pass

    def _run(self) -> None:
        chunk: bytes | Exception = b"?"
        while chunk and not isinstance(chunk, Exception):
            try:
                chunk = self._read()
            except Exception as error:  # raised again where the chunk is wanted
                chunk = error
            else:
                if chunk and self._hasher:
                    self._hasher.put(chunk)
            self._lane.put(chunk)
