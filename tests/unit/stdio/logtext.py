"""Logs for tests, and what must be read from them, in the most naive way."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs

from daemon.runtimes.inotify import Inotify
from daemon.runtimes.logformat import STDERR, STDOUT, parse, time_ns
from daemon.runtimes.logrotation import RotatedLog
from daemon.runtimes.logs import Ending, Selection, existing, followed

START_NS = 1_790_000_000 * 10**9


def line(at_ns: int, text: bytes = b"x", stream: bytes = STDOUT, tag: bytes = b"F") -> bytes:
    """Return a line as conmon writes it."""
    second = datetime.fromtimestamp(at_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{second}.{at_ns % 10**9:09d}+00:00 ".encode() + stream + b" " + tag + b" " + text + b"\n"


def naively(log: bytes, selection: Selection) -> list[bytes]:
    """Return the sound lines that `selection` means, looking at every one."""
    sound = [
        (text, record)
        for text in log.split(b"\n")[:-1]
        if (record := parse(text)) is not None
        and record.stream in selection.streams
        and selection.since_ns <= (time_ns(record) or 0) <= selection.until_ns
    ]
    wanted: list[bytes] = []
    left = len(log) if selection.tail is None else selection.tail
    for index, (text, record) in enumerate(reversed(sound)):
        if not record.partial or index == 0:
            if left == 0:
                break
            left -= 1
        wanted.insert(0, text)
    return wanted


def sound_lines(block: bytes, streams: frozenset[bytes]) -> list[bytes]:
    """Return what of a block is no damage, and wanted."""
    found = ((text, parse(text)) for text in block.split(b"\n")[:-1])
    return [text for text, record in found if record is not None and record.stream in streams]


async def read(log: RotatedLog, selection: Selection) -> bytes:
    """Return all that is selected of what there is."""
    return b"".join([block async for block in existing(log, selection)])


@attrs.define
class Reading:
    """A follower at work, and what it has read so far."""

    log: RotatedLog
    ending: Ending
    selection: Selection = attrs.field(factory=Selection)
    inotify: Inotify = attrs.field(factory=Inotify)
    read: bytes = b""

    async def run(self) -> None:
        async for block in followed(self.log, self.selection, self.ending, self.inotify):
            self.read += block


__all__ = ["STDERR", "STDOUT"]
