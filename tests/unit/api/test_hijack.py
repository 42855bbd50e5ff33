from __future__ import annotations

import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from quart import ResponseReturnValue
from quart import request as current
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.api.app import Application
from daemon.api.hijack import HIJACK, HIJACKED, ClientGone, HijackedStream, hijack, raw_answer
from daemon.api.transport import LINGER_SECONDS
from daemon.errors import NotFound

from .serving import agree, read_all, read_answer, read_exactly, read_head, request, serving

RAW = "application/vnd.docker.raw-stream"
UPGRADE = ("Connection: Upgrade", "Upgrade: tcp")
ATTACH = request("POST /attach", *UPGRADE)
BUFFERS = 1 << 20  # more than two unix sockets hold (net.core.wmem_default is 208 KiB)

Handler = Callable[[HijackedStream], Awaitable[None]]

both_kinds = pytest.mark.parametrize("kind", ["unix", "tcp"])


def app_with(handler: Handler) -> Application:
    app = Application(__name__)

    @app.post("/attach")
    async def attach() -> ResponseReturnValue:
        async with hijack(*raw_answer(RAW)) as stream:
            await handler(stream)
        return HIJACKED

    @app.post("/exec")
    async def start() -> ResponseReturnValue:
        body: bytes = await current.body
        async with hijack(*raw_answer(RAW)) as stream:
            await stream.send_all(body)
            await handler(stream)
        return HIJACKED

    @app.route("/", methods=["GET", "POST"])
    async def index() -> str:
        return "index"

    @app.post("/missing")
    async def missing() -> str:
        raise NotFound("no such container")

    return app


async def echo(stream: HijackedStream) -> None:
    async for data in stream:
        await stream.send_all(data)
    await stream.send_all(b"<end>")


@both_kinds
async def test_upgrade_is_answered_with_dockers_101(tmp_path: Path, kind: str) -> None:
    async with serving(app_with(echo), tmp_path, kind) as (_, dial), await dial() as client:
        await client.send_all(ATTACH)
        assert await read_head(client) == (
            b"HTTP/1.1 101 UPGRADED\r\n"
            b"Content-Type: application/vnd.docker.raw-stream\r\n"
            b"Connection: Upgrade\r\n"
            b"Upgrade: tcp\r\n\r\n"
        )
        await client.send_all(b"to and")
        assert await read_exactly(client, 6) == b"to and"
        await client.send_all(b"fro")
        assert await read_exactly(client, 3) == b"fro"


@both_kinds
async def test_without_upgrade_the_answer_is_a_200_without_length(tmp_path: Path, kind: str) -> None:
    async with serving(app_with(echo), tmp_path, kind) as (_, dial), await dial() as client:
        await client.send_all(request("POST /attach"))
        assert await read_head(client) == (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"
        )
        await client.send_all(b"input")
        await client.send_eof()
        assert await read_all(client) == b"input<end>"


@pytest.mark.parametrize("body", [b"", b'{"Detach":false}'], ids=["bare", "body"])
@pytest.mark.parametrize("headers", [UPGRADE, ()], ids=["upgrade", "plain"])
async def test_what_comes_behind_the_request_is_the_first_input(
    tmp_path: Path, headers: tuple[str, ...], body: bytes
) -> None:
    async with serving(app_with(echo), tmp_path) as (_, dial), await dial() as client:
        await client.send_all(request("POST /attach", *headers, body=body) + b"early")
        await client.send_eof()
        assert (await read_all(client)).endswith(b"\r\n\r\nearly<end>")


async def test_body_is_the_requests_and_what_follows_is_the_streams(tmp_path: Path) -> None:
    async with serving(app_with(echo), tmp_path) as (_, dial), await dial() as client:
        await client.send_all(request("POST /exec", *UPGRADE, body=b"{body}") + b"early")
        await client.send_eof()
        assert (await read_all(client)).endswith(b"\r\n\r\n{body}early<end>")


async def test_hijack_waits_for_a_body_that_nobody_reads(tmp_path: Path) -> None:
    async with serving(app_with(echo), tmp_path) as (_, dial), await dial() as client:
        whole = request("POST /attach", *UPGRADE, body=b"unread body") + b"early"
        await client.send_all(whole[:-10])
        await wait_all_tasks_blocked()
        await client.send_all(whole[-10:])
        await client.send_eof()
        assert (await read_all(client)).endswith(b"\r\n\r\nearly<end>")


async def test_early_input_is_given_out_in_the_pieces_asked_for(tmp_path: Path) -> None:
    async def handler(stream: HijackedStream) -> None:
        for size in (2, 2, None, None):
            await stream.send_all(b"[" + await stream.receive_some(size) + b"]")

    async with serving(app_with(handler), tmp_path) as (_, dial), await dial() as client:
        await client.send_all(ATTACH + b"abcdef")
        await client.send_eof()
        assert (await read_all(client)).endswith(b"[ab][cd][ef][]")


@both_kinds
async def test_half_close_is_an_empty_read_and_output_goes_on(tmp_path: Path, kind: str) -> None:
    async def handler(stream: HijackedStream) -> None:
        assert await stream.receive_some() == b""
        for _ in range(100):
            await stream.send_all(b"x" * 1000)

    async with serving(app_with(handler), tmp_path, kind) as (_, dial), await dial() as client:
        await client.send_all(ATTACH)
        await read_head(client)
        await client.send_eof()
        assert len(await read_all(client)) == 100_000


async def test_client_may_half_close_before_it_is_answered(tmp_path: Path) -> None:
    async with serving(app_with(echo), tmp_path) as (_, dial), await dial() as client:
        await client.send_all(request("POST /attach"))
        await client.send_eof()
        assert (await read_all(client)).endswith(b"\r\n\r\n<end>")


async def test_reset_is_noticed_without_a_write(tmp_path: Path) -> None:
    noticed = trio.Event()

    async def handler(stream: HijackedStream) -> None:
        try:
            await stream.receive_some()
        except ClientGone:
            noticed.set()
            raise

    async with serving(app_with(handler), tmp_path, "tcp") as (server, dial):
        async with await dial() as client:
            await client.send_all(ATTACH)
            await read_head(client)
            no_linger = struct.pack("ii", 1, 0)  # close with a reset: socket(7)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        await noticed.wait()
        await server.wait_idle(0)


@both_kinds
async def test_client_that_leaves_after_its_half_close_is_noticed(tmp_path: Path, kind: str) -> None:
    noticed = trio.Event()

    async def handler(stream: HijackedStream) -> None:
        await stream.send_all(b"unread")  # so that TCP resets as well
        assert await stream.receive_some() == b""
        await stream.wait_gone()
        noticed.set()

    async with serving(app_with(handler), tmp_path, kind) as (_, dial):
        async with await dial() as client:
            await client.send_all(ATTACH)
            await read_head(client)
            await client.send_eof()
            await wait_all_tasks_blocked()
            assert not noticed.is_set()
        await noticed.wait()


async def test_client_that_leaves_before_it_is_answered_is_no_error(
    tmp_path: Path, logged: list[Any]
) -> None:
    go_on = trio.Event()
    app = app_with(echo)

    @app.before_request
    async def wait() -> None:
        await go_on.wait()

    async with serving(app, tmp_path) as (server, dial):
        async with await dial() as client:
            await client.send_all(ATTACH)
            await wait_all_tasks_blocked()
        go_on.set()
        await server.wait_idle(0)
    assert logged == []


async def test_input_that_comes_in_the_moment_of_the_hijack_is_not_lost(tmp_path: Path) -> None:
    app = app_with(echo)
    go_on = trio.Event()

    @app.before_request
    async def wait() -> None:
        await go_on.wait()

    async with serving(app, tmp_path) as (_, dial):
        for _ in range(20):  # whether the reader or the handler wakes first is trio's choice
            async with await dial() as client:
                await client.send_all(request("POST /attach"))
                await wait_all_tasks_blocked()
                go_on.set()
                await trio.lowlevel.checkpoint()  # the handler is one step from the hijack
                await client.send_all(b"input")
                await client.send_eof()
                assert (await read_all(client)).endswith(b"\r\n\r\ninput<end>")
            go_on = trio.Event()


async def test_slow_client_holds_the_handler_back(tmp_path: Path) -> None:
    sent = 0

    async def handler(stream: HijackedStream) -> None:
        nonlocal sent
        for _ in range(64):
            await stream.wait_send_all_might_not_block()
            await stream.send_all(bytes(1 << 16))
            sent += 1 << 16

    async with serving(app_with(handler), tmp_path) as (_, dial), await dial() as client:
        await client.send_all(ATTACH)
        await read_head(client)
        await wait_all_tasks_blocked()
        assert 0 < sent < BUFFERS
        assert len(await read_all(client)) == 64 << 16


@pytest.mark.parametrize("headers", [UPGRADE, ()], ids=["upgrade", "plain"])
async def test_slow_handler_holds_the_client_back(
    tmp_path: Path, headers: tuple[str, ...], nursery: trio.Nursery
) -> None:
    go_on = trio.Event()
    sent = 0

    async def handler(stream: HijackedStream) -> None:
        await go_on.wait()
        size = 0
        async for data in stream:
            size += len(data)
        await stream.send_all(str(size).encode())

    async def feed(client: trio.SocketStream) -> None:
        nonlocal sent
        for _ in range(64):
            await client.send_all(bytes(1 << 16))
            sent += 1 << 16
        await client.send_eof()

    async with serving(app_with(handler), tmp_path) as (_, dial), await dial() as client:
        await client.send_all(request("POST /attach", *headers))
        nursery.start_soon(feed, client)
        await wait_all_tasks_blocked()
        assert 0 < sent < BUFFERS
        go_on.set()
        assert (await read_all(client)).endswith(b"\r\n\r\n" + str(64 << 16).encode())


@both_kinds
async def test_client_reads_all_and_eof_although_its_input_was_not_read(tmp_path: Path, kind: str) -> None:
    async def handler(stream: HijackedStream) -> None:
        await stream.send_all(b"x" * 100_000)

    async with (
        serving(app_with(handler), tmp_path, kind) as (_, dial),
        await dial() as client,
        trio.open_nursery() as feeding,
    ):
        await client.send_all(ATTACH + bytes(1 << 16))
        feeding.start_soon(client.send_all, bytes(1 << 20))
        await read_head(client)
        await wait_all_tasks_blocked()
        assert len(await read_all(client)) == 100_000


async def test_send_eof_closes_one_direction_only(tmp_path: Path) -> None:
    received: list[bytes] = []

    async def handler(stream: HijackedStream) -> None:
        await stream.send_all(b"done")
        await stream.send_eof()
        received.append(await stream.receive_some())

    async with serving(app_with(handler), tmp_path) as (server, dial):
        async with await dial() as client:
            await client.send_all(ATTACH)
            assert (await read_all(client)).endswith(b"done")
            await client.send_all(b"thanks")
        await server.wait_idle(0)
    assert received == [b"thanks"]


async def test_h2c_upgrade_is_the_handlers_to_answer(tmp_path: Path) -> None:
    upgrade = (
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABk",
    )
    async with serving(app_with(echo), tmp_path) as (_, dial), await dial() as client:
        await client.send_all(request("POST /attach", *upgrade) + b"PRI * HTTP/2.0\r\n\r\n")
        await client.send_eof()
        assert (await read_head(client)).startswith(b"HTTP/1.1 101 UPGRADED\r\n")
        assert await read_all(client) == b"PRI * HTTP/2.0\r\n\r\n<end>"


async def test_upgrade_that_no_handler_wants_is_ignored(tmp_path: Path) -> None:
    async with serving(app_with(echo), tmp_path) as (_, dial), await dial() as client:
        await client.send_all(request("GET /", "Connection: Upgrade", "Upgrade: h2c"))
        assert (await read_all(client)).endswith(b"\r\n\r\nindex")


async def test_error_before_the_hijack_is_an_ordinary_answer(tmp_path: Path) -> None:
    async with serving(app_with(echo), tmp_path) as (_, dial), await dial() as client:
        await client.send_all(request("POST /missing", *UPGRADE))
        answer = await read_answer(client)
    assert answer.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert answer.endswith(b'{"message":"no such container"}\n')


async def test_input_for_a_refused_stream_is_not_taken_for_a_request(tmp_path: Path) -> None:
    async with (
        serving(app_with(echo), tmp_path) as (_, dial),
        await dial() as client,
        trio.open_nursery() as feeding,
    ):
        await client.send_all(request("POST /missing", *UPGRADE) + request("POST /"))
        feeding.start_soon(client.send_all, bytes(1 << 20))
        assert (await read_all(client)).count(b"HTTP/1.1") == 1


async def test_keep_alive_goes_on_until_the_hijack(tmp_path: Path) -> None:
    async with serving(app_with(echo), tmp_path) as (_, dial), await dial() as client:
        for _ in range(3):
            await client.send_all(request("GET /"))
            assert (await read_answer(client)).endswith(b"\r\n\r\nindex")
        await client.send_all(ATTACH)
        await client.send_eof()
        assert (await read_all(client)).endswith(b"\r\n\r\n<end>")


async def test_error_in_the_block_ends_this_connection_only(tmp_path: Path) -> None:
    async def handler(stream: HijackedStream) -> None:
        await stream.send_all(b"so far")
        raise NotFound("the container is gone")

    async with (
        serving(app_with(handler), tmp_path) as (_, dial),
        await dial() as client,
        await dial() as other,
    ):
        await other.send_all(request("GET /"))
        await client.send_all(ATTACH)
        assert (await read_all(client)).endswith(b"\r\n\r\nso far")
        await read_answer(other)
        await other.send_all(request("GET /"))
        assert (await read_answer(other)).endswith(b"\r\n\r\nindex")


async def test_client_that_leaves_is_no_error_even_from_a_childs_task(
    tmp_path: Path, logged: list[Any]
) -> None:
    async def handler(stream: HijackedStream) -> None:
        async with trio.open_nursery() as pumps:
            pumps.start_soon(echo, stream)
            while True:
                await stream.send_all(bytes(1 << 16))

    async with serving(app_with(handler), tmp_path) as (server, dial):
        async with await dial() as client:
            await client.send_all(ATTACH)
            await read_head(client)
        await server.wait_idle(0)
    assert logged == []


async def test_connection_can_be_hijacked_once(tmp_path: Path) -> None:
    async def handler(stream: HijackedStream) -> None:
        with pytest.raises(RuntimeError, match="too late to hijack: hijacked"):
            async with hijack(*raw_answer(RAW)):
                raise AssertionError
        await stream.send_all(b"refused")

    async with serving(app_with(handler), tmp_path) as (_, dial), await dial() as client:
        await client.send_all(ATTACH)
        assert (await read_all(client)).endswith(b"refused")


async def test_eof_comes_with_the_end_of_the_block(tmp_path: Path) -> None:
    async def handler(stream: HijackedStream) -> None:
        await stream.receive_some()

    async with serving(app_with(handler), tmp_path) as (_, dial), await dial() as client:
        await client.send_all(ATTACH + b"input")
        with trio.fail_after(LINGER_SECONDS / 2):
            await read_all(client)


async def test_block_may_end_while_a_task_still_reads(
    tmp_path: Path, nursery: trio.Nursery, logged: list[Any]
) -> None:
    async def read(stream: HijackedStream) -> None:
        with pytest.raises(trio.ClosedResourceError):
            await stream.receive_some()

    async def handler(stream: HijackedStream) -> None:
        nursery.start_soon(read, stream)
        await wait_all_tasks_blocked()

    async with serving(app_with(handler), tmp_path) as (_, dial), await dial() as client:
        await client.send_all(ATTACH)
        await read_all(client)
    assert logged == []


async def test_connection_ends_although_its_client_stays(tmp_path: Path, mock_clock: MockClock) -> None:
    async def handler(stream: HijackedStream) -> None:
        pass

    mock_clock.rate = 20
    async with serving(app_with(handler), tmp_path) as (server, dial), await dial() as client:
        await client.send_all(ATTACH)
        await read_all(client)
        await server.wait_idle(0)


async def test_nothing_but_the_stream_is_sent_after_a_hijack(tmp_path: Path) -> None:
    async def careless(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "http":
            await agree(receive, send)
            return
        await scope["extensions"][HIJACK]["hijack"](200, [])
        await send({"type": "http.response.start", "status": 500, "headers": []})

    async with serving(careless, tmp_path) as (_, dial), await dial() as client:
        await client.send_all(request("POST /"))
        assert await read_all(client) == b"HTTP/1.1 200 OK\r\n\r\n"


async def test_answer_that_has_begun_cannot_become_a_hijack(tmp_path: Path) -> None:
    async def hesitant(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "http":
            await agree(receive, send)
            return
        await send({"type": "http.response.start", "status": 202, "headers": []})
        with pytest.raises(RuntimeError, match="too late to hijack: answered"):
            await scope["extensions"][HIJACK]["hijack"](200, [])
        await send({"type": "http.response.body", "body": b"refused", "more_body": False})

    async with serving(hesitant, tmp_path) as (_, dial), await dial() as client:
        await client.send_all(request("POST /", "Connection: close"))
        assert b"refused" in await read_all(client)


async def test_header_cannot_break_out_of_the_head(tmp_path: Path) -> None:
    app = app_with(echo)

    @app.post("/split")
    async def split() -> ResponseReturnValue:
        async with hijack(200, [("Name", "a\r\nSet-Cookie: b")]):
            raise AssertionError

    async with serving(app, tmp_path) as (_, dial), await dial() as client:
        await client.send_all(request("POST /split"))
        assert (await read_answer(client)).startswith(b"HTTP/1.1 500 ")


async def test_other_servers_are_told_apart() -> None:
    response = await app_with(echo).test_client().post("/attach")
    assert response.status_code == 500
