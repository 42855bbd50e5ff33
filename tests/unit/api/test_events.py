"""`GET /events` over our own server, on a real journal."""

from __future__ import annotations

import json
import select
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import attrs
import pytest
import trio
from hypercorn.typing import ASGIFramework
from quart import Blueprint

from daemon.api import answers
from daemon.api.app import Application, engine, make_app
from daemon.api.docker import events
from daemon.api.docker.event_feed import PAGE_EVENTS
from daemon.journal import Event, EventDraft, EventLog, Journal, Transaction, open_journal
from daemon.journal.retention import Retention
from tests.unit.api.serving import Dial, read_answer, read_head, request, serving

STARTED = EventDraft("container", "start", "abc", {"name": "web", "image": "busybox", "tier": "front"})
TAGGED = EventDraft("image", "tag", "sha256:1", {"name": "busybox:1"})
CONNECTED = EventDraft("network", "connect", "n1", {"name": "net", "container": "abc"})

writing = Blueprint("writing", __name__)


@writing.post("/start")
async def start() -> Any:
    await engine().journal.commit(Transaction(events=(STARTED,)))
    return answers.empty()


@attrs.frozen
class NoArchive:
    """For a log that has everything in memory."""

    async def read(self, after: int, last: int, limit: int) -> tuple[Event, ...]:
        raise NotImplementedError

    async def before(self, time_ns: int) -> int:
        raise NotImplementedError


async def happen(after_seconds: float, log: EventLog, event: Event) -> None:
    await trio.sleep(after_seconds)
    log.append([event], 1)


@attrs.frozen
class FakeEngine:
    journal: Journal


def app_of(journal: Journal) -> Application:
    return make_app(cast("Any", FakeEngine(journal)), [events.routes, writing])


@attrs.frozen
class Site:
    """A served journal."""

    journal: Journal
    _dial: Dial
    _stack: AsyncExitStack

    async def dial(self) -> trio.SocketStream:
        return await self._stack.enter_async_context(await self._dial())

    async def commit(self, *drafts: EventDraft) -> tuple[Event, ...]:
        return await self.journal.commit(Transaction(events=drafts))

    async def follow(self, target: str, *headers: str) -> Reader:
        """Return the reader of a stream whose head has been read."""
        client = await self.dial()
        await client.send_all(request(f"GET {target}", *headers))
        head = (await read_head(client)).decode()
        return Reader(client, head)

    async def get(self, target: str, *headers: str) -> tuple[str, list[dict[str, Any]]]:
        """Return the head and the records of a stream that ends."""
        reader = await self.follow(target, *headers)
        records = []
        while chunk := await reader.chunk():
            assert chunk.endswith(b"\n")
            assert chunk.count(b"\n") == 1
            records.append(json.loads(chunk))
        return reader.head, records

    async def refusal(self, target: str, *headers: str) -> str:
        client = await self.dial()
        await client.send_all(request(f"GET {target}", *headers))
        answer = await read_answer(client)
        assert answer.startswith(b"HTTP/1.1 400 ")
        return str(json.loads(answer.partition(b"\r\n\r\n")[2])["message"])


@attrs.define
class Reader:
    """A client that reads one HTTP chunk at a time."""

    client: trio.SocketStream
    head: str
    _received: bytes = b""

    async def chunk(self) -> bytes:
        """Return the content of the next chunk; empty at the end."""
        size = int(await self._until(b"\r\n"), 16)
        return await self._until(b"\r\n", size)

    def has_input(self) -> bool:
        """Return whether there is something in the socket now."""
        return bool(select.select([self.client.socket], [], [], 0)[0])

    async def record(self) -> dict[str, Any]:
        return cast("dict[str, Any]", json.loads(await self.chunk()))

    async def _until(self, end: bytes, at_least: int = 0) -> bytes:
        while end not in self._received[at_least:]:
            received = await self.client.receive_some()
            assert received, "the connection was cut"
            self._received += received
        found = self._received.index(end, at_least)
        line, self._received = self._received[:found], self._received[found + len(end) :]
        return line


@pytest.fixture
async def site(tmp_path: Path) -> AsyncGenerator[Site, None]:
    async with (
        open_journal(tmp_path / "journal.db", Retention(max_events=10)) as journal,
        serving(cast("ASGIFramework", app_of(journal)), tmp_path) as (_, dial),
        AsyncExitStack() as stack,
    ):
        yield Site(journal, dial, stack)


def seconds(event: Event) -> str:
    return f"{event.time_ns // 10**9}.{event.time_ns % 10**9:09}"


def seqs(records: list[dict[str, Any]]) -> list[int]:
    return [record["seq"] for record in records]


async def test_the_head_comes_before_anything_has_happened_and_the_stream_is_live_from_then_on(
    site: Site,
) -> None:
    await site.commit(STARTED)
    reader = await site.follow("/v1.41/events")
    assert reader.head.startswith("HTTP/1.1 200 ")
    assert "content-type: application/json\r\n" in reader.head.lower()
    assert "transfer-encoding: chunked\r\n" in reader.head.lower()
    (event,) = await site.commit(STARTED)
    assert await reader.record() == {
        "status": "start",
        "id": "abc",
        "from": "busybox",
        "Type": "container",
        "Action": "start",
        "Actor": {"ID": "abc", "Attributes": dict(STARTED.attributes)},
        "scope": "local",
        "time": event.time_ns // 10**9,
        "timeNano": event.time_ns,
        "seq": 2,
    }


async def test_the_old_fields_are_only_where_docker_has_them(site: Site) -> None:
    written = await site.commit(TAGGED, CONNECTED)
    _, (tagged, connected) = await site.get(f"/events?since=0&until={seconds(written[-1])}")
    assert (tagged["status"], tagged["id"]) == ("tag", "sha256:1")
    assert "from" not in tagged
    assert connected.keys() == {"Type", "Action", "Actor", "scope", "time", "timeNano", "seq"}


async def test_since_and_until_cut_the_log_to_the_nanosecond(site: Site) -> None:
    written = await site.commit(*[STARTED] * 5)
    _, records = await site.get(f"/events?since={seconds(written[1])}&until={seconds(written[3])}")
    assert seqs(records) == [2, 3, 4]


async def test_an_until_that_is_still_to_come_ends_the_stream_when_it_does(
    autojump_clock: trio.testing.MockClock,
) -> None:
    log = EventLog(NoArchive())
    reading = events.Reading(log, 0, 60 * 10**9, lambda: int(trio.current_time() * 1e9))
    happened = Event(1, 5, "container", "start", "abc", {})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(happen, 20, log, happened)
        began = trio.current_time()
        assert await reading.page() == (happened,)
        assert trio.current_time() - began == 20
        assert await reading.page() == ()
        assert trio.current_time() == 60


async def test_what_a_clock_that_was_set_back_has_told_is_not_hidden_by_what_was_too_late() -> None:
    log = EventLog(NoArchive())
    ahead = [Event(seq, 1000 + seq, "container", "start", "abc", {}) for seq in range(1, PAGE_EVENTS + 2)]
    back = Event(len(ahead) + 1, 5, "container", "die", "abc", {}, set_back_ns=2000)
    late = [Event(back.seq + seq, 4000 + seq, "container", "start", "abc", {}) for seq in (1, 2)]
    log.append([*ahead, back, *late], 1)
    reading = events.Reading(log, 0, 10, lambda: 20)
    assert await reading.page() == (back,)
    assert await reading.page() == ()


async def test_a_since_after_until_is_refused(site: Site) -> None:
    text = "`since` time (20) cannot be after `until` time (10.5)"
    assert await site.refusal("/events?since=20&until=10.5") == text


@pytest.mark.parametrize(
    ("target", "header", "text"),
    [
        ('/events?filters={"bogus":["x"]}', "A: b", "invalid filter 'bogus'"),
        ("/events?filters=rubbish", "A: b", "invalid filter"),
        ("/events?after=x", "A: b", "invalid value for after: 'x' is not an integer"),
        ("/events?after=7", "A: b", "invalid value for after: 7; the newest event is 0"),
        ("/events?after=-1", "A: b", "invalid value for after: -1; the newest event is 0"),
        ("/events", "Last-Event-ID: 7", "invalid value for after: 7; the newest event is 0"),
    ],
)
async def test_a_wish_that_cannot_be_read_is_refused(target: str, header: str, text: str, site: Site) -> None:
    assert await site.refusal(target, header, "Accept: text/event-stream") == text


async def test_a_time_that_cannot_be_read_is_refused(site: Site) -> None:
    assert "yesterday" in await site.refusal("/events?since=yesterday")


async def test_filters_choose_and_numbers_go_on(site: Site) -> None:
    reader = await site.follow('/events?filters={"type":["network"]}')
    await site.commit(STARTED, CONNECTED, STARTED)
    await site.commit(CONNECTED)
    assert [(await reader.record())["seq"] for _ in range(2)] == [2, 4]


async def test_after_continues_exactly(site: Site) -> None:
    await site.commit(*[STARTED] * 4)
    reader = await site.follow("/events?after=2&since=0")
    await site.commit(STARTED)
    assert [(await reader.record())["seq"] for _ in range(3)] == [3, 4, 5]


async def test_an_sse_client_gets_ids_and_continues_from_the_last_one_it_saw(site: Site) -> None:
    await site.commit(*[STARTED] * 3)
    accept = "Accept: text/event-stream"
    reader = await site.follow("/events?after=0", accept, "Last-Event-ID: 2")
    assert "content-type: text/event-stream" in reader.head.lower()
    name, data, *rest = (await reader.chunk()).split(b"\n")
    assert (name, rest) == (b"id: 3", [b"", b""])
    assert json.loads(data.removeprefix(b"data: "))["seq"] == 3


async def test_only_sse_looks_at_the_last_event_id(site: Site) -> None:
    await site.commit(*[STARTED] * 3)
    reader = await site.follow("/events?after=0", "Last-Event-ID: 2")
    assert (await reader.record())["seq"] == 1


@pytest.mark.parametrize(
    ("accept", "content_type", "first"),
    [
        ("*/*", "application/json", b"{"),
        ("application/json", "application/json", b"{"),
        ("text/html", "application/json", b"{"),
        ("application/x-ndjson", "application/x-ndjson", b"{"),
        ("application/jsonl", "application/jsonl", b"{"),
        ("application/json-seq", "application/json-seq", b"\x1e"),
        ("text/html, application/json-seq;q=0.9, */*;q=0.1", "application/json-seq", b"\x1e"),
    ],
)
async def test_the_client_chooses_the_form(accept: str, content_type: str, first: bytes, site: Site) -> None:
    await site.commit(STARTED)
    reader = await site.follow("/events?after=0", f"Accept: {accept}")
    assert f"content-type: {content_type}\r\n" in reader.head.lower()
    chunk = await reader.chunk()
    assert (chunk[:1], chunk[-1:]) == (first, b"\n")


@pytest.mark.parametrize("target", ["/events?after=1", "/events?since=1"])
async def test_what_is_no_longer_kept_is_said_in_one_record(target: str, site: Site) -> None:
    await site.commit(*[STARTED] * 3000)
    first = site.journal.events.first_seq
    reader = await site.follow(target + '&filters={"type":["container"]}')
    missing = await reader.record()
    begin = "2" if "after" in target else "1"
    assert (missing["Type"], missing["seq"]) == ("gap", first - 1)
    assert missing["Actor"]["Attributes"] == {"from": begin, "to": str(first - 1)}
    assert [(await reader.record())["seq"] for _ in range(3)] == [first, first + 1, first + 2]


async def test_a_client_that_does_not_read_is_in_nobodys_way_and_misses_nothing(site: Site) -> None:
    slow = await site.follow("/events")
    fast = await site.follow("/events")
    for _ in range(20):
        written = await site.commit(*[STARTED] * 200)
        assert [(await fast.record())["seq"] for _ in written] == [event.seq for event in written]
    seen, expected = [], 1
    while expected <= 4000:
        record = await slow.record()
        if record["Type"] == "gap":
            assert record["Actor"]["Attributes"]["from"] == str(expected)
        else:
            assert record["seq"] == expected
        expected = record["seq"] + 1
        seen.append(record["seq"])
    assert seen[-1] == 4000


async def test_an_event_is_at_the_reader_before_the_call_that_caused_it_has_returned(site: Site) -> None:
    reader = await site.follow("/events")
    caller = await site.dial()
    for number in range(30):  # trio runs what is ready in random order: one round proves nothing
        await caller.send_all(request("POST /start"))
        assert (await read_head(caller)).startswith(b"HTTP/1.1 204 ")
        assert reader.has_input()
        assert (await reader.record())["seq"] == number + 1


async def test_a_reader_that_leaves_is_forgotten(site: Site) -> None:
    async with (await site.follow("/events")).client:
        pass
    reader = await site.follow("/events")
    await site.commit(STARTED)
    assert (await reader.record())["seq"] == 1
