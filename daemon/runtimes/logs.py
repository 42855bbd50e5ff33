"""Reads a container's log: all of it, a part, or on and on while the container runs.

What is returned are whole lines as conmon wrote them, in blocks; `daemon.api.loglines` makes of
them what a client reads.  A log may be several files: they are read from the oldest to the newest, and
all are open before the first is read, so that a rotation meanwhile takes nothing away.  The rule for
following: whoever follows asks whether the run has ended *before* it reads to the end of the file, so
nothing written before the end is missed; and a change between two reads is never slept through.
"""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final, Protocol, Self

import attrs
import trio

from daemon.runtimes.inotify import Inotify, Watch
from daemon.runtimes.logfile import Lines, LogFile
from daemon.runtimes.logformat import STDERR, STDOUT, parse, time_ns
from daemon.runtimes.logrotation import RotatedLog
from daemon.runtimes.logseek import Countdown, first_since, last_lines, last_whole

NO_END_NS: Final = sys.maxsize
NANOSECONDS: Final = 1_000_000_000


@attrs.frozen
class Selection:
    """Which lines are wanted; times in nanoseconds since the epoch, both inclusive.

    `tail` is how many of the lines that the rest selects, the last ones; None is all.
    """

    streams: frozenset[bytes] = frozenset({STDOUT, STDERR})
    since_ns: int = 0
    until_ns: int = NO_END_NS
    tail: int | None = None


class Ending(Protocol):
    """The end of the run that a follower follows."""

    def reached(self) -> bool:
        """Return whether the run has ended and all its output is in the log."""

    async def wait(self) -> None:
        """Return once it has."""


@attrs.define(eq=False)
class LogReader:
    """Reads the selected part of one file of a log from front to back."""

    _file: LogFile
    _until_ns: int
    _position: int
    _end: int | None
    """Where to stop; None is never, for a follower."""

    _lines: Lines = attrs.field(init=False)

    @_lines.default
    def _no_lines(self) -> Lines:
        return Lines(self._position)

    @classmethod
    async def of(
        cls, file: LogFile, selection: Selection, countdown: Countdown | None, *, follow: bool
    ) -> Self:
        """Find the selected part of `file`; a follower also gets what is written later.

        `countdown` is what a selection with a `tail` still wants.
        """
        whole = end = await last_whole(file)
        start = 0
        if selection.until_ns != NO_END_NS:
            end = await first_since(file, selection.until_ns + 1, whole)
        if selection.since_ns > 0:
            start = await first_since(file, selection.since_ns, end)
        if countdown is not None:
            start = await last_lines(file, start, end, countdown)
        stays_open = follow and end == whole
        return cls(file, selection.until_ns, start, None if stays_open else end)

    @property
    def finished(self) -> bool:
        """Whether there will never be more."""
        return self._end is not None and self._position >= self._end

    async def read(self) -> bytes:
        """Return the next block of whole lines; b"" if there are no more for now."""
        while block := await self._next_block():
            self._position += len(block)
            if whole := self._cut(self._lines.whole(block)):
                return whole
        return b""

    async def _next_block(self) -> bytes:
        block = await self._file.read_at(self._position)
        return block if self._end is None else block[: max(0, self._end - self._position)]

    def _cut(self, lines: bytes) -> bytes:
        """Return what of `lines` is not too late, and stop if some of it is."""
        if self._end is not None or self._until_ns == NO_END_NS:
            return lines
        kept = 0
        for line in lines.split(b"\n")[:-1]:
            record = parse(line)
            if record is not None and (time_ns(record) or 0) > self._until_ns:
                self._end = self._position
                break
            kept += len(line) + 1
        return lines[:kept]


async def _readers(files: Sequence[LogFile], selection: Selection, *, follow: bool) -> list[LogReader]:
    """Return readers of the selected parts, the oldest first, without files that a tail does not reach."""
    countdown = None if selection.tail is None else Countdown(selection.tail, selection.streams)
    readers: list[LogReader] = []
    for file in reversed(files):
        stays_open = follow and not readers  # nothing is written any more to an old file
        readers.append(await LogReader.of(file, selection, countdown, follow=stays_open))
        if countdown is not None and countdown.done:
            break
    return readers[::-1]


async def existing(log: RotatedLog, selection: Selection) -> AsyncGenerator[bytes, None]:
    """Yield, block by block, the selected lines that are there now; close it if not read to its end."""
    with ExitStack() as held:
        files = [held.enter_context(file) for file in await log.opened()]
        for reader in await _readers(files, selection, follow=False):
            while block := await reader.read():
                yield block  # ruff: ignore[yield-in-context-manager-in-async-generator]  sync


async def followed(
    log: RotatedLog, selection: Selection, ending: Ending, inotify: Inotify
) -> AsyncGenerator[bytes, None]:
    """Yield the selected lines that are there and those that come, until run and log are at their end.

    A file that has been replaced (conmon does that at the log's maximum size) is read to its end, then its
    successor is.  A successor that the log has given up before we came to it is lost, as it is for everybody.
    Close it if not read to its end.
    """
    with ExitStack() as held:
        files = [held.enter_context(file) for file in await log.opened()]
        *complete, reader = await _readers(files, selection, follow=True)
        for old in complete:
            while block := await old.read():
                yield block  # ruff: ignore[yield-in-context-manager-in-async-generator]  sync
        place = files[-2:]
        while True:
            file = place[-1]
            with _watching(file, inotify) as watch:
                replaced = False
                while not replaced:
                    last_time = watch is None or ending.reached() or time.time_ns() > selection.until_ns
                    replaced = file.replaced
                    while block := await reader.read():
                        yield block  # ruff: ignore[yield-in-context-manager-in-async-generator]  sync
                    if reader.finished or (last_time and not replaced):
                        return
                    if watch is not None and not replaced:
                        await _more(watch, ending, selection.until_ns)
            place = await log.after(place)
            held.close()
            for file in place:
                held.enter_context(file)
            # No countdown: all of a successor came after what that counted.
            reader = await LogReader.of(place[-1], selection, None, follow=True)


@contextmanager
def _watching(file: LogFile, inotify: Inotify) -> Generator[Watch | None, None, None]:
    """Watch a log; None if nothing will ever be written to it: its container is gone, or has never run."""
    with ExitStack() as stack:
        try:
            watch = stack.enter_context(inotify.watch(file.through_fd, file.path.parent))
        except FileNotFoundError:
            watch = None
        yield watch


async def _more(watch: Watch, ending: Ending, until_ns: int) -> None:
    """Wait until there may be something to read, or the end."""
    seconds = max(0.0, (until_ns - time.time_ns()) / NANOSECONDS)
    with trio.move_on_after(seconds):
        await first_of(watch.changed, ending.wait)


async def first_of(*waits: Callable[[], Awaitable[None]]) -> None:
    """Return once one of `waits` has, and cancel the others."""

    async def race(wait: Callable[[], Awaitable[None]]) -> None:
        await wait()
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        for wait in waits:
            nursery.start_soon(race, wait)
