from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from quart import Response, ResponseReturnValue
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.api.app import Application
from daemon.api.hijack import HIJACKED, hijack, raw_answer
from daemon.api.listeners import tcp_listener, unix_listener
from daemon.api.server import Server
from daemon.api.transport import LINGER_SECONDS

from .serving import SECONDS, agree, read_all, read_answer, read_head, request, serving

ATTACH = request("POST /attach", "Connection: Upgrade", "Upgrade: tcp")
NEVER = 3600.0


@pytest.fixture
def answer() -> trio.Event:
    return trio.Event()


@pytest.fixture
def app(answer: trio.Event) -> Application:
    app = Application(__name__)

    @app.get("/")
    async def index() -> str:
        return "index"

    @app.get("/wait")
    async def wait() -> str:
        await answer.wait()
        return "waited"

    @app.get("/endless")
    async def endless() -> Response:
        async def body() -> AsyncGenerator[bytes, None]:
            while True:
                yield bytes(1 << 16)

        return Response(body())

    @app.post("/attach")
    async def attach() -> ResponseReturnValue:
        async with hijack(*raw_answer("application/vnd.docker.raw-stream")) as stream:
            async for data in stream:
                await stream.send_all(data)
        return HIJACKED

    @app.post("/flood")
    async def flood() -> ResponseReturnValue:
        async with hijack(*raw_answer("application/vnd.docker.raw-stream")) as stream:
            with trio.CancelScope(shield=True):  # a handler that does not want to end
                while True:
                    await stream.send_all(bytes(1 << 16))
        return HIJACKED

    return app


async def test_one_server_serves_all_its_listeners(app: Application, tmp_path: Path) -> None:
    tcp = tcp_listener("127.0.0.1", 0)
    with trio.fail_after(SECONDS), unix_listener(tmp_path / "s", 0o600) as unix:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Server(app).serve, [unix, tcp])
            clients = [
                await trio.open_unix_socket(str(tmp_path / "s")),
                await trio.open_tcp_stream(*tcp.socket.getsockname()),
            ]
            for client in clients:
                async with client:
                    await client.send_all(request("GET /"))
                    assert (await read_answer(client)).endswith(b"index")
            nursery.cancel_scope.cancel()


async def test_hijacked_connections_count(app: Application, tmp_path: Path) -> None:
    async with serving(app, tmp_path) as (server, dial):
        assert server.connections == 0
        async with await dial() as plain, await dial() as hijacked:
            await plain.send_all(request("GET /"))
            await read_answer(plain)
            await hijacked.send_all(ATTACH)
            await read_head(hijacked)
            assert server.connections == 2
        await server.wait_idle(0)
        assert server.connections == 0


async def test_idle_means_no_connection_for_all_of_the_time(
    app: Application, tmp_path: Path, autojump_clock: MockClock
) -> None:
    idle = trio.Event()

    async def watch(server: Server) -> None:
        await server.wait_idle(0.2)
        idle.set()

    async with serving(app, tmp_path) as (server, dial), trio.open_nursery() as nursery:
        nursery.start_soon(watch, server)
        await trio.sleep(0.1)
        async with await dial() as client:
            await client.send_all(request("GET /"))
            await read_answer(client)
            await trio.sleep(0.3)  # a connection that does nothing is one
        gone = trio.current_time()
        assert not idle.is_set()
        await idle.wait()
        assert trio.current_time() - gone == pytest.approx(0.2)


async def test_client_over_the_limit_waits_for_a_slot(
    app: Application, tmp_path: Path, logged: list[Any]
) -> None:
    async with serving(app, tmp_path, max_connections=1) as (server, dial):
        first, second = await dial(), await dial()
        async with second:
            async with first:
                await first.send_all(ATTACH)
                await read_head(first)
                await second.send_all(request("GET /"))
                await wait_all_tasks_blocked()
                assert server.connections == 1
                assert [entry["event"] for entry in logged] == ["all connections are taken: clients wait"]
            assert (await read_answer(second)).endswith(b"index")


async def test_stop_closes_a_client_that_waits_for_a_slot(app: Application, tmp_path: Path) -> None:
    async with serving(app, tmp_path, max_connections=1) as (_, dial):
        first, second = await dial(), await dial()
        await wait_all_tasks_blocked()
    async with first, second:
        assert await second.receive_some() == b""


async def test_limit_of_one_serves_every_listener(app: Application, tmp_path: Path) -> None:
    with trio.fail_after(SECONDS), unix_listener(tmp_path / "s", 0o600) as unix:
        async with trio.open_nursery() as nursery:
            listeners = [tcp_listener("127.0.0.1", 0), unix]
            nursery.start_soon(Server(app, max_connections=1).serve, listeners)
            async with await trio.open_unix_socket(str(tmp_path / "s")) as client:
                await client.send_all(request("GET /"))
                assert (await read_answer(client)).endswith(b"index")
            nursery.cancel_scope.cancel()


async def test_stop_closes_idle_connections_at_once(app: Application, tmp_path: Path) -> None:
    async with serving(app, tmp_path, grace_seconds=NEVER) as (_, dial):
        client = await dial()
        await client.send_all(request("GET /"))
        await read_answer(client)
        stopped = trio.current_time()
    assert trio.current_time() - stopped < LINGER_SECONDS
    async with client:
        assert await client.receive_some() == b""


async def test_stop_lets_a_request_finish(app: Application, tmp_path: Path, answer: trio.Event) -> None:
    with trio.fail_after(SECONDS), unix_listener(tmp_path / "s", 0o600) as listener:
        async with trio.open_nursery() as outer, trio.open_nursery() as nursery:
            await nursery.start(Server(app, grace_seconds=NEVER).serve, [listener])
            client = await trio.open_unix_socket(str(tmp_path / "s"))
            await client.send_all(request("GET /wait"))
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
            outer.start_soon(release, answer)
    async with client:
        assert (await read_all(client)).endswith(b"\r\n\r\nwaited")


async def release(answer: trio.Event) -> None:
    await wait_all_tasks_blocked()
    answer.set()


async def test_stop_accepts_nobody_any_more(app: Application, tmp_path: Path) -> None:
    with trio.fail_after(SECONDS), unix_listener(tmp_path / "s", 0o600) as listener:
        async with trio.open_nursery() as outer, trio.open_nursery() as nursery:
            await nursery.start(Server(app, grace_seconds=NEVER).serve, [listener])
            client = await trio.open_unix_socket(str(tmp_path / "s"))
            await client.send_all(request("GET /wait"))
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
            outer.start_soon(refused, tmp_path / "s", client)


async def refused(path: Path, client: trio.SocketStream) -> None:
    await wait_all_tasks_blocked()
    async with client:
        with pytest.raises(ConnectionRefusedError):
            await trio.open_unix_socket(str(path))


@pytest.mark.parametrize("kind", ["unix", "tcp"])
@pytest.mark.parametrize("line", ["GET /endless", "POST /flood", "GET /wait", "POST /attach"])
async def test_client_that_never_reads_does_not_keep_the_server(
    app: Application, tmp_path: Path, kind: str, line: str
) -> None:
    async with serving(app, tmp_path, kind, grace_seconds=0.1) as (server, dial):
        client = await dial()
        await client.send_all(request(line))
        await wait_all_tasks_blocked(0.05)  # real time: a busy kernel may bring it later
        asked = trio.current_time()
    assert trio.current_time() - asked >= 0.1
    assert server.connections == 0
    await client.aclose()


@attrs.define(eq=False)
class Scripted(trio.abc.Listener[trio.SocketStream]):
    """A listener that hands out one connection, and then does what it is told."""

    first: trio.SocketStream
    then: Callable[[], Awaitable[trio.SocketStream]]
    _calls: int = 0

    async def accept(self) -> trio.SocketStream:
        self._calls += 1
        return self.first if self._calls == 1 else await self.then()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


def pair() -> tuple[trio.SocketStream, trio.SocketStream]:
    ours, theirs = trio.socket.socketpair()
    return trio.SocketStream(ours), trio.SocketStream(theirs)


async def never() -> trio.SocketStream:
    await trio.sleep_forever()
    raise AssertionError


async def test_application_that_does_not_end_does_not_keep_the_server(
    tmp_path: Path, logged: list[Any]
) -> None:
    async def deaf(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "lifespan":
            await agree(receive, send)
        else:
            await trio.sleep_forever()

    async with serving(deaf, tmp_path) as (_, dial):
        client = await dial()
        await client.send_all(request("GET /"))
        await wait_all_tasks_blocked()
    await client.aclose()
    assert logged == []


async def test_application_that_fails_is_reported(tmp_path: Path, logged: list[Any]) -> None:
    async def failing(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "lifespan":
            raise OSError("disk full")
        await agree(receive, send)

    async with serving(failing, tmp_path) as (_, dial), await dial() as client:
        await client.send_all(request("GET /"))
        assert (await read_all(client)).startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert [entry["event"] for entry in logged] == ["the application failed"]


async def test_connection_that_fails_does_not_end_the_others(
    app: Application, tmp_path: Path, logged: list[Any]
) -> None:
    broken, theirs = pair()
    broken.socket.close()
    theirs.socket.close()
    with trio.fail_after(SECONDS), unix_listener(tmp_path / "s", 0o600) as listener:
        async with trio.open_nursery() as nursery:
            await nursery.start(Server(app).serve, [Scripted(broken, never), listener])
            async with await trio.open_unix_socket(str(tmp_path / "s")) as client:
                await client.send_all(request("GET /"))
                assert (await read_answer(client)).endswith(b"index")
            nursery.cancel_scope.cancel()
    assert [entry["event"] for entry in logged] == ["a connection failed"]


async def test_connection_accepted_in_the_moment_of_the_stop_is_closed(app: Application) -> None:
    ours, theirs = pair()
    with trio.fail_after(SECONDS), trio.CancelScope() as stop:

        async def then() -> trio.SocketStream:
            stop.cancel()
            return await never()

        await Server(app).serve([Scripted(ours, then)])
    async with theirs:
        assert await theirs.receive_some() == b""


async def test_listener_that_fails_ends_the_server(app: Application) -> None:
    ours, theirs = pair()

    async def then() -> trio.SocketStream:
        raise OSError("the network is down")

    failure = pytest.RaisesExc(OSError, match="the network is down")
    async with theirs:
        with trio.fail_after(SECONDS), pytest.RaisesGroup(failure, flatten_subgroups=True):
            await Server(app, grace_seconds=0.05).serve([Scripted(ours, then)])
        assert await theirs.receive_some() == b""


async def test_application_is_told_of_start_and_stop(app: Application, tmp_path: Path) -> None:
    told: list[str] = []

    @app.while_serving
    async def lifespan() -> AsyncGenerator[None, None]:
        told.append("start")
        yield
        told.append("stop")

    async with serving(app, tmp_path):
        assert told == ["start"]
    assert told == ["start", "stop"]


async def test_application_that_cannot_start_is_not_served(app: Application, tmp_path: Path) -> None:
    @app.before_serving
    async def fail() -> None:
        raise OSError("no state directory")

    failure = pytest.RaisesExc(RuntimeError, match="no state directory")
    with pytest.RaisesGroup(failure, flatten_subgroups=True):
        async with serving(app, tmp_path):
            raise AssertionError
