"""Speaking to one plugin: JSON calls, and calls with a tar on the way there or back.

A plugin is somebody else's program: it may not be there yet (connecting is tried again for a while), hang
(every wait has an end), answer nonsense or without end, or die in the middle.  Each is a clear error.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import attrs
import httpx
import orjson
import trio

from daemon.errors import Failed, NotFound
from daemon.plugins import exchange
from daemon.plugins.discovery import Address, Directories, Tls, find
from daemon.plugins.exchange import Answer

MEDIA_TYPE: Final = "application/vnd.docker.plugins.v1.2+json"
ACCEPT: Final = {"Accept": MEDIA_TYPE}
ANSWER_LIMIT_BYTES: Final = 64 << 20  # a list of changes may be long
ERROR_LIMIT_BYTES: Final = 1 << 16
OK: Final = 200
NOT_FOUND: Final = 404
_NOTHING: Final[Mapping[str, Any]] = {}


@attrs.frozen
class Patience:
    """How long to wait, in seconds.

    Attributes:
        connecting: in total, with pauses of 1, 2, 4, 8 ... between the attempts.
        answer: for the answer to a call.
        silence: of one that sends or takes a tar.

    """

    connecting: float = 30
    answer: float = 300
    silence: float = 120

    def pauses(self) -> Iterator[float]:
        """Yield how long to wait before each new attempt to connect."""
        pause, waited = 1.0, 0.0
        while waited + pause <= self.connecting:
            yield pause
            waited, pause = waited + pause, pause * 2


class NotImplementedByPlugin(Failed):
    """The plugin has no such method."""


@attrs.define(eq=False)
class Plugin:
    """A plugin at an address; `close` it in the end."""

    address: Address
    patience: Patience = attrs.field(factory=Patience)
    _transport: httpx.AsyncHTTPTransport = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        socket, is_secure = self.address.socket, self.address.url.startswith("https:")
        self._transport = httpx.AsyncHTTPTransport(
            uds=None if socket is None else str(socket),
            verify=_context(self.address.tls or Tls()) if is_secure else False,
            trust_env=False,  # a proxy is for what is far away
        )

    @property
    def name(self) -> str:
        """What it is called."""
        return self.address.name

    async def close(self) -> None:
        """Give the connections back."""
        await self._transport.aclose()

    async def activate(self, wanted: str) -> None:
        """Greet the plugin, and make sure that it can do what is wanted of it.

        Raises:
            NotFound: it does not listen.
            Failed: it is of another kind, or does not keep the rules.

        """
        answer = await self.call("Plugin.Activate")
        found = answer.get("Implements")
        if not isinstance(found, list) or wanted not in found:
            raise Failed(
                "Plugin does not implement the requested driver: "
                f'plugin="{self.name}", requested implementation="{wanted}"'
            )

    async def call(self, method: str, arguments: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """Return what a method answers.

        Raises:
            NotImplementedByPlugin: there is no such method.
            NotFound: the plugin does not listen.
            Failed: it said no, or does not keep the rules.

        """
        content = b"" if arguments is None else orjson.dumps(arguments)
        with trio.move_on_after(self.patience.answer):
            async with self._answered(method, content) as answer:
                return self._read(method, await self._whole(method, answer, ANSWER_LIMIT_BYTES))
        raise self._failed(method, f"no answer within {self.patience.answer:g} seconds")

    async def send(
        self, method: str, query: Mapping[str, str], chunks: AsyncIterable[bytes]
    ) -> Mapping[str, Any]:
        """Send a tar and return what is answered; what `chunks` raises breaks the sending off."""
        async with self._answered(method, chunks, query) as answer:
            return self._read(method, await self._whole(method, answer, ANSWER_LIMIT_BYTES))

    @asynccontextmanager
    async def receive(
        self, method: str, arguments: Mapping[str, Any]
    ) -> AsyncGenerator[AsyncIterator[bytes], None]:
        """Lend a tar as it comes; the iterator raises Failed if it breaks off."""
        async with self._answered(method, orjson.dumps(arguments)) as answer:
            yield _Chunks(answer, partial(self._failed, method))

    @asynccontextmanager
    async def _answered(
        self, method: str, content: bytes | AsyncIterable[bytes], query: Mapping[str, str] = _NOTHING
    ) -> AsyncGenerator[Answer, None]:
        """Lend an answer that says yes."""
        url = httpx.URL(f"{self.address.url}/{method}", params=dict(query))
        answer = await self._connected(method, url, content)
        try:
            if answer.status != OK:
                raise await self._refusal(method, answer)
            yield answer
        finally:
            await answer.aclose()

    async def _connected(self, method: str, url: httpx.URL, content: bytes | AsyncIterable[bytes]) -> Answer:
        """Send a request; as long as nothing of it was sent, somebody may still come and listen."""
        pauses = self.patience.pauses()
        while True:
            try:
                return await exchange.send(self._transport, url, ACCEPT, content, self.patience.silence)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                pause = next(pauses, None)
                if pause is None:
                    raise NotFound(f'plugin "{self.name}" not found: {error}') from error
            except httpx.TransportError as error:
                raise self._failed(method, _said(error)) from error
            await trio.sleep(pause)

    async def _whole(self, method: str, answer: Answer, limit_bytes: int) -> bytes:
        content = bytearray()
        async for chunk in _Chunks(answer, partial(self._failed, method)):
            content += chunk
            if len(content) > limit_bytes:
                raise self._failed(method, f"the answer has more than {limit_bytes} bytes")
        return bytes(content)

    async def _refusal(self, method: str, answer: Answer) -> Failed:
        content = await self._whole(method, answer, ERROR_LIMIT_BYTES)
        try:
            document = orjson.loads(content)
        except ValueError:
            document = None
        said = document.get("Err") if isinstance(document, dict) else None
        text = said if isinstance(said, str) and said else content.decode(errors="replace").strip()
        if answer.status == NOT_FOUND:
            return NotImplementedByPlugin(f"plugin {self.name} does not have {method}: {text}")
        return self._failed(method, text or f"status {answer.status}")

    def _read(self, method: str, content: bytes) -> Mapping[str, Any]:
        try:
            document = orjson.loads(content)
        except ValueError as error:
            raise self._failed(method, f"the answer is not JSON: {error}") from error
        if not isinstance(document, dict):
            raise self._failed(method, "the answer is no JSON object")
        if said := document.get("Err"):
            raise self._failed(method, str(said))
        return document

    def _failed(self, method: str, text: str) -> Failed:
        return Failed(f"plugin {self.name}: {method}: {text}")


@attrs.define(eq=False)
class _Chunks:
    """The body of an answer, with errors of ours."""

    _answer: Answer
    _failed: Callable[[str], Failed]

    def __aiter__(self) -> _Chunks:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._answer)
        except httpx.TransportError as error:
            raise self._failed(_said(error)) from error


def _said(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "it has stopped answering"
    return str(error) or type(error).__name__


def _context(tls: Tls) -> ssl.SSLContext:
    """Return how to know a plugin.

    Raises:
        Failed: a certificate cannot be read.

    """
    try:
        context = ssl.create_default_context(cafile=tls.ca_file or None)
        if tls.skips_verification:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if tls.cert_file:
            context.load_cert_chain(tls.cert_file, tls.key_file or None)
    except OSError as error:
        raise Failed(f"a plugin's certificates cannot be read: {error}") from error
    return context


async def _found(name: str, directories: Directories, patience: Patience) -> Address:
    for pause in patience.pauses():
        try:
            return await trio.to_thread.run_sync(find, name, directories)
        except NotFound:
            await trio.sleep(pause)
    return await trio.to_thread.run_sync(find, name, directories)


async def reach(name: str, wanted: str, directories: Directories, patience: Patience | None = None) -> Plugin:
    """Find a plugin, which may still be starting, and return it once it has said that it does what is wanted.

    Raises:
        NotFound: there is none, or it does not listen.
        Failed: it is of another kind, or does not keep the rules.

    """
    patience = patience or Patience()
    plugin = Plugin(await _found(name, directories, patience), patience)
    try:
        await plugin.activate(wanted)
    except BaseException:
        with trio.CancelScope(shield=True):  # a socket is closed, which waits for nobody
            await plugin.close()
        raise
    return plugin
