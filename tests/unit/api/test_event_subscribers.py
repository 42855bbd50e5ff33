"""No subscriber misses an event or gets one twice, however it reads; and none of them holds anybody up."""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import cast

import attrs
import pytest
import trio
from hypercorn.typing import ASGIFramework

from daemon.api.docker.event_formats import GAP
from daemon.api.docker.events import Reading
from daemon.journal import Event, EventDraft, Journal, Transaction, open_journal
from daemon.journal.retention import Retention
from tests.unit.api.serving import serving
from tests.unit.api.test_events import Site, app_of

EVENTS = 100_000
BATCH = 250
BATCHES_AT_ONCE = 40
OVER_HTTP = 1_500
KEPT = 2_000
SECONDS = 60  # a test that takes so long has failed
SEEDS = (1, 2)


def batch(size: int = BATCH) -> Transaction:
    return Transaction(events=(EventDraft("container", "start", "abc", {"name": "web"}),) * size)


async def publish(journal: Journal, events: int) -> None:
    """Have many events happen, several calls at a time as an engine's actors do it."""
    for _ in range(events // BATCH // BATCHES_AT_ONCE):
        async with trio.open_nursery() as nursery:
            for _ in range(BATCHES_AT_ONCE):
                nursery.start_soon(journal.commit, batch())


@attrs.define
class Subscriber:
    """Reads pages, and notes what it has been told: the numbers it got, and those that it cannot have."""

    journal: Journal
    after: int = 0
    got: list[int] = attrs.field(factory=list)
    missed: list[int] = attrs.field(factory=list)

    async def read(self, reading: Reading) -> None:
        for event in await reading.page():
            if event.type == GAP:
                self.missed += _span(event)
            else:
                self.got.append(event.seq)
            self.after = event.seq

    async def follow(self, last: int) -> None:
        """Read everything up to `last` in one go."""
        reading = Reading(self.journal.events, self.after)
        while self.after < last:
            await self.read(reading)

    async def come_and_go(self, last: int, chance: random.Random) -> None:
        """The same, forgetting at random all but the number it has seen last."""
        while self.after < last:
            reading = Reading(self.journal.events, self.after)
            for _ in range(chance.randrange(1, 20)):
                if self.after < last:
                    await self.read(reading)
            await trio.lowlevel.checkpoint()


def _span(gap: Event) -> range:
    return range(int(gap.attributes["from"]), int(gap.attributes["to"]) + 1)


async def test_a_hundred_thousand_events_reach_everybody_exactly_once(tmp_path: Path) -> None:
    with trio.fail_after(SECONDS):
        async with open_journal(tmp_path / "journal.db") as journal:
            stuck, restless = Subscriber(journal), Subscriber(journal)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(restless.come_and_go, EVENTS, random.Random(SEEDS[0]))
                await publish(journal, EVENTS)  # while the other one does not read at all
            await stuck.follow(EVENTS)
    everything = list(range(1, EVENTS + 1))
    assert restless.got == everything
    assert stuck.got == everything
    assert stuck.missed == restless.missed == []


async def test_what_retention_has_taken_is_told_of_and_everything_else_is_there(tmp_path: Path) -> None:
    with trio.fail_after(SECONDS):
        async with open_journal(tmp_path / "journal.db", Retention(max_events=KEPT)) as journal:
            stuck, reading = Subscriber(journal), Reading(journal.events, 0)
            await journal.commit(batch())
            await stuck.read(reading)
            await publish(journal, EVENTS // 5)
            last = journal.events.last_seq
            await stuck.follow(last)
            assert journal.events.first_seq <= last - KEPT + 1
    assert stuck.missed != []
    assert sorted(stuck.got + stuck.missed) == list(range(1, last + 1))


async def test_a_retention_that_was_reloaded_holds_from_then_on(tmp_path: Path) -> None:
    async with open_journal(tmp_path / "journal.db", Retention(max_events=EVENTS)) as journal:
        await publish(journal, 10_000)
        assert journal.events.first_seq == 1
        journal.retain(Retention(max_events=KEPT))
        for _ in range(40):  # two steps at most go with each
            await journal.commit(batch())
        assert journal.events.first_seq > journal.events.last_seq - KEPT - 1000
        journal.retain(Retention(max_events=EVENTS))
        first = journal.events.first_seq
        await publish(journal, 10_000)
        assert journal.events.first_seq == first


@pytest.fixture
async def site(tmp_path: Path) -> AsyncGenerator[Site, None]:
    async with (
        open_journal(tmp_path / "journal.db") as journal,
        serving(cast("ASGIFramework", app_of(journal)), tmp_path) as (_, dial),
        AsyncExitStack() as stack,
    ):
        yield Site(journal, dial, stack)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_client_that_comes_and_goes_gets_everything_exactly_once(site: Site, seed: int) -> None:
    chance = random.Random(seed)
    stuck = await site.follow("/events?after=0")
    got: list[int] = []
    while len(got) < OVER_HTTP:
        if site.journal.events.last_seq < OVER_HTTP:
            await site.journal.commit(batch())
        reader = await site.follow(f"/events?after={len(got)}")
        async with reader.client:
            stay = min(chance.randrange(400), site.journal.events.last_seq - len(got))
            got += [(await reader.record())["seq"] for _ in range(stay)]
    assert got == list(range(1, OVER_HTTP + 1))
    assert [(await stuck.record())["seq"] for _ in range(OVER_HTTP)] == got


async def test_an_sse_client_that_comes_back_goes_on_where_it_was(site: Site) -> None:
    await site.journal.commit(batch())
    seen = 0
    for stay in itertools.islice(itertools.cycle((1, 30)), 8):
        reader = await site.follow("/events?after=0", "Accept: text/event-stream", f"Last-Event-ID: {seen}")
        async with reader.client:
            for _ in range(stay):
                name = (await reader.chunk()).split(b"\n")[0]
                assert name == f"id: {seen + 1}".encode()
                seen += 1
