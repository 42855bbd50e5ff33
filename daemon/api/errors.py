"""Errors to HTTP: the single table, and the single form in which Docker's clients read them.

`{"message": ...}` under the header `Content-Type: application/json`, to the letter: older Go clients
and aiodocker compare the header, and print raw JSON if a charset is added.  The libpod routes
will have a form of their own (`cause`, `message`, `response`): a second function beside
`docker_form`, chosen in `answer` by the blueprint that was asked.

What nobody foresaw is answered by an operation id; the traceback goes to the log under the same id.
"""

from __future__ import annotations

from collections.abc import Mapping
from http.client import INTERNAL_SERVER_ERROR, NOT_FOUND, NOT_MODIFIED
from types import MappingProxyType
from typing import Final

import orjson
import structlog
from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from daemon import errors
from daemon.api.stream import ClientGone
from daemon.api.versions import mark_unrouted

STATUS: Final[Mapping[type[errors.EngineError], int]] = MappingProxyType(
    {
        errors.InvalidParameter: 400,
        errors.Unauthorized: 401,
        errors.Forbidden: 403,
        errors.NotFound: 404,
        errors.Conflict: 409,
        errors.NotModified: 304,
        errors.TooManyRequests: 429,
        errors.NotImplementedHere: 501,
        errors.Unavailable: 503,
        errors.Failed: 500,
    }
)
LOG: Final = structlog.get_logger(__name__)


def status_of(error: errors.EngineError) -> int:
    """Return the HTTP status of an error: that of the kind in the table which it is one of."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def docker_form(message: str) -> bytes:
    """Return the body with which Docker's API reports `message`."""
    text = message.encode(errors="replace").decode()  # a client's lone surrogate is no UTF-8
    return orjson.dumps({"message": text}, option=orjson.OPT_APPEND_NEWLINE)


def answer(status: int, message: str) -> Response:
    """Return the error response; a 304 has no body."""
    if status == NOT_MODIFIED:
        response = Response(b"", status)
        response.headers.clear()
        return response
    return Response(docker_form(message), status, content_type="application/json")


def unforeseen(error: BaseException) -> Response:
    """Report an error that is a bug of ours: to the log in full, to the client by its id."""
    LOG.error("a request failed", method=request.method, path=request.path, exc_info=error)
    operation = structlog.contextvars.get_contextvars().get("op")
    return answer(INTERNAL_SERVER_ERROR, f"internal error: the engine's log has it under op={operation}")


def install(app: QuartTrio) -> None:
    """Make `app` answer every foreseen error by the table."""

    @app.errorhandler(errors.EngineError)
    async def engine_error(error: errors.EngineError) -> Response:  # ruff: ignore[unused-async]  sync = a thread
        return answer(status_of(error), str(error))

    @app.errorhandler(HTTPException)
    async def http_error(error: HTTPException) -> Response:  # ruff: ignore[unused-async]
        if request.routing_exception is None:
            return answer(error.code or INTERNAL_SERVER_ERROR, error.description or error.name)
        mark_unrouted(request.scope)
        return answer(NOT_FOUND, "page not found")

    @app.errorhandler(ClientGone)
    async def client_gone(error: ClientGone) -> Response:  # ruff: ignore[unused-async]
        return Response(b"")  # there is nobody to read it
