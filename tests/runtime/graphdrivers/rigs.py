"""The drivers that keep one contract, each ready to be used below a directory of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

import attrs
import trio

from daemon.archives.sandbox import Extracted
from daemon.graphdrivers.driver import Driver
from daemon.graphdrivers.overlay import OverlayDriver
from daemon.graphdrivers.plugin import SERVICE, PluginDriver
from daemon.graphdrivers.serving import serve
from daemon.graphdrivers.vfs import VfsDriver
from daemon.plugins.client import reach
from daemon.plugins.discovery import Directories

SECONDS: Final = 30.0


@attrs.frozen
class Rig:
    """A driver that is initialized; `again` returns what the next engine would have."""

    driver: Driver
    scratch: Path
    again: Callable[[], AbstractAsyncContextManager[Driver]]

    async def layer(self, layer_id: str, tar: bytes, parent: str = "") -> Extracted:
        """Make and fill a layer."""
        blob = self.scratch / f"{layer_id}.tar"
        blob.write_bytes(tar)
        await self.driver.create(layer_id, parent)
        return await self.driver.apply_diff(layer_id, parent, blob)

    async def diff(self, layer_id: str, parent: str | None = None) -> bytes:
        """Return a layer's tar."""
        async with self.driver.diff(layer_id, parent) as chunks:
            return b"".join([chunk async for chunk in chunks])

    @asynccontextmanager
    async def shown(self, layer_id: str) -> AsyncGenerator[Path, None]:
        """Lend a layer."""
        path = await self.driver.get(layer_id)
        try:
            yield path
        finally:
            await self.driver.put(layer_id)


@asynccontextmanager
async def overlay(home: Path) -> AsyncGenerator[Driver, None]:
    driver = OverlayDriver(home)
    await driver.init()
    yield driver


@asynccontextmanager
async def vfs(home: Path) -> AsyncGenerator[Driver, None]:
    driver = VfsDriver(home)
    await driver.init()
    yield driver


@asynccontextmanager
async def plugin(home: Path) -> AsyncGenerator[Driver, None]:
    """Vfs, served as a plugin and consumed as one; the plugin outlives the engine."""
    directories = Directories(home.with_name("plugins"), (home.with_name("specs"),))
    async with AsyncExitStack() as stack:
        if not directories.sockets.exists():
            await stack.enter_async_context(serve(lambda there, _: VfsDriver(there), "served", directories))
        driver = PluginDriver(await reach("served", SERVICE, directories), home)
        try:
            await driver.init()
            yield driver
        finally:
            with trio.CancelScope(shield=True):
                await driver.plugin.close()


RIGS: Final[Mapping[str, Callable[[Path], AbstractAsyncContextManager[Driver]]]] = MappingProxyType(
    {"overlay": overlay, "vfs": vfs, "plugin": plugin}
)


@asynccontextmanager
async def rig_of(kind: str, root: Path) -> AsyncGenerator[Rig, None]:
    """Lend a driver, and leave nothing of it."""
    home, scratch = root / "home", root / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    async with RIGS[kind](home) as driver:
        try:
            yield Rig(driver, scratch, lambda: RIGS[kind](home))
        finally:
            with trio.move_on_after(SECONDS, shield=True):
                found = await driver.inventory()
                for layer_id in (*found.read_write, *found.read_only):
                    await driver.remove(layer_id)
                await driver.cleanup()
    mounts = Path("/proc/self/mountinfo").read_text()
    assert str(root) not in mounts
