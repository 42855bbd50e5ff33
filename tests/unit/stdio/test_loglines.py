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


def unframed(frames: bytes) -> dict[int, bytes]:
    """Return what each stream holds."""
    held = {1: b"", 2: b""}
    while frames:
        stream, size = struct.unpack(">BxxxL", frames[:8])
        held[stream] += frames[8 : 8 + size]
        frames = frames[8 + size :]
    return held


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


def test_details_are_a_blank_where_there_are_none_to_show() -> None:
    assert LineRenderer(BOTH, framed=False, details="").render(line(START_NS, b"out")) == b" out\n"


def test_time_and_details_go_before_a_line_but_not_before_its_second_piece() -> None:
    renderer = LineRenderer(BOTH, framed=False, timestamps=True, details="a=1,b=2")
    head = STAMP + b" a=1,b=2 "
    first = renderer.render(line(START_NS, b"one ", tag=b"P"))
    rest = renderer.render(line(START_NS, b"line") + line(START_NS, b"next"))
    assert (first, rest) == (head + b"one ", b"line\n" + head + b"next\n")


lines_in_blocks = st.lists(
    st.lists(st.tuples(texts, st.sampled_from([STDOUT, STDERR]), st.sampled_from([b"F", b"P"])))
)


@given(
    lines_in_blocks,
    st.sampled_from([BOTH, {STDOUT}]),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["", "k=v"]),
)
def test_the_fast_path_and_the_careful_one_agree(
    blocks: list[list[tuple[bytes, bytes, bytes]]],
    streams: frozenset[bytes],
    framed: bool,
    timestamps: bool,
    details: str | None,
) -> None:
    fast = LineRenderer(streams, framed, timestamps, details)
    careful = LineRenderer(streams, framed, timestamps, details)
    for lines in blocks:
        block = b"".join(line(START_NS + n, *one) for n, one in enumerate(lines))
        assert fast.render(block) == careful.render(b"damage makes it careful\n" + block)


@given(lines_in_blocks, st.booleans(), st.sampled_from([BOTH, {STDOUT}]))
def test_frames_shared_in_bulk_hold_what_single_ones_hold(
    blocks: list[list[tuple[bytes, bytes, bytes]]],
    timestamps: bool,
    streams: frozenset[bytes],
) -> None:
    shared = LineRenderer(streams, framed=True, timestamps=timestamps, bulk=True)
    single = LineRenderer(streams, framed=True, timestamps=timestamps)
    for lines in blocks:
        block = b"".join(line(START_NS + n, *one) for n, one in enumerate(lines))
        assert unframed(shared.render(block)) == unframed(single.render(block))


@given(st.binary(max_size=200))
def test_no_damage_raises(junk: bytes) -> None:
    LineRenderer(BOTH, framed=True).render(junk + b"\n")
