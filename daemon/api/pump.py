"""Connects a hijacked connection with a process's stdio, in both directions, until one side ends.

Nothing is queued here: a client that reads slowly slows the process, a process that reads slowly
slows the client. The connection is the caller's: it closes it, and then the client sees the end of
what was sent.

The rule: output that the process has written is sent before the end is.  So only the output's own
end is an end of the session's output; the client's leaving is noticed while nothing is being sent,
too.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, Protocol

import attrs
import trio

from daemon.api.detach import DEFAULT_KEYS, DetachScanner, parse_keys
from daemon.api.stdcopy import STREAMS, frame
from daemon.api.stream import ClientGone
from daemon.runtimes.attach import AttachSocket, Packet
from daemon.runtimes.logformat import STDERR, STDOUT

RECEIVE_BYTES: Final = 32 * 1024


class Ended(enum.Enum):
    """How a session came to its end."""

    DETACHED = enum.auto()
    OUTPUT_ENDED = enum.auto()
    CLIENT_GONE = enum.auto()


class Eof(enum.Enum):
    """What the end of a client's input means."""

    CLOSE_STDIN = enum.auto()  # it is the end of the process's stdin
    END_SESSION = enum.auto()  # the client leaves, and others may send more
    IGNORE = enum.auto()


class Client(Protocol):
    """The client's connection, such as a `daemon.api.stream.HijackedStream`; all may raise ClientGone."""

    async def receive_some(self, max_bytes: int | None = None) -> bytes: ...
    async def send_all(self, data: bytes) -> None: ...
    async def wait_gone(self) -> None: ...


@attrs.frozen
class PumpOptions:
    """What of a process's stdio a client wants.

    With `tty` the output is sent without frames and the input is searched for `detach_keys`.
    """

    tty: bool = False
    stdin: bool = False
    streams: frozenset[bytes] = frozenset({STDOUT, STDERR})
    eof: Eof = Eof.CLOSE_STDIN
    detach_keys: bytes = parse_keys(DEFAULT_KEYS)


async def pump(
    client: Client,
    connection: AttachSocket,
    options: PumpOptions,
    output: AsyncGenerator[bytes, None] | None = None,
) -> Ended:
    """Connect `client` and the process until one of them ends, and say which.

    With `output`, that is sent instead of what comes over `connection`.
    """
    if output is None:
        return await _Pump(client, connection, options).run(_packets(connection, options))
    async with aclosing(output):
        return await _Pump(client, connection, options).run(output, drain=True)


async def _packets(connection: AttachSocket, options: PumpOptions) -> AsyncGenerator[bytes, None]:
    while packets := await connection.receive_batch():
        yield _render(packets, options)


def _render(packets: list[Packet], options: PumpOptions) -> bytes:
    wanted = (packet for packet in packets if packet.stream in options.streams)
    if options.tty:
        return b"".join(packet.payload for packet in wanted)
    return b"".join(frame(STREAMS[packet.stream], packet.payload) for packet in wanted)


@attrs.define(eq=False)
class _Pump:
    """One session."""

    _client: Client
    _connection: AttachSocket
    _options: PumpOptions
    _ended: Ended | None = attrs.field(default=None, init=False)
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    async def run(self, output: AsyncGenerator[bytes, None], *, drain: bool = False) -> Ended:
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send_output, output)
                nursery.start_soon(self._watch_client)
                if drain:
                    nursery.start_soon(self._drain)
        assert self._ended is not None
        return self._ended

    def _end(self, how: Ended) -> None:
        if self._ended is None:
            self._ended = how
            self._scope.cancel()

    async def _send_output(self, output: AsyncGenerator[bytes, None]) -> None:
        try:
            async with aclosing(output):
                async for piece in output:
                    await self._client.send_all(piece)
        except ClientGone:
            self._end(Ended.CLIENT_GONE)
        except trio.ClosedResourceError:  # the actor has put the client out
            self._end(Ended.OUTPUT_ENDED)
        self._end(Ended.OUTPUT_ENDED)

    async def _drain(self) -> None:
        """Read what nobody wants from here, because conmon blocks if nobody does."""
        with contextlib.suppress(trio.ClosedResourceError):  # the actor has put the client out
            while await self._connection.receive_batch():
                await trio.lowlevel.checkpoint()

    async def _watch_client(self) -> None:
        try:
            if self._options.stdin:
                await self._forward_input()
            await self._client.wait_gone()
        except ClientGone:
            pass
        self._end(Ended.CLIENT_GONE)

    async def _forward_input(self) -> None:
        """Send the process what the client sends, until one of them has had enough."""
        scanner = DetachScanner(self._options.detach_keys)
        try:
            while data := await self._client.receive_some(RECEIVE_BYTES):
                detached = False
                if self._options.tty:
                    data, detached = scanner.feed(data)
                await self._connection.send(data)
                if detached:
                    self._end(Ended.DETACHED)
            self._input_ended()
        except (BrokenPipeError, trio.ClosedResourceError):
            return  # the process is ending: what it has written still comes

    def _input_ended(self) -> None:
        if self._options.eof is Eof.CLOSE_STDIN:
            self._connection.send_eof()
        elif self._options.eof is Eof.END_SESSION:
            self._end(Ended.CLIENT_GONE)
