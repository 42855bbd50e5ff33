"""The graph driver `vfs`: each layer is a directory with everything that is seen in it, so it works anywhere.

It costs the disk's space and the time of a copy for each layer and each container, unless the file system can
share content (btrfs, xfs).  <home>/dir/<id> is a layer.  A copy is made aside and renamed when it is whole.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import attrs
import trio

from daemon.archives import sandbox
from daemon.archives.changes import Change
from daemon.archives.orders import Whiteouts
from daemon.archives.sandbox import Extracted
from daemon.archives.supply import Archived
from daemon.errors import Failed
from daemon.graphdrivers import comparing, filesystems, trees
from daemon.graphdrivers.driver import Capabilities, Inventory, Pairs
from daemon.graphdrivers.notes import Notes

NAME: Final = "vfs"
DIRECTORIES: Final = ("dir", "making", "trash")
_PACKAGE_ROOT: Final = Path(__file__).resolve().parents[2]


@attrs.frozen
class VfsDriver:
    """The driver; everything it has is below `home`."""

    home: Path

    @property
    def notes(self) -> Notes:
        """What each layer was made of."""
        return Notes(self.home)

    @property
    def name(self) -> str:
        """What `docker info` calls it."""
        return NAME

    @property
    def capabilities(self) -> Capabilities:
        """A layer is made of its parent; getting one changes nothing."""
        return Capabilities(counts_gets=False)

    async def init(self) -> None:
        """Make the directories, and delete what was being made or deleted when an engine died."""
        await trio.to_thread.run_sync(self._init)

    async def create(self, layer_id: str, parent: str) -> None:
        """Make a layer that is as its parent is."""
        await self._copy(layer_id, parent, is_root=False)

    async def create_read_write(self, layer_id: str, parent: str) -> None:
        """Make a root filesystem that is as its parent is."""
        await self._copy(layer_id, parent, is_root=True)

    async def open_read_write(self, layer_id: str, parent: str) -> Path:
        """Make it if need be, and return where it is."""
        await self.create_read_write(layer_id, parent)
        return await self.get(layer_id)

    async def remove(self, layer_id: str) -> None:
        """Delete it."""
        await trio.to_thread.run_sync(self._remove, layer_id)

    async def get(self, layer_id: str) -> Path:
        """Return where it is."""
        directory = self._directory(layer_id)
        await trio.to_thread.run_sync(os.stat, directory)
        return directory

    async def put(self, layer_id: str) -> None:
        """Do nothing: it is where it is."""
        await trio.lowlevel.checkpoint()

    async def exists(self, layer_id: str) -> bool:
        """Tell whether there is such a layer."""
        return await trio.to_thread.run_sync(self._directory(layer_id).is_dir)

    async def status(self) -> Pairs:
        """Return what the layers lie on."""
        return (("Backing Filesystem", await trio.to_thread.run_sync(filesystems.kind_of, self.home)),)

    async def metadata(self, layer_id: str) -> Mapping[str, str]:
        """Return where it is."""
        return await trio.to_thread.run_sync(self.describe, layer_id)

    async def cleanup(self) -> None:
        """Do nothing: there is nothing to let go of."""
        await trio.lowlevel.checkpoint()

    async def apply_diff(self, layer_id: str, parent: str, blob: Archived) -> Extracted:
        """Unpack a tar over what the layer has from its parent."""
        return await sandbox.extract(blob, self._directory(layer_id), whiteouts=Whiteouts.APPLIED)

    @asynccontextmanager
    async def diff(self, layer_id: str, parent: str | None) -> AsyncGenerator[AsyncIterator[bytes], None]:
        """Lend a tar of what is found by comparing."""
        lower = await trio.to_thread.run_sync(self._lower, layer_id, parent)
        async with comparing.diff(lower, self._directory(layer_id)) as chunks:
            yield chunks

    async def changes(self, layer_id: str, parent: str | None) -> tuple[Change, ...]:
        """Return what is found by comparing."""
        lower = await trio.to_thread.run_sync(self._lower, layer_id, parent)
        return await sandbox.compare(lower, self._directory(layer_id))

    async def diff_size(self, layer_id: str, parent: str | None) -> int:
        """Return the size of the files that are found by comparing."""
        lower = await trio.to_thread.run_sync(self._lower, layer_id, parent)
        return await sandbox.compare_bytes(lower, self._directory(layer_id))

    async def inventory(self) -> Inventory:
        """Return what there is."""
        return await trio.to_thread.run_sync(self._inventory)

    def describe(self, layer_id: str) -> Mapping[str, str]:
        """Return where it is; dockerd's shows nothing."""
        directory = self._directory(layer_id)
        return {"Dir": str(directory)} if directory.is_dir() else {}

    async def _copy(self, layer_id: str, parent: str, *, is_root: bool) -> None:
        making = await trio.to_thread.run_sync(self._begin, layer_id, parent, is_root)
        if making is not None and parent:
            await _copy_tree(self._directory(parent), making)
        if making is not None:
            await trio.to_thread.run_sync(os.rename, making, self._directory(layer_id))

    def _begin(self, layer_id: str, parent: str, is_root: bool) -> Path | None:
        """Return a new directory to make the layer in, or None if it is there."""
        if self._directory(layer_id).is_dir():
            return None
        if parent:
            os.stat(self._directory(parent))
        self.notes.note(layer_id, parent, is_root=is_root)
        making = self.home / "making" / layer_id
        trees.delete_tree(making)
        making.mkdir()
        making.chmod(0o755)
        return making

    def _init(self) -> None:
        for name in DIRECTORIES:
            (self.home / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        self.notes.prepare()
        for name in ("making", "trash"):
            trees.empty(self.home / name)

    def _remove(self, layer_id: str) -> None:
        trash = self.home / "trash" / layer_id
        trees.delete_tree(trash)
        if self._directory(layer_id).is_dir():
            os.rename(self._directory(layer_id), trash)
            trees.delete_tree(trash)
        self.notes.forget(layer_id)

    def _inventory(self) -> Inventory:
        noted, found = self.notes.inventory(), frozenset(os.listdir(self.home / "dir"))
        return Inventory(found - noted.read_write, noted.read_write)

    def _lower(self, layer_id: str, parent: str | None) -> Path | None:
        below = self.notes.parent(layer_id) if parent is None else parent
        return self._directory(below) if below else None

    def _directory(self, layer_id: str) -> Path:
        return self.home / "dir" / layer_id


async def _copy_tree(source: Path, target: Path) -> None:
    command = [sys.executable, "-P", "-s", "-m", "daemon.graphdrivers.copying", str(source), str(target)]
    done = await trio.run_process(
        command,
        capture_stderr=True,
        check=False,
        env={"PYTHONPATH": str(_PACKAGE_ROOT), "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        start_new_session=True,  # a Ctrl-C in the engine's terminal is the engine's business
        deliver_cancel=_kill,
    )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise Failed(f"cannot copy a layer: {said or f'the copier ended with {done.returncode}'}")


async def _kill(process: trio.Process) -> None:  # ruff: ignore[unused-async]  trio awaits it
    """Half a copy is of no use to anybody."""
    process.kill()
