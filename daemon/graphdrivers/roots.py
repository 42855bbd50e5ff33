"""The root filesystems of containers, over any driver; a container's layer has the container's id."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import structlog
import trio

from daemon.archives.changes import Change
from daemon.errors import EngineError, Failed
from daemon.graphdrivers.driver import Driver, Pairs
from daemon.graphdrivers.holds import Holds
from daemon.graphdrivers.layers import parent_id

RUN: Final = "run"  # the holder of what a running container stands on
_log = structlog.get_logger(__name__)


@attrs.define(eq=False)
class Roots:
    """A `GraphDriver` made of a driver; `status` is what that said of itself at the start."""

    driver: Driver
    status: Pairs = ()
    _holds: Holds = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._holds = Holds(self.driver)

    @property
    def name(self) -> str:
        """What `docker info` calls it."""
        return self.driver.name

    async def prepare(self, container_id: str, chain_ids: Sequence[str]) -> None:
        """Make an empty writable layer over the layers `chain_ids`, lowest first.

        Raises:
            Failed: a layer is missing, or the disk refused.

        """
        with _translated("create the root filesystem", container_id):
            await self.driver.create_read_write(container_id, parent_id(chain_ids))

    async def mount(self, container_id: str, chain_ids: Sequence[str] | None = None) -> Path:
        """Return the root filesystem, mounted for a run; with `chain_ids`, `prepare` it first.

        Raises:
            Failed: the kernel refused, or it was never prepared.

        """
        return await self._take(container_id, RUN, chain_ids)

    async def unmount(self, container_id: str) -> None:
        """Say that the run is over; the writable layer stays.

        Raises:
            Failed: the kernel refused.

        """
        await self._drop(container_id, RUN)

    @contextlib.asynccontextmanager
    async def mounted(
        self, container_id: str, chain_ids: Sequence[str] | None = None
    ) -> AsyncGenerator[Path, None]:
        """Lend the root filesystem, whether the container runs or not; with `chain_ids`, `prepare` it first.

        Raises:
            Failed: the kernel refused, or it was never prepared.

        """
        holder = object()
        path = await self._take(container_id, holder, chain_ids)
        try:
            yield path
        finally:
            with trio.CancelScope(shield=True):  # or it would stay mounted; drivers have limits of their own
                await self._drop(container_id, holder)

    async def remove(self, container_id: str) -> None:
        """Unmount and delete the writable layer.

        Raises:
            Failed: something in it cannot be deleted, an immutable file for one.

        """
        with _translated("remove the root filesystem", container_id):
            await self._holds.forget(container_id, partial(self.driver.remove, container_id))

    async def prune(self, container_ids: Collection[str]) -> None:
        """Unmount and delete the writable layers of all other containers; for start-up."""
        inventory = await self.driver.inventory()
        for container_id in inventory.read_write.difference(container_ids):
            try:
                await self.remove(container_id)
            except Failed as error:  # it can wait for the next start; the engine cannot
                _log.warning("left-over root filesystem stays", container_id=container_id, error=str(error))

    async def adopt(self, container_ids: Collection[str]) -> None:
        """Take it that these run, so their root filesystems are mounted; for start-up."""
        for container_id in container_ids:
            if not self.driver.capabilities.counts_gets:
                self._holds.expect(container_id, RUN)
                continue
            try:
                await self.mount(container_id)
            except Failed as error:  # it runs all the same
                _log.error("the driver does not know a root filesystem in use", error=str(error))

    async def close(self) -> None:
        """Have the driver let go of everything, unless containers go on."""
        if not self._holds:
            try:
                await self.driver.cleanup()
            except (OSError, EngineError) as error:  # we are leaving all the same
                _log.warning("the storage driver cannot be cleaned up", error=str(error))

    def diff(self, container_id: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Lend a layer's tar of what the container has changed, as `commit` needs it: not compressed.

        The iterator raises Failed if something cannot be read; what came before is worthless then.
        """
        return self.driver.diff(container_id, None)

    async def changes(self, container_id: str) -> tuple[Change, ...]:
        """Return what the container has changed of its image's files, directories before what is in them.

        Raises:
            Failed: something cannot be read, or it was never prepared.

        """
        with _translated("find the changes", container_id):
            return await self.driver.changes(container_id, None)

    async def written_bytes(self, container_id: str) -> int:
        """Return the size of what the container has written; 0 for one that was never prepared."""
        with _translated("measure the root filesystem", container_id):
            if not await self.driver.exists(container_id):
                return 0
            return await self.driver.diff_size(container_id, None)

    def describe(self, container_id: str) -> Mapping[str, str]:
        """Return what inspect shows as GraphDriver.Data; nothing for what was never prepared."""
        return self.driver.describe(container_id)

    async def _take(self, container_id: str, holder: object, chain_ids: Sequence[str] | None) -> Path:
        with _translated("mount the root filesystem", container_id):
            if chain_ids is None:
                return await self._holds.take(container_id, holder)
            opened = partial(self.driver.open_read_write, container_id, parent_id(chain_ids))
            return await self._holds.take(container_id, holder, opened)

    async def _drop(self, container_id: str, holder: object) -> None:
        with _translated("unmount the root filesystem", container_id):
            await self._holds.drop(container_id, holder)


@contextlib.contextmanager
def _translated(what: str, container_id: str) -> Generator[None, None, None]:
    try:
        yield
    except (OSError, EngineError) as error:
        raise Failed(f"failed to {what} of container {container_id[:12]}: {error}") from error
