"""Has the kernel forget tracked connections, over netlink.

The kernel can only be asked for connections by going through its whole table, which takes some ten
milliseconds; so it is asked once for everything that is to be forgotten, and tells only those that come
into question.  Our own few lines instead of pyroute2's, which take six times as long for each
connection that is told (docs/adr/0013-nftables.md): there may be very many, and the interpreter is
everybody's.

Source: linux/netfilter/nfnetlink_conntrack.h, netlink(7).
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from typing import Final

from daemon.errors import Failed
from daemon.networks.firewall.connections import DESTINATION_CHANGED, UDP, Connection, Stale

_NETLINK_NETFILTER: Final = 12
_GET, _DELETE = (1 << 8) | 1, (1 << 8) | 2  # subsystem conntrack
_REQUEST, _DUMP = 0x1, 0x300
_ERROR, _DONE = 2, 3
_NESTED: Final = 1 << 15
_TYPE_MASK: Final = 0x3FFF
# Attributes of a connection, and of the parts of a tuple.
_ORIGINAL, _REPLY, _STATUS, _ID, _ZONE, _FILTER, _STATUS_MASK = 1, 2, 3, 12, 18, 25, 26
_IP, _PROTOCOL = 1, 2
_V4_SOURCE, _V4_DESTINATION, _V6_SOURCE, _V6_DESTINATION = 1, 2, 3, 4
_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3
_FILTER_ORIGINAL: Final = 1
_BY_NUMBER: Final = 1 << 3
_HEADER: Final = struct.Struct("=IHHII")
_FAMILY: Final = struct.Struct("=BBH")
_HEADERS_BYTES: Final = _HEADER.size + _FAMILY.size
_ATTRIBUTE: Final = struct.Struct("=HH")
_PORT: Final = struct.Struct(">H")
_NUMBER_32: Final = struct.Struct(">I")
_FAMILIES: Final = {4: socket.AF_INET, 16: socket.AF_INET6}  # by the length of an address
_RECEIVE_BYTES: Final = 1 << 18
_DELETED_AT_ONCE: Final = 64

Attributes = dict[int, memoryview]


class Conntrack:
    """The connections of the network namespace in which it was made, whichever thread calls.

    One call at a time.
    """

    def __init__(self) -> None:
        """Open it.

        Raises:
            Failed: the kernel cannot be asked.

        """
        try:
            self._socket = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER
            )
        except OSError as error:
            raise Failed(f"tracked connections: {error}") from error

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def forget(self, stale: Stale) -> int:
        """Have the kernel forget what is `stale`; return how many connections that were.

        Raises:
            Failed: it cannot be asked, or refused.

        """
        questions = [_message(_GET, _REQUEST | _DUMP, socket.AF_UNSPEC, _sent_on())] if stale.targets else []
        families = {_FAMILIES[len(address)] for address, _ in stale.fronts}
        questions += [_message(_GET, _REQUEST | _DUMP, family, _datagrams()) for family in families]
        try:
            found = [one for question in questions for one in self._dump(question) if stale.has(one)]
            for start in range(0, len(found), _DELETED_AT_ONCE):
                self._delete(found[start : start + _DELETED_AT_ONCE])
        except OSError as error:
            raise Failed(f"tracked connections: {os.strerror(error.errno or 0)}") from error
        return len(found)

    def _dump(self, question: bytes) -> Iterator[Connection]:
        self._socket.send(question)
        while True:
            for kind, body in _messages(self._socket.recv(_RECEIVE_BYTES)):
                if kind == _DONE:
                    return
                _check(kind, body)
                if (connection := _connection(body)) is not None:
                    yield connection

    def _delete(self, connections: Iterable[Connection]) -> None:
        """Delete them; the kernel says something only of those it cannot, and before the sending is over."""
        self._socket.send(
            b"".join(_message(_DELETE, _REQUEST, one.family, one.handle) for one in connections)
        )
        while True:
            try:
                answer = self._socket.recv(_RECEIVE_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            for kind, body in _messages(answer):
                _check(kind, body, passed_over=errno.ENOENT)  # it has ended by itself


def _sent_on() -> bytes:
    changed = _NUMBER_32.pack(DESTINATION_CHANGED)
    return _attribute(_STATUS, changed) + _attribute(_STATUS_MASK, changed)


def _datagrams() -> bytes:
    protocol = _nested(_PROTOCOL, _attribute(_NUMBER, bytes([UDP])))
    by_number = _nested(_FILTER, _attribute(_FILTER_ORIGINAL, struct.pack("=I", _BY_NUMBER)))
    return _nested(_ORIGINAL, protocol) + by_number


def _connection(body: memoryview) -> Connection | None:
    """Read one connection; None: of a protocol without ports."""
    told = _attributes(body[_FAMILY.size :])
    original, reply = (_attributes(told[one]) for one in (_ORIGINAL, _REPLY))
    ports, reply_ports = _attributes(original[_PROTOCOL]), _attributes(reply[_PROTOCOL])
    if _DESTINATION_PORT not in ports:
        return None
    addresses, reply_addresses = _attributes(original[_IP]), _attributes(reply[_IP])
    asked = addresses.get(_V4_DESTINATION) or addresses[_V6_DESTINATION]
    answering = reply_addresses.get(_V4_SOURCE) or reply_addresses[_V6_SOURCE]
    return Connection(
        family=body[0],
        protocol=ports[_NUMBER][0],
        status=_NUMBER_32.unpack(told[_STATUS])[0],
        asked=(bytes(asked), _PORT.unpack(ports[_DESTINATION_PORT])[0]),
        answering=(bytes(answering), _PORT.unpack(reply_ports[_SOURCE_PORT])[0]),
        handle=b"".join(
            _attribute(one | (_NESTED if one == _ORIGINAL else 0), bytes(told[one]))
            for one in (_ORIGINAL, _ID, _ZONE)
            if one in told
        ),
    )


def _check(kind: int, body: memoryview, passed_over: int = 0) -> None:
    if kind == _ERROR:
        number = -struct.unpack_from("=i", body)[0]
        if number not in (0, passed_over):
            raise OSError(number, os.strerror(number))


def _messages(received: bytes) -> Iterator[tuple[int, memoryview]]:
    view, offset = memoryview(received), 0
    while offset < len(view):
        length, kind, _, _, _ = _HEADER.unpack_from(view, offset)
        yield kind, view[offset + _HEADER.size : offset + length]
        offset += _padded(length)


def _attributes(view: memoryview) -> Attributes:
    found, offset = {}, 0
    while offset < len(view):
        length, kind = _ATTRIBUTE.unpack_from(view, offset)
        found[kind & _TYPE_MASK] = view[offset + _ATTRIBUTE.size : offset + length]
        offset += _padded(length)
    return found


def _message(kind: int, flags: int, family: int, attributes: bytes) -> bytes:
    length = _HEADERS_BYTES + len(attributes)
    return _HEADER.pack(length, kind, flags, 0, 0) + _FAMILY.pack(family, 0, 0) + attributes


def _nested(kind: int, *inner: bytes) -> bytes:
    return _attribute(kind | _NESTED, b"".join(inner))


def _attribute(kind: int, value: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(_padded(length) - length)


def _padded(length: int) -> int:
    return (length + 3) & ~3
