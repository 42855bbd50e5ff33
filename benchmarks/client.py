"""HTTP/1.1 over a unix socket, as small as it can be.

The client runs on the same two cores as the engine under test, so every microsecond it takes is
charged to all engines alike and hides their differences.  Hence no library: one `sendall`, as few
`recv` as possible, and streams that are counted, not decoded.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import attrs

READ_BYTES: Final = 1 << 18
HEAD_END: Final = b"\r\n\r\n"
LAST_CHUNK: Final = b"\r\n0\r\n\r\n"
QUIET_SECONDS: Final = 60.0
SWITCHING_PROTOCOLS: Final = 101
TAR: Final = "application/x-tar"


class EngineAnswered(Exception):
    """The engine refused a request, or answered something that is not HTTP."""


@attrs.frozen
class Answer:
    """One whole answer."""

    status: int
    body: bytes

    def json(self) -> object:
        """Decode the body."""
        return json.loads(self.body)


@attrs.frozen
class Head:
    """Status and headers of an answer, names in lower case."""

    status: int
    headers: Mapping[str, str]

    @property
    def chunked(self) -> bool:
        return self.headers.get("transfer-encoding", "").lower() == "chunked"

    @property
    def closes(self) -> bool:
        return self.headers.get("connection", "").lower() == "close"


class Stream:
    """An answer without a known end: a hijacked connection or a chunked body, left undecoded."""

    def __init__(self, connection: socket.socket, head: Head, first: bytes) -> None:
        self._socket = connection
        self._tail = b""
        self._first = first
        self.head = head

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def read(self) -> bytes:
        """Return what has come, waiting for at least one byte; nothing at the end."""
        if self._first:
            first, self._first = self._first, b""
            return first
        return self._socket.recv(READ_BYTES)

    def poll(self) -> bytes:
        """Return what is here already, without waiting for more."""
        self._socket.setblocking(False)
        try:
            return self.read()
        except BlockingIOError:
            return b""
        finally:
            self._socket.settimeout(QUIET_SECONDS)

    def take(self) -> bytes:
        """Return all that is here already, without waiting for more."""
        pieces = []
        while piece := self.poll():
            pieces.append(piece)
        return b"".join(pieces)

    def read_all(self) -> bytes:
        """Return everything up to the end."""
        pieces = []
        while piece := self.read():
            pieces.append(piece)
        return b"".join(pieces)

    def drain(self, deadline: float) -> tuple[int, bool]:
        """Read to the end or until `deadline` (perf_counter); return bytes read and if it was the end.

        The end of a chunked body is known by its last chunk alone, which the texts sent through it must
        not contain: decoding every chunk would cost more than some engines take to send them.
        """
        total, ended = 0, False
        while not ended and time.perf_counter() < deadline:
            piece = self.read()
            total += len(piece)
            ended = self._ends_with(piece)
        return total, ended

    def read_whole(self) -> bytes:
        """Return everything up to the end as `drain` knows it, framing and all."""
        pieces = [self.read()]
        while not self._ends_with(pieces[-1]):
            pieces.append(self.read())
        return b"".join(pieces)

    def _ends_with(self, piece: bytes) -> bool:
        """Tell whether this was the last piece."""
        self._tail = (self._tail + piece)[-len(LAST_CHUNK) :] if len(piece) < len(LAST_CHUNK) else piece
        return not piece or (self.head.chunked and self._tail.endswith(LAST_CHUNK))


class Client:
    """A connection that is kept alive between requests and opened again when the engine closed it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket: socket.socket | None = None

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def request(self, method: str, target: str, body: object = None) -> Answer:
        """Send one request, a file's content if `body` is a path, and return its whole answer.

        Raises:
            EngineAnswered: the status is 400 or above.
        """
        if self._socket is None:
            self._socket = self._connect()
        if isinstance(body, Path):
            send_file(self._socket, method, target, body)
        else:
            self._socket.sendall(request_bytes(method, target, body))
        head, rest = read_head(self._socket)
        content = read_body(self._socket, head, rest)
        if head.closes:
            self.close()
        return checked(Answer(head.status, content), target)

    def stream(self, method: str, target: str, body: object = None, *, hijack: bool = False) -> Stream:
        """Open a connection of its own for an answer that is read piece by piece.

        Raises:
            EngineAnswered: the status is 400 or above.
        """
        connection = self._connect()
        extra = "Connection: Upgrade\r\nUpgrade: tcp\r\n" if hijack else ""
        connection.sendall(request_bytes(method, target, body, extra))
        head, rest = read_head(connection)
        if head.status >= 400:
            content = read_body(connection, head, rest)
            connection.close()
            checked(Answer(head.status, content), target)
        return Stream(connection, head, rest)

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(QUIET_SECONDS)
        connection.connect(str(self._path))
        return connection


def checked(answer: Answer, target: str) -> Answer:
    """Return `answer` unless it is an error."""
    if answer.status >= 400:
        raise EngineAnswered(f"{target}: {answer.status} {answer.body.decode(errors='replace').strip()}")
    return answer


def request_bytes(method: str, target: str, body: object, extra: str = "") -> bytes:
    """Spell a request; `bytes` are sent as a tar archive, anything else as JSON."""
    kind = TAR if isinstance(body, bytes) else "application/json"
    content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    return request_head(method, target, kind, len(content), extra) + content


def request_head(method: str, target: str, kind: str, size_bytes: int, extra: str = "") -> bytes:
    """Spell what comes before a body of a type and size."""
    return (
        f"{method} {target} HTTP/1.1\r\nHost: bench\r\n{extra}"
        f"Content-Type: {kind}\r\nContent-Length: {size_bytes}\r\n\r\n"
    ).encode()


def send_file(connection: socket.socket, method: str, target: str, archive: Path) -> None:
    """Send a request whose body is a tar file, without reading that here."""
    connection.sendall(request_head(method, target, TAR, archive.stat().st_size))
    with archive.open("rb") as file:
        connection.sendfile(file)


def read_head(connection: socket.socket) -> tuple[Head, bytes]:
    """Read up to the end of the headers; return them and the bytes of the body that came along."""
    data = b""
    while HEAD_END not in data:
        piece = connection.recv(READ_BYTES)
        if not piece:
            raise EngineAnswered(f"connection closed after {data!r}")
        data += piece
    text, rest = data.split(HEAD_END, 1)
    first, *lines = text.decode("latin-1").split("\r\n")
    pairs = (line.split(":", 1) for line in lines)
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    return Head(int(first.split(" ", 2)[1]), headers), rest


def read_body(connection: socket.socket, head: Head, rest: bytes) -> bytes:
    """Return the whole body of an answer of which `rest` has been read."""
    if head.status in {SWITCHING_PROTOCOLS, 204, 304}:
        return b""
    if head.chunked:
        while not (rest.endswith(LAST_CHUNK) or rest == LAST_CHUNK[2:]):
            rest += connection.recv(READ_BYTES)
        return dechunked(rest)
    if (length := head.headers.get("content-length")) is None:
        raise EngineAnswered("an answer without a length")
    pieces = [rest]
    missing = int(length) - len(rest)
    while missing > 0:
        pieces.append(connection.recv(READ_BYTES))
        missing -= len(pieces[-1])
        if not pieces[-1]:
            raise EngineAnswered(f"the answer ended {missing} bytes early")
    return b"".join(pieces)


def dechunked(data: bytes) -> bytes:
    """Join the chunks of a whole chunked body."""
    pieces: list[bytes] = []
    while True:
        size_text, data = data.split(b"\r\n", 1)
        size = int(size_text.split(b";")[0], 16)
        if size == 0:
            return b"".join(pieces)
        pieces.append(data[:size])
        data = data[size + 2 :]
