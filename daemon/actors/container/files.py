"""A container's files, for clients: looked at, copied out, copied in, exported.

Each operation is a visit (`visits.py`) that lasts as long as its child.  It is seen through by a task of the
engine, not by the handler that asked: a client that hangs up only closes its `Copy`, which ends the child,
and whatever that child needed is put away behind it.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterable, Awaitable, Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import attrs
import structlog
import trio

from daemon.actors.container.actor import Container
from daemon.actors.container.commands import Export, Note, Visit
from daemon.actors.container.differences import changes_of
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.container.views import view_of
from daemon.actors.container.visiting import breakable_visit, visit
from daemon.actors.container.visits import Visitor
from daemon.actors.supervision import Supervision
from daemon.archives.changes import Change
from daemon.copying.copies import Copy, start
from daemon.copying.orders import CopyOrder
from daemon.copying.pathstat import PathStat
from daemon.errors import EngineError
from daemon.failpoints import reached
from daemon.graphdrivers.base import GraphDriver
from daemon.runtimes.layout import Layout
from daemon.runtimes.processes import held
from daemon.runtimes.users import find_user

LOG = structlog.get_logger(__name__)


@attrs.define(eq=False)
class Handover:
    """Where a task of the engine puts the copy that it has begun for somebody, who may have left by then."""

    _done: trio.Event = attrs.field(factory=trio.Event, init=False)
    _copy: Copy | None = attrs.field(default=None, init=False)
    _error: EngineError | None = attrs.field(default=None, init=False)
    _is_abandoned: bool = attrs.field(default=False, init=False)

    def give(self, copy: Copy) -> None:
        """Hand the copy over."""
        if self._is_abandoned:
            copy.close()
        self._copy = copy
        self._done.set()

    def fail(self, error: EngineError) -> None:
        """Say that there is none, and why."""
        self._error = error
        self._done.set()

    @property
    def is_done(self) -> bool:
        """Whether it has been given, or has failed."""
        return self._done.is_set()

    async def taken(self) -> Copy:
        """Wait for the copy; whoever gets it closes it."""
        try:
            await self._done.wait()
        except trio.Cancelled:
            self._is_abandoned = True
            if self._copy is not None:
                self._copy.close()
            raise
        if self._error is not None:
            raise self._error
        assert self._copy is not None
        return self._copy


@attrs.frozen
class ContainerFiles:
    """The files of all containers."""

    graph_driver: GraphDriver
    layout: Layout
    supervision: Supervision

    async def look(self, container: Container, path: str) -> PathStat:
        """Return what is at `path`.

        Raises:
            EngineError: see `Copy.finish`; also if the container is being removed.

        """
        job = partial(self._start, container, "look", path)
        with contextlib.closing(await self._begin(container, job)) as copy:
            return await copy.stat()

    async def read(self, container: Container, path: str) -> tuple[PathStat, Copy]:
        """Return what is at `path`, and a tar of it, which the caller closes.

        Raises:
            EngineError: see `look`.

        """
        copy = await self._begin(container, partial(self._start, container, "read", path))
        try:
            found = await copy.stat()
            await container.mailbox.ask(Note("archive-path"))
        except BaseException:
            copy.close()
            raise
        return found, copy

    async def write(
        self,
        container: Container,
        path: str,
        tar: AsyncIterable[bytes],
        *,
        keep_kinds: bool = False,
        as_user: bool = False,
    ) -> None:
        """Unpack a tar into the directory at `path`.

        With `keep_kinds` no directory is replaced by something else, and nothing else by a directory; with
        `as_user` everything belongs to the container's user.

        Raises:
            EngineError: see `look`.

        """
        job = partial(self._start, container, "write", path, keep_kinds=keep_kinds, as_user=as_user, fed=True)
        with contextlib.closing(await self._begin(container, job)) as copy:
            await copy.feed(tar)
        await container.mailbox.ask(Note("extract-to-dir"))

    async def export(self, container: Container) -> Copy:
        """Return a tar of the root filesystem, without what is mounted on it; the caller closes it.

        Raises:
            EngineError: see `look`.

        """
        job = partial(self._start, container, "export", "/")
        copy = await self._begin(container, job, command=Export)
        try:
            await container.mailbox.ask(Note("export"))
        except BaseException:
            copy.close()
            raise
        return copy

    async def changes(self, container: Container) -> tuple[Change, ...]:
        """Return what the container has changed of its image's files.

        Raises:
            EngineError: its files cannot be read, or it is being removed.

        """
        async with breakable_visit(container, self.graph_driver, Visit) as rootfs:
            return await changes_of(container.id, rootfs, self.graph_driver)

    async def _start(
        self,
        container: Container,
        job: str,
        path: str,
        rootfs: Path,
        *,
        keep_kinds: bool = False,
        as_user: bool = False,
        fed: bool = False,
    ) -> Copy:
        now = container.snapshot
        owner = await _owner(rootfs, now.record.config.user) if as_user and now.record.config.user else None
        with _process(now) as process:
            view = view_of(now.record, rootfs, self.layout.container(now.id), process)
            passed = () if process is None else (process,)
            return await start(job, CopyOrder(view, path, keep_kinds, owner), fed=fed, passed=passed)

    async def _begin(
        self, container: Container, job: Callable[[Path], Awaitable[Copy]], command: type[Visit] = Visit
    ) -> Copy:
        handover = Handover()
        name = f"files of {container.id[:12]}"
        self.supervision.see_through(name, partial(self._carry, container, job, command, handover))
        return await handover.taken()

    async def _carry(
        self,
        container: Container,
        job: Callable[[Path], Awaitable[Copy]],
        command: type[Visit],
        handover: Handover,
    ) -> None:
        """Be a visitor for as long as the child is there."""
        visitor = Visitor()
        try:
            async with visit(container, self.graph_driver, command(visitor)) as rootfs:
                await _attend(await job(rootfs), visitor, handover)
        except EngineError as error:
            if handover.is_done:
                LOG.error("root filesystem not given back", container=container.id, reason=str(error))
            handover.fail(error)


async def _attend(copy: Copy, visitor: Visitor, handover: Handover) -> None:
    """Hand a copy over and wait until its child has ended."""
    process = copy.process
    try:
        visitor.can_be_cut_off(copy.break_off)
        handover.give(copy)
        reached("copy-begun")
        await process.wait()
    finally:
        process.kill()
        with trio.CancelScope(shield=True):  # it has been killed, and must be reaped
            await process.wait()


def _process(now: ContainerSnapshot) -> AbstractContextManager[int | None]:
    """Lend a pidfd of the container's first process; None if there is none."""
    if now.run is None or not now.running:
        return contextlib.nullcontext()
    return held(now.run.pid, now.run.started_ticks)


async def _owner(rootfs: Path, user: str) -> tuple[int, int]:
    found = await find_user(rootfs, user)
    return found.uid, found.gid
