"""The graph driver `overlay2`: the kernel shows read-only layers and a writable directory above as one tree.

Layers are directories of their own, so they can be filled in any order, and the kernel knows what is mounted.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs
import trio

from daemon.archives import sandbox
from daemon.archives.changes import Change
from daemon.archives.orders import Whiteouts
from daemon.archives.sandbox import Extracted
from daemon.archives.supply import Archived
from daemon.graphdrivers import comparing, filesystems, trees
from daemon.graphdrivers.driver import Capabilities, Inventory, Pairs
from daemon.graphdrivers.overlayfiles import OverlayFiles
from daemon.graphdrivers.overlaymounts import Stack, mount, unmount

NAME: Final = "overlay2"  # Docker's name for this arrangement, which tools know
THREADS: Final = 8
Result = TypeVar("Result")


@attrs.define(eq=False)
class OverlayDriver:
    """The driver; everything it has is below `home`, the engine's own directory for it."""

    home: Path
    files: OverlayFiles = attrs.field(init=False)
    _threads: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(THREADS), init=False)

    def __attrs_post_init__(self) -> None:
        self.files = OverlayFiles(self.home)

    @property
    def name(self) -> str:
        """What `docker info` calls it."""
        return NAME

    @property
    def capabilities(self) -> Capabilities:
        """What it can."""
        return Capabilities(any_order=True, counts_gets=False)

    async def init(self) -> None:
        """Make the directories."""
        await self._in_thread(self.files.prepare)

    async def create(self, layer_id: str, parent: str) -> None:
        """Make an empty layer, which is to be filled; leave alone one that is there."""
        await self._in_thread(self.files.create, layer_id, parent)

    async def create_read_write(self, layer_id: str, parent: str) -> None:
        """Make a root filesystem that shows the layers from `parent` down; leave alone one that is there."""
        await self._in_thread(self.files.create_read_write, layer_id, parent)

    async def open_read_write(self, layer_id: str, parent: str) -> Path:
        """Make it if need be, and mount it, in one call of a thread."""
        return await self._in_thread(self._open_read_write, layer_id, parent)

    async def remove(self, layer_id: str) -> None:
        """Unmount and delete it."""
        await self._in_thread(self._remove, layer_id)

    async def get(self, layer_id: str) -> Path:
        """Return where it is mounted."""
        return await self._in_thread(self._mount, layer_id)

    async def put(self, layer_id: str) -> None:
        """Unmount it."""
        await self._in_thread(self._unmount, layer_id)

    async def exists(self, layer_id: str) -> bool:
        """Tell whether there is such a layer."""
        return await self._in_thread(lambda: self.files.own(layer_id).is_dir())

    async def status(self) -> Pairs:
        """Return what dockerd shows of its own, as far as it is true here."""
        return (
            ("Backing Filesystem", await self._in_thread(filesystems.kind_of, self.home)),
            ("Supports d_type", "true"),  # or the kernel would not have mounted it
            ("Using metacopy", "false"),
            ("Native Overlay Diff", "true"),
            ("userxattr", "false"),
        )

    async def metadata(self, layer_id: str) -> Mapping[str, str]:
        """Return its directories."""
        return await self._in_thread(self.files.describe, layer_id)

    async def cleanup(self) -> None:
        """Do nothing: what is mounted is mounted for somebody who gives it back."""
        await trio.lowlevel.checkpoint()

    async def apply_diff(self, layer_id: str, parent: str, blob: Archived) -> Extracted:
        """Unpack a tar into the layer, whatever is below."""
        return await sandbox.extract(blob, self.files.own(layer_id))

    @asynccontextmanager
    async def diff(self, layer_id: str, parent: str | None) -> AsyncGenerator[AsyncIterator[bytes], None]:
        """Lend a tar of the layer's own files; over any other parent, of what is found by comparing."""
        if await self._in_thread(self.files.stands_on, layer_id, parent):
            packed = sandbox.pack(self.files.own(layer_id), whiteouts=Whiteouts.OVERLAYFS)
            async with packed as chunks:
                yield chunks
            return
        async with self._both(layer_id, parent) as (lower, upper), comparing.diff(lower, upper) as chunks:
            yield chunks

    async def changes(self, layer_id: str, parent: str | None) -> tuple[Change, ...]:
        """Return what the layer's own files change; over any other parent, what is found by comparing."""
        if await self._in_thread(self.files.stands_on, layer_id, parent):
            lowers = await self._in_thread(self.files.lowers, layer_id)
            return await sandbox.compare_stacked(lowers, self.files.own(layer_id))
        async with self._both(layer_id, parent) as (lower, upper):
            return await sandbox.compare(lower, upper)

    async def diff_size(self, layer_id: str, parent: str | None) -> int:
        """Return the size of the layer's own files; over any other parent, of those that differ."""
        if await self._in_thread(self.files.stands_on, layer_id, parent):
            files = self.files.own(layer_id)
            return await trio.to_thread.run_sync(trees.size_bytes, files, abandon_on_cancel=True)
        async with self._both(layer_id, parent) as (lower, upper):
            return await sandbox.compare_bytes(lower, upper)

    async def inventory(self) -> Inventory:
        """Return what there is."""
        return await self._in_thread(self.files.inventory)

    def describe(self, layer_id: str) -> Mapping[str, str]:
        """Return its directories; a few small files are read for that."""
        return self.files.describe(layer_id)

    @asynccontextmanager
    async def _both(
        self, layer_id: str, parent: str | None
    ) -> AsyncGenerator[tuple[Path | None, Path], None]:
        """Show a layer and what it is to be compared with, None for nothing."""
        async with AsyncExitStack() as shown:
            lower = await shown.enter_async_context(self._shown(parent)) if parent else None
            yield lower, await shown.enter_async_context(self._shown(layer_id))

    @asynccontextmanager
    async def _shown(self, layer_id: str) -> AsyncGenerator[Path, None]:
        """Mount a layer, unless it is; then somebody else unmounts it."""
        target = self._target(layer_id)
        if await self._in_thread(os.path.ismount, target):
            yield target
            return
        path = await self.get(layer_id)
        try:
            yield path
        finally:
            with trio.CancelScope(shield=True):  # one call to the kernel
                await self.put(layer_id)

    def _open_read_write(self, layer_id: str, parent: str) -> Path:
        self.files.create_read_write(layer_id, parent)
        return self._mount(layer_id)

    def _mount(self, layer_id: str) -> Path:
        lowers = self.files.lowers(layer_id)
        directory = self.files.container(layer_id)
        target = self._target(layer_id)
        if directory.is_dir():
            stack = Stack(lowers or [directory / "empty"], directory / "diff", directory / "work")
        else:
            target.mkdir(exist_ok=True)
            # Without an upper directory overlayfs wants two lower ones.
            stack = Stack([self.files.layer(layer_id), *(lowers or [self.home / "empty"])])
        mount(stack, target)
        return target

    def _unmount(self, layer_id: str) -> None:
        target = self._target(layer_id)
        unmount(target)
        if target.parent.name == "views" and target.is_dir():
            target.rmdir()

    def _remove(self, layer_id: str) -> None:
        self._unmount(layer_id)
        self.files.delete(layer_id)

    def _target(self, layer_id: str) -> Path:
        directory = self.files.container(layer_id)
        return directory / "merged" if directory.is_dir() else self.home / "views" / layer_id

    async def _in_thread(self, function: Callable[..., Result], *arguments: Any) -> Result:
        return await trio.to_thread.run_sync(function, *arguments, limiter=self._threads)
