"""The few shapes that a good answer has.

The rule: a header says exactly what clients compare.  JSON goes out as `application/json` without a
charset, an answer without a body has a `Content-Length: 0` and no type (aiodocker stumbles over
anything else), and a stream is chunked with its head sent at once, before there is anything to send.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from http.client import NO_CONTENT, OK
from typing import Any

from quart import Quart, Response
from quart.json.provider import JSONProvider

from daemon import wire
from daemon.api.body import parse_json

JSON = "application/json"


def json(document: object, status: int = OK, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with a document: bytes that are JSON already, or values for `wire.render`."""
    body = document if isinstance(document, bytes) else wire.render(document)
    return Response(body, status, dict(headers or {}), content_type=JSON)


def empty(status: int = NO_CONTENT, headers: Mapping[str, str] | None = None) -> Response:
    """Answer without a body."""
    response = Response(b"", status)
    response.headers.clear()
    if status != NO_CONTENT:
        response.headers["Content-Length"] = "0"
    response.headers.update(headers or {})
    return response


def stream(
    pieces: AsyncIterator[bytes], content_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with whatever `pieces` yields, for as long as it does; each piece is flushed.

    An error in it ends the connection without the last chunk, so that the client sees the cut.
    """
    return Response(pieces, OK, dict(headers or {}), content_type=content_type)


def readable(name: str) -> str:
    """Return a file's name without the bytes in it that are no UTF-8, as Go's JSON has it."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


class WireJson(JSONProvider):
    """How Quart writes the dicts and lists that handlers return."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """Write a document."""
        return wire.render(obj).decode()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Read a document."""
        return parse_json(s.encode() if isinstance(s, str) else s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """Answer with a document."""
        return json(self._prepare_response_obj(args, kwargs))


def install(app: Quart) -> None:
    """Make `app` write JSON as we do."""
    app.json = WireJson(app)
