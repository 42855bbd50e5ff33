"""GET /containers/{name}/logs: what a container has written, and on request what it goes on writing.

The head of the answer is sent at once, each line is flushed.  Following ends with the run that was
followed, also if a restart policy begins another: clients follow again when they see its start
event.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final
from urllib.parse import quote

import attrs
from quart import Blueprint, Response

from daemon.actors.container.logs import log_of
from daemon.actors.container.snapshot import ContainerRecord, ContainerSnapshot
from daemon.actors.published import Cell
from daemon.api.answers import stream
from daemon.api.app import engine
from daemon.api.loglines import LineRenderer
from daemon.api.query import flag, text, timestamp
from daemon.api.versions import api_version
from daemon.errors import InvalidParameter, NotImplementedHere
from daemon.runtimes.inotify import Inotify
from daemon.runtimes.logformat import STDERR, STDOUT
from daemon.runtimes.logrotation import RotatedLog
from daemon.runtimes.logs import NO_END_NS, Selection, existing, followed

RAW: Final = "application/vnd.docker.raw-stream"
MULTIPLEXED: Final = "application/vnd.docker.multiplexed-stream"

routes = Blueprint("logs", __name__)


@attrs.frozen
class RunEnd:
    """The end of a container's current run, or of its being launched."""

    cell: Cell[ContainerSnapshot]
    exits: int

    @classmethod
    def of(cls, cell: Cell[ContainerSnapshot]) -> RunEnd:
        """Return the end of the run that `cell` shows now."""
        return cls(cell, cell.current.exits)

    def reached(self) -> bool:
        """Return whether it has ended; then all its output is in the log."""
        return self._past(self.cell.current)

    async def wait(self) -> None:
        """Return once it has ended."""
        await self.cell.wait_for(self._past)

    async def launched(self) -> None:
        """Return once it runs, or never will."""
        await self.cell.wait_for(lambda now: self._past(now) or not now.launching)

    def _past(self, now: ContainerSnapshot) -> bool:
        return now.exits > self.exits or now.idle


@routes.get("/containers/<name>/logs")
async def logs(name: str) -> Response:  # ruff: ignore[unused-async]  sync = a thread
    """Answer with the lines that the query selects."""
    selection = Selection(wanted_streams(), timestamp("since") or 0, timestamp("until") or NO_END_NS, _tail())
    container = engine().containers.resolve(name)
    record = container.snapshot.record
    log = readable_log(record)
    if flag("follow"):
        lines = follow(log, selection, container.cell, engine().inotify)
    else:
        lines = existing(log, selection)
    multiplexed = not record.config.tty and api_version() >= (1, 42)
    return stream(rendered(lines, _renderer(record, selection)), MULTIPLEXED if multiplexed else RAW)


def _renderer(record: ContainerRecord, selection: Selection) -> LineRenderer:
    return LineRenderer(
        selection.streams,
        framed=not record.config.tty,
        timestamps=flag("timestamps"),
        details=log_details(record) if flag("details") else None,
        bulk=not flag("follow"),
    )


def wanted_streams() -> frozenset[bytes]:
    """Return the output streams that the query asks for.

    Raises:
        InvalidParameter: it asks for none.

    """
    streams = frozenset(name for name in (STDOUT, STDERR) if flag(name.decode()))
    if not streams:
        raise InvalidParameter("must specify at least one of 'stdout' or 'stderr'")
    return streams


def readable_log(record: ContainerRecord) -> RotatedLog:
    """Return a container's log.

    Raises:
        NotImplementedHere: it keeps none.

    """
    log = log_of(record)
    if log is None:
        raise NotImplementedHere("configured logging driver does not support reading")
    return log


def log_details(record: ContainerRecord) -> str:
    """Return the labels and variables that the container's log options name, as `details` shows them."""
    options = record.host_config.log_config.config or {}
    environment = dict(item.partition("=")[::2] for item in record.config.env or ())
    sources = {"labels": record.config.labels or {}, "env": environment}
    pairs = {
        key: source[key]
        for option, source in sources.items()
        for key in options.get(option, "").split(",")
        if key in source
    }
    return ",".join(f"{quote(key)}={quote(value)}" for key, value in sorted(pairs.items()))


async def follow(
    log: RotatedLog, selection: Selection, cell: Cell[ContainerSnapshot], inotify: Inotify
) -> AsyncGenerator[bytes, None]:
    """Yield what a container has written and writes until its current run ends, if it has one."""
    ending = RunEnd.of(cell)
    await ending.launched()
    async with aclosing(followed(log, selection, ending, inotify)) as blocks:
        async for block in blocks:
            yield block  # ruff: ignore[yield-in-context-manager-in-async-generator]  answers are closed


async def rendered(
    blocks: AsyncGenerator[bytes, None], renderer: LineRenderer
) -> AsyncGenerator[bytes, None]:
    """Yield blocks of lines as a client reads them."""
    async with aclosing(blocks):
        async for block in blocks:
            if piece := renderer.render(block):
                yield piece  # ruff: ignore[yield-in-context-manager-in-async-generator]  answers are closed


def _tail() -> int | None:
    """Return how many lines the query wants; None is all, which is what anything but a number means."""
    try:
        wanted = int(text("tail"))
    except ValueError:
        return None
    return wanted if wanted >= 0 else None
