"""A graph driver that is a plugin: somebody else's program, which Docker's graph driver API is spoken with.

What layers there are is written down on our side, for the API cannot list them.  What the plugin says is
believed only as far as it has to be: a root filesystem must be a directory, and not above the engine's own.

Source: moby v27 `daemon/graphdriver/proxy.go`; api-contract section 5.2.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs
import trio

from daemon.archives.changes import Change, Kind
from daemon.archives.entry import SIZE_LIMIT_BYTES
from daemon.archives.inflating import inflated
from daemon.archives.sandbox import Extracted
from daemon.archives.supply import Archived
from daemon.errors import Failed
from daemon.graphdrivers.driver import Capabilities, Inventory, Pairs
from daemon.graphdrivers.notes import Notes
from daemon.plugins.client import NotImplementedByPlugin, Plugin

SERVICE: Final = "GraphDriver"
Value = TypeVar("Value")


@attrs.define(eq=False)
class PluginDriver:
    """The driver; `home` is the engine's own, the plugin gets a directory in it.

    Attributes:
        plugin: who does the work; activated.
        home: the engine's own directory for this driver.
        options: what the user has to say to the plugin, as `key=value`.

    """

    plugin: Plugin
    home: Path
    options: Sequence[str] = ()
    capabilities: Capabilities = attrs.field(factory=Capabilities, init=False)
    _metadata: dict[str, Mapping[str, str]] = attrs.field(factory=dict, init=False)

    @property
    def name(self) -> str:
        """What `docker info` calls it."""
        return self.plugin.name

    @property
    def notes(self) -> Notes:
        """What was made, over what."""
        return Notes(self.home)

    async def init(self) -> None:
        """Tell the plugin where it may keep files, and ask what it can."""
        await trio.to_thread.run_sync(self.notes.prepare)
        await self._call(
            "Init", Home=str(self.home / "data"), Opts=list(self.options), UIDMaps=[], GIDMaps=[]
        )
        try:
            answer = await self._call("Capabilities")
        except NotImplementedByPlugin:
            return
        found = self._value("Capabilities", answer.get("Capabilities"), dict, {})
        exact = self._value("Capabilities", found.get("ReproducesExactDiffs", False), bool)
        self.capabilities = Capabilities(reproduces_exact_diffs=exact)

    async def create(self, layer_id: str, parent: str) -> None:
        """Make an empty layer, which is to be filled; leave alone one that is there."""
        await self._make("Create", layer_id, parent)

    async def create_read_write(self, layer_id: str, parent: str) -> None:
        """Make a root filesystem that shows the layers from `parent` down; leave alone one that is there."""
        await self._make("CreateReadWrite", layer_id, parent)

    async def open_read_write(self, layer_id: str, parent: str) -> Path:
        """Make it if need be, and get it."""
        await self.create_read_write(layer_id, parent)
        return await self.get(layer_id)

    async def remove(self, layer_id: str) -> None:
        """Delete it, if it is there."""
        if await self.exists(layer_id):
            await self._call("Remove", ID=layer_id)
        await trio.to_thread.run_sync(self.notes.forget, layer_id)
        self._metadata.pop(layer_id, None)

    async def get(self, layer_id: str) -> Path:
        """Return where the plugin shows it.

        Raises:
            Failed: the plugin said no, or named what cannot be a layer.

        """
        answer = await self._call("Get", ID=layer_id, MountLabel="")
        path = Path(self._value("Get", answer.get("Dir"), str))
        await trio.to_thread.run_sync(self._check_directory, path)
        await self.metadata(layer_id)
        return path

    async def put(self, layer_id: str) -> None:
        """Take back one `get`."""
        await self._call("Put", ID=layer_id)

    async def exists(self, layer_id: str) -> bool:
        """Ask the plugin."""
        answer = await self._call("Exists", ID=layer_id)
        return self._value("Exists", answer.get("Exists"), bool)

    async def status(self) -> Pairs:
        """Return what the plugin says of itself."""
        found = (await self._call("Status")).get("Status")
        return tuple(self._pair(pair) for pair in self._value("Status", found, list, []))

    async def metadata(self, layer_id: str) -> Mapping[str, str]:
        """Ask the plugin, and keep what it said."""
        answer = await self._call("GetMetadata", ID=layer_id)
        found = self._value("GetMetadata", answer.get("Metadata"), dict, {})
        self._metadata[layer_id] = {str(key): str(value) for key, value in found.items()}
        return self._metadata[layer_id]

    async def cleanup(self) -> None:
        """Say that nothing is in use any more."""
        await self._call("Cleanup")
        await self.plugin.close()

    async def apply_diff(self, layer_id: str, parent: str, blob: Archived) -> Extracted:
        """Send the plugin a tar, not compressed; if that breaks off, so does the request."""
        async with inflated(blob) as content:
            query = {"id": layer_id, "parent": parent}
            answer = await self.plugin.send(f"{SERVICE}.ApplyDiff", query, content)
            async for _ in content:  # of which the plugin may not have wanted the end
                pass
        return Extracted(content.diff_id, self._size("ApplyDiff", answer))

    @asynccontextmanager
    async def diff(self, layer_id: str, parent: str | None) -> AsyncGenerator[AsyncIterator[bytes], None]:
        """Lend the plugin's tar."""
        arguments = {"ID": layer_id, "Parent": await self._parent(layer_id, parent)}
        async with self.plugin.receive(f"{SERVICE}.Diff", arguments) as chunks:
            yield chunks

    async def changes(self, layer_id: str, parent: str | None) -> tuple[Change, ...]:
        """Ask the plugin."""
        answer = await self._call("Changes", ID=layer_id, Parent=await self._parent(layer_id, parent))
        return tuple(self._change(one) for one in self._value("Changes", answer.get("Changes"), list, []))

    async def diff_size(self, layer_id: str, parent: str | None) -> int:
        """Ask the plugin."""
        answer = await self._call("DiffSize", ID=layer_id, Parent=await self._parent(layer_id, parent))
        return self._size("DiffSize", answer)

    async def inventory(self) -> Inventory:
        """Return what we have had made and the plugin still has."""
        noted = await trio.to_thread.run_sync(self.notes.inventory)
        there = {one for one in noted.read_only | noted.read_write if await self.exists(one)}
        return Inventory(noted.read_only & there, noted.read_write & there)

    def describe(self, layer_id: str) -> Mapping[str, str]:
        """Return what the plugin last said of it."""
        return self._metadata.get(layer_id, {})

    async def _make(self, method: str, layer_id: str, parent: str) -> None:
        if await self.exists(layer_id):
            return
        is_root = method == "CreateReadWrite"
        await trio.to_thread.run_sync(lambda: self.notes.note(layer_id, parent, is_root=is_root))
        await self._call(method, ID=layer_id, Parent=parent, MountLabel="", StorageOpt={})

    async def _parent(self, layer_id: str, parent: str | None) -> str:
        return await trio.to_thread.run_sync(self.notes.parent, layer_id) if parent is None else parent

    async def _call(self, method: str, **arguments: Any) -> Mapping[str, Any]:
        return await self.plugin.call(f"{SERVICE}.{method}", arguments)

    def _check_directory(self, path: Path) -> None:
        """Refuse what is no place for a root filesystem; blocks."""
        text = str(path)
        if not path.is_absolute() or os.path.normpath(text) != text:
            raise self._lied("Get", f"Dir {text!r} is no absolute path")
        if not path.is_dir():
            raise self._lied("Get", f"Dir {text!r} is no directory that this engine can see")
        if self.home.resolve().is_relative_to(path.resolve()):
            raise self._lied("Get", f"Dir {text!r} has the engine's own files in it")

    def _pair(self, pair: Any) -> tuple[str, str]:
        found = self._value("Status", pair, list)
        if len(found) != len(("key", "value")):
            raise self._lied("Status", f"expected a key and a value, got {found!r:.100}")
        return self._value("Status", found[0], str), self._value("Status", found[1], str)

    def _change(self, one: Any) -> Change:
        found = self._value("Changes", one, dict)
        try:
            kind = Kind(self._value("Changes", found.get("Kind"), int))
        except ValueError as error:
            raise self._lied("Changes", str(error)) from error
        return Change(self._value("Changes", found.get("Path"), str), kind)

    def _size(self, method: str, answer: Mapping[str, Any]) -> int:
        size = self._value(method, answer.get("Size"), int)
        if not 0 <= size <= SIZE_LIMIT_BYTES:
            raise self._lied(method, f"Size {size} is none")
        return size

    def _value(self, method: str, value: Any, kind: type[Value], missing: Value | None = None) -> Value:
        """Return what has the right form; `missing` for what a plugin in Go has left out."""
        if value is None and missing is not None:
            return missing
        if type(value) is not kind:  # bool is an int, but not here
            raise self._lied(method, f"expected {kind.__name__}, got {value!r:.100}")
        return value

    def _lied(self, method: str, text: str) -> Failed:
        return Failed(f"plugin {self.name}: {SERVICE}.{method}: {text}")
