"""The log alone, with an archive that remembers what it was asked."""

from __future__ import annotations

import attrs
import pytest
import trio

from daemon.journal import Event, EventLog, Gap
from daemon.journal.log import TAIL_EVENTS


def event(seq: int) -> Event:
    return Event(seq, seq * 10, "container", "start", "1", {})


@attrs.define
class FakeArchive:
    """All events from `first` on, as the file would have them."""

    first: int = 1
    asked: list[int] = attrs.field(factory=list)

    async def read(self, after: int, last: int, limit: int) -> tuple[Event, ...]:
        self.asked.append(after)
        begin = max(after + 1, self.first)
        return tuple(event(seq) for seq in range(begin, min(last, begin + limit - 1) + 1))

    async def before(self, time_ns: int) -> int:
        self.asked.append(time_ns)
        return 7


@pytest.fixture
def archive() -> FakeArchive:
    return FakeArchive()


@pytest.fixture
def log(archive: FakeArchive) -> EventLog:
    return EventLog(archive)


def fill(log: EventLog, last: int) -> None:
    log.append([event(seq) for seq in range(log.last_seq + 1, last + 1)], 1)


def seqs(events: tuple[Event, ...]) -> list[int]:
    return [found.seq for found in events]


async def test_the_newest_events_are_read_from_memory(log: EventLog, archive: FakeArchive) -> None:
    fill(log, TAIL_EVENTS + 10)
    assert seqs(await log.read(10, 3)) == [11, 12, 13]
    assert seqs(await log.read(TAIL_EVENTS + 8, 100)) == [TAIL_EVENTS + 9, TAIL_EVENTS + 10]
    assert archive.asked == []


async def test_older_events_are_read_from_the_archive(log: EventLog, archive: FakeArchive) -> None:
    fill(log, TAIL_EVENTS + 10)
    assert seqs(await log.read(9, 3)) == [10, 11, 12]
    assert archive.asked == [9]


async def test_there_is_nothing_after_the_newest_event(log: EventLog) -> None:
    assert await log.read(0, 10) == ()
    fill(log, 3)
    assert await log.read(3, 10) == ()
    assert await log.read(99, 10) == ()


async def test_an_archive_that_begins_too_late_is_a_gap(archive: FakeArchive) -> None:
    archive.first = 50
    log = EventLog(archive, last_seq=100, first_seq=1)
    with pytest.raises(Gap) as gap:
        await log.read(10, 5)
    assert gap.value.first_available == 50
    assert seqs(await log.read(49, 2)) == [50, 51]


async def test_an_archive_that_has_nothing_left_is_a_gap_too(archive: FakeArchive) -> None:
    archive.first = 101
    log = EventLog(archive, last_seq=100, first_seq=101)
    with pytest.raises(Gap) as gap:
        await log.read(10, 5)
    assert gap.value.first_available == 101


async def test_a_time_is_looked_up_where_its_events_are(log: EventLog, archive: FakeArchive) -> None:
    fill(log, TAIL_EVENTS + 10)
    assert [await log.before(time_ns) for time_ns in (119, 120, 121, 10**9)] == [11, 11, 12, log.last_seq]
    assert archive.asked == []
    assert await log.before(110) == 7  # the first in memory may not be the first of that time
    assert archive.asked == [110]


async def test_a_time_is_looked_up_in_the_order_of_events_when_the_clock_was_set_back(log: EventLog) -> None:
    log.append([event(1), event(2), attrs.evolve(event(3), time_ns=5, set_back_ns=25), event(4)], 1)
    assert [await log.before(time_ns) for time_ns in (20, 21, 30, 31)] == [1, 2, 2, 3]
    assert log.last_set_back_seq == 3
    log.append([event(5)], 1)
    assert log.last_set_back_seq == 3


async def test_a_reader_that_waits_is_woken_by_what_it_waits_for(log: EventLog) -> None:
    woken: list[int] = []

    async def wait(after: int) -> None:
        await log.changed(after)
        woken.append(after)

    async with trio.open_nursery() as nursery:
        for after in (0, 1, 2):
            nursery.start_soon(wait, after)
        await trio.testing.wait_all_tasks_blocked()
        assert woken == []
        log.append([event(1)], 1)
        await trio.testing.wait_all_tasks_blocked()
        assert woken == [0]
        log.append([event(2), event(3)], 1)
    assert sorted(woken) == [0, 1, 2]


async def test_a_group_without_events_wakes_nobody(
    log: EventLog, autojump_clock: trio.testing.MockClock
) -> None:
    fill(log, 1)
    with trio.move_on_after(1) as patience:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(log.changed, 1)
            await trio.testing.wait_all_tasks_blocked()
            log.append([], 1)
    assert patience.cancelled_caught
