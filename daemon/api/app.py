"""The application: Quart with our body, our errors and our versions, and nothing that times out.

Handlers get at the engine with `engine()`.  Which routes there are is not decided here (so that the
modules of routes can import this one) but by who calls `make_app`; Docker's are listed in
`daemon.api.docker.table`.

What a handler must know: it is cancelled when its client leaves, unless it streams the body (see
`daemon.api.body`).  An error in the middle of a streamed answer is logged and cuts the connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import structlog
import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable
from quart import Blueprint, Response, current_app, request
from quart.sessions import NullSession, SessionInterface
from quart.typing import ResponseTypes
from quart.utils import encode_headers
from quart.wrappers.base import BaseRequestWebsocket
from quart.wrappers.response import DataBody
from quart_trio import QuartTrio
from quart_trio.asgi import TrioASGIHTTPConnection

from daemon.api import answers, errors
from daemon.api.body import Body, Request
from daemon.api.stream import ClientGone
from daemon.api.versions import Versions
from daemon.errors import EngineError

if TYPE_CHECKING:
    from daemon.actors.engine import Engine

T = TypeVar("T")
ENGINE: Final = "ENGINE"
LOG: Final = structlog.get_logger(__name__)


class Conversation(TrioASGIHTTPConnection):
    """One request as Quart-Trio serves it, but holding its client back and with a task less."""

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Take the request in and answer it, both at once."""
        request = cast("Request", self._create_request_from_scope(send))
        with request.ending:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.handle_messages, nursery, request, receive)
                await self.handle_request(nursery, request, send)

    async def handle_messages(  # type: ignore[override]  # as in Quart-Trio
        self, nursery: trio.Nursery, request: Request, receive: ASGIReceiveCallable
    ) -> None:
        """Feed the request's body; cancel the request when the client leaves."""
        body = cast("Body", request.body)
        while True:
            await body.room()
            message = await receive()
            if message["type"] != "http.request":
                break
            body.append(message.get("body", b""))
            if not message.get("more_body", False):
                body.set_complete()
        if not body.cut_off():
            nursery.cancel_scope.cancel()

    async def handle_request(  # type: ignore[override]  # as in Quart-Trio
        self, nursery: trio.Nursery, request: Request, send: ASGISendCallable
    ) -> None:
        """Answer; an answer that fails half way ends without an end."""
        try:
            await super().handle_request(nursery, request, send)
        except* ClientGone:
            nursery.cancel_scope.cancel()
        except* EngineError as cut:
            reason = str(cut.exceptions[0])
            LOG.error("an answer was cut short", method=request.method, path=request.path, reason=reason)
            nursery.cancel_scope.cancel()
        except* Exception:
            LOG.exception("an answer was cut short", method=request.method, path=request.path)
            nursery.cancel_scope.cancel()

    async def _send_response(self, send: ASGISendCallable, response: ResponseTypes) -> None:
        """Send a body that is here in full as one piece; let go of any other whatever happens to it.

        Who asked for the head alone gets no other begun: it may have no end, and the next request waits.
        """
        body = response.response
        if isinstance(body, DataBody):
            await _send_whole(send, response, body.data)
            return
        try:
            if self.scope["method"] == "HEAD":
                await _send_whole(send, response, b"")
            else:
                await super()._send_response(send, response)
        finally:
            _let_go(body)


async def _send_whole(send: ASGISendCallable, response: ResponseTypes, body: bytes) -> None:
    headers = encode_headers(response.headers)
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _let_go(body: object) -> None:
    """Close what a streamed body is made from, if it is to be closed; Quart may not have come to that."""
    if (close := getattr(getattr(body, "iter", None), "close", None)) is not None:
        close()


class NoSessions(SessionInterface):
    """Clients of an engine have no cookies."""

    _none: Final = NullSession()

    async def open_session(self, app: object, request: BaseRequestWebsocket) -> NullSession:
        """Return the one session that there is."""
        return self._none


class Application(QuartTrio):
    """Quart-Trio as this engine needs it."""

    asgi_http_class = Conversation
    request_class = Request
    session_interface = NoSessions()  # type: ignore[assignment]  # Quart names its default too narrowly

    def __init__(self, import_name: str) -> None:
        super().__init__(import_name, static_folder=None)
        self.config.update(RESPONSE_TIMEOUT=None, BODY_TIMEOUT=None, MAX_CONTENT_LENGTH=None)
        self.url_map.strict_slashes = False
        self.asgi_app = Versions(self.asgi_app)  # type: ignore[method-assign]  # as Quart wants to be wrapped
        answers.install(self)
        errors.install(self)

    async def handle_exception(self, error: Exception) -> Response:
        """Answer an error that nobody foresaw."""
        return errors.unforeseen(error)


def make_app(engine: Engine, blueprints: Iterable[Blueprint]) -> Application:
    """Return the application that serves `engine` by the routes of `blueprints`."""
    app = Application(__name__)
    app.config[ENGINE] = engine
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    return app


def until_the_conversation_ends(context: AbstractContextManager[T]) -> T:
    """Enter `context`, and leave it when the current request has been answered or its client has left.

    A handler's own block ends before its answer is sent, and that of a generator only if it was begun.
    """
    current: Request = cast("Any", request)
    return current.ending.enter_context(context)


def engine() -> Engine:
    """Return the engine that the current request is for."""
    found: Any = current_app.config[ENGINE]
    return cast("Engine", found)
