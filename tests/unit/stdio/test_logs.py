"""The log reader against a naive one, on sound logs and on damaged ones."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.runtimes.logfile import LONGEST_LINE_BYTES
from daemon.runtimes.logformat import STDERR, STDOUT, parse, time_ns, utc
from daemon.runtimes.logrotation import RotatedLog
from daemon.runtimes.logs import NO_END_NS, Selection, existing
from tests.unit.stdio.logtext import START_NS, Reading, line, naively, read, sound_lines

SECONDS = 60  # real time: inotify knows no other

LONG = b"long"
DAMAGE = {b"hole": b"\0" * 100, b"large hole": b"\0" * (LONGEST_LINE_BYTES + 5000)}
"""Written by name, so that a failing example can be read."""

steps_ns = st.sampled_from([0, 0, 1, 1000, 10**9])
texts = st.one_of(st.binary(max_size=40).map(lambda text: text.replace(b"\n", b"")), st.just(LONG))
records = st.tuples(steps_ns, texts, st.sampled_from([STDOUT, STDERR]), st.sampled_from([b"F", b"F", b"P"]))
damage = st.one_of(
    st.sampled_from(list(DAMAGE)),
    st.just(b"\n"),
    st.just(b"2026-11-22T17:10:50.716302877+00:00 stdout X \n"),
    st.binary(max_size=60).map(lambda junk: junk + b"\n"),
)
selections = st.builds(
    Selection,
    streams=st.sampled_from([frozenset({STDOUT, STDERR}), frozenset({STDOUT}), frozenset({STDERR})]),
    since_ns=st.one_of(st.just(0), st.integers(START_NS - 2, START_NS + 30 * 10**9)),
    until_ns=st.one_of(st.just(NO_END_NS), st.integers(START_NS - 2, START_NS + 30 * 10**9)),
    tail=st.one_of(st.none(), st.integers(0, 20)),
)


@attrs.define
class FakeRun:
    """A run that ends when the test says so."""

    _over: trio.Event = attrs.field(factory=trio.Event)

    def end(self) -> None:
        self._over.set()

    def reached(self) -> bool:
        return self._over.is_set()

    async def wait(self) -> None:
        await self._over.wait()


def build(pieces: list[tuple[int, bytes, bytes, bytes] | bytes]) -> bytes:
    made, now = [], START_NS
    for piece in pieces:
        if isinstance(piece, bytes):
            made.append(DAMAGE.get(piece, piece))
        else:
            step_ns, text, stream, tag = piece
            now += step_ns
            made.append(line(now, b"w" * 8192 if text == LONG else text, stream, tag))
    return b"".join(made)


def check(log: bytes, selection: Selection) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "log")
        path.write_bytes(log)
        got = trio.run(read, RotatedLog(path), selection)
    found, wanted = sound_lines(got, selection.streams), naively(log, selection)
    assert [text[:80] for text in found] == [text[:80] for text in wanted]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(records, max_size=40), selections)
def test_any_part_of_a_log_is_what_a_naive_reader_finds(
    pieces: list[tuple[int, bytes, bytes, bytes] | bytes], selection: Selection
) -> None:
    check(build(pieces), selection)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(records, damage), max_size=25), st.binary(max_size=50), selections)
def test_damage_hides_nothing_but_itself(
    pieces: list[tuple[int, bytes, bytes, bytes] | bytes], cut: bytes, selection: Selection
) -> None:
    check(build(pieces) + cut.replace(b"\n", b""), selection)


async def test_a_long_log_is_cut_at_exact_nanoseconds(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"".join(line(START_NS + n, b"%d" % n) for n in range(20_000)))
    part = Selection(since_ns=START_NS + 7_001, until_ns=START_NS + 13_002)
    got = [parse(text) for text in (await read(RotatedLog(path), part)).split(b"\n")[:-1]]
    assert [record.text for record in got if record] == [b"%d" % n for n in range(7_001, 13_003)]


async def test_a_time_that_does_not_exist_misleads_nobody(tmp_path: Path) -> None:
    path = tmp_path / "log"
    damaged = line(START_NS, b"w" * 1000).replace(b"2026-", b"2026-99-99", 1)
    impossible = line(START_NS, b"x" * 1000).replace(b"2026-09-21", b"2026-99-99")
    times = [line(START_NS + n, b"%d" % n) + damaged + impossible for n in range(200)]
    path.write_bytes(b"".join(times))
    got = await read(RotatedLog(path), Selection(since_ns=START_NS + 150, until_ns=START_NS + 151))
    assert got.startswith(line(START_NS + 150, b"150"))
    assert b"F 149\n" not in got
    assert b"F 151\n" in got
    assert b"F 152\n" not in got


async def test_the_tail_of_a_huge_log_costs_only_the_tail(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as log:
        log.seek(10**12)  # a reader from the front would not come to an end
        log.write(b"\n" + b"".join(line(START_NS, b"%d" % n) for n in range(30)))
    assert (await read(RotatedLog(path), Selection(tail=2))).endswith(b" 28\n" + line(START_NS, b"29"))


async def test_a_log_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    assert await read(RotatedLog(tmp_path / "none"), Selection(tail=3)) == b""


async def test_what_is_written_while_it_is_read_is_not_part_of_a_plain_answer(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(line(START_NS, b"w" * 8000) * 50)
    got = b""
    async for block in existing(RotatedLog(path), Selection()):
        got += block
        with path.open("ab") as log:
            log.write(line(START_NS, b"late"))
    assert got.count(b"\n") == 50


async def test_a_follower_reads_on_until_the_run_ends(tmp_path: Path, nursery: trio.Nursery) -> None:
    path = tmp_path / "log"
    path.write_bytes(line(START_NS, b"first"))
    run = FakeRun()
    reading = Reading(RotatedLog(path), run)
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as tasks:
            tasks.start_soon(reading.run)
            for n in range(20):
                with path.open("ab") as log:
                    log.write(line(START_NS, b"%d" % n)[:-4])
                    log.flush()
                    await trio.testing.wait_all_tasks_blocked()
                    log.write(line(START_NS, b"%d" % n)[-4:])
                while reading.read.count(b"\n") < n + 2:
                    await trio.lowlevel.checkpoint()
            run.end()
    assert reading.read == path.read_bytes()


async def test_what_was_written_just_before_the_end_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"")
    run = FakeRun()
    reading = Reading(RotatedLog(path), run)
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as tasks:
            tasks.start_soon(reading.run)
            await trio.testing.wait_all_tasks_blocked()
            path.write_bytes(line(START_NS, b"last"))
            run.end()
    assert reading.read == path.read_bytes()


async def test_a_rotated_log_is_followed_into_its_successor(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(line(START_NS, b"1") * 3)
    run = FakeRun()
    reading = Reading(RotatedLog(path), run, Selection(tail=1))
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as tasks:
            tasks.start_soon(reading.run)
            await trio.testing.wait_all_tasks_blocked()
            with path.open("ab") as old:
                old.write(line(START_NS, b"2"))
            fresh = tmp_path / "fresh"
            fresh.write_bytes(line(START_NS, b"3"))
            os.replace(fresh, path)
            while reading.read.count(b"\n") < 3:
                await trio.lowlevel.checkpoint()
            run.end()
    assert reading.read == b"".join(line(START_NS, text) for text in (b"1", b"2", b"3"))


async def test_a_follower_stops_at_the_first_line_past_until(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(line(START_NS))
    far_ns = START_NS + 10**18  # the clock does not stop it
    reading = Reading(RotatedLog(path), FakeRun(), Selection(until_ns=far_ns))
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as tasks:
            tasks.start_soon(reading.run)
            await trio.testing.wait_all_tasks_blocked()
            with path.open("ab") as log:
                log.write(line(far_ns) + line(far_ns + 1) + line(far_ns + 2))
    assert reading.read == line(START_NS) + line(far_ns)


@pytest.mark.parametrize("offset", [b"+00:00", b"Z", b"+02:00", b"-11:30"])
def test_times_are_shown_in_utc(offset: bytes) -> None:
    record = parse(b"2026-11-22T17:10:50.716302877" + offset + b" stderr P a b")
    assert record is not None
    shown = parse(utc(record.stamp) + b" stdout F ")
    assert shown is not None
    assert time_ns(shown) == time_ns(record)
    assert utc(record.stamp).endswith(b".716302877Z")


async def test_a_log_whose_container_has_never_run_ends_at_once(tmp_path: Path) -> None:
    reading = Reading(RotatedLog(tmp_path / "gone" / "log"), FakeRun())
    await reading.run()
    assert reading.read == b""
