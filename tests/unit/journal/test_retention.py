"""Events by what they take, whatever they are and however often the engine starts anew."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.journal import Event, EventDraft, Transaction
from daemon.journal.apply import event as event_of
from daemon.journal.archive import Shelf
from daemon.journal.database import Database, open_database
from daemon.journal.retention import SIZE, STEP, STEP_BYTES, Kept, Retention, size_bytes
from daemon.journal.writer import Pending, Writer, Written

NOBODY: Final = Retention(max_bytes=0)


@attrs.define(eq=False)
class Bench:
    """A journal whose writer can be another one at any moment."""

    database: Database
    retention: Retention
    writer: Writer = attrs.field(init=False)
    _delivered: list[Written] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.start_anew()

    def start_anew(self) -> None:
        connection = self.database.connection
        position, first_seq = Shelf(connection).position()
        deliver = self._delivered.append
        self.writer = Writer(connection, self.retention, lambda: 1, deliver, position, Kept(first_seq))

    def retain(self, retention: Retention) -> None:
        self.retention = self.writer.retention = retention

    def write(self, *drafts: EventDraft) -> list[Event]:
        self.writer.submit(Pending(Transaction(events=drafts)))
        self.writer.stop()
        self.writer.run()
        return self._delivered[-1].events

    @property
    def events(self) -> list[Event]:
        rows = self.writer.connection.execute("SELECT * FROM events ORDER BY seq")
        return [event_of(row) for row in rows]

    @property
    def bytes(self) -> int:
        return sum(map(size_bytes, self.events))


@contextmanager
def journal(retention: Retention = NOBODY) -> Generator[Bench, None, None]:
    with tempfile.TemporaryDirectory() as directory:
        database = open_database(Path(directory) / "journal.db")
        try:
            yield Bench(database, retention)
        finally:
            database.close()


def draft(size: int = 0, text: str = "x") -> EventDraft:
    return EventDraft("container", "start", "1", {"label": text * size})


def promised(events: list[Event], max_bytes: int) -> list[Event]:
    """Return the newest of `events` that are within the bound, and the newest in any case."""
    left, first = max_bytes, len(events)
    while first and size_bytes(events[first - 1]) <= left:
        first -= 1
        left -= size_bytes(events[first])
    return events[min(first, len(events) - 1) :]


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_an_event_counts_the_same_to_both(key: str, value: str) -> None:
    event = Event(1, 1, "container", value, key, {key: value})
    row = (event.type, event.action, event.actor_id, orjson.dumps({key: value}).decode())
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        events = "(SELECT ? AS type, ? AS action, ? AS actor_id, ? AS attributes)"
        assert connection.execute(f"SELECT {SIZE} FROM {events}", row).fetchone() == (size_bytes(event),)


def test_the_oldest_go_when_all_together_are_too_large() -> None:
    with journal(Retention(max_bytes=200_000)) as bench:
        for _ in range(30):
            bench.write(*[draft(400)] * 64)
        assert bench.writer.kept.total_bytes == bench.bytes <= 200_000 + STEP * size_bytes(bench.events[0])
        assert bench.events[0].seq == bench.writer.kept.first_seq > 1
        assert len(promised(bench.events, 200_000)) >= 200_000 // size_bytes(bench.events[0])


def test_of_events_that_are_very_large_a_few_make_a_step() -> None:
    with journal(Retention(max_bytes=3 * STEP_BYTES)) as bench:
        for _ in range(20):
            bench.write(draft(STEP_BYTES // 2))
        assert bench.bytes <= 4 * STEP_BYTES


def test_the_newest_is_kept_however_large() -> None:
    with journal(Retention(max_bytes=1)) as bench:
        for _ in range(3):
            bench.write(draft(STEP_BYTES))
        assert [event.seq for event in bench.events] == [3]


def test_no_commit_deletes_more_than_two_steps_because_of_their_size() -> None:
    with journal() as bench:
        bench.write(*[draft(100)] * (10 * STEP))
        bench.retain(Retention(max_bytes=1))
        kept = []
        for _ in range(3):
            bench.write(*[draft()] * STEP)
            kept.append(len(bench.events))
        assert kept == [10 * STEP + STEP - 2 * STEP, 10 * STEP - 2 * STEP, 10 * STEP - 3 * STEP]


def test_nobody_measures_what_the_whole_file_is_small_enough_for() -> None:
    with journal(Retention(max_bytes=10 * STEP_BYTES)) as bench:
        bench.write(*[draft(100)] * (2 * STEP))
        assert bench.writer.kept.total_bytes is None
        statements: list[str] = []
        bench.writer.connection.set_trace_callback(statements.append)
        bench.write(draft())
        assert not [statement for statement in statements if "length(" in statement]


Steps = list[tuple[int, int, str]]
LIVES: Final = st.lists(
    st.tuples(
        st.integers(0, 300_000),
        st.lists(st.tuples(st.integers(1, 300), st.integers(0, 3000), st.sampled_from("xé☃")), max_size=6),
    ),
    max_size=4,
)


@settings(deadline=None, max_examples=30)
@given(LIVES)
def test_what_is_promised_is_kept_and_the_rest_goes(lives: list[tuple[int, Steps]]) -> None:
    with journal() as bench:
        for max_bytes, steps in lives:
            bench.retain(Retention(max_bytes=max_bytes))
            bench.start_anew()
            for count, size, text in steps:
                before = bench.events
                check(bench, [*before, *bench.write(*[draft(size, text)] * count)])
        bound = bench.retention.max_bytes
        while bound and bench.bytes > bound and len(bench.events) > 1:
            before = bench.events
            check(bench, [*before, *bench.write(*[draft()] * STEP)])
            assert bench.bytes <= bound or len(bench.events) <= max(1, len(before) - STEP)


def check(bench: Bench, written: list[Event]) -> None:
    """Compare what is kept with all that was, before the last commit and by it."""
    kept, max_bytes = bench.events, bench.retention.max_bytes
    assert kept == written[-len(kept) :], "the newest are kept, without a gap"
    assert len(kept) >= len(promised(written, max_bytes) if max_bytes else written)
    assert bench.writer.kept.first_seq == kept[0].seq
    assert bench.writer.kept.total_bytes in {None, bench.bytes}
