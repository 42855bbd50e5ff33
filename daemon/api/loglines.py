"""Makes of a log's lines what a client reads: one frame per line, or for a terminal the bare text.

Nearly every line is sound, ends in F and is wanted.  For blocks of such lines there is a path that
does as little per line as Python allows (250 MB/s at 100 bytes a line, and twice that in bulk); it
gives up on the first line that is not so, and the block is done again by the careful path.  What
both return is the same, and a test holds that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from typing import Final

import attrs

from daemon.api.stdcopy import STREAMS, frame, header
from daemon.runtimes.logformat import FRACTION_END, KIND, TEXT_START, UTC_LINES, Record, parse, utc


class _Headers(dict[int, bytes]):
    """Headers of one stream by the length of the payload, made as they are needed."""

    def __init__(self, stream: int) -> None:
        super().__init__()
        self._stream = stream

    def __missing__(self, size_bytes: int) -> bytes:
        made = self[size_bytes] = header(self._stream, size_bytes)
        return made


class _NoHeaders(dict[int, bytes]):
    """For a terminal."""

    def __missing__(self, size_bytes: int) -> bytes:
        return b""


_FRAMED: Final[Mapping[bytes, dict[int, bytes]]] = {
    name: _Headers(number) for name, number in STREAMS.items()
}
_RAW: Final = _NoHeaders()


@attrs.define(eq=False)
class LineRenderer:
    """Renders the lines of one answer, front to back.

    `details` is what goes between time and text for a client that asked for it.  With `bulk` bare lines
    of one stream that follow each other may share a frame: half the work, for clients that do not
    look at frames but read all there is.
    """

    streams: Collection[bytes]
    framed: bool
    timestamps: bool = False
    details: str = ""
    bulk: bool = False
    _unfinished: set[bytes] = attrs.field(factory=set, init=False)
    _between: bytes = attrs.field(init=False)
    _numbers: dict[bytes, int] = attrs.field(init=False)
    _headers: dict[bytes, dict[int, bytes]] = attrs.field(init=False)

    @_between.default
    def _time_to_text(self) -> bytes:
        shown = self.details.encode() + b" " if self.details else b""
        return b"Z " + shown if self.timestamps else shown

    @_numbers.default
    def _numbers_of_whole_lines(self) -> dict[bytes, int]:
        return {UTC_LINES[stream]: STREAMS[stream] for stream in self.streams}

    @_headers.default
    def _headers_of_whole_lines(self) -> dict[bytes, dict[int, bytes]]:
        return {UTC_LINES[stream]: _FRAMED[stream] if self.framed else _RAW for stream in self.streams}

    def render(self, block: bytes) -> bytes:
        """Return what a client gets for `block`, which is whole lines with their newlines."""
        if not self._unfinished:
            with contextlib.suppress(KeyError):
                return self._fast(block)
        return self._carefully(block)

    def _fast(self, block: bytes) -> bytes:
        """Render lines that are all sound, unbroken and wanted.

        Raises:
            KeyError: one is not.

        """
        lines = block.split(b"\n")
        lines.pop()
        if self.bulk and not self._between and len(kinds := {line[KIND] for line in lines}) == 1:
            texts = b"\n".join([line[TEXT_START:] for line in lines]) + b"\n"
            stream = self._numbers[kinds.pop()]
            return frame(stream, texts) if self.framed else texts
        headers, more_bytes = self._headers, len(b"\n") - TEXT_START
        made = [b"\n"] * (3 * len(lines))  # header, text, newline: filled by column, which is fastest
        if self._between:
            start = self._between
            time_bytes = FRACTION_END if self.timestamps else 0
            more_bytes += time_bytes + len(start)
            made[1::3] = [line[:time_bytes] + start + line[TEXT_START:] for line in lines]
        else:
            made[1::3] = [line[TEXT_START:] for line in lines]
        made[0::3] = [headers[line[KIND]][len(line) + more_bytes] for line in lines]
        return b"".join(made)

    def _carefully(self, block: bytes) -> bytes:
        lines = block.split(b"\n")
        lines.pop()
        records = (parse(line) for line in lines)
        return b"".join(self._one(record) for record in records if record and record.stream in self.streams)

    def _one(self, record: Record) -> bytes:
        text = self._prefix(record) + record.text + (b"" if record.partial else b"\n")
        return frame(STREAMS[record.stream], text) if self.framed else text

    def _prefix(self, record: Record) -> bytes:
        """Return what goes before a line: nothing, if this is not its first piece."""
        begun = record.stream in self._unfinished
        (self._unfinished.add if record.partial else self._unfinished.discard)(record.stream)
        if begun:
            return b""
        return (utc(record.stamp)[:FRACTION_END] if self.timestamps else b"") + self._between
