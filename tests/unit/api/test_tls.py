from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trio
import trustme
from quart import ResponseReturnValue
from trio.testing import wait_all_tasks_blocked

from daemon.api.app import Application
from daemon.api.hijack import HIJACKED, hijack, raw_answer
from daemon.api.listeners import tcp_listener, tls_listener
from daemon.api.server import Server

from .serving import SECONDS, read_all, read_exactly, request

T = TypeVar("T")

ATTACH = request("POST /attach", "Connection: Upgrade", "Upgrade: tcp")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def app() -> Application:
    app = Application(__name__)

    @app.get("/")
    async def index() -> str:
        return "index"

    @app.post("/attach")
    async def attach() -> ResponseReturnValue:
        async with hijack(*raw_answer("application/vnd.docker.raw-stream")) as stream:
            async for data in stream:
                await stream.send_all(data.upper())
        return HIJACKED

    @app.post("/count")
    async def count() -> ResponseReturnValue:
        async with hijack(*raw_answer("application/vnd.docker.raw-stream")) as stream:
            size = 0
            async for data in stream:
                size += len(data)
            await stream.send_all(b"%d bytes" % size)
        return HIJACKED

    @app.post("/eof")
    async def eof() -> ResponseReturnValue:
        async with hijack(*raw_answer("application/vnd.docker.raw-stream")) as stream:
            try:
                await stream.send_eof()
            except NotImplementedError as refusal:
                await stream.send_all(str(refusal).encode())
        return HIJACKED

    return app


@asynccontextmanager
async def secured(
    app: Application, authority: trustme.CA, tmp_path: Path, *, for_all: bool = False
) -> AsyncGenerator[Callable[..., Awaitable[trio.SSLStream[trio.SocketStream]]], None]:
    certificate, key, ca = (tmp_path / name for name in ("cert.pem", "key.pem", "ca.pem"))
    ours = authority.issue_cert("localhost")
    ours.cert_chain_pems[0].write_to_path(str(certificate))
    ours.private_key_pem.write_to_path(str(key))
    authority.cert_pem.write_to_path(str(ca))
    tcp = tcp_listener("127.0.0.1", 0)
    listener = tls_listener(tcp, certificate, key, None if for_all else ca)

    async def dial(*, known: bool) -> trio.SSLStream[trio.SocketStream]:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        if known:
            authority.issue_cert("operator@example.org").configure_cert(context)
        port = tcp.socket.getsockname()[1]
        return await trio.open_ssl_over_tcp_stream("localhost", port, ssl_context=context)

    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery:
            await nursery.start(Server(app, grace_seconds=0.05).serve, [listener])
            try:
                yield dial
            finally:
                nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("for_all", "known"), [(False, True), (True, False)])
async def test_tls_client_is_served(
    app: Application, authority: trustme.CA, tmp_path: Path, for_all: bool, known: bool
) -> None:
    async with (
        secured(app, authority, tmp_path, for_all=for_all) as dial,
        await dial(known=known) as client,
    ):
        await client.send_all(request("GET /"))
        assert b"HTTP/1.1 200 OK" in await client.receive_some()


async def test_tls_client_without_the_certificate_asked_for_is_not_served(
    app: Application,
    authority: trustme.CA,
    tmp_path: Path,
    logged: list[Any],
) -> None:
    async with (
        secured(app, authority, tmp_path) as dial,
        await dial(known=False) as client,
    ):
        await client.do_handshake()  # in TLS 1.3 it ends before the server has looked
        received = b""
        # An alert or a bare end: that depends on the versions of Python and OpenSSL.
        with contextlib.suppress(trio.BrokenResourceError):
            await client.send_all(request("GET /"))
            received = bytes(await client.receive_some())
        assert received == b""
    assert logged == []


async def test_client_that_does_not_speak_tls_is_dropped(
    app: Application, authority: trustme.CA, tmp_path: Path
) -> None:
    async with (
        secured(app, authority, tmp_path) as dial,
        (await dial(known=True)).transport_stream as client,
    ):
        await client.send_all(request("GET /"))
        assert b"HTTP" not in await read_all(client)


async def test_hijack_under_tls_is_told_of_the_end_both_ways(
    app: Application, authority: trustme.CA, tmp_path: Path
) -> None:
    async with secured(app, authority, tmp_path) as dial:
        client = await dial(known=True)
        await client.send_all(ATTACH + b"early ")
        received = b""
        while not received.endswith(b"EARLY "):
            received += await client.receive_some()
        await client.send_all(b"late")
        assert await read_exactly(client, 4) == b"LATE"
        transport, rest = await client.unwrap()  # sends close_notify, waits for the server's
        async with transport:
            assert rest == b""


async def test_output_goes_on_when_a_tls_client_has_ended_its_input(
    app: Application, authority: trustme.CA, tmp_path: Path
) -> None:
    async with secured(app, authority, tmp_path) as dial:
        client = HalfCloser(await dial(known=True))
        await client.send(request("POST /count", "Connection: Upgrade", "Upgrade: tcp"))
        await client.send(bytes(100_000))
        await client.send_close_notify()
        assert (await client.read_all()).endswith(b"\r\n\r\n100000 bytes")


async def test_tls_client_that_leaves_without_a_word_has_ended_its_input(
    app: Application, authority: trustme.CA, tmp_path: Path
) -> None:
    ends: list[bytes] = []

    @app.post("/end")
    async def end() -> ResponseReturnValue:
        async with hijack(*raw_answer("application/vnd.docker.raw-stream")) as stream:
            ends.append(await stream.receive_some())
        return HIJACKED

    async with secured(app, authority, tmp_path) as dial:
        client = await dial(known=True)
        await client.send_all(request("POST /end"))
        await client.receive_some()
        async with client.transport_stream as socket_stream:
            await socket_stream.send_eof()
            await read_all(socket_stream)
    assert ends == [b""]


async def test_stop_does_not_wait_for_a_tls_client_that_stays(
    app: Application, authority: trustme.CA, tmp_path: Path, logged: list[Any]
) -> None:
    async with secured(app, authority, tmp_path) as dial:
        client = HalfCloser(await dial(known=True))
        await client.send(ATTACH)
        await client.send_close_notify()
        await wait_all_tasks_blocked()  # by now only the client's FIN is missing
    await client.read_all()
    assert logged == []


async def test_stream_may_be_closed_twice(
    app: Application, authority: trustme.CA, tmp_path: Path, logged: list[Any]
) -> None:
    @app.post("/twice")
    async def twice() -> ResponseReturnValue:
        async with hijack(*raw_answer("application/vnd.docker.raw-stream")) as stream:
            await stream.aclose()
        return HIJACKED

    async with secured(app, authority, tmp_path) as dial:
        client = HalfCloser(await dial(known=True))
        await client.send(request("POST /twice", "Connection: Upgrade", "Upgrade: tcp"))
        await client.send_close_notify()
        await client.read_all()
    assert logged == []


async def test_server_cannot_half_close_under_tls(
    app: Application, authority: trustme.CA, tmp_path: Path
) -> None:
    async with secured(app, authority, tmp_path) as dial:
        client = HalfCloser(await dial(known=True))
        await client.send(request("POST /eof"))
        assert b"\r\n\r\nno half-close under TLS" in await client.read_all()


class HalfCloser:
    """A TLS client that reads on after its close_notify: Go's CloseWrite, lacking in trio."""

    def __init__(self, dialled: trio.SSLStream[trio.SocketStream]) -> None:
        self._socket = dialled.transport_stream
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = dialled.context
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")

    async def send(self, data: bytes) -> None:
        await self._do(self._tls.do_handshake)
        await self._do(partial(self._tls.write, data))

    async def send_close_notify(self) -> None:
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        await self._socket.send_all(self._outgoing.read())

    async def read_all(self) -> bytes:
        received = b""
        with contextlib.suppress(ssl.SSLZeroReturnError):  # the server's close_notify
            while piece := await self._do(self._tls.read):
                received += piece
        await self._socket.aclose()
        return received

    async def _do(self, step: Callable[[], T]) -> T:
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                await self._socket.send_all(self._outgoing.read())
                if piece := await self._socket.receive_some():
                    self._incoming.write(piece)
                else:
                    self._incoming.write_eof()
            else:
                await self._socket.send_all(self._outgoing.read())
                return done
