"""A conversation with the kernel in netlink: requests out, acknowledgements and dumps in.

The rule: requests that belong together go out in one system call, and each is acknowledged before `tell`
returns, so nothing is ever under way when a function of this package has returned.  The kernel does the
work within send(2), without the interpreter's lock, and what is left for Python is packing: some hundredths
of a millisecond for a whole container, which is why this is not pyroute2 (docs/adr/0012).

Source: netlink(7), linux/netlink.h, linux/rtnetlink.h, Documentation/userspace-api/netlink of Linux.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from types import TracebackType
from typing import Final

import attrs

from daemon import failpoints

NLM_F_REPLACE: Final = 0x100
NLM_F_EXCL: Final = 0x200
NLM_F_CREATE: Final = 0x400
_NLM_F_REQUEST: Final = 1
_NLM_F_ACK: Final = 4
_NLM_F_DUMP: Final = 0x300
_NLM_F_DUMP_INTR: Final = 0x10  # things changed under the dump: it may lack some
_NLM_F_ACK_TLVS: Final = 0x200
_NLMSG_ERROR: Final = 2
_NLMSG_DONE: Final = 3
_NLMSGERR_ATTR_MSG: Final = 1
_NLA_TYPE_MASK: Final = 0x3FFF
_SOL_NETLINK: Final = 270
_NETLINK_CAP_ACK: Final = 10
_NETLINK_EXT_ACK: Final = 11
_HEADER: Final = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ATTRIBUTE: Final = struct.Struct("=HH")  # length, type
_ERROR: Final = struct.Struct("=i")
_BUFFER_BYTES: Final = 65536
_DUMPS: Final = 10  # of a host whose links change all the time the last is taken as it is

Attributes = dict[int, bytes]


class Refused(OSError):
    """The kernel refused a request; `strerror` ends with the kernel's own words, if it had any."""


@attrs.frozen
class Request:
    """A message to the kernel; `body` is the fixed part of its type and the attributes."""

    kind: int
    body: bytes
    flags: int = 0


def attribute(kind: int, *values: bytes) -> bytes:
    """Return an attribute; several values are attributes nested in it."""
    value = values[0] if len(values) == 1 else b"".join(values)
    return _ATTRIBUTE.pack(len(value) + _ATTRIBUTE.size, kind) + value + bytes(-len(value) % 4)


def text(kind: int, value: str) -> bytes:
    """Return an attribute with a string."""
    return attribute(kind, os.fsencode(value) + b"\0")


def number(kind: int, value: int) -> bytes:
    """Return an attribute with 32 bits."""
    return attribute(kind, struct.pack("=I", value))


def attributes(message: bytes, offset: int = 0) -> Attributes:
    """Return the attributes of `message` behind its fixed part."""
    found: Attributes = {}
    while offset + _ATTRIBUTE.size <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, offset)
        if length < _ATTRIBUTE.size:
            break
        found[kind & _NLA_TYPE_MASK] = message[offset + _ATTRIBUTE.size : offset + length]
        offset += _aligned(length)
    return found


def string(value: bytes) -> str:
    """Return the string in an attribute's value."""
    return os.fsdecode(value.rstrip(b"\0"))


class Netlink:
    """A socket into the network namespace in which the calling thread is; it stays there, wherever that goes.

    Raises:
        Refused: of every method, the kernel did not do it.

    """

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
        )
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
        self._sequence = 0

    def __enter__(self) -> Netlink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def tell(self, *requests: Request) -> None:
        """Have all of `requests` done, in their order; the kernel goes on after one that it refuses."""
        if requests:
            self._send(*requests)
        waiting, refused = len(requests), None
        while waiting:
            for kind, flags, payload in self._receive():
                if kind == _NLMSG_ERROR:
                    waiting -= 1
                    refused = refused or _refusal(flags, payload)
        if refused is not None:
            raise refused

    def ask(self, request: Request) -> bytes:
        """Return the one message that answers `request`, without its header."""
        self._send(request)
        answer = b""
        while True:
            for kind, flags, payload in self._receive():
                if kind != _NLMSG_ERROR:
                    answer = payload
                elif (refused := _refusal(flags, payload)) is not None:
                    raise refused
                else:
                    return answer

    def dump(self, request: Request) -> list[bytes]:
        """Return all messages that answer `request`, without their headers."""
        whole = False
        for _ in range(_DUMPS):
            self._send(attrs.evolve(request, flags=request.flags | _NLM_F_DUMP))
            found, whole = self._dumped()
            if whole:
                break
        return found

    def _dumped(self) -> tuple[list[bytes], bool]:
        found: list[bytes] = []
        whole = True
        while True:
            for kind, flags, payload in self._receive():
                whole = whole and not flags & _NLM_F_DUMP_INTR
                if kind in {_NLMSG_DONE, _NLMSG_ERROR}:
                    refused = _refusal(flags, payload)
                    if refused is not None:
                        raise refused
                    return found, whole
                found.append(payload)

    def _send(self, *requests: Request) -> None:
        failpoints.reached("netlink")
        packed = []
        for request in requests:
            self._sequence += 1
            length = _HEADER.size + len(request.body)
            flags = request.flags | _NLM_F_REQUEST | _NLM_F_ACK
            packed += [_HEADER.pack(length, request.kind, flags, self._sequence, 0), request.body]
            packed.append(bytes(-length % 4))
        self._socket.send(b"".join(packed))

    def _receive(self) -> Iterator[tuple[int, int, bytes]]:
        received, offset = self._socket.recv(_BUFFER_BYTES), 0
        while offset + _HEADER.size <= len(received):
            length, kind, flags, _, _ = _HEADER.unpack_from(received, offset)
            yield kind, flags, received[offset + _HEADER.size : offset + length]
            offset += _aligned(length)


def _refusal(flags: int, payload: bytes) -> Refused | None:
    (code,) = _ERROR.unpack_from(payload)
    if code == 0:
        return None
    behind = attributes(payload, _ERROR.size + _HEADER.size) if flags & _NLM_F_ACK_TLVS else {}
    words = string(behind.get(_NLMSGERR_ATTR_MSG, b""))
    reason = os.strerror(-code)
    return Refused(-code, f"{reason} ({words})" if words else reason)


def _aligned(length: int) -> int:
    return (length + 3) & ~3
