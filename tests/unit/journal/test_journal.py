"""The journal as a whole: who is told when, and what is there after it was closed."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Final

import pytest
import trio

from daemon.errors import Failed, Unavailable
from daemon.journal import Event, EventDraft, Gap, Journal, Name, Record, Transaction, open_journal
from daemon.journal.log import TAIL_EVENTS
from daemon.journal.retention import Retention

HOUR_NS: Final = 3600 * 10**9
STARTED = Transaction(events=(EventDraft("container", "start", "1", {"image": "busybox"}),))


async def test_a_reader_has_run_before_the_committer_is_told(journal: Journal) -> None:
    order: list[tuple[str, int]] = []

    async def reader() -> None:
        seen = 0
        while seen < 40:  # trio runs what is ready in random order: one round proves nothing
            await journal.events.changed(seen)
            for event in await journal.events.read(seen, 100):
                order.append(("read", event.seq))
                seen = event.seq

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader)
        for _ in range(40):
            (event,) = await journal.commit(STARTED)
            order.append(("told", event.seq))
    assert order == [(what, seq) for seq in range(1, 41) for what in ("read", "told")]


async def test_concurrent_commits_take_effect_in_the_order_they_were_asked_for(journal: Journal) -> None:
    results: dict[int, int] = {}

    async def commit(number: int) -> None:
        draft = EventDraft("container", "start", str(number))
        (event,) = await journal.commit(Transaction(events=(draft,)))
        results[int(event.actor_id)] = event.seq

    async with trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(commit, number)
    assert sorted(results.values()) == list(range(1, 101))
    log = await journal.events.read(0, 1000)
    assert [event.seq for event in log] == list(range(1, 101))
    assert all(results[int(event.actor_id)] == event.seq for event in log)


async def test_everything_is_there_after_a_clean_close(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with open_journal(path) as journal:
        record = Record("container", "1", b"{}")
        await journal.commit(Transaction(put=(record,), names=(Name("container", "web", "1"),)))
        (event,) = await journal.commit(STARTED)
    assert not await trio.Path(f"{path}-wal").exists()
    async with open_journal(path) as journal:
        assert journal.set_aside is None
        assert journal.records("container") == [record]
        assert journal.record("container", "1") == record
        assert journal.record("container", "2") is None
        assert journal.names("container") == {"web": "1"}
        assert await journal.events.read(0, 10) == (event,)
        (later,) = await journal.commit(STARTED)
    assert later.seq == event.seq + 1
    assert later.time_ns > event.time_ns


async def test_numbers_and_times_go_on_after_a_restart_with_a_clock_that_went_back(tmp_path: Path) -> None:
    async with open_journal(tmp_path / "journal.db", now_ns=lambda: 5_000) as journal:
        await journal.commit(STARTED)
    async with open_journal(tmp_path / "journal.db", now_ns=lambda: 10) as journal:
        (event,) = await journal.commit(STARTED)
    assert (event.seq, event.time_ns) == (2, 5_001)


async def test_events_have_the_time_of_a_clock_that_was_ahead_and_has_been_set_back(tmp_path: Path) -> None:
    written: list[Event] = []
    for hour in (5, 3, 4, 6):
        async with open_journal(tmp_path / "journal.db", now_ns=partial(int, hour * HOUR_NS)) as journal:
            written += await journal.commit(STARTED)
            behind = journal.events.last_set_back_seq
        async with open_journal(tmp_path / "journal.db") as journal:
            assert list(await journal.events.read(0, 10)) == written
            assert journal.events.last_set_back_seq == behind
    assert behind == 3
    assert [event.time_ns for event in written] == [hour * HOUR_NS for hour in (5, 3, 4, 6)]
    assert [event.order_ns for event in written] == [
        5 * HOUR_NS,
        5 * HOUR_NS + 1,
        5 * HOUR_NS + 2,
        6 * HOUR_NS,
    ]


async def test_nothing_is_missed_that_has_happened_since_a_time_whatever_the_clock_did(
    tmp_path: Path,
) -> None:
    looked_up = (4 * HOUR_NS, 5 * HOUR_NS, 5 * HOUR_NS + 1, 6 * HOUR_NS + 1)
    for hour in (5, 4, 6):
        async with open_journal(tmp_path / "journal.db", now_ns=partial(int, hour * HOUR_NS)) as journal:
            await journal.commit(Transaction(events=STARTED.events * TAIL_EVENTS))
    async with open_journal(tmp_path / "journal.db", now_ns=partial(int, 6 * HOUR_NS)) as journal:
        in_the_file = [await journal.events.before(time_ns) for time_ns in looked_up]
        assert in_the_file == [0, 0, 1, 2 * TAIL_EVENTS + 1]


async def test_what_was_asked_for_is_written_before_the_journal_closes(tmp_path: Path) -> None:
    results: list[int] = []

    async def commit(journal: Journal) -> None:
        results.extend(event.seq for event in await journal.commit(STARTED))

    def begin(nursery: trio.Nursery, journal: Journal) -> None:
        for _ in range(20):
            nursery.start_soon(commit, journal)

    async with trio.open_nursery() as nursery, open_journal(tmp_path / "journal.db") as journal:
        begin(nursery, journal)
        await trio.testing.wait_all_tasks_blocked()
    assert sorted(results) == list(range(1, 21))
    with pytest.raises(Unavailable):
        await journal.commit(STARTED)


async def test_it_closes_even_when_cancelled(tmp_path: Path) -> None:
    with trio.CancelScope() as scope:
        async with open_journal(tmp_path / "journal.db") as journal:
            await journal.commit(STARTED)
            scope.cancel()
    async with open_journal(tmp_path / "journal.db") as journal:
        assert journal.events.last_seq == 1


async def test_two_engines_cannot_have_one_journal(tmp_path: Path) -> None:
    async with open_journal(tmp_path / "journal.db"):
        with pytest.raises(Failed, match="in use by another engine"):
            async with open_journal(tmp_path / "journal.db"):
                pass


async def test_old_events_come_from_the_file(tmp_path: Path) -> None:
    count = 2 * TAIL_EVENTS
    async with open_journal(tmp_path / "journal.db") as journal:
        drafts = tuple(EventDraft("container", "start", str(number)) for number in range(count))
        written = await journal.commit(Transaction(events=drafts))
        read = await journal.events.read(0, count) + await journal.events.read(count - 5, 3)
        assert read == written + written[-5:-2]
        middle = written[100]
        for time_ns, after in (
            (0, 0),
            (middle.time_ns, middle.seq - 1),
            (middle.time_ns + 1, middle.seq),
            (written[-3].time_ns, count - 3),
            (written[-1].time_ns + 1, count),
        ):
            assert await journal.events.before(time_ns) == after
    async with open_journal(tmp_path / "journal.db") as journal:  # nothing in memory now
        assert await journal.events.before(middle.time_ns) == middle.seq - 1
        assert await journal.events.before(written[-1].time_ns + 1) == count
        assert await journal.events.read(count - 1, 10) == written[-1:]


async def test_a_reader_who_is_too_late_is_told_so(tmp_path: Path) -> None:
    async with open_journal(tmp_path / "journal.db", Retention(max_events=10)) as journal:
        await journal.commit(Transaction(events=(EventDraft("a", "b", "c"),) * 2 * TAIL_EVENTS))
        first = journal.events.first_seq
        assert first > 1
        with pytest.raises(Gap) as gap:
            await journal.events.read(0, 10)
        assert gap.value.first_available == first
        assert (await journal.events.read(first - 1, 1))[0].seq == first
        assert await journal.events.before(0) == 0
        assert await journal.events.before(time.time_ns() + 10**9) == journal.events.last_seq
    async with open_journal(tmp_path / "journal.db") as journal:
        assert journal.events.first_seq == first
        assert journal.events.last_seq == 2 * TAIL_EVENTS
