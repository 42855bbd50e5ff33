"""Readers of a log that conmon replaces because it has its size.

What such a log loses is lost for everybody; a reader must lose nothing else, and show nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.runtimes.inotify import Inotify, Watch
from daemon.runtimes.logrotation import RotatedLog
from daemon.runtimes.logs import Selection, existing
from tests.unit.stdio.logtext import START_NS, Reading, line
from tests.unit.stdio.series import Log, all_of, shown
from tests.unit.stdio.test_logs import FakeRun

SECONDS = 60  # real time: inotify knows no other


@attrs.define(eq=False)
class Interrupted(Inotify):
    """Lets something happen after a log was opened and before it is watched, once."""

    _meanwhile: list[Callable[[], None]] = attrs.field(factory=list, kw_only=True)

    @contextmanager
    def watch(self, path: str, directory: Path) -> Generator[Watch, None, None]:
        while self._meanwhile:
            self._meanwhile.pop()()
        with Inotify.watch(self, path, directory) as watch:
            yield watch


async def test_a_log_replaced_before_it_is_watched_is_not_waited_for(tmp_path: Path) -> None:
    log, run = Log.of(tmp_path, b"1"), FakeRun()
    hub = Interrupted(meanwhile=[lambda: log.replace(b"2")])
    reading = Reading(RotatedLog(log.path), run, inotify=hub)
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as tasks:
            tasks.start_soon(reading.run)
            await all_of(reading, b"2")
            run.end()
    assert shown(reading.read) == [b"1", b"2"]


async def test_what_came_just_before_each_of_several_replacements_is_read(tmp_path: Path) -> None:
    log, run = Log.of(tmp_path, b"0"), FakeRun()
    reading = Reading(RotatedLog(log.path), run)
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as tasks:
            tasks.start_soon(reading.run)
            await all_of(reading, b"0")
            for n in range(1, 20):
                log.write(b"%d" % n)
                log.replace(b"%d new" % n)
                await all_of(reading, b"%d" % n, b"%d new" % n)
            run.end()
    assert shown(reading.read)[1:3] == [b"1", b"1 new"]
    assert len(shown(reading.read)) == 1 + 2 * 19


async def test_of_several_replacements_at_once_only_those_between_are_lost(tmp_path: Path) -> None:
    log, run = Log.of(tmp_path, b"1"), FakeRun()
    reading = Reading(RotatedLog(log.path), run)
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as tasks:
            tasks.start_soon(reading.run)
            await all_of(reading, b"1")
            log.write(b"2")
            log.replace(b"3")
            log.replace(b"4")
            log.replace(b"5", b"6")
            await all_of(reading, b"6")
            run.end()
    assert shown(reading.read) == [b"1", b"2", b"5", b"6"]


async def test_a_log_replaced_just_before_the_end_is_read_to_its_end(tmp_path: Path) -> None:
    log, run = Log.of(tmp_path, b"1"), FakeRun()
    reading = Reading(RotatedLog(log.path), run)
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as tasks:
            tasks.start_soon(reading.run)
            await all_of(reading, b"1")
            log.write(b"2")
            log.replace(b"3")
            run.end()
    assert shown(reading.read) == [b"1", b"2", b"3"]


async def test_a_log_that_begins_anew_with_a_run_is_found(tmp_path: Path) -> None:
    path, run = tmp_path / "log", FakeRun()
    reading = Reading(RotatedLog(path), run)
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as tasks:
            tasks.start_soon(reading.run)
            await trio.testing.wait_all_tasks_blocked()
            Log.of(tmp_path, b"1")
            await all_of(reading, b"1")
            run.end()
    assert shown(reading.read) == [b"1"]


async def test_a_line_is_put_together_from_both_files(tmp_path: Path) -> None:
    log, run = Log.of(tmp_path), FakeRun()
    log.append(line(START_NS, b"begin", tag=b"P"))
    reading = Reading(RotatedLog(log.path), run)
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as tasks:
            tasks.start_soon(reading.run)
            await all_of(reading, b"begin")
            log.replace(b" and end", b"next")
            run.end()
    assert shown(reading.read) == [b"begin and end", b"next"]


async def test_a_torn_record_is_not_joined_to_the_next_file(tmp_path: Path) -> None:
    log, run = Log.of(tmp_path, b"1"), FakeRun()
    log.append(line(START_NS, b"torn")[:-3])
    reading = Reading(RotatedLog(log.path), run)
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as tasks:
            tasks.start_soon(reading.run)
            await all_of(reading, b"1")
            log.replace(b"2")
            run.end()
    assert shown(reading.read) == [b"1", b"2"]


async def test_a_tail_is_counted_once_and_times_are_looked_at_in_every_file(tmp_path: Path) -> None:
    log, run = Log.of(tmp_path, b"1", b"2"), FakeRun()
    late = Selection(since_ns=START_NS + 5)
    tail, since = (
        Reading(RotatedLog(log.path), run, Selection(tail=1)),
        Reading(RotatedLog(log.path), run, late),
    )

    def replace() -> None:
        log.replace(b"3", b"4")
        log.append(line(START_NS + 5, b"5") + line(START_NS + 6, b"6"))

    for reading in (tail, since):
        reading.inotify = Interrupted(meanwhile=[replace] if reading is since else [])
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as tasks:
            tasks.start_soon(tail.run)
            await all_of(tail, b"2")
            tasks.start_soon(since.run)
            await all_of(tail, b"6")
            await all_of(since, b"6")
            run.end()
    assert shown(tail.read) == [b"2", b"3", b"4", b"5", b"6"]
    assert shown(since.read) == [b"5", b"6"]


@pytest.mark.parametrize("tail", [None, 300])
async def test_a_plain_answer_is_the_file_that_was_there(tmp_path: Path, tail: int | None) -> None:
    texts = [b"%d" % n + b"w" * 1000 for n in range(300)]
    log, read = Log.of(tmp_path, *texts), b""
    async for block in existing(RotatedLog(log.path), Selection(tail=tail)):
        read += block
        log.replace(b"new")
    assert shown(read) == texts


steps = st.lists(st.sampled_from(["write", "write", "replace", "catch up", "let run"]), max_size=30)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps)
def test_whatever_happens_lines_come_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    trio.run(_storm, Log.of(tmp_path_factory.mktemp("storm"), b"0"), steps)


async def _storm(log: Log, steps: list[str]) -> None:
    run, last = FakeRun(), 0
    reading = Reading(RotatedLog(log.path), run)
    open_now, due = False, set[int]()  # a file that the reader has open cannot be lost, nor the last one
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as tasks:
            tasks.start_soon(reading.run)
            for step in steps:
                if step == "write":
                    last += 1
                    log.write(b"%d" % last)
                    due |= {last} if open_now else set()
                elif step == "replace":
                    last += 1
                    log.replace(b"%d" % last)
                    open_now = False
                elif step == "catch up":
                    await all_of(reading, b"%d" % last)
                    open_now = True
                else:
                    await trio.lowlevel.checkpoint()
            run.end()
    numbers = [int(text) for text in shown(reading.read)]
    assert numbers == sorted(set(numbers))
    remaining = [int(text) for text in shown(log.path.read_bytes())]
    assert numbers[-len(remaining) :] == remaining
    assert due <= set(numbers)
