"""Makes of a log's lines what a client reads: one frame per line, or for a terminal the bare text.

Nearly every line is sound.  For blocks of such lines there is a path that works on whole columns
(streams, texts, ends) and does as little per line as Python allows; it gives up on the first line
that is not so, and the block is done again by the careful path.  What both return is the same, and
a test holds that.

A line that conmon could not read at once stands in the log in pieces: each is a frame of its own,
and only the first has a time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import attrs

from daemon.api.stdcopy import STREAMS, frame, header
from daemon.runtimes.logformat import (
    FRACTION_END,
    KIND,
    TEXT_START,
    UTC_LINES,
    UTC_PIECES,
    Record,
    parse,
    utc,
)

STREAM_OF: Final[Mapping[bytes, bytes]] = MappingProxyType(
    {kind: stream for kinds in (UTC_LINES, UTC_PIECES) for stream, kind in kinds.items()}
)
"""The stream of each kind of sound line."""

PIECES: Final = frozenset(UTC_PIECES.values())


class Unsound(Exception):
    """A line that only the careful path can judge."""


class _Headers(dict[int, bytes]):
    """Headers of one kind of line by the length of its text, made as they are needed."""

    def __init__(self, kind: bytes) -> None:
        super().__init__()
        self._stream, self._end_bytes = STREAMS[STREAM_OF[kind]], len(_end(kind))

    def __missing__(self, text_bytes: int) -> bytes:
        made = self[text_bytes] = header(self._stream, text_bytes + self._end_bytes)
        return made


def _end(kind: bytes) -> bytes:
    return b"" if kind in PIECES else b"\n"


_HEADERS: Final[Mapping[bytes, _Headers]] = {kind: _Headers(kind) for kind in STREAM_OF}


@attrs.frozen
class _Columns:
    """The lines of a block, what each is (a key of `STREAM_OF`), and which of these there are."""

    lines: list[bytes]
    kinds: list[bytes]
    present: frozenset[bytes]

    def of(self, streams: Collection[bytes]) -> _Columns:
        """Return the lines of `streams` alone."""
        wanted = frozenset(kind for kind in self.present if STREAM_OF[kind] in streams)
        if wanted == self.present:
            return self
        kept = [place for place, kind in enumerate(self.kinds) if kind in wanted]
        return _Columns([self.lines[place] for place in kept], [self.kinds[place] for place in kept], wanted)

    @property
    def streams(self) -> set[bytes]:
        """The streams of these lines."""
        return {STREAM_OF[kind] for kind in self.present}

    def pieces(self) -> Iterator[int]:
        """Yield where there are lines that go on in a later one."""
        for piece in PIECES & self.present:
            place = _find(self.kinds, piece, 0)
            while place is not None:
                yield place
                place = _find(self.kinds, piece, place + 1)

    def next_of(self, stream: bytes, start: int) -> int | None:
        """Return where the next line of `stream` is, from `start` on."""
        found = (_find(self.kinds, kinds[stream], start) for kinds in (UTC_LINES, UTC_PIECES))
        return min((place for place in found if place is not None), default=None)


def _find(kinds: Sequence[bytes], kind: bytes, start: int) -> int | None:
    try:
        return kinds.index(kind, start)
    except ValueError:
        return None


def _columns(block: bytes) -> _Columns:
    """Take a block apart.

    Raises:
        Unsound: a line is damaged, or its time is not UTC.

    """
    lines = block.split(b"\n")
    lines.pop()
    kinds = [line[KIND] for line in lines]
    present = frozenset(kinds)
    if not present <= STREAM_OF.keys():
        raise Unsound
    return _Columns(lines, kinds, present)


def _ended(texts: list[bytes], pieces: Collection[int]) -> bytes:
    """Return the texts one after the other, each with its newline unless it is a piece; uses them up."""
    texts.append(b"")
    for place in sorted(pieces, reverse=True):
        texts[place : place + 2] = [texts[place] + texts[place + 1]]
    return b"\n".join(texts)


@attrs.define(eq=False)
class LineRenderer:
    """Renders the lines of one answer, front to back.

    `details` is what goes between time and text for a client that asked for it, even if that is but
    a blank.  With `bulk` bare
    lines of one stream that follow each other may share a frame: half the work, for clients that do
    not look at frames but read all there is.
    """

    streams: Collection[bytes]
    framed: bool
    timestamps: bool = False
    details: str | None = None
    bulk: bool = False
    _unfinished: set[bytes] = attrs.field(factory=set, init=False)
    _between: bytes = attrs.field(init=False)

    @_between.default
    def _time_to_text(self) -> bytes:
        shown = b"" if self.details is None else self.details.encode() + b" "
        return b"Z " + shown if self.timestamps else shown

    def render(self, block: bytes) -> bytes:
        """Return what a client gets for `block`, which is whole lines with their newlines."""
        try:
            columns = _columns(block).of(self.streams)
        except Unsound:
            return self._carefully(block)
        return self._fast(columns)

    def _fast(self, columns: _Columns) -> bytes:
        pieces = list(columns.pieces())
        if self._between:
            texts = self._timed(columns, pieces)
        else:
            texts = [line[TEXT_START:] for line in columns.lines]
        if not self.framed:
            return _ended(texts, pieces)
        if self.bulk and not self._between and len(columns.streams) == 1:
            return frame(STREAMS[columns.streams.pop()], _ended(texts, pieces))
        made = [b"\n"] * (3 * len(texts))  # header, text, end: filled by column, which is fastest
        made[0::3] = [_HEADERS[kind][len(text)] for kind, text in zip(columns.kinds, texts, strict=True)]
        made[1::3] = texts
        for place in pieces:
            made[3 * place + 2] = b""
        return b"".join(made)

    def _timed(self, columns: _Columns, pieces: Sequence[int]) -> list[bytes]:
        """Return the texts with what goes before them, except those that go on from a piece."""
        between, time_bytes = self._between, FRACTION_END if self.timestamps else 0
        texts = [line[:time_bytes] + between + line[TEXT_START:] for line in columns.lines]
        begun = [(stream, 0) for stream in self._unfinished]
        begun += [(STREAM_OF[columns.kinds[place]], place + 1) for place in pieces]
        for stream, start in begun:
            place = columns.next_of(stream, start)
            if place is not None:
                texts[place] = columns.lines[place][TEXT_START:]
        self._note_unfinished(columns)
        return texts

    def _note_unfinished(self, columns: _Columns) -> None:
        last = {STREAM_OF[kind]: kind for kind in columns.kinds}
        self._unfinished -= last.keys()
        self._unfinished |= {stream for stream, kind in last.items() if kind in PIECES}

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
