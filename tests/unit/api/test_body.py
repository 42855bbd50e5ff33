from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from quart import ResponseReturnValue
from trio.testing import wait_all_tasks_blocked

from daemon.api import body
from daemon.api.app import Application
from daemon.api.body import ROOM_BYTES, json_body, parse_json, upload
from daemon.api.connection import READ_BYTES
from daemon.api.exchange import QUEUED
from daemon.api.hijack import HIJACKED, hijack, raw_answer
from daemon.api.stream import ClientGone
from daemon.errors import InvalidParameter

from .serving import read_all, read_answer, read_head, request, serving

UPLOAD_BYTES = 64 << 20
KERNEL_BYTES = 16 << 20  # what the two sockets of a loopback connection may hold at the very most
CHUNK_BYTES = 65536
CHUNK = b"%x\r\n%b\r\n" % (CHUNK_BYTES, bytes(CHUNK_BYTES))

both_kinds = pytest.mark.parametrize("kind", ["unix", "tcp"])


@attrs.frozen
class Thing:
    name: str = ""
    size: int = 0


@attrs.define(eq=False)
class Seen:
    """Tells what a handler went through."""

    bytes: int = 0
    begun: trio.Event = attrs.Factory(trio.Event)
    go_on: trio.Event = attrs.Factory(trio.Event)
    ended: trio.Event = attrs.Factory(trio.Event)
    error: BaseException | None = None


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def app(seen: Seen) -> Application:
    app = Application(__name__)

    @app.post("/load")
    async def load() -> str:
        seen.begun.set()
        try:
            async for piece in upload():
                seen.bytes += len(piece)
                await trio.lowlevel.checkpoint()
        except ClientGone as error:
            seen.error = error
            await trio.lowlevel.checkpoint()  # as a handler that puts things away, and is not cancelled
            raise
        finally:
            seen.ended.set()
        return str(seen.bytes)

    @app.post("/lazy")
    async def lazy() -> str:
        seen.begun.set()
        await seen.go_on.wait()
        return await load()

    @app.post("/busy")
    async def busy() -> str:
        seen.begun.set()
        try:
            await trio.sleep_forever()
        except trio.Cancelled as error:
            seen.error = error
            seen.ended.set()
            raise
        raise AssertionError

    @app.post("/refuse")
    async def refuse() -> str:
        raise InvalidParameter("no")

    @app.post("/attach")
    async def attach() -> ResponseReturnValue:
        async with hijack(*raw_answer("application/vnd.docker.raw-stream")) as stream:
            await stream.send_all(await stream.receive_some())
        return HIJACKED

    @app.post("/thing")
    async def thing() -> ResponseReturnValue:
        return attrs.asdict(await json_body(Thing))

    @app.post("/maybe")
    async def maybe() -> ResponseReturnValue:
        return attrs.asdict(await json_body(Thing, if_empty=Thing("default")))

    return app


def post(path: str, *headers: str, length: int) -> bytes:
    return request(f"POST {path}", f"Content-Length: {length}", *headers).replace(
        b"Content-Length: 0\r\n", b""
    )


async def feed(client: trio.SocketStream, total: int) -> int:
    """Send until nothing more is taken; return how much was."""
    sent = 0

    async def send() -> None:
        nonlocal sent
        while sent < total:
            await client.send_all(bytes(READ_BYTES))
            sent += READ_BYTES

    async with trio.open_nursery() as sending:
        sending.start_soon(send)
        await wait_all_tasks_blocked(0.05)
        sending.cancel_scope.cancel()
    return sent


@both_kinds
async def test_client_is_held_back_while_its_body_is_not_read(
    app: Application, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch, seen: Seen
) -> None:
    taken = 0
    append = body.Body.append

    def count(self: body.Body, data: bytes) -> None:
        nonlocal taken
        taken += len(data)
        append(self, data)

    monkeypatch.setattr(body.Body, "append", count)
    async with serving(app, tmp_path, kind) as (_, dial), await dial() as client:
        await client.send_all(post("/lazy", length=UPLOAD_BYTES))
        await seen.begun.wait()
        sent = await feed(client, UPLOAD_BYTES)
    bound = ROOM_BYTES + READ_BYTES
    assert 0 < taken <= bound
    assert sent <= bound + (QUEUED + 2) * READ_BYTES + KERNEL_BYTES


async def test_client_that_is_held_back_does_not_keep_the_server(
    app: Application, tmp_path: Path, seen: Seen, logged: list[Any]
) -> None:
    async with serving(app, tmp_path) as (server, dial):
        client = await dial()
        await client.send_all(post("/lazy", length=UPLOAD_BYTES))
        await feed(client, UPLOAD_BYTES)
    assert server.connections == 0
    assert logged == []
    await client.aclose()


@both_kinds
async def test_slow_reader_gets_all_in_the_end(
    app: Application, tmp_path: Path, kind: str, seen: Seen
) -> None:
    total = 4 << 20
    async with (
        serving(app, tmp_path, kind) as (_, dial),
        await dial() as client,
        trio.open_nursery() as feeding,
    ):
        await client.send_all(post("/lazy", length=total))
        feeding.start_soon(client.send_all, bytes(total))
        await wait_all_tasks_blocked()
        seen.go_on.set()
        assert (await read_answer(client)).endswith(b"\r\n\r\n4194304")
        await client.send_all(post("/load", length=3) + b"abc")  # the connection is as good as before
        assert (await read_answer(client)).endswith(b"\r\n\r\n4194307")


async def test_chunked_body_is_read(app: Application, tmp_path: Path) -> None:
    async with serving(app, tmp_path) as (_, dial), await dial() as client:
        head = request("POST /load", "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
        await client.send_all(head + CHUNK * 20 + b"0\r\n\r\n")
        assert (await read_answer(client)).endswith(b"\r\n\r\n1310720")


async def test_client_may_ask_before_it_uploads(app: Application, tmp_path: Path) -> None:
    async with serving(app, tmp_path) as (_, dial), await dial() as client:
        await client.send_all(post("/load", "Expect: 100-continue", length=1000))
        assert (await read_head(client)).startswith(b"HTTP/1.1 100 ")
        await client.send_all(bytes(1000))
        assert (await read_answer(client)).endswith(b"\r\n\r\n1000")


@both_kinds
async def test_body_that_is_cut_off_is_an_error_of_its_reader(
    app: Application, tmp_path: Path, kind: str, seen: Seen, logged: list[Any]
) -> None:
    async with serving(app, tmp_path, kind) as (server, dial):
        async with await dial() as client:
            await client.send_all(post("/load", length=1000) + bytes(10))
            await seen.begun.wait()
        await seen.ended.wait()
        await server.wait_idle(0)
    assert (seen.bytes, type(seen.error)) == (10, ClientGone)
    assert logged == []


async def test_handler_that_does_not_read_is_cancelled(
    app: Application, tmp_path: Path, seen: Seen, logged: list[Any]
) -> None:
    async with serving(app, tmp_path) as (server, dial):
        async with await dial() as client:
            await client.send_all(post("/busy", length=1000) + bytes(10))
            await seen.begun.wait()
        await seen.ended.wait()
        await server.wait_idle(0)
    assert isinstance(seen.error, trio.Cancelled)
    assert logged == []


@both_kinds
async def test_refused_upload_ends_the_connection_and_says_so(
    app: Application, tmp_path: Path, kind: str
) -> None:
    total = 4 << 20
    async with (
        serving(app, tmp_path, kind) as (_, dial),
        await dial() as client,
        trio.open_nursery() as feeding,
    ):
        await client.send_all(post("/refuse", length=total))
        feeding.start_soon(client.send_all, bytes(total))
        answer = await read_all(client)
    assert b"\r\nconnection: close\r\n" in answer.lower()
    assert answer.endswith(b'{"message":"no"}\n')


async def test_small_body_that_nobody_reads_does_no_harm(app: Application, tmp_path: Path) -> None:
    async with serving(app, tmp_path) as (_, dial), await dial() as client:
        for _ in range(2):
            await client.send_all(post("/refuse", length=1000) + bytes(1000))
            assert b"connection: close" not in (await read_answer(client)).lower()


async def test_hijack_drops_the_rest_of_the_body(app: Application, tmp_path: Path) -> None:
    total = 2 << 20
    async with serving(app, tmp_path) as (_, dial), await dial() as client:
        await client.send_all(
            post("/attach", "Upgrade: tcp", "Connection: Upgrade", length=total) + bytes(total)
        )
        await client.send_all(b"input")
        assert (await read_all(client)).endswith(b"\r\n\r\ninput")


async def test_json_is_read(app: Application) -> None:
    response = await app.test_client().post("/thing", json={"Name": "x", "SIZE": 3, "Other": []})
    assert await response.get_json() == {"name": "x", "size": 3}


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (b"{}", "text/plain", "unsupported Content-Type header (text/plain): must be 'application/json'"),
        (b"{}", "", "unsupported Content-Type header (): must be 'application/json'"),
        (b"{} x", "application/json", "unexpected content after JSON"),
        (b"{}{}", "application/json; charset=utf-8", "unexpected content after JSON"),
        (b"", "application/json", "invalid JSON: EOF"),
        (b"{", "application/json", "invalid JSON: "),
        (b"\xff", "application/json", "invalid JSON: "),
        (b'"\\ud800"', "application/json", "invalid JSON: "),
        (b"[" * 100_000, "application/json", "invalid JSON: "),
        (b"[]", "application/json", "invalid JSON"),
        (b'{"Name": 1}', "application/json", "invalid JSON"),
        (b" " * (body.WHOLE_BYTES + 1), "application/json", "request body is larger than 16 MiB"),
    ],
)
async def test_bad_json_is_refused(
    app: Application, data: bytes, kind: str, message: str, logged: list[Any]
) -> None:
    response = await app.test_client().post(
        "/thing", data=data, headers={"Content-Type": kind} if kind else {}
    )
    assert response.status_code == 400
    assert (await response.get_json())["message"].startswith(message)
    assert logged == []


@pytest.mark.parametrize("chunked", [False, True])
async def test_json_without_end_is_not_waited_for(app: Application, tmp_path: Path, chunked: bool) -> None:
    total = body.WHOLE_BYTES + (1 << 20)
    head = post("/thing", "Content-Type: application/json", length=total)
    if chunked:
        head = head.replace(b"Content-Length: %d" % total, b"Transfer-Encoding: chunked")
    piece = CHUNK if chunked else bytes(CHUNK_BYTES)
    async with serving(app, tmp_path) as (_, dial), await dial() as client, trio.open_nursery() as feeding:
        await client.send_all(head)
        feeding.start_soon(client.send_all, piece * (total // CHUNK_BYTES))
        assert (await read_all(client)).endswith(b'{"message":"request body is larger than 16 MiB"}\n')


@pytest.mark.parametrize("data", [b"", b"null"])
async def test_no_body_may_mean_something(app: Application, data: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    response = await app.test_client().post("/maybe", data=data, headers=headers)
    assert await response.get_json() == {"name": "default", "size": 0}


@given(st.binary())
def test_any_bytes_are_json_or_refused(data: bytes) -> None:
    try:
        parse_json(data)
    except InvalidParameter as refusal:
        assert "JSON" in str(refusal)  # ruff: ignore[pytest-assert-in-except]
