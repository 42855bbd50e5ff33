from __future__ import annotations

import os
import socket
import struct
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from quart import ResponseReturnValue, websocket
from quart import request as current
from trio.testing import MockClock, wait_all_tasks_blocked
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Message, Request, TextMessage

from daemon.api.app import Application
from daemon.api.connection import PEER
from daemon.api.listeners import tcp_listener
from daemon.api.server import Server

from .serving import SECONDS, agree, read_all, read_answer, read_head, request, serving

BUSY_CLIENT_REQUESTS = 1010  # Hypercorn's own limit is 1000
CUT_BYTES = 4 << 20  # more than the kernel takes before the client reads

both_kinds = pytest.mark.parametrize("kind", ["unix", "tcp"])


class Waiting:
    """Tells what became of a request that waits."""

    def __init__(self) -> None:
        self.begun, self.answer, self.cancelled = trio.Event(), trio.Event(), trio.Event()


@pytest.fixture
def waiting() -> Waiting:
    return Waiting()


@pytest.fixture
def app(waiting: Waiting) -> Application:
    app = Application(__name__)

    @app.get("/")
    async def index() -> str:
        return "index"

    @app.get("/peer")
    async def peer() -> ResponseReturnValue:
        return current.scope["extensions"].get(PEER) or {}

    @app.post("/refuse")
    async def refuse() -> ResponseReturnValue:
        return "too large", 413

    @app.post("/upload")
    async def upload() -> str:
        return str(len(await current.get_data()))

    @app.get("/wait")
    async def wait() -> str:
        waiting.begun.set()
        try:
            await waiting.answer.wait()
        except trio.Cancelled:
            waiting.cancelled.set()
            raise
        return "waited"

    @app.websocket("/ws")
    async def ws() -> None:
        await websocket.send(await websocket.receive())

    return app


@both_kinds
async def test_connection_close_closes(app: Application, tmp_path: Path, kind: str) -> None:
    async with serving(app, tmp_path, kind) as (_, dial), await dial() as client:
        await client.send_all(request("GET /", "Connection: close"))
        assert (await read_all(client)).endswith(b"\r\n\r\nindex")


@both_kinds
@pytest.mark.parametrize("first", [b"", b"GET / HT", request("GET /")])
async def test_idle_connection_is_closed_in_the_end(
    app: Application, tmp_path: Path, kind: str, first: bytes
) -> None:
    async with (
        serving(app, tmp_path, kind, keep_alive_seconds=0.5) as (_, dial),
        await dial() as client,
    ):
        await client.send_all(first)
        assert (await read_all(client)).count(b"HTTP/1.1 200") == first.count(b"\n\r\n")


async def test_waiting_for_an_answer_is_not_idle(
    app: Application, tmp_path: Path, waiting: Waiting, autojump_clock: MockClock
) -> None:
    async with (
        serving(app, tmp_path, keep_alive_seconds=0.05) as (_, dial),
        await dial() as client,
    ):
        await client.send_all(request("GET /wait"))
        await trio.sleep(0.15)
        waiting.answer.set()
        assert (await read_all(client)).endswith(b"\r\n\r\nwaited")


async def test_busy_client_keeps_its_connection(app: Application, tmp_path: Path) -> None:
    async with serving(app, tmp_path) as (_, dial), await dial() as client:
        for _ in range(BUSY_CLIENT_REQUESTS):
            await client.send_all(request("GET /"))
            assert b"close" not in await read_answer(client)


async def test_pipelined_requests_are_answered_in_turn(app: Application, tmp_path: Path) -> None:
    async with serving(app, tmp_path) as (_, dial), await dial() as client:
        await client.send_all(request("GET /peer") + request("GET /", "Connection: close"))
        answers = (await read_all(client)).split(b"HTTP/1.1 200 OK\r\n")
    assert [answer[-1:] for answer in answers] == [b"", b"\n", b"x"]


@both_kinds
async def test_client_that_leaves_cancels_its_request(
    app: Application, tmp_path: Path, kind: str, waiting: Waiting
) -> None:
    async with serving(app, tmp_path, kind) as (_, dial):
        async with await dial() as client:
            await client.send_all(request("GET /wait"))
            await waiting.begun.wait()
        await waiting.cancelled.wait()


async def test_half_closed_client_is_still_answered(
    app: Application, tmp_path: Path, waiting: Waiting
) -> None:
    async with serving(app, tmp_path) as (_, dial), await dial() as client:
        await client.send_all(request("GET /wait"))
        await client.send_eof()  # printf ... | nc -N
        await wait_all_tasks_blocked()
        waiting.answer.set()
        assert (await read_all(client)).endswith(b"\r\n\r\nwaited")


async def test_half_closed_client_with_nothing_to_come_is_closed(app: Application, tmp_path: Path) -> None:
    async with serving(app, tmp_path) as (_, dial), await dial() as client:
        await client.send_all(request("GET /"))
        await read_answer(client)
        await client.send_eof()
        assert await read_all(client) == b""


async def test_half_closed_client_that_leaves_cancels_its_request(
    app: Application, tmp_path: Path, waiting: Waiting
) -> None:
    async with serving(app, tmp_path) as (_, dial):
        async with await dial() as client:
            await client.send_all(request("GET /wait"))
            await client.send_eof()
            await waiting.begun.wait()
            await wait_all_tasks_blocked()
            assert not waiting.cancelled.is_set()
        await waiting.cancelled.wait()


@both_kinds
async def test_client_that_still_uploads_reads_the_refusal(
    app: Application, tmp_path: Path, kind: str
) -> None:
    async with serving(app, tmp_path, kind) as (_, dial), await dial() as client:
        upload = request("POST /refuse", body=bytes(1 << 20))
        await client.send_all(upload[: 1 << 16])
        await wait_all_tasks_blocked()  # by now it is answered
        await client.send_all(upload[1 << 16 :])
        await client.send_eof()
        assert (await read_all(client)).endswith(b"\r\n\r\ntoo large")


async def test_answer_that_was_cut_short_ends_the_connection(tmp_path: Path) -> None:
    cut = trio.Event()

    async def cutting(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "lifespan":
            await agree(receive, send)
            return
        length = [(b"content-length", b"%d" % CUT_BYTES)]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        with trio.move_on_after(0.05):
            body = bytes(CUT_BYTES)
            await send({"type": "http.response.body", "body": body, "more_body": True})
        cut.set()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async with serving(cutting, tmp_path) as (_, dial), await dial() as client:
        await client.send_all(request("GET /"))
        await cut.wait()
        assert len(await read_all(client)) < CUT_BYTES


async def test_client_that_left_before_it_was_accepted_is_no_error(
    app: Application, logged: list[Any]
) -> None:
    listener = tcp_listener("127.0.0.1", 0)
    with socket.create_connection(listener.socket.getsockname()) as early:
        early.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery:
            await nursery.start(Server(app).serve, [listener])
            async with await trio.open_tcp_stream(*listener.socket.getsockname()) as client:
                await client.send_all(request("GET /"))
                await read_answer(client)
            nursery.cancel_scope.cancel()
    assert logged == []


async def test_client_may_ask_before_it_uploads(app: Application, tmp_path: Path) -> None:
    async with serving(app, tmp_path) as (_, dial), await dial() as client:
        upload = request("POST /upload", "Expect: 100-continue", body=b"x" * 1000)
        await client.send_all(upload[:-1000])
        assert (await read_head(client)).startswith(b"HTTP/1.1 100 ")
        await client.send_all(upload[-1000:])
        assert (await read_answer(client)).endswith(b"\r\n\r\n1000")


async def test_client_that_asks_before_it_uploads_may_be_refused(tmp_path: Path) -> None:
    async def refusing(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "lifespan":
            await agree(receive, send)
            return
        await send({"type": "http.response.start", "status": 413, "headers": []})
        await send({"type": "http.response.body", "body": b"too large", "more_body": False})

    upload = request("POST /", "Expect: 100-continue", body=b"x" * 1000)
    async with serving(refusing, tmp_path) as (_, dial):
        for _ in range(20):  # the 100 and the 413 are sent by two tasks at once
            async with await dial() as client:
                await client.send_all(upload[:-1000])
                assert b"too large" in await read_all(client)


async def test_head_may_carry_a_lot_of_passwords(app: Application, tmp_path: Path) -> None:
    async with serving(app, tmp_path) as (_, dial), await dial() as client:
        await client.send_all(request("GET /", f"X-Registry-Config: {'x' * 100_000}"))
        assert (await read_answer(client)).endswith(b"\r\n\r\nindex")


async def test_head_does_not_tell_of_hypercorn(app: Application, tmp_path: Path) -> None:
    async with serving(app, tmp_path) as (_, dial), await dial() as client:
        await client.send_all(request("GET /"))
        assert b"hypercorn" not in await read_answer(client)


async def test_nonsense_is_answered_400(app: Application, tmp_path: Path) -> None:
    async with serving(app, tmp_path) as (_, dial), await dial() as client:
        await client.send_all(b"nonsense\r\n\r\n")
        assert (await read_all(client)).startswith(b"HTTP/1.1 400 Bad Request\r\n")


async def test_http2_is_not_spoken(app: Application, tmp_path: Path) -> None:
    async with serving(app, tmp_path) as (_, dial), await dial() as client:
        await client.send_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert (await read_head(client)).startswith(b"HTTP/1.1 4")


async def test_unix_client_is_known_by_its_credentials(app: Application, tmp_path: Path) -> None:
    async with serving(app, tmp_path) as (_, dial), await dial() as client:
        await client.send_all(request("GET /peer"))
        answer = await read_answer(client)
    us = f'{{"pid":{os.getpid()},"uid":{os.getuid()},"gid":{os.getgid()}}}'
    assert answer.decode().endswith(f"\r\n\r\n{us}\n")


async def test_tcp_client_has_no_credentials(app: Application, tmp_path: Path) -> None:
    async with serving(app, tmp_path, "tcp") as (_, dial), await dial() as client:
        await client.send_all(request("GET /peer"))
        assert (await read_answer(client)).endswith(b"\r\n\r\n{}\n")


def test_hypercorn_is_the_one_that_was_read() -> None:
    # connection.py names what it builds on: read that again, then change this line.
    assert version("hypercorn").startswith("0.18.")


async def test_websocket_works_as_ever(app: Application, tmp_path: Path) -> None:
    events = []
    async with serving(app, tmp_path) as (_, dial), await dial() as client:
        protocol = WSConnection(ConnectionType.CLIENT)
        await client.send_all(protocol.send(Request(host="docker", target="/ws")))
        async for data in client:
            protocol.receive_data(bytes(data))
            for event in protocol.events():
                events.append(event)
                if isinstance(event, AcceptConnection):
                    await client.send_all(protocol.send(TextMessage("hello")))
                if isinstance(event, CloseConnection):
                    await client.send_all(protocol.send(event.response()))
    assert isinstance(events[1], Message)
    assert events[1].data == "hello"
