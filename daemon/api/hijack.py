"""Hands a request's connection to its handler, which ASGI cannot express and Docker needs.

`attach` and `exec start` answer with a bare head and are from then on two streams of bytes,
each of which ends on its own (moby calls this a hijack).  A handler:

    async with hijack(*raw_answer("application/vnd.docker.raw-stream")) as stream:
        await session.pump(stream)
    return HIJACKED

What is left of the request's body is dropped: input comes after it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http.client import OK, SWITCHING_PROTOCOLS
from typing import Final

from quart import ResponseReturnValue, request

from daemon.api.body import current_body
from daemon.api.exchange import Headers
from daemon.api.stream import ClientGone, HijackedStream

HIJACK: Final = "longshore.hijack"
HIJACKED: Final[ResponseReturnValue] = ""
"""What a handler returns after a hijack, because Quart wants an answer; it goes nowhere."""

__all__ = ["HIJACK", "HIJACKED", "ClientGone", "HijackedStream", "hijack", "raw_answer"]


@asynccontextmanager
async def hijack(status: int, headers: Headers) -> AsyncGenerator[HijackedStream, None]:
    """Answer the current request with a bare head; in the block the connection is ours.

    The connection ends with the block, and the block ends quietly if the client has gone.
    An error before the block is answered as ever; in it there is nobody left to answer.
    """
    extension = request.scope["extensions"].get(HIJACK)
    if extension is None:
        raise RuntimeError("no hijack here: serve the application with daemon.api.server")
    current_body().discard()
    try:
        async with await extension["hijack"](status, headers) as stream:
            yield stream
    except* ClientGone:
        pass


def raw_answer(content_type: str) -> tuple[int, Headers]:
    """Return the status and headers with which dockerd opens a stream.

    101 for a request with an Upgrade header, whatever that says; 200 for one without.
    """
    kind = ("Content-Type", content_type)
    if "Upgrade" in request.headers:
        return SWITCHING_PROTOCOLS, [kind, ("Connection", "Upgrade"), ("Upgrade", "tcp")]
    return OK, [kind]
