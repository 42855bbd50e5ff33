"""Reading a log of several files: as if it were one, whatever is renamed meanwhile."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.runtimes.logrotation import RotatedLog
from daemon.runtimes.logs import Selection, existing
from tests.unit.stdio.logtext import START_NS, Reading, line, naively, read, sound_lines
from tests.unit.stdio.series import Log, a_log, all_of, rotate, shown
from tests.unit.stdio.test_logs import FakeRun, build, damage, records, selections

SECONDS = 60  # real time: inotify knows no other
FILES = 6
NAMES = [*(f"log.{number}" for number in range(FILES - 1, 0, -1)), ".log.spare", "log"]  # the oldest first

pieces = st.lists(st.one_of(records, records, damage, st.just("next file")), max_size=40)
places = st.sets(st.integers(0, len(NAMES) - 1)).map(sorted)


def open_fds() -> set[str]:
    return {name for name in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{name}")}


def lay_out(directory: Path, log: list[bytes], names: list[int]) -> bytes:
    """Write files under some of the names, the last ones; return their whole lines, one after the other."""
    used = list(zip(reversed(names), reversed(log), strict=False))[::-1]
    for place, content in used:
        (directory / NAMES[place]).write_bytes(content)
    return b"".join(content[: content.rfind(b"\n") + 1] for _, content in used)


def split(pieces: list[tuple[int, bytes, bytes, bytes] | bytes | str]) -> list[bytes]:
    """Return the files of a log whose lines are `pieces`, cut where they say so."""
    cuts = [place for place, piece in enumerate(pieces) if piece == "next file"]
    whole = [piece if not isinstance(piece, str) else b"" for piece in pieces]
    made = [build(whole[:place]) for place in (*cuts, len(whole))]
    return [later[len(before) :] for before, later in zip([b"", *made], made, strict=False)]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pieces, places, selections, st.booleans())
def test_any_part_of_several_files_is_what_a_naive_reader_finds_in_one(
    pieces: list[tuple[int, bytes, bytes, bytes] | bytes | str],
    places: list[int],
    selection: Selection,
    spare: bool,
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "log")
        one = lay_out(path.parent, split(pieces), places)
        if spare and path.exists() and not path.with_name(".log.spare").exists():
            path.with_name(".log.spare").hardlink_to(path)
        got = trio.run(read, RotatedLog(path, most_files=FILES), selection)
    found, wanted = sound_lines(got, selection.streams), naively(one, selection)
    assert [text[:80] for text in found] == [text[:80] for text in wanted]


@pytest.mark.parametrize(
    ("tail", "expected"), [(0, b""), (1, b"6"), (2, b"56"), (3, b"456"), (5, b"23456"), (9, b"123456")]
)
async def test_a_tail_spans_files(tmp_path: Path, tail: int, expected: bytes) -> None:
    log, rotated = a_log(tmp_path, b"1", b"2", files=4)
    for texts in ((b"3", b"4"), (b"5",), (b"6",)):
        log.replace(*texts)
        rotated.settle()
    assert b"".join(shown(await read(rotated, Selection(tail=tail)))) == expected


async def test_a_line_in_pieces_over_several_files_is_one_of_a_tail(tmp_path: Path) -> None:
    log, rotated = a_log(tmp_path, b"0", files=4)
    for piece in (b"1", b"2"):
        log.append(line(START_NS, piece, tag=b"P"))
        log.replace()
        rotated.settle()
    log.write(b"3", b"last")
    assert shown(await read(rotated, Selection(tail=2))) == [b"123", b"last"]
    assert shown(await read(rotated, Selection(tail=3))) == [b"0", b"123", b"last"]


@pytest.mark.parametrize("tail", [None, 900])
async def test_a_rotation_under_a_plain_reader_takes_and_adds_nothing(
    tmp_path: Path, tail: int | None
) -> None:
    texts = [b"%d" % number + b"w" * 1000 for number in range(900)]
    log, rotated = a_log(tmp_path, *texts[:300])
    for first in (300, 600):
        log.replace(*texts[first : first + 300])
        rotated.settle()
    before, got = open_fds(), b""
    async for block in existing(rotated, Selection(tail=tail)):
        got += block
        rotate(log, rotated, [b"new"])
    assert shown(got) == texts
    assert open_fds() == before


async def follow(reading: Reading, tasks: trio.Nursery, *last: bytes) -> None:
    tasks.start_soon(reading.run)
    await all_of(reading, *last)


async def test_a_follower_reads_old_files_first_and_goes_on_with_new_ones(tmp_path: Path) -> None:
    log, rotated = a_log(tmp_path, b"1")
    rotate(log, rotated, [b"2", b"3"])
    run = FakeRun()
    reading = Reading(rotated, run)
    before = open_fds()
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as tasks:
            await follow(reading, tasks, b"3")
            for text in (b"4", b"5", b"6"):
                rotate(log, rotated, [text])
                await all_of(reading, text)
            run.end()
    assert shown(reading.read) == [b"1", b"2", b"3", b"4", b"5", b"6"]
    assert open_fds() == before


async def test_a_follower_that_is_behind_reads_what_there_is_between(tmp_path: Path) -> None:
    log, rotated = a_log(tmp_path, b"1", files=4)
    run = FakeRun()
    reading = Reading(rotated, run)
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as tasks:
            await follow(reading, tasks, b"1")
            rotate(log, rotated, [b"2", b"3", b"4"])
            await all_of(reading, b"4")
            run.end()
    assert shown(reading.read) == [b"1", b"2", b"3", b"4"]


async def test_a_follower_that_is_too_far_behind_goes_on_with_the_oldest(tmp_path: Path) -> None:
    log, rotated = a_log(tmp_path, b"1", files=3)
    run = FakeRun()
    reading = Reading(rotated, run)
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as tasks:
            await follow(reading, tasks, b"1")
            rotate(log, rotated, [b"2", b"3", b"4", b"5"])
            await all_of(reading, b"5")
            run.end()
    assert shown(reading.read) == [b"1", b"3", b"4", b"5"]


async def test_a_follower_of_a_tail_counts_in_all_files_and_then_reads_everything(tmp_path: Path) -> None:
    log, rotated = a_log(tmp_path, b"1", b"2")
    rotate(log, rotated, [b"3"])
    run = FakeRun()
    reading = Reading(rotated, run, Selection(tail=2))
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as tasks:
            await follow(reading, tasks, b"2", b"3")
            rotate(log, rotated, [b"4", b"5"])
            await all_of(reading, b"5")
            run.end()
    assert shown(reading.read) == [b"2", b"3", b"4", b"5"]


async def test_a_follower_until_a_time_in_an_old_file_stops_there(tmp_path: Path) -> None:
    log, rotated = a_log(tmp_path, b"1")
    log.append(line(START_NS + 5, b"late"))
    log.replace()
    log.append(line(START_NS + 6, b"later"))
    rotated.settle()
    reading = Reading(rotated, FakeRun(), Selection(until_ns=START_NS))
    with trio.fail_after(SECONDS):
        await reading.run()
    assert shown(reading.read) == [b"1"]


storms = st.lists(
    st.sampled_from(["write", "replace", "settle", "replace and settle", "let run", "catch up"]), max_size=30
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(storms)
def test_whatever_happens_a_follower_gets_lines_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    trio.run(_storm, tmp_path_factory.mktemp("storm"), steps)


async def _storm(directory: Path, steps: list[str]) -> None:
    log, rotated = a_log(directory, b"0")
    run = FakeRun()
    reading = Reading(rotated, run)
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as tasks:
            tasks.start_soon(reading.run)
            last = await _all_steps(log, rotated, reading, steps)
            run.end()
    numbers = [int(text) for text in shown(reading.read)]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == last
    kept = [int(text) for text in shown(await read(rotated, Selection()))]
    assert set(kept) <= set(numbers)


async def _all_steps(log: Log, rotated: RotatedLog, reading: Reading, steps: list[str]) -> int:
    last = 0
    for step in steps:
        if "replace" in step or step == "write":
            last += 1
            (log.write if step == "write" else log.replace)(b"%d" % last)
        if "settle" in step:
            rotated.settle()
        if step == "catch up":
            await all_of(reading, b"%d" % last)
        await trio.lowlevel.checkpoint()
    return last
