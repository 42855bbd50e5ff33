"""Exec sessions: further processes in a running container."""

from __future__ import annotations

from http.client import CREATED
from typing import Any

import attrs
from quart import Blueprint, Response, ResponseReturnValue, request

from daemon.actors.exec.lifecycle import NoteExec, ResizeExec, StartExec, State
from daemon.actors.exec.session import ExecSession, ExecSnapshot
from daemon.actors.execs import check_can_exec
from daemon.api.answers import empty, json
from daemon.api.app import engine
from daemon.api.body import json_body
from daemon.api.detach import parse_keys
from daemon.api.docker.logs import MULTIPLEXED, RAW
from daemon.api.docker.terminal import asked_size
from daemon.api.hijack import HIJACKED, HijackedStream, hijack, raw_answer
from daemon.api.pump import Ended, Eof, PumpOptions, pump
from daemon.api.stdcopy import STREAMS, frame
from daemon.api.versions import HEADERS, api_version
from daemon.errors import EngineError, InvalidParameter
from daemon.model import ExecConfig
from daemon.runtimes.attach import AttachSocket
from daemon.runtimes.logformat import STDERR, STDOUT

routes = Blueprint("exec", __name__)


@attrs.frozen
class StartBody:
    """The body of POST /exec/{id}/start."""

    detach: bool = False
    tty: bool = False
    console_size: tuple[int, ...] | None = None


@routes.post("/containers/<name>/exec")
async def create(name: str) -> Response:
    """Make a session; it starts later."""
    config = await json_body(ExecConfig)
    parse_keys(config.detach_keys)  # is refused now rather than when it is started
    found = engine()
    session = await found.execs.create(found.containers.resolve(name), config)
    return json({"Id": session.id}, CREATED)


@routes.post("/exec/<exec_id>/start")
async def start(exec_id: str) -> ResponseReturnValue:
    """Start a session; unless detached, the connection becomes its stdio."""
    body = await json_body(StartBody, if_empty=StartBody())
    found = engine()
    session = found.execs.resolve(exec_id)
    check_can_exec(found.containers.resolve(session.snapshot.record.container_id))
    order = StartExec(attach=not body.detach, console_size=_console_size(body))
    if body.detach:
        await session.mailbox.ask(order)
        return empty(200)
    if session.snapshot.state is not State.CREATED:
        await session.mailbox.ask(order)  # is refused, and says why
    return await _attached(session, order, tty=body.tty)


@routes.post("/exec/<exec_id>/resize")
async def resize(exec_id: str) -> Response:
    """Tell the session's terminal its size."""
    await engine().execs.resolve(exec_id).mailbox.ask(ResizeExec(*asked_size()))
    return empty(200)


@routes.get("/exec/<exec_id>/json")
async def inspect(exec_id: str) -> Response:  # ruff: ignore[unused-async]  sync = a thread
    """Answer with what is known of a session."""
    snapshot = engine().execs.resolve(exec_id).snapshot
    return json(_view(snapshot))


def _console_size(body: StartBody) -> tuple[int, int] | None:
    size = body.console_size
    if size is None or not body.tty or api_version() < (1, 42):
        return None
    if len(size) != 2:
        raise InvalidParameter("ConsoleSize must be height and width")
    return size[0], size[1]


async def _attached(session: ExecSession, order: StartExec, *, tty: bool) -> ResponseReturnValue:
    """Serve a session; `tty` is the start's own word for whether its client reads frames.

    As in dockerd it is not the session's: docker-py starts a session with a terminal without it.
    """
    config = session.snapshot.record.config
    status, headers = raw_answer(_content_type(tty=tty))
    async with hijack(status, [*headers, *HEADERS]) as client:
        try:
            stdio = await session.mailbox.ask(order)
        except EngineError as error:  # there is nobody left to answer but the stream
            await client.send_all(_told(error, tty=tty))
            return HIJACKED
        try:
            ended = await _pumped(client, stdio.connection, config, tty=tty)
        finally:
            stdio.abandon()
        if ended is Ended.OUTPUT_ENDED:
            await _over(session)
        elif ended is Ended.DETACHED:
            await session.mailbox.ask(NoteExec("exec_detach"))
    return HIJACKED


async def _pumped(
    client: HijackedStream, connection: AttachSocket | None, config: ExecConfig, *, tty: bool
) -> Ended:
    if connection is None:
        return Ended.OUTPUT_ENDED
    wanted = {STDOUT: config.attach_stdout, STDERR: config.attach_stderr}
    options = PumpOptions(
        tty=tty,
        stdin=config.attach_stdin,
        streams=frozenset(stream for stream, asked in wanted.items() if asked),
        eof=Eof.CLOSE_STDIN,
        detach_keys=parse_keys(config.detach_keys),
    )
    return await pump(client, connection, options)


async def _over(session: ExecSession) -> None:
    """Wait for the exit code: whoever reads the end of the output asks for it next."""
    await session.cell.wait_for(lambda now: now.state is State.EXITED)


def _told(error: EngineError, *, tty: bool) -> bytes:
    text = f"{error}\r\n".encode(errors="replace")
    return text if tty else frame(STREAMS[STDOUT], text)


def _content_type(*, tty: bool) -> str:
    framed = not tty and "Upgrade" in request.headers and api_version() >= (1, 42)
    return MULTIPLEXED if framed else RAW


def _view(snapshot: ExecSnapshot) -> dict[str, Any]:
    record, config = snapshot.record, snapshot.record.config
    entrypoint, *arguments = config.cmd or ("",)
    return {
        "ID": record.id,
        "Running": snapshot.running,
        "ExitCode": snapshot.exit_code,
        "ProcessConfig": {
            "tty": config.tty,
            "entrypoint": entrypoint,
            "arguments": arguments,
            "privileged": config.privileged,
            "user": config.user,
        },
        "OpenStdin": config.attach_stdin,
        "OpenStderr": config.attach_stderr,
        "OpenStdout": config.attach_stdout,
        "CanRemove": snapshot.state is State.EXITED,
        "ContainerID": record.container_id,
        "DetachKeys": config.detach_keys,
        "Pid": snapshot.pid,
    }
