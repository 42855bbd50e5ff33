"""Request bodies: streamed with the client held back, or read whole and bounded.

The rule: a handler that is slow makes its client wait and never makes the engine grow.  At most
`ROOM_BYTES` and one message are held here; beyond that nobody asks for more (`room`), the
connection's reader stops, and the kernel holds the client back.  Quart's own body takes
whatever comes: a slow `load` of 300 MB lay in memory.

A client that leaves in the middle of its body is told to who streams it, by `ClientGone`, so that
the handler can put away what it has.  Any other handler is cancelled.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from contextlib import ExitStack
from typing import Any, Final, TypeVar, cast

import orjson
import trio
from quart import request
from quart_trio.wrappers import TrioRequest
from quart_trio.wrappers.request import TrioBody

from daemon import wire
from daemon.api.stream import ClientGone
from daemon.errors import InvalidParameter

T = TypeVar("T")

ROOM_BYTES: Final = 256 << 10
WHOLE_BYTES: Final = 16 << 20  # more than any JSON that a client has reason to send
JSON: Final = "application/json"


class Body(TrioBody):
    """A request's body; iterate over it, or await it whole."""

    def __init__(self, expected_content_length: int | None, max_content_length: int | None) -> None:
        self._expected_bytes = expected_content_length or 0
        self._held = bytearray()
        self._limit_bytes = ROOM_BYTES
        self._ended = False
        self._cut = False
        self._streamed = False
        self._changed = trio.lowlevel.ParkingLot()

    async def room(self) -> None:
        """Return when more of the body may come; for the one who calls `append`."""
        while len(self._held) > self._limit_bytes and not self._ended:
            await self._changed.park()

    def append(self, data: bytes) -> None:
        """Add a piece."""
        if not self._ended:
            self._held += data
            self._changed.unpark_all()

    def set_complete(self) -> None:
        """Note that the body is here in full."""
        self._ended = True
        self._changed.unpark_all()

    def discard(self) -> None:
        """Drop what is here and what is still to come."""
        self._held.clear()
        self.set_complete()

    def cut_off(self) -> bool:
        """Note that the client has left; return whether the handler hears of it from here."""
        if self._ended:
            return False
        self._cut = True
        self.set_complete()
        return self._streamed

    def clear(self) -> None:
        """Let go of the pieces that are held."""
        self._held.clear()

    def __aiter__(self) -> Body:
        self._streamed = True
        return self

    async def __anext__(self) -> bytes:
        while not self._held and not self._ended:
            await self._changed.park()
        if not self._held:
            self._check_whole()
            raise StopAsyncIteration
        data = bytes(self._held)
        self._held.clear()
        self._changed.unpark_all()
        return data

    def __await__(self) -> Generator[Any, None, bytes]:
        return self._whole().__await__()

    async def _whole(self) -> bytes:
        self._limit_bytes = WHOLE_BYTES
        self._changed.unpark_all()
        while not self._ended and max(self._expected_bytes, len(self._held)) <= WHOLE_BYTES:
            await self._changed.park()
        if max(self._expected_bytes, len(self._held)) > WHOLE_BYTES:
            raise InvalidParameter(f"request body is larger than {WHOLE_BYTES >> 20} MiB")
        self._check_whole()
        return bytes(self._held)

    def _check_whole(self) -> None:
        if self._cut:
            raise ClientGone("the client left in the middle of the request body")


class Request(TrioRequest):
    """A request whose body is bounded.

    Attributes:
        ending: what is left when the conversation with the client ends, whichever way.

    """

    body_class = Body

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ending = ExitStack()


def current_body() -> Body:
    """Return the body of the current request."""
    return cast("Body", request.body)


def upload() -> AsyncIterator[bytes]:
    """Return the current request's body as it arrives; a slow reader holds the client back.

    Raises:
        ClientGone: while iterating: the client has left, the rest will never come.

    """
    return aiter(current_body())


async def json_body(type_: type[T], *, if_empty: T | None = None) -> T:
    """Return the current request's JSON body as a `type_`; `if_empty` is what no body means.

    `null` says nothing of any member, as `{}` does.

    Raises:
        InvalidParameter: it is not JSON, not declared as JSON, too large or of another shape,
            or there is none and `if_empty` does not say what that means.

    """
    text = await current_body()
    if text:
        _check_content_type(request.headers.get("Content-Type", ""))
    elif if_empty is None:
        raise InvalidParameter("invalid JSON: EOF")
    document = parse_json(text) if text else None
    if document is None and if_empty is not None:
        return if_empty
    return wire.parse_client({} if document is None else document, type_)


def _check_content_type(declared: str) -> None:
    if declared.partition(";")[0].strip().lower() != JSON:
        raise InvalidParameter(f"unsupported Content-Type header ({declared}): must be '{JSON}'")


def parse_json(text: bytes) -> Any:
    """Return the one JSON document that `text` is.

    Raises:
        InvalidParameter: it is none, or there is more behind it.

    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        problem = "unexpected content after JSON" if _is_document(error) else f"invalid JSON: {error}"
        raise InvalidParameter(problem) from None


def _is_document(error: orjson.JSONDecodeError) -> bool:
    """Whether what stands before the error is a document of its own."""
    try:
        orjson.loads(error.doc[: error.pos])
    except orjson.JSONDecodeError:
        return False
    return True
