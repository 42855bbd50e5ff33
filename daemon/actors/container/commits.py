"""Making an image of a container.

It is a visit (`visits.py`), seen through by a task of the engine whatever becomes of whoever asked.  What
runs is paused while its changes are read and no longer.  A crash in the middle leaves either the image or
nothing, and no container that stays paused: it is paused `briefly`, which a restart takes back.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import structlog
import trio

from daemon.actors.container.actor import Container
from daemon.actors.container.commands import Commit, Note, Pause, Unpause
from daemon.actors.container.differences import changes_of
from daemon.actors.container.host import ContainerHost
from daemon.actors.container.visiting import breakable_visit
from daemon.actors.image_commands import AddLayer
from daemon.actors.images import Images
from daemon.actors.mailbox import Promise
from daemon.actors.supervision import Supervision
from daemon.archives import sandbox
from daemon.archives.orders import Whiteouts
from daemon.errors import Conflict, EngineError, Failed, Unavailable
from daemon.failpoints import reached
from daemon.graphdrivers.base import GraphDriver
from daemon.images.committing import Description
from daemon.images.layerfile import WrittenLayer, write_layer
from daemon.images.references import Reference
from daemon.images.spool import Spool

LOG = structlog.get_logger(__name__)
THAW_SECONDS: Final = 20.0


@attrs.frozen
class Wish:
    """What a client wants of the new image; `tag` is None if it is to have no name."""

    description: Description
    tag: Reference | None = None
    pause: bool = True


@attrs.frozen
class Commits:
    """Makes images of containers."""

    host: ContainerHost
    graph_driver: GraphDriver
    images: Images
    supervision: Supervision

    async def commit(self, container: Container, wish: Wish) -> str:
        """Make an image of a container and return its id; once begun it is made, even if the caller leaves.

        Raises:
            Conflict: the container is being removed.
            Failed: its files cannot be read, or the disk is full.

        """
        promise = Promise[str]()
        work = partial(self._see_through, container, wish, promise)
        self.supervision.see_through(f"commit {container.id[:12]}", work)
        return await promise.outcome()

    async def _see_through(self, container: Container, wish: Wish, promise: Promise[str]) -> None:
        try:
            promise.answer(await self._commit(container, wish))
        except EngineError as error:
            promise.refuse(error)
        except OSError as error:
            promise.refuse(Failed(f"cannot commit: {error.strerror or error}"))
        finally:
            promise.refuse(Unavailable("the engine ended before the image was made"))

    async def _commit(self, container: Container, wish: Wish) -> str:
        spool = self.images.new_spool()
        try:
            async with breakable_visit(container, self.graph_driver, Commit) as rootfs:
                async with self._still(container, pause=wish.pause):
                    layer = await self._write(container.id, rootfs, spool)
                parent_id = container.snapshot.record.image_id
                added = AddLayer(spool, layer, parent_id, wish.description, wish.tag)
                image_id = await self.images.mailbox.ask(added)
                name = wish.tag.familiar if wish.tag else ""
                told = {"comment": wish.description.comment, "imageID": image_id, "imageRef": name}
                await container.mailbox.ask(Note("commit", told))
                return image_id
        finally:
            spool.discard_unclaimed()

    async def _write(self, container_id: str, rootfs: Path, spool: Spool) -> WrittenLayer | None:
        """Write what the container has changed as a layer; None if that is nothing."""
        changes = await changes_of(container_id, rootfs, self.graph_driver)
        if not changes:
            return None
        reached("commit-compared")
        async with sandbox.pack(rootfs, whiteouts=Whiteouts.APPLIED, changes=changes) as pieces:
            layer = await write_layer(spool.path, pieces)
        reached("commit-written")
        return layer

    @contextlib.asynccontextmanager
    async def _still(self, container: Container, *, pause: bool) -> AsyncGenerator[None, None]:
        """Have the container paused, if it runs, and going on in any case afterwards."""
        if not (pause and await _paused(container)):
            yield
            return
        reached("commit-paused")
        try:
            yield
        finally:
            # If the engine ends, so has the actor, and what is frozen must not wait for the next engine.
            ends = trio.current_effective_deadline() == -math.inf
            with trio.move_on_after(THAW_SECONDS, shield=True):
                await (self._thaw(container) if ends else _go_on(container))
        reached("commit-unpaused")

    async def _thaw(self, container: Container) -> None:
        try:
            await self.host.thaw(container.snapshot.record)
        except EngineError as error:
            LOG.warning("not thawed", container=container.id, reason=str(error))


async def _paused(container: Container) -> bool:
    """Pause a container; return whether that was to be done, and is to be undone."""
    try:
        await container.mailbox.ask(Pause(briefly=True))
    except Conflict:  # it does not run, or is paused already
        return False
    return True


async def _go_on(container: Container) -> None:
    try:
        await container.mailbox.ask(Unpause())
    except EngineError as error:  # it has ended, as a rule
        LOG.info("not unpaused", container=container.id, reason=str(error))
