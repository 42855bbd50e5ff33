"""What clients read of a log's lines."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from daemon.api.loglines import LineRenderer
from daemon.runtimes.logformat import STDERR, STDOUT
from tests.unit.stdio.logtext import START_NS, line

BOTH = frozenset({STDOUT, STDERR})
STAMP = b"2026-09-21T14:13:20.000000000Z"

texts = st.binary(max_size=30).map(lambda text: text.replace(b"\n", b""))


def framed(stream: int, payload: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(payload)) + payload


def test_each_line_is_one_frame_of_its_stream() -> None:
    block = line(START_NS, b"out") + line(START_NS, b"err", STDERR)
    assert LineRenderer(BOTH, framed=True).render(block) == framed(1, b"out\n") + framed(2, b"err\n")


def test_a_stream_that_is_not_wanted_is_left_out() -> None:
    block = line(START_NS, b"out") + line(START_NS, b"err", STDERR)
    assert LineRenderer({STDERR}, framed=True).render(block) == framed(2, b"err\n")


def test_a_piece_of_a_line_is_a_frame_without_newline() -> None:
    block = line(START_NS, b"one ", tag=b"P") + line(START_NS, b"line")
    assert LineRenderer(BOTH, framed=True).render(block) == framed(1, b"one ") + framed(1, b"line\n")


def test_lines_of_one_stream_may_share_a_frame_when_nobody_follows() -> None:
    renderer = LineRenderer(BOTH, framed=True, bulk=True)
    alone = line(START_NS, b"one") + line(START_NS, b"two")
    assert renderer.render(alone) == framed(1, b"one\ntwo\n")
    mixed = line(START_NS, b"one") + line(START_NS, b"two", STDERR)
    assert renderer.render(mixed) == framed(1, b"one\n") + framed(2, b"two\n")


def test_a_terminal_has_no_frames() -> None:
    block = line(START_NS, b"a\r") + line(START_NS, b"$ ", tag=b"P")
    assert LineRenderer(BOTH, framed=False).render(block) == b"a\r\n$ "


def test_time_and_details_go_before_a_line_but_not_before_its_second_piece() -> None:
    renderer = LineRenderer(BOTH, framed=False, timestamps=True, details="a=1,b=2")
    head = STAMP + b" a=1,b=2 "
    first = renderer.render(line(START_NS, b"one ", tag=b"P"))
    rest = renderer.render(line(START_NS, b"line") + line(START_NS, b"next"))
    assert (first, rest) == (head + b"one ", b"line\n" + head + b"next\n")


@given(
    st.lists(st.tuples(texts, st.sampled_from([STDOUT, STDERR]))), st.booleans(), st.booleans(), st.booleans()
)
def test_the_fast_path_and_the_careful_one_agree(
    lines: list[tuple[bytes, bytes]], framed: bool, timestamps: bool, details: bool
) -> None:
    block = b"".join(line(START_NS + n, *one) for n, one in enumerate(lines))
    renderer = LineRenderer(BOTH, framed, timestamps, "k=v" if details else "")
    damaged = b"damage makes it careful\n"
    assert renderer.render(block) == renderer.render(damaged + block)


@given(st.binary(max_size=200))
def test_no_damage_raises(junk: bytes) -> None:
    LineRenderer(BOTH, framed=True).render(junk + b"\n")
