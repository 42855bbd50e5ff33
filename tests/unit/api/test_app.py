from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast

import pytest
import trio
from quart import Blueprint, ResponseReturnValue

from daemon.actors.engine import Engine
from daemon.api import answers
from daemon.api.app import Application, engine, make_app
from daemon.errors import NotModified

from .serving import read_all, read_answer, read_exactly, read_head, request, serving

routes = Blueprint("routes", __name__)
CLOSE = "Connection: close"


@routes.get("/engine")
async def which() -> ResponseReturnValue:
    return {"engine": str(engine())}


@routes.get("/json")
async def document() -> ResponseReturnValue:
    return answers.json([1], 201, {"X-Seen": "yes"})


@routes.get("/bytes")
async def ready_made() -> ResponseReturnValue:
    return answers.json(b"[2]\n")


@routes.get("/nothing")
async def nothing() -> ResponseReturnValue:
    return answers.empty()


@routes.get("/created")
async def created() -> ResponseReturnValue:
    return answers.empty(201)


@routes.get("/same")
async def same() -> ResponseReturnValue:
    raise NotModified("as it is")


class Source:
    """Yields what a test lets through."""

    def __init__(self) -> None:
        self.send, self._receive = trio.open_memory_channel[bytes](0)
        self.closed = trio.Event()

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        try:
            async for piece in self._receive:
                if piece == b"fail":
                    raise OSError("disk full")
                yield piece
        finally:
            self.closed.set()


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def app(source: Source) -> Application:
    app = make_app(cast("Engine", "the engine"), [routes])

    @app.get("/stream")
    async def stream() -> ResponseReturnValue:
        return answers.stream(source.pieces(), "application/json")

    return app


async def test_handlers_get_at_the_engine(app: Application) -> None:
    assert await (await app.test_client().get("/engine")).get_json() == {"engine": "the engine"}


@pytest.mark.parametrize(
    ("path", "status", "headers", "body"),
    [
        ("/json", 201, [b"content-type: application/json", b"content-length: 4", b"x-seen: yes"], b"[1]\n"),
        ("/bytes", 200, [b"content-type: application/json", b"content-length: 4"], b"[2]\n"),
        ("/nothing", 204, [], b""),
        ("/created", 201, [b"content-length: 0"], b""),
        ("/same", 304, [], b""),
    ],
)
async def test_answer_has_just_the_headers_that_clients_compare(
    app: Application, tmp_path: Path, path: str, status: int, headers: list[bytes], body: bytes
) -> None:
    async with serving(app, tmp_path) as (_, dial), await dial() as client:
        await client.send_all(request(f"GET {path}", CLOSE))
        head, _, rest = (await read_all(client)).partition(b"\r\n\r\n")
    line, *found = head.split(b"\r\n")
    ours = (b"api-version", b"docker-experimental", b"ostype", b"server", b"date", b"connection")
    assert line.startswith(b"HTTP/1.1 %d " % status)
    assert sorted(header for header in found if not header.lower().startswith(ours)) == sorted(headers)
    assert rest == body


async def test_stream_sends_its_head_at_once_and_each_piece_as_a_chunk(
    app: Application, tmp_path: Path, source: Source
) -> None:
    async with serving(app, tmp_path) as (_, dial), await dial() as client:
        await client.send_all(request("GET /stream"))
        head = await read_head(client)
        assert b"\r\ntransfer-encoding: chunked\r\n" in head.lower()
        for piece, chunk in [(b"{}", b"2\r\n{}\r\n"), (b"abc", b"3\r\nabc\r\n")]:
            await source.send.send(piece)
            assert await read_exactly(client, len(chunk)) == chunk
        await source.send.aclose()
        assert await read_exactly(client, 5) == b"0\r\n\r\n"
        await client.send_all(request("GET /bytes"))
        assert (await read_answer(client)).endswith(b"[2]\n")


async def test_who_asks_for_the_head_of_a_stream_does_not_wait_for_its_end(
    app: Application, tmp_path: Path, source: Source
) -> None:
    async with serving(app, tmp_path) as (_, dial), await dial() as client:
        await client.send_all(request("HEAD /stream"))
        head = await read_head(client)
        assert head.startswith(b"HTTP/1.1 200")
        assert b"\r\ncontent-type: application/json\r\n" in head.lower()
        await client.send_all(request("GET /bytes"))
        assert (await read_answer(client)).endswith(b"[2]\n")


async def test_stream_ends_when_its_client_leaves(
    app: Application, tmp_path: Path, source: Source, logged: list[Any]
) -> None:
    async with serving(app, tmp_path) as (server, dial):
        async with await dial() as client:
            await client.send_all(request("GET /stream"))
            await read_head(client)
        await source.closed.wait()
        await server.wait_idle(0)
    assert logged == []


async def test_stream_that_fails_is_cut_and_reported(
    app: Application, tmp_path: Path, source: Source, logged: list[Any]
) -> None:
    async with serving(app, tmp_path) as (_, dial), await dial() as client:
        await client.send_all(request("GET /stream"))
        await source.send.send(b"{}")
        await source.send.send(b"fail")
        assert (await read_all(client)).endswith(b"\r\n\r\n2\r\n{}\r\n")
    assert [entry["event"] for entry in logged] == ["an answer was cut short"]
