"""`logs`, `attach` and `resize` over our own server, on a container that is only a snapshot."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import attrs
import pytest
import trio
from hypercorn.typing import ASGIFramework

from daemon.actors.container.commands import Attach, Note, Resize
from daemon.actors.container.snapshot import ContainerRecord, ContainerSnapshot
from daemon.actors.container.states import State
from daemon.actors.published import Cell
from daemon.api.app import make_app
from daemon.api.docker import attach, logs
from daemon.api.stdcopy import frame
from daemon.errors import NotFound
from daemon.model import Config, HostConfig, LogConfig
from daemon.runtimes.attach import AttachSession
from daemon.runtimes.inotify import Inotify
from tests.unit.api.serving import Dial, read_all, read_answer, read_head, request, serving
from tests.unit.stdio.fakes import FakeMonitor, eventually
from tests.unit.stdio.logtext import START_NS, STDERR, line

LINES = line(START_NS, b"one") + line(START_NS + 1, b"two", STDERR)
UPGRADE = ("Connection: Upgrade", "Upgrade: tcp")


@attrs.define
class FakeContainer:
    """A container whose mailbox it is itself."""

    cell: Cell[ContainerSnapshot]
    session: AttachSession = attrs.field(factory=AttachSession)
    asked: list[Any] = attrs.field(factory=list)

    @property
    def snapshot(self) -> ContainerSnapshot:
        return self.cell.current

    @property
    def mailbox(self) -> FakeContainer:
        return self

    async def ask(self, command: Any) -> Any:
        self.asked.append(command)
        return self.session if isinstance(command, Attach) else None

    def become(self, **changes: Any) -> None:
        self.cell.publish(self.snapshot.replace(**changes))

    def connect(self) -> FakeMonitor:
        monitor, connection = FakeMonitor.connected()
        self.session.offer(connection)
        return monitor


@attrs.define
class FakeEngine:
    """One container, called web."""

    web: FakeContainer
    inotify: Inotify = attrs.field(factory=Inotify)

    @property
    def containers(self) -> FakeEngine:
        return self

    def resolve(self, reference: str) -> FakeContainer:
        if reference != "web":
            raise NotFound(f"No such container: {reference}")
        return self.web


def container(log: Path, config: Config, driver: str = "json-file") -> FakeContainer:
    host = HostConfig(log_config=LogConfig(driver))
    record = ContainerRecord(
        id="c" * 64,
        name="web",
        created_ns=0,
        image_id="",
        image_reference="",
        chain_ids=(),
        config=config,
        host_config=host,
        path="",
        args=(),
        log_path=str(log),
    )
    return FakeContainer(Cell(ContainerSnapshot(record, State.RUNNING)))


@attrs.define
class World:
    """A served engine."""

    web: FakeContainer
    log: Path
    dial: Dial
    clients: AsyncExitStack

    async def get(self, target: str) -> trio.SocketStream:
        return await self._ask(f"GET {target}")

    async def post(self, target: str, *headers: str) -> trio.SocketStream:
        return await self._ask(f"POST {target}", *headers)

    async def _ask(self, target: str, *headers: str) -> trio.SocketStream:
        client = await self.clients.enter_async_context(await self.dial())
        await client.send_all(request(target, *headers))
        return client


CONFIGS = {
    "plain": Config(),
    "tty": Config(tty=True, open_stdin=True),
    "stdin": Config(open_stdin=True, stdin_once=True),
}


@pytest.fixture(params=["plain"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[World, None]:
    log = tmp_path / "output.log"
    log.write_bytes(LINES)
    kind = request.param
    web = container(log, CONFIGS.get(kind, Config()), "none" if kind == "none" else "json-file")
    app = make_app(cast("Any", FakeEngine(web)), [logs.routes, attach.routes])
    async with serving(cast("ASGIFramework", app), tmp_path) as (_, dial), AsyncExitStack() as clients:
        yield World(web, log, dial, clients)


def unchunked(body: bytes) -> bytes:
    whole, rest = b"", body
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        whole, rest = whole + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return whole


async def read_chunks(client: trio.SocketStream) -> bytes:
    body = b""
    while not body.endswith(b"0\r\n\r\n"):
        body += await client.receive_some()
    return unchunked(body)


async def test_logs_are_frames_in_chunks(world: World) -> None:
    client = await world.get("/containers/web/logs?stdout=1&stderr=1")
    head = (await read_head(client)).lower()
    assert b"transfer-encoding: chunked" in head
    assert b"content-type: application/vnd.docker.multiplexed-stream\r\n" in head
    assert await read_chunks(client) == frame(1, b"one\n") + frame(2, b"two\n")


async def test_old_clients_are_told_raw_stream(world: World) -> None:
    client = await world.get("/v1.41/containers/web/logs?stdout=1")
    assert b"content-type: application/vnd.docker.raw-stream\r\n" in (await read_head(client)).lower()


async def test_logs_without_a_stream_are_refused(world: World) -> None:
    answer = await read_answer(await world.get("/containers/web/logs"))
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"must specify at least one of 'stdout' or 'stderr'" in answer


@pytest.mark.parametrize("world", ["none"], indirect=True)
async def test_a_container_without_a_log_has_none_to_read(world: World) -> None:
    answer = await read_answer(await world.get("/containers/web/logs?stdout=1"))
    assert answer.startswith(b"HTTP/1.1 501")
    assert b"configured logging driver does not support reading" in answer


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("tail=1", frame(2, b"two\n")),
        ("tail=all", frame(1, b"one\n") + frame(2, b"two\n")),
        ("tail=0", b""),
        ("since=0&until=0", frame(1, b"one\n") + frame(2, b"two\n")),
        ("since=1790000000.000000001", frame(2, b"two\n")),
        ("until=1790000000.000000000", frame(1, b"one\n")),
        ("stderr=0&timestamps=1", frame(1, b"2026-09-21T14:13:20.000000000Z one\n")),
    ],
)
async def test_a_query_selects_lines(world: World, query: str, expected: bytes) -> None:
    client = await world.get(
        f"/containers/web/logs?stdout=1&{query}" + ("" if "stderr" in query else "&stderr=1")
    )
    await read_head(client)
    assert await read_chunks(client) == expected


async def test_a_follower_of_a_silent_container_gets_its_head_at_once_and_the_end_of_the_run(
    world: World,
) -> None:
    client = await world.get("/containers/web/logs?stdout=1&follow=1&tail=0")
    assert (await read_head(client)).startswith(b"HTTP/1.1 200")
    with world.log.open("ab") as log:
        log.write(line(START_NS, b"three"))
    world.web.become(state=State.EXITED, exits=1)
    assert await read_chunks(client) == frame(1, b"three\n")


async def test_following_what_does_not_run_ends_at_once(world: World) -> None:
    world.web.become(state=State.EXITED)
    client = await world.get("/containers/web/logs?stdout=1&follow=1")
    await read_head(client)
    assert await read_chunks(client) == frame(1, b"one\n")


async def test_a_follower_that_leaves_leaves_nothing_behind(world: World) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    client = await world.get("/containers/web/logs?stdout=1&follow=1")
    await read_head(client)
    await client.receive_some()
    await client.aclose()
    await eventually(lambda: len(list(Path("/proc/self/fd").iterdir())) <= before)


async def test_attach_upgrades_and_waits_for_the_start(world: World) -> None:
    client = await world.post("/containers/web/attach?stream=1&stdout=1&stderr=1", *UPGRADE)
    head = await read_head(client)
    assert head.startswith(b"HTTP/1.1 101 UPGRADED\r\n")
    assert b"application/vnd.docker.multiplexed-stream" in head
    monitor = world.web.connect()
    await monitor.write(2, b"hello")
    monitor.end()
    assert await read_all(client) == frame(1, b"hello")


async def test_attach_without_upgrade_is_a_bare_200(world: World) -> None:
    client = await world.post("/containers/web/attach?stream=1&stdout=1")
    head = await read_head(client)
    assert head == b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"
    world.web.session.refuse()
    assert await read_all(client) == b""


@pytest.mark.parametrize("world", ["stdin"], indirect=True)
async def test_what_was_typed_before_the_start_arrives(world: World) -> None:
    client = await world.post("/containers/web/attach?stream=1&stdin=1&stdout=1", *UPGRADE)
    await read_head(client)
    await client.send_all(b"early")
    await client.send_eof()
    monitor = world.web.connect()
    assert [await monitor.stdin(), await monitor.stdin()] == [b"early", b""]
    await monitor.write(2, b"late")
    monitor.end()
    assert await read_all(client) == frame(1, b"late")


async def test_a_client_that_leaves_before_the_start_has_its_session_given_up(world: World) -> None:
    client = await world.post("/containers/web/attach?stream=1&stdout=1", *UPGRADE)
    await read_head(client)
    await client.aclose()
    await eventually(lambda: world.web.session.abandoned)


async def test_with_logs_the_past_comes_first_and_nothing_twice(world: World) -> None:
    client = await world.post("/containers/web/attach?logs=1&stream=1&stdout=1&stderr=1", *UPGRADE)
    await read_head(client)
    monitor = world.web.connect()
    with world.log.open("ab") as log:
        log.write(line(START_NS, b"three"))
    await monitor.write(2, b"three\n")
    world.web.become(state=State.EXITED, exits=1)
    assert await read_all(client) == frame(1, b"one\n") + frame(2, b"two\n") + frame(1, b"three\n")
    monitor.end()


async def test_with_logs_but_no_stream_only_the_past_comes(world: World) -> None:
    client = await world.post("/containers/web/attach?logs=1&stdout=1", *UPGRADE)
    await read_head(client)
    assert await read_all(client) == frame(1, b"one\n")


@pytest.mark.parametrize("world", ["tty"], indirect=True)
async def test_detach_keys_end_a_terminals_session_and_are_noted(world: World) -> None:
    client = await world.post(
        "/containers/web/attach?stream=1&stdin=1&stdout=1&detachKeys=ctrl-a,d", *UPGRADE
    )
    assert b"application/vnd.docker.raw-stream" in await read_head(client)
    monitor = world.web.connect()
    await client.send_all(b"\x01d")
    assert await read_all(client) == b""
    assert await monitor.stdin() == b""
    assert [command.action for command in world.web.asked if isinstance(command, Note)] == ["detach"]
    monitor.end()


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        ("/containers/db/attach?stream=1", b"404 \r\nNo such container: db\r\n"),
        ("/containers/web/attach?stream=1&detachKeys=xy", b"400 \r\nInvalid detach keys (xy) provided\r\n"),
    ],
)
async def test_an_attach_that_fails_says_so_in_plain_text(world: World, target: str, answer: bytes) -> None:
    status, _, text = answer.partition(b"\r\n")
    received = await read_answer(await world.post(target, *UPGRADE))
    assert received.startswith(b"HTTP/1.1 " + status)
    assert b"application/vnd.docker.raw-stream" in received
    assert received.endswith(b"\r\n\r\n" + text)


async def test_a_paused_container_is_not_attached_to(world: World) -> None:
    world.web.become(state=State.PAUSED)
    answer = await read_answer(await world.post("/containers/web/attach?stream=1", *UPGRADE))
    assert answer.startswith(b"HTTP/1.1 409")
    assert b"is paused, unpause the container before attach" in answer
    assert world.web.asked == []


async def test_resize_goes_to_the_actor(world: World) -> None:
    answer = await read_answer(await world.post("/containers/web/resize?h=24&w=80"))
    assert answer.startswith(b"HTTP/1.1 200")
    assert world.web.asked == [Resize(24, 80)]


@pytest.mark.parametrize("size", ["h=x&w=1", "h=-1&w=1", "h=1&w=65536"])
async def test_a_size_that_is_none_is_refused(world: World, size: str) -> None:
    answer = await read_answer(await world.post(f"/containers/web/resize?{size}"))
    assert answer.startswith(b"HTTP/1.1 400")
