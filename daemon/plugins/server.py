"""Being a plugin: HTTP/1.1 on a unix socket, with JSON or a tar either way.

A handler is told of a request and returns an answer; what it raises is answered as plugins answer errors,
with status 500 and `{"Err": text}`.  A tar that breaks off is cut off, so nobody takes it for whole.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

import attrs
import h11
import orjson
import structlog
import trio

from daemon.errors import EngineError
from daemon.plugins.client import MEDIA_TYPE

RECEIVE_BYTES: Final = 1 << 18
BODY_LIMIT_BYTES: Final = 1 << 20
PAUSE_SECONDS: Final = 120.0  # of one who sends nothing, or takes nothing, in the middle of something
BAD_REQUEST, NOT_FOUND, FAILED, OK = 400, 404, 500, 200
_log = structlog.get_logger(__name__)


class BadRequest(Exception):
    """What was asked cannot be understood."""


@attrs.frozen
class Call:
    """A request: its query, and its body, which is to be read once, in one of two ways."""

    query: Mapping[str, str]
    chunks: AsyncIterator[bytes]

    async def json(self) -> Mapping[str, Any]:
        """Return the body's object; nothing is an empty one.

        Raises:
            BadRequest: it is none, or too large.

        """
        content = bytearray()
        async for chunk in self.chunks:
            content += chunk
            if len(content) > BODY_LIMIT_BYTES:
                raise BadRequest("the request is too large")
        try:
            document = orjson.loads(content) if content.strip() else {}
        except ValueError as error:
            raise BadRequest(f"the request is not JSON: {error}") from error
        if not isinstance(document, dict):
            raise BadRequest("the request is no JSON object")
        return document


Tar = AbstractAsyncContextManager[AsyncIterator[bytes]]
Handler = Callable[[Call], Awaitable[Mapping[str, Any] | Tar]]


@attrs.frozen
class Service:
    """What a plugin does: its kinds, and a handler for each method, as `GraphDriver.Get`."""

    implements: Sequence[str]
    handlers: Mapping[str, Handler]


@asynccontextmanager
async def listening(service: Service, path: Path) -> AsyncGenerator[None, None]:
    """Serve on a socket at `path`, which is there from the beginning of the block to its end.

    Raises:
        OSError: there can be no socket.

    """
    listener = await _listener(path)
    try:
        async with trio.open_nursery() as connections:
            serve = partial(_serve_connection, service)
            await connections.start(partial(trio.serve_listeners, serve, [listener]))
            yield
            connections.cancel_scope.cancel()
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


async def _listener(path: Path) -> trio.SocketListener:
    """Listen, for root only; a socket that nobody listens on any more is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    listener = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    await listener.bind(str(fresh))
    fresh.chmod(0o600)  # before anybody can connect
    listener.listen(socket.SOMAXCONN)
    os.rename(fresh, path)
    return trio.SocketListener(listener)


async def _serve_connection(service: Service, stream: trio.SocketStream) -> None:
    """Answer one request after the other, until the client leaves or breaks the rules."""
    async with stream:
        connection = _Connection(stream)
        with contextlib.suppress(trio.BrokenResourceError, trio.TooSlowError, h11.ProtocolError):
            while (request := await connection.request()) is not None:
                await connection.answer(service, request)


class _Connection:
    """HTTP/1.1 on a stream."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._http = h11.Connection(h11.SERVER)

    async def request(self) -> h11.Request | None:
        """Return the next request; None if there will be none."""
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        if self._http.our_state is not h11.IDLE:
            return None
        event = await self._event()
        return event if isinstance(event, h11.Request) else None

    async def answer(self, service: Service, request: h11.Request) -> None:
        """Have a request handled."""
        path, _, search = request.target.decode("ascii", "replace").partition("?")
        query = {key: values[0] for key, values in parse_qs(search, keep_blank_values=True).items()}
        async with aclosing(self._body()) as body:
            try:
                answer = await _handled(service, path.lstrip("/"), Call(query, body))
                if isinstance(answer, Mapping):
                    await self._send_json(OK, answer)
                else:
                    await self._send_tar(answer)
            except _Refused as refused:
                await self._send_json(refused.status, {"Err": refused.text})
            async for _ in body:  # or the next request could not be read
                pass

    async def _send_json(self, status: int, document: Mapping[str, Any]) -> None:
        content = orjson.dumps(document) + b"\n"
        headers = [("Content-Type", MEDIA_TYPE), ("Content-Length", str(len(content)))]
        await self._send(h11.Response(status_code=status, headers=headers))
        await self._send(h11.Data(data=content))
        await self._send(h11.EndOfMessage())

    async def _send_tar(self, tar: Tar) -> None:
        """Send chunks as they come; the status is held back until the first, so failing can still be told."""
        async with _refusing(), tar as chunks:
            chunk = await anext(aiter(chunks), b"")
            headers = [("Content-Type", "application/x-tar"), ("Transfer-Encoding", "chunked")]
            await self._send(h11.Response(status_code=OK, headers=headers))
            try:
                await self._send(h11.Data(data=chunk))
                async for more in chunks:
                    await self._send(h11.Data(data=more))
            except (EngineError, OSError) as error:
                _log.error("a tar breaks off", error=str(error))
                raise trio.BrokenResourceError from error
        await self._send(h11.EndOfMessage())

    async def _body(self) -> AsyncGenerator[bytes, None]:
        while self._http.their_state is h11.SEND_BODY:
            if self._http.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            event = await self._event()
            if isinstance(event, h11.Data):
                yield bytes(event.data)

    async def _event(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            with trio.fail_after(PAUSE_SECONDS if self._http.their_state is h11.SEND_BODY else math.inf):
                self._http.receive_data(await self._stream.receive_some(RECEIVE_BYTES))
        return event

    async def _send(self, event: Any) -> None:
        if data := self._http.send(event):
            with trio.fail_after(PAUSE_SECONDS):
                await self._stream.send_all(data)


class _Refused(Exception):
    """What is answered instead of what was asked for."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


async def _handled(service: Service, method: str, call: Call) -> Mapping[str, Any] | Tar:
    if method == "Plugin.Activate":
        return {"Implements": list(service.implements)}
    handler = service.handlers.get(method)
    if handler is None:
        raise _Refused(NOT_FOUND, f"there is no method {method!r}")
    async with _refusing():
        return await handler(call)


@asynccontextmanager
async def _refusing() -> AsyncGenerator[None, None]:
    """Turn what a driver raises into an answer; what nobody foresaw is logged, too."""
    try:
        yield
    except BadRequest as error:
        raise _Refused(BAD_REQUEST, str(error)) from error
    except (EngineError, OSError) as error:
        raise _Refused(FAILED, str(error) or type(error).__name__) from error
    except (h11.ProtocolError, trio.BrokenResourceError, trio.TooSlowError, _Refused):
        raise  # of the connection itself
    except Exception as error:
        _log.error("a call failed", exc_info=error)
        raise _Refused(FAILED, f"{type(error).__name__}: {error}") from error
