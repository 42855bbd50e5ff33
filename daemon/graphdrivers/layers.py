"""Unpacked layers by chain ID, over any driver; the driver's id of one is its chain ID without `sha256:`.

Of each layer there is a file in <home>/index, in which is what stands below it.  It is called <hex> when the
layer is whole, and <hex>.partial before that and after it was discarded.  So a name without a suffix is
a whole layer, whenever the engine died, and whatever else there is is deleted by the next one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import orjson
import structlog
import trio

from daemon.archives.sandbox import Extracted
from daemon.archives.supply import Archived
from daemon.errors import EngineError
from daemon.failpoints import reached
from daemon.graphdrivers.driver import Driver

PREFIX: Final = "sha256:"
PARTIAL: Final = ".partial"
_log = structlog.get_logger(__name__)


def layer_id(chain_id: str) -> str:
    """Return the driver's id of the layer with a chain ID."""
    return chain_id.removeprefix(PREFIX)


def parent_id(chain_ids: Sequence[str]) -> str:
    """Return the driver's id of the uppermost of `chain_ids`, lowest first; "" if there is none."""
    return layer_id(chain_ids[-1]) if chain_ids else ""


@attrs.frozen
class Entry:
    """What is known of a whole layer.

    `parent` is None if an earlier version unpacked it without writing that down, and `size_bytes` as well.
    """

    parent: str | None = None
    size_bytes: int | None = None


@attrs.define(eq=False)
class Layers:
    """The layer store; what is not `async` is a rename or less, fit for the engine's thread."""

    driver: Driver
    _entries: dict[str, Entry] = attrs.field(factory=dict, init=False)
    _partial: set[str] = attrs.field(factory=set, init=False)
    _turns: dict[str, trio.Lock] = attrs.field(factory=dict, init=False)

    @property
    def home(self) -> Path:
        """The directory of which the file system has everything."""
        return self.driver.home

    @property
    def in_any_order(self) -> bool:
        """Whether a layer may be added before the one below it is there."""
        return self.driver.capabilities.any_order

    async def open(self) -> None:
        """Find out what there is.

        Raises:
            OSError: the disk refused.

        """
        inventory = await self.driver.inventory()
        await trio.to_thread.run_sync(self._read_index, inventory.read_only)

    def __contains__(self, chain_id: str) -> bool:
        return layer_id(chain_id) in self._entries

    def describe(self, chain_ids: Sequence[str]) -> Mapping[str, Any]:
        """Return what inspect shows as the GraphDriver of an image with these layers, lowest first."""
        data = self.driver.describe(parent_id(chain_ids)) if chain_ids else {}
        return {"Name": self.driver.name, "Data": dict(data)}

    async def add(
        self, chain_id: str, parent: str | None, blob: Archived, accept: Callable[[Extracted], None]
    ) -> Extracted:
        """Unpack a layer; it is there when this returns, and not at all if this raises.

        One that is there already is unpacked again, to look at it, but stays as it is.

        Args:
            chain_id: the new layer's.
            parent: the chain ID of the one below; that must be there, unless the driver takes `any_order`.
            blob: its tar, compressed or not.
            accept: raises what is to be raised if this is not the layer that was expected.

        Raises:
            InvalidParameter: the tar cannot be unpacked, or `accept` said so.
            OSError: the disk refused.

        """
        layer = layer_id(chain_id)
        async with self._turn(layer):
            if (entry := self._entries.get(layer)) is not None:
                async with self._turn(f"{layer}-twin"):
                    return await self._fill(f"{layer}-twin", entry.parent or "", blob, accept)
            below = layer_id(parent or "")
            extracted = await self._fill(layer, below, blob, accept)
            reached("layer-unpacked")
            await self._finish(layer, Entry(below, extracted.size_bytes))
            return extracted

    async def know(self, chain_ids: Sequence[str]) -> None:
        """Learn which of these layers, lowest first, stands on which, where that was not written down."""
        parent = ""
        for chain_id in chain_ids:
            layer = layer_id(chain_id)
            entry = self._entries.get(layer)
            if entry is not None and entry.parent is None:
                await self.driver.create(layer, parent)
                await self._write(layer, attrs.asdict(entry) | {"parent": parent})
                self._entries[layer] = attrs.evolve(entry, parent=parent)
            parent = layer

    async def size_bytes(self, chain_id: str) -> int:
        """Return the size of all files of a layer that is there."""
        known = self._entries[layer_id(chain_id)].size_bytes
        return await self.driver.diff_size(layer_id(chain_id), None) if known is None else known

    def discard(self, chain_id: str) -> None:
        """Take a layer out of the store, at once; `sweep` deletes it."""
        layer = layer_id(chain_id)
        if layer in self._entries:
            os.rename(self._file(layer), self._file(layer + PARTIAL))
            del self._entries[layer]
            self._partial.add(layer)

    def keep_only(self, chain_ids: Collection[str]) -> None:
        """Discard all other layers; for start-up."""
        wanted = {layer_id(chain_id) for chain_id in chain_ids}
        for layer in self._entries.keys() - wanted:
            self.discard(layer)

    async def sweep(self) -> None:
        """Delete what was discarded or never became whole, but for what is being unpacked."""
        for layer in sorted(self._partial):
            if layer not in self._turns:
                async with self._turn(layer):
                    await self._delete(layer)

    async def _fill(
        self, layer: str, below: str, blob: Archived, accept: Callable[[Extracted], None]
    ) -> Extracted:
        """Unpack anew what will be deleted unless it is finished."""
        self._partial.add(layer)
        await self._write(layer + PARTIAL, {})
        await self.driver.remove(layer)
        await self.driver.create(layer, below)
        reached("layer-created")
        extracted = await self.driver.apply_diff(layer, below, blob)
        accept(extracted)
        return extracted

    async def _finish(self, layer: str, entry: Entry) -> None:
        with trio.CancelScope(shield=True):  # two steps on the disk that nobody may come between
            await self._write(layer + PARTIAL, attrs.asdict(entry))
            os.rename(self._file(layer + PARTIAL), self._file(layer))
        self._partial.discard(layer)
        self._entries[layer] = entry

    async def _delete(self, layer: str) -> None:
        if layer not in self._partial:
            return
        try:
            await self.driver.remove(layer)
            self._file(layer + PARTIAL).unlink(missing_ok=True)
        except (EngineError, OSError) as error:  # tried again with the next that is discarded
            _log.warning("a discarded layer cannot be deleted", layer=layer, error=str(error))
        else:
            self._partial.discard(layer)

    @contextlib.asynccontextmanager
    async def _turn(self, layer: str) -> AsyncGenerator[None, None]:
        """Wait until nobody else makes or deletes this layer."""
        turn = self._turns.setdefault(layer, trio.Lock())
        try:
            async with turn:
                yield
        finally:
            if not turn.statistics().tasks_waiting and not turn.locked():
                self._turns.pop(layer, None)

    def _read_index(self, found: Collection[str]) -> None:
        index = self.home / "index"
        if not index.is_dir():
            _write_first_index(index, found)
        for unfinished in index.glob("*.new"):
            unfinished.unlink()
        self._entries = {layer: entry for layer, entry in _entries(index) if layer in found}
        files = {path.name.removesuffix(PARTIAL) for path in index.iterdir()}
        self._partial = (files | set(found)) - self._entries.keys()

    async def _write(self, name: str, content: Mapping[str, Any]) -> None:
        await trio.to_thread.run_sync(_write, self._file(name), content)

    def _file(self, name: str) -> Path:
        return self.home / "index" / name


def _write_first_index(index: Path, found: Collection[str]) -> None:
    """Note all that an earlier version unpacked: it gave a layer its name when it was whole."""
    fresh = index.with_name("index.new")
    fresh.mkdir(parents=True, exist_ok=True, mode=0o700)
    for layer in found:
        _write(fresh / layer, attrs.asdict(Entry()))
    os.rename(fresh, index)


def _entries(index: Path) -> Iterator[tuple[str, Entry]]:
    """Yield the whole layers; one whose file a power cut has emptied was never promised to anybody."""
    for path in list(index.iterdir()):
        if path.suffix:
            continue
        try:
            yield path.name, Entry(**orjson.loads(path.read_bytes()))
        except (ValueError, TypeError) as error:
            _log.error("a layer's entry cannot be read", file=str(path), error=str(error))
            os.rename(path, path.with_name(path.name + PARTIAL))


def _write(path: Path, content: Mapping[str, Any]) -> None:
    temporary = path.with_name(path.name + ".new")
    temporary.write_bytes(orjson.dumps(content))
    os.replace(temporary, path)
