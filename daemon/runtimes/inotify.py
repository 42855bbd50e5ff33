"""Wakes whoever waits for a file to change (inotify(7)).

All watches share one inotify instance, because a user has only 128 of them.  No task keeps it: one
of those who wait reads for all, and when it has what it wanted it hands the reading on.  The
instance exists while somebody watches.

The rule: a change after `watch` has returned is never missed.  It is remembered until the watcher
asks, and when the kernel's queue overflows everybody is told to look.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

import attrs
import trio

IN_MODIFY: Final = 0x2
IN_MOVED_TO: Final = 0x80
IN_CREATE: Final = 0x100
NEW_NAMES: Final = IN_CREATE | IN_MOVED_TO
IN_Q_OVERFLOW: Final = 0x4000
READ_BYTES: Final = 64 * 1024

_HEAD: Final = struct.Struct("iIII")  # watch descriptor, mask, cookie, length of the name that follows
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


@attrs.define(eq=False)
class Watch:
    """One watcher's view of a directory, and perhaps of one file in it."""

    _hub: Inotify
    dirty: bool = attrs.field(default=False, init=False)
    wake: trio.Event | None = attrs.field(default=None, init=False)

    async def changed(self) -> None:
        """Return once something has changed since the last time this returned."""
        await self._hub.wait_dirty(self)
        self.dirty = False


@attrs.define(eq=False)
class Inotify:
    """The instance that all watches share."""

    _fd: int = attrs.field(default=-1, init=False)
    _watches: dict[int, set[Watch]] = attrs.field(factory=dict, init=False)
    _waiting: set[Watch] = attrs.field(factory=set, init=False)
    _reader: Watch | None = attrs.field(default=None, init=False)

    def watch(self, path: str, directory: Path) -> AbstractContextManager[Watch]:
        """Watch an existing file for writes, and `directory` for files that come to be there.

        Raises:
            OSError: one of the two does not exist, or the kernel watches enough already.

        """
        return self._watching({path: IN_MODIFY, str(directory): NEW_NAMES})

    def watch_directory(self, directory: Path) -> AbstractContextManager[Watch]:
        """Watch `directory` for files that come to be there.

        Raises:
            OSError: it does not exist, or the kernel watches enough already.

        """
        return self._watching({str(directory): NEW_NAMES})

    @contextmanager
    def _watching(self, masks: Mapping[str, int]) -> Generator[Watch, None, None]:
        if self._fd < 0:
            self._fd = _checked(_LIBC.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
        watch = Watch(self)
        try:
            for path, mask in masks.items():
                self._add(watch, path, mask)
            yield watch
        finally:
            self._forget(watch)

    def _add(self, watch: Watch, path: str, mask: int) -> None:
        descriptor = _checked(_LIBC.inotify_add_watch(self._fd, os.fsencode(path), mask))
        self._watches.setdefault(descriptor, set()).add(watch)

    async def wait_dirty(self, watch: Watch) -> None:
        """Wait for a change of what `watch` watches, and read for everybody if nobody else does."""
        await trio.lowlevel.checkpoint()
        self._waiting.add(watch)
        try:
            while not watch.dirty:
                if self._reader is None:
                    await self._read_as(watch)
                else:
                    watch.wake = trio.Event()
                    await watch.wake.wait()
        finally:
            self._waiting.discard(watch)
            if self._reader is None and self._waiting:
                _wake(next(iter(self._waiting)))

    async def _read_as(self, watch: Watch) -> None:
        self._reader = watch
        try:
            await trio.lowlevel.wait_readable(self._fd)
        finally:
            self._reader = None
        self.dispatch(os.read(self._fd, READ_BYTES))

    def dispatch(self, events: bytes) -> None:
        """Wake whoever watches what the kernel's `events` are about."""
        position = 0
        while position < len(events):
            descriptor, mask, _, name_bytes = _HEAD.unpack_from(events, position)
            position += _HEAD.size + name_bytes
            if mask & IN_Q_OVERFLOW:
                touched = set().union(*self._watches.values())
            else:
                touched = self._watches.get(descriptor, set())
            for watch in touched:
                watch.dirty = True
                _wake(watch)

    def _forget(self, watch: Watch) -> None:
        for descriptor, watchers in list(self._watches.items()):
            watchers.discard(watch)
            if not watchers:
                del self._watches[descriptor]
                # Fails if the file has gone, and its watch with it: nothing is left to remove then.
                _LIBC.inotify_rm_watch(self._fd, descriptor)
        if not self._watches:
            trio.lowlevel.notify_closing(self._fd)
            os.close(self._fd)
            self._fd = -1


def _wake(watch: Watch) -> None:
    if watch.wake is not None:
        watch.wake.set()


def _checked(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
