"""The writer, run in the test's own thread: what is submitted before `run` is one group."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from pathlib import Path

import attrs
import pytest
from outcome import Error, Value

from daemon.errors import Failed
from daemon.journal import Event, EventDraft, Missing, Name, NameTaken, Record, Transaction
from daemon.journal.apply import Position
from daemon.journal.database import open_database
from daemon.journal.retention import STEP, Kept, Retention
from daemon.journal.writer import GROUP_MAX, Pending, Writer, Written

PAGE_BYTES = 4096


def put(record_id: str, size_bytes: int = 2) -> Transaction:
    event = EventDraft("container", "create", record_id)
    return Transaction(put=(Record("container", record_id, b"x" * size_bytes),), events=(event,))


@attrs.define
class Bench:
    """A writer, and what it has delivered."""

    writer: Writer
    delivered: list[Written]

    def write(self, *transactions: Transaction) -> list[object]:
        """Return for each transaction its events' numbers or its error."""
        del self.delivered[:]
        for transaction in transactions:
            self.writer.submit(Pending(transaction))
        self.writer.stop()
        self.writer.run()
        outcomes = [outcome for written in self.delivered for _, outcome in written.results]
        return [
            [event.seq for event in outcome.value] if isinstance(outcome, Value) else outcome.error
            for outcome in outcomes
            if isinstance(outcome, Value | Error)
        ]

    @property
    def ids(self) -> list[str]:
        return [row[0] for row in self.writer.connection.execute("SELECT id FROM records ORDER BY rowid")]


class Clock:
    now_ns = 1_000

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bench(tmp_path: Path, clock: Clock) -> Generator[Bench, None, None]:
    database = open_database(tmp_path / "journal.db")
    delivered: list[Written] = []
    retention = Retention(max_events=300, max_age_seconds=1000)
    yield Bench(
        Writer(database.connection, retention, clock, delivered.append, Position(0, 0), Kept(1)), delivered
    )
    database.close()


def test_what_was_submitted_together_is_written_together(bench: Bench) -> None:
    statements: list[str] = []
    bench.writer.connection.set_trace_callback(statements.append)
    assert bench.write(put("1"), put("2"), put("3")) == [[1], [2], [3]]
    assert statements.count("COMMIT") == 1
    assert len(bench.delivered) == 1


def test_a_group_has_a_limit(bench: Bench) -> None:
    bench.write(*(put(str(number)) for number in range(GROUP_MAX + 1)))
    assert [len(written.results) for written in bench.delivered] == [GROUP_MAX, 1]


def test_a_refused_transaction_fails_alone_and_uses_no_number(bench: Bench) -> None:
    taken = Transaction(names=(Name("container", "web", "1"),))
    other = attrs.evolve(put("3"), names=(Name("container", "web", "3"),))
    dangling = attrs.evolve(put("4"), names=(Name("container", "x", "9"),))
    first, second, refused, missing, last = bench.write(put("1"), taken, other, dangling, put("5"))
    assert (first, second, last) == ([1], [], [2])
    assert isinstance(refused, NameTaken)
    assert isinstance(missing, Missing)
    assert bench.ids == ["1", "5"]
    assert [event.seq for event in bench.delivered[0].events] == [1, 2]


def test_a_value_the_database_cannot_store_fails_alone(bench: Bench) -> None:
    surrogate = Transaction(events=(EventDraft("container", "create", "\ud800"),))
    strange = Transaction(events=(EventDraft("container", "create", "1", {"a": "\ud800"}),))
    results = bench.write(put("1"), surrogate, strange, put("2"))
    assert (results[0], results[3]) == ([1], [2])
    assert isinstance(results[1], Exception)
    assert isinstance(results[2], Exception)
    assert bench.ids == ["1", "2"]


def test_a_full_disk_is_reported_and_got_over(bench: Bench) -> None:
    (pages,) = bench.writer.connection.execute("PRAGMA page_count").fetchone()
    bench.writer.connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    (failed,) = bench.write(put("big", 20 * PAGE_BYTES))
    assert isinstance(failed, Failed)
    assert str(failed) == (
        "the journal cannot be written: database or disk is full; nothing was changed; "
        "free space on the disk of data-root"
    )
    assert bench.write(put("small")) == [[1]]
    bench.writer.connection.execute("PRAGMA max_page_count = 1000000")
    assert bench.write(put("big", 20 * PAGE_BYTES)) == [[2]]
    assert bench.ids == ["small", "big"]


def test_a_transaction_that_does_not_fit_takes_no_other_with_it(bench: Bench) -> None:
    (pages,) = bench.writer.connection.execute("PRAGMA page_count").fetchone()
    bench.writer.connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    first, failed, last = bench.write(put("1"), put("big", 20 * PAGE_BYTES), put("2"))
    assert (first, last) == ([1], [2])
    assert isinstance(failed, Failed)
    assert bench.ids == ["1", "2"]


def test_a_database_that_is_locked_is_reported(bench: Bench, tmp_path: Path) -> None:
    bench.writer.connection.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    (failed,) = bench.write(put("1"))
    assert isinstance(failed, Failed)
    other.close()
    assert bench.write(put("1")) == [[1]]


def test_times_increase_even_when_the_clock_goes_back(bench: Bench, clock: Clock) -> None:
    twice = Transaction(events=(EventDraft("a", "b", "c"), EventDraft("a", "b", "c")))
    bench.write(twice, twice)
    clock.now_ns = 500
    times = [event.time_ns for event in bench.delivered[0].events]
    bench.write(twice)
    times += [event.time_ns for event in bench.delivered[0].events]
    clock.now_ns = 9_000
    bench.write(put("1"))
    assert [*times, bench.delivered[0].events[0].time_ns] == [1000, 1001, 1002, 1003, 1004, 1005, 9000]


def kept(bench: Bench) -> list[int]:
    return [row[0] for row in bench.writer.connection.execute("SELECT seq FROM events ORDER BY seq")]


def events(count: int) -> Transaction:
    return Transaction(events=(EventDraft("container", "start", "1"),) * count)


def test_the_oldest_events_go_when_there_are_too_many(bench: Bench) -> None:
    for _ in range(40):
        bench.write(events(50))
    assert kept(bench) == list(range(bench.writer.kept.first_seq, 2001))
    assert 300 <= len(kept(bench)) <= 300 + STEP + 50
    assert bench.delivered[-1].first_seq == kept(bench)[0]


def test_the_oldest_events_go_when_they_are_too_old(bench: Bench, clock: Clock) -> None:
    bench.write(events(200))
    clock.now_ns += 1_001 * 10**9
    bench.write(events(STEP))
    assert kept(bench) == list(range(201, 201 + STEP))


def test_no_commit_deletes_more_than_two_steps(bench: Bench) -> None:
    bench.write(events(3000))
    assert kept(bench) == list(range(1 + 2 * STEP, 3001))


def test_the_newest_event_is_kept_whatever_its_age(bench: Bench, clock: Clock) -> None:
    bench.write(events(STEP - 1))
    clock.now_ns += 1_001 * 10**9
    bench.writer.retention = Retention(max_age_seconds=-1)
    assert bench.write(events(1)) == [[STEP]]
    assert kept(bench) == [STEP]


def test_events_of_a_clock_that_was_ahead_go_with_those_that_came_after_them(
    bench: Bench, clock: Clock
) -> None:
    day_ns = 24 * 3600 * 10**9
    clock.now_ns += day_ns
    bench.write(events(STEP // 2))
    clock.now_ns -= day_ns
    bench.write(events(1))
    clock.now_ns += 1_001 * 10**9
    bench.writer.retention = Retention(max_age_seconds=1000)
    bench.write(events(STEP))
    assert kept(bench) == list(range(STEP // 2 + 2, STEP // 2 + 2 + STEP))


def test_a_retention_longer_than_time_itself_keeps_everything(bench: Bench) -> None:
    bench.writer.retention = Retention(max_age_seconds=2**63 * 86400.0)
    bench.write(events(STEP))
    assert len(kept(bench)) == STEP


def test_the_log_is_folded_into_the_file_now_and_then(bench: Bench, tmp_path: Path) -> None:
    before = (tmp_path / "journal.db").stat().st_size
    bench.write(*(put(str(number), 500) for number in range(600)))
    assert (tmp_path / "journal.db").stat().st_size > before


def test_a_group_delivers_its_events_in_order(bench: Bench) -> None:
    bench.write(events(2), Transaction(), events(1))
    assert [type(event) for event in bench.delivered[0].events] == [Event] * 3
    assert [event.seq for event in bench.delivered[0].events] == [1, 2, 3]
