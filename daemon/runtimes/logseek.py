"""Finds where in a log an answer begins and ends, without reading what is not in the answer.

Times in a log only rise, so a time is found by halving; the last N lines are counted from the end.
The cost is that of the answer, whatever the size of the log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import attrs

from daemon.runtimes.logfile import LONGEST_LINE_BYTES, Lines, LogFile
from daemon.runtimes.logformat import KIND, UTC_LINES, parse, time_ns

PROBE_BYTES: Final = 16 * 1024  # sure to hold the start of a record: conmon's longest is half of it
TAIL_BYTES: Final = 64 * 1024


class Found(NamedTuple):
    """A line and where it starts."""

    offset: int
    line: bytes


async def last_whole(log: LogFile) -> int:
    """Return where the last whole line ends: what follows it is being written, or was cut off."""
    end = log.size_bytes
    while end:
        start = max(0, end - PROBE_BYTES)
        newline = (await log.read_at(start, end - start)).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


async def first_since(log: LogFile, since_ns: int, end: int) -> int:
    """Return where the first record starts written at `since_ns` or later; `end` if there is none."""
    low, high = 0, end
    while high - low > PROBE_BYTES:
        middle = (low + high) // 2
        found = await _first(log, await _line_start(log, middle), high, _sound)
        if found and not _written_since(found.line, since_ns):
            low = found.offset
        else:
            high = middle
    hit = await _first(log, low, end, lambda line: _written_since(line, since_ns))
    return hit.offset if hit else end


async def last_lines(log: LogFile, start: int, end: int, countdown: Countdown) -> int:
    """Return where the last lines between `start` and `end` begin that `countdown` still wants."""
    countdown.first = end
    position = max(start, end - 1)  # without the newline every piece of a split is a line
    rest = b""
    while position > start and not countdown.done:
        size = min(TAIL_BYTES, position - start)
        position -= size
        data = await log.read_at(position, size) + rest
        whole = data.split(b"\n")
        if position > start:
            rest = whole.pop(0)[-LONGEST_LINE_BYTES:]
        countdown.take(whole, position + len(data))
    return countdown.first


@attrs.define
class Countdown:
    """Counts lines of `streams` from the last one backwards, from a file on to the one before.

    A line is what a newline of the container's ended; pieces at the very end are one more.
    """

    left: int
    streams: frozenset[bytes]
    first: int = attrs.field(default=0, init=False)
    """Where in the file at hand the earliest record starts that was counted."""

    done: bool = attrs.field(default=False, init=False)
    """Whether there is a line that is too much; before that, pieces of the first may come."""

    _begun: bool = attrs.field(default=False, init=False)
    _whole_lines: frozenset[bytes] = attrs.field(init=False)

    @_whole_lines.default
    def _of_the_streams(self) -> frozenset[bytes]:
        return frozenset(UTC_LINES[stream] for stream in self.streams)

    def take(self, whole: list[bytes], end: int) -> None:
        """Count lines that lie side by side, the last of which ends at `end`."""
        for line in reversed(whole):
            start = end - len(line)
            end = start - 1
            ends_line = line[KIND] in self._whole_lines  # spares nearly every line the parsing
            if not ends_line:
                record = parse(line)
                if record is None or record.stream not in self.streams:
                    continue
                ends_line = not record.partial
            if ends_line or not self._begun:
                if self.left == 0:
                    self.done = True
                    return
                self.left -= 1
                self._begun = True
            self.first = start


async def _line_start(log: LogFile, offset: int) -> int:
    """Return where the first line starts at or after `offset`."""
    if offset == 0:
        return 0
    position = offset - 1
    while block := await log.read_at(position, PROBE_BYTES):
        newline = block.find(b"\n")
        if newline >= 0:
            return position + newline + 1
        position += len(block)
    return position


async def _first(log: LogFile, start: int, end: int, accepts: Callable[[bytes], bool]) -> Found | None:
    """Return the first line of those that start in between which `accepts` likes."""
    lines = Lines(start)
    position = start
    while lines.offset < end and (block := await log.read_at(position, PROBE_BYTES)):
        position += len(block)
        offset = lines.offset
        for line in lines.whole(block).split(b"\n")[:-1]:
            if offset >= end:
                return None
            if accepts(line):
                return Found(offset, line)
            offset += len(line) + 1
    return None


def _sound(line: bytes) -> bool:
    return _written_since(line, 0)


def _written_since(line: bytes, since_ns: int) -> bool:
    record = parse(line)
    written_ns = time_ns(record) if record else None
    return written_ns is not None and written_ns >= since_ns
