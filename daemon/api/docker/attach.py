"""Attaching to a container's stdio, and telling its terminal the size.

A client attaches in any state, usually before it starts the container; the session is connected
when the process is there and has not yet begun.  An error before the streams exist is plain text,
because a client that has asked for a stream reads no JSON.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator

from quart import Blueprint, Response, ResponseReturnValue, request

from daemon.actors.container.actor import Container
from daemon.actors.container.commands import Attach, Note, Resize
from daemon.api.answers import empty
from daemon.api.app import engine
from daemon.api.detach import parse_keys
from daemon.api.docker.logs import MULTIPLEXED, RAW, follow, readable_log, rendered
from daemon.api.docker.terminal import asked_size
from daemon.api.errors import status_of
from daemon.api.hijack import HIJACKED, HijackedStream, hijack, raw_answer
from daemon.api.loglines import LineRenderer
from daemon.api.pump import Ended, Eof, PumpOptions, pump
from daemon.api.query import flag, text
from daemon.api.versions import api_version
from daemon.errors import Conflict, EngineError, NotImplementedHere
from daemon.model import Config
from daemon.runtimes.attach import AttachSession
from daemon.runtimes.logformat import STDERR, STDOUT
from daemon.runtimes.logs import Selection, existing, first_of

routes = Blueprint("attach", __name__)


@routes.post("/containers/<name>/attach")
async def attach(name: str) -> ResponseReturnValue:
    """Hand the client the container's stdio."""
    try:
        container = engine().containers.resolve(name)
        options = _options(container.snapshot.record.config)
        if container.snapshot.paused:
            raise Conflict(f"container {name} is paused, unpause the container before attach")
        if _only_listens(container, options):
            return await _listen(container, options)
        history = _history(container, options)
        session = await container.mailbox.ask(Attach())
    except EngineError as error:
        return _refused(error)
    try:
        async with hijack(*raw_answer(_content_type(tty=options.tty))) as stream:
            how = await _serve(stream, session, options, history)
            session.abandon()  # before the connection ends, which may take as long as the client lingers
            if how is Ended.DETACHED:
                await container.mailbox.ask(Note("detach", {}))
    finally:
        session.abandon()
    return HIJACKED


@routes.get("/containers/<name>/attach/ws")
async def attach_websocket(name: str) -> Response:  # ruff: ignore[unused-async]  sync = a thread
    """Refuse: no client that this engine is for attaches by websocket."""
    raise NotImplementedHere("attach by websocket is not supported: use POST /containers/ID/attach")


@routes.post("/containers/<name>/resize")
async def resize(name: str) -> Response:
    """Tell the container's terminal its size."""
    await engine().containers.resolve(name).mailbox.ask(Resize(*asked_size()))
    return empty(200)


def _options(config: Config) -> PumpOptions:
    """Return what the query asks for, as far as the container has it."""
    once = config.stdin_once and not config.tty
    return PumpOptions(
        tty=config.tty,
        stdin=flag("stdin") and config.open_stdin,
        streams=frozenset(stream for stream in (STDOUT, STDERR) if flag(stream.decode())),
        eof=Eof.CLOSE_STDIN if once else Eof.END_SESSION,
        detach_keys=parse_keys(text("detachKeys")),
    )


def _live(options: PumpOptions) -> bool:
    """Tell whether the client wants anything of what is still to come."""
    return flag("stream") and bool(options.stdin or options.streams)


def _only_listens(container: Container, options: PumpOptions) -> bool:
    """Tell whether a client without input is better served from the log.

    A connection of its own would do harm: when any of them hangs up, conmon ends an input that is to
    be ended with the client's (StdinOnce), and this client has none.
    """
    snapshot, config = container.snapshot, container.snapshot.record.config
    ends_input = config.open_stdin and config.stdin_once and not config.tty
    logs = snapshot.record.host_config.log_config.type != "none"
    return ends_input and logs and snapshot.running and _live(options) and not options.stdin


async def _listen(container: Container, options: PumpOptions) -> ResponseReturnValue:
    """Send the client what the container's log gets from now on, or with `logs` had before, too."""
    selection = Selection(options.streams, since_ns=0 if flag("logs") else time.time_ns())
    log = readable_log(container.snapshot.record)
    lines = follow(log, selection, container.cell, engine().inotify)
    await container.mailbox.ask(Note("attach"))

    async with hijack(*raw_answer(_content_type(tty=False))) as stream:

        async def send() -> None:
            async for piece in rendered(lines, LineRenderer(options.streams, framed=True)):
                await stream.send_all(piece)

        await first_of(send, stream.wait_gone)
    return HIJACKED


def _history(container: Container, options: PumpOptions) -> AsyncGenerator[bytes, None] | None:
    """Return the container's output from its log, if the client wants what was written before, too.

    With `stream` it goes on with what is written next: one source, so nothing is missing or twice.
    """
    if not flag("logs"):
        return None
    log = readable_log(container.snapshot.record)
    selection = Selection(options.streams)
    lines = (
        follow(log, selection, container.cell, engine().inotify)
        if _live(options)
        else existing(log, selection)
    )
    return rendered(lines, LineRenderer(options.streams, framed=not options.tty))


async def _serve(
    stream: HijackedStream,
    session: AttachSession,
    options: PumpOptions,
    history: AsyncGenerator[bytes, None] | None,
) -> Ended:
    """Serve a client until its session ends."""
    if not _live(options):
        async for piece in history or _nothing():
            await stream.send_all(piece)
        return Ended.OUTPUT_ENDED

    async def connected() -> None:
        await session.connected()

    await first_of(connected, stream.wait_gone)
    if session.connection is None:
        return Ended.CLIENT_GONE
    return await pump(stream, session.connection, options, history)


async def _nothing() -> AsyncGenerator[bytes, None]:  # ruff: ignore[unused-async]  it stands for one
    return
    yield


def _refused(error: EngineError) -> Response:
    """Answer as dockerd does where a stream was asked for."""
    headers = {"Connection": "close"}  # the client may have sent input already
    return Response(f"{error}\r\n".encode(errors="replace"), status_of(error), headers, content_type=RAW)


def _content_type(*, tty: bool) -> str:
    framed = not tty and "Upgrade" in request.headers and api_version() >= (1, 42)
    return MULTIPLEXED if framed else RAW
