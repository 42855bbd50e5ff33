"""A client of conmon's attach socket: what a process writes, and what it is to read.

The socket is a unix one that keeps packets apart.  conmon sends each read of the process's output
as one packet, after a byte that names the stream; we send input as bare packets and end it with a
half-close.  All of this was seen on conmon 2.1.6, whose conn_sock.c is the only specification.

The rule: while a session is connected it must be read.  conmon blocks on a full socket, and then it
neither keeps the process's log nor notices its end.  A client may make a process wait, but not its
end: what is left when the process is gone fits its pipes, and is read ahead of a slow client.
"""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import Final, NamedTuple

import attrs
import trio

from daemon.runtimes.logformat import STDERR, STDOUT

PACKET_BYTES: Final = 8192 + 1
INPUT_BYTES: Final = 32 * 1024
"""conmon cuts longer packets off."""

BATCH: Final = 32
AHEAD_PACKETS: Final = 512
"""Twice what the kernel's queue and the pipes of a process that has ended can hold, at most 4 MiB."""

STREAMS: Final = {2: STDOUT, 3: STDERR}


class Packet(NamedTuple):
    """What a process wrote to one of its streams."""

    stream: bytes
    payload: bytes


@attrs.define(eq=False)
class AttachSocket:
    """A connection to the monitor of one process."""

    _socket: socket.socket
    _ahead: list[Packet] = attrs.field(factory=list, init=False)

    @classmethod
    def connect(cls, bundle: Path) -> AttachSocket:
        """Connect to the monitor whose bundle is `bundle`.

        Raises:
            OSError: it has ended, or is none.

        """
        # A socket's path is limited to 107 bytes, a bundle's is not.
        directory = os.open(bundle, os.O_PATH | os.O_CLOEXEC)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.connect(f"/proc/self/fd/{directory}/attach")
        except BaseException:
            connection.close()
            raise
        finally:
            os.close(directory)
        connection.setblocking(False)
        return cls(connection)

    async def receive_batch(self) -> list[Packet]:
        """Wait for output and return what is there, at most `BATCH` packets; [] once there will be no more.

        Raises:
            trio.ClosedResourceError: somebody has closed this end.

        """
        # No full checkpoint: at 8 KiB a packet it would cost as much as the rest, and whoever sends
        # the packets on lets others run.
        await trio.lowlevel.checkpoint_if_cancelled()
        while not (packets := self._ready()):
            if packets is None:
                return []
            await trio.lowlevel.wait_readable(self._open())
        return packets

    def read_ahead(self) -> None:
        """Take in what is there, for a reader that keeps the monitor waiting; close if that is too much."""
        while self._socket.fileno() >= 0 and (packets := self._received()):
            self._ahead.extend(packets)
            if len(self._ahead) > AHEAD_PACKETS:
                self.close()

    def _ready(self) -> list[Packet] | None:
        """Return the packets that can be had without waiting; None at the end."""
        if not self._ahead:
            return self._received()
        packets, self._ahead = self._ahead[:BATCH], self._ahead[BATCH:]
        return packets

    def _received(self) -> list[Packet] | None:
        """Return what the socket has; None at the end."""
        packets: list[Packet] = []
        connection = self._open()
        while len(packets) < BATCH:
            try:
                packet = connection.recv(PACKET_BYTES)
            except BlockingIOError:
                return packets
            except ConnectionResetError:
                # conmon has left without reading all input.  Linux says so once, before what it had sent.
                continue
            if not packet:
                return packets or None
            if packet[0] in STREAMS:
                packets.append(Packet(STREAMS[packet[0]], packet[1:]))
        return packets

    async def send(self, data: bytes) -> None:
        """Write `data` to the process's stdin; return when conmon's queue has it.

        Raises:
            BrokenPipeError: nobody reads it any more.
            trio.ClosedResourceError: somebody has closed this end.

        """
        await trio.lowlevel.checkpoint()
        for start in range(0, len(data), INPUT_BYTES):
            await self._send_packet(data[start : start + INPUT_BYTES])

    async def _send_packet(self, packet: bytes) -> None:
        while True:
            try:
                self._open().send(packet)
            except BlockingIOError:
                await trio.lowlevel.wait_writable(self._open())
            except ConnectionResetError as error:  # the other form of the same: see `_ready`
                raise BrokenPipeError("the monitor has ended") from error
            else:
                return

    def send_eof(self) -> None:
        """End the process's stdin, unless its monitor was told to leave that open."""
        with contextlib.suppress(OSError):  # the monitor has ended, and stdin with it
            self._open().shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Leave.  Whoever waits on this socket gets trio.ClosedResourceError."""
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()

    def _open(self) -> socket.socket:
        if self._socket.fileno() < 0:
            raise trio.ClosedResourceError("this end of the session was closed")
        return self._socket


@attrs.define(eq=False)
class AttachSession:
    """A client's place at a process's stdio, taken before there is a connection.

    The actor settles it, once: `offer` when the process is about to run, `refuse` when it never will.
    """

    _socket: AttachSocket | None = attrs.field(default=None, init=False)
    _settled: trio.Event = attrs.field(factory=trio.Event, init=False)
    _left: bool = attrs.field(default=False, init=False)

    @property
    def connection(self) -> AttachSocket | None:
        """The connection, if there is one by now."""
        return self._socket

    async def connected(self) -> AttachSocket | None:
        """Wait for the connection; None if there will never be one."""
        await self._settled.wait()
        return self._socket

    def offer(self, connection: AttachSocket) -> None:
        """Connect the client, or close `connection` if there is no client any more."""
        if self._left or self._settled.is_set():
            connection.close()
            return
        self._socket = connection
        self._settled.set()

    def refuse(self) -> None:
        """Tell the client that there will be no connection."""
        self._settled.set()

    def read_ahead(self) -> None:
        """Read on the client's behalf, who keeps the monitor from ending; for the actor."""
        if self._socket is not None:
            self._socket.read_ahead()

    def abandon(self) -> None:
        """Leave, for the client."""
        self._left = True
        if self._socket is not None:
            self._socket.close()

    @property
    def abandoned(self) -> bool:
        """Whether nobody needs the connection any more."""
        return self._left
