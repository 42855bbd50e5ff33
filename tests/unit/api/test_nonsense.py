"""Requests that no client sends on purpose: each gets an answer or a closed connection, none a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from quart import ResponseReturnValue

from daemon.api.app import Application
from daemon.api.body import json_body
from daemon.api.query import filters, flag, integer, timestamp
from daemon.api.server import HEAD_BYTES

from .serving import read_all, request, serving


@attrs.frozen
class Thing:
    name: str = ""


@pytest.fixture
def app() -> Application:
    app = Application(__name__)

    @app.get("/things/<path:name>/json")
    async def things(name: str) -> ResponseReturnValue:
        return {"name": name, "values": [flag("a"), integer("b"), timestamp("c"), len(filters({"d"}))]}

    @app.post("/create")
    async def create() -> ResponseReturnValue:
        return {"name": (await json_body(Thing)).name}

    return app


def raw(line: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join([line, b"Host: docker", b"Connection: close", *headers, b"", b""])


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (raw(b"GET http://[bad/things/x/json HTTP/1.1"), b"404"),
        (raw(b"GET http://docker/things/x/json HTTP/1.1"), b"200"),
        (raw(b"OPTIONS * HTTP/1.1"), b"404"),
        (raw(b"CONNECT docker:80 HTTP/1.1"), b"404"),
        (raw(b"BREW /things/x/json HTTP/1.1"), b"404"),
        (raw(b"GET /things/%00%ff%fe/json HTTP/1.1"), b"200"),
        (raw(b"GET /things/%zz/json?a=%zz&b=%ff HTTP/1.1"), b"400"),
        (raw(b"GET /things/\xff/json HTTP/1.1"), b"400"),
        (raw(b"GET /../../../things/x/json HTTP/1.1"), b"200"),
        (raw(b"GET /things/x/json?d=%ed%a0%80&filters=%ed%a0%80 HTTP/1.1"), b"400"),
        (raw(b"GET /things/x/json?" + b"a=1&" * 20_000 + b" HTTP/1.1"), b"200"),
        (raw(b"GET / HTTP/1.1", b"X: " + b"x" * (2 * HEAD_BYTES)), b"431"),
        (raw(b"GET /things/x/json HTTP/1.1", b"X: \xff", b"Content-Type: \xff"), b"200"),
        (raw(b"POST /create HTTP/1.1", b"Content-Length: -1"), b"400"),
        (raw(b"POST /create HTTP/1.1", b"Content-Length: 1", b"Content-Length: 2"), b"400"),
        (raw(b"POST /create HTTP/1.1", b"Transfer-Encoding: rot13"), b"501"),
        (raw(b"POST /create HTTP/1.1", b"Transfer-Encoding: chunked") + b"zz\r\n", b"400"),
        (raw(b"POST /create HTTP/1.1", b"Content-Type: \xff", b"Content-Length: 2") + b"{}", b"400"),
        (raw(b"POST /create HTTP/9.9", b"Content-Length: 0"), b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),  # TLS
    ],
)
async def test_nonsense_is_answered_without_a_traceback(
    app: Application, tmp_path: Path, sent: bytes, status: bytes, logged: list[Any]
) -> None:
    async with serving(app, tmp_path) as (server, dial):
        async with await dial() as client, trio.open_nursery() as sending:
            sending.start_soon(client.send_all, sent)
            answer = await read_all(client)
        await server.wait_idle(0)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert logged == []


@given(st.binary(max_size=200), st.booleans())
@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
async def test_any_bytes_are_answered_without_a_traceback(
    app: Application, tmp_path: Path, logged: list[Any], noise: bytes, begins_well: bool
) -> None:
    good = request("POST /create", "Transfer-Encoding: chunked", "Content-Type: application/json")
    start = good.replace(b"Content-Length: 0\r\n", b"") if begins_well else b""
    async with serving(app, tmp_path) as (_, dial), await dial() as client:
        await client.send_all(start + noise)
        await client.send_eof()
        answer = await read_all(client)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert logged == []
