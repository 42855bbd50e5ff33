"""A graph driver in plain directories, and a layer store over it: nothing is mounted and no tar is read."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from pathlib import Path

import attrs
import trio

from daemon.archives.changes import Change, Kind
from daemon.archives.sandbox import Extracted
from daemon.archives.supply import Archived
from daemon.errors import Failed
from daemon.graphdrivers.driver import Capabilities, Driver, Inventory, Pairs
from daemon.graphdrivers.layers import Layers
from daemon.images.content import LayerStore


@attrs.define(eq=False)
class FakeDriver:
    """A driver whose layers are what their blobs say; every call is in `calls`.

    Attributes:
        fails: names of calls that fail, with what they raise.
        gates: names of calls that wait until their event is set.
        waiting: set once one does.

    """

    home: Path
    capabilities: Capabilities = attrs.field(factory=Capabilities)
    name: str = "fake"
    calls: list[tuple[str, ...]] = attrs.field(factory=list)
    fails: dict[str, Exception] = attrs.field(factory=dict)
    gates: dict[str, trio.Event] = attrs.field(factory=dict)
    waiting: trio.Event = attrs.field(factory=trio.Event)
    gets: dict[str, int] = attrs.field(factory=dict)

    async def init(self) -> None:
        await self._called("init")
        for name in ("layers", "containers"):
            (self.home / name).mkdir(parents=True, exist_ok=True)

    async def create(self, layer_id: str, parent: str) -> None:
        await self._called("create", layer_id, parent)
        (self.home / "layers" / layer_id).mkdir(exist_ok=True)

    async def create_read_write(self, layer_id: str, parent: str) -> None:
        await self._called("create_read_write", layer_id, parent)
        if parent and not (self.home / "layers" / parent).exists():
            raise Failed(f"no such layer: {parent}")
        (self.home / "containers" / layer_id).mkdir(exist_ok=True)

    async def open_read_write(self, layer_id: str, parent: str) -> Path:
        await self.create_read_write(layer_id, parent)
        return await self.get(layer_id)

    async def remove(self, layer_id: str) -> None:
        await self._called("remove", layer_id)
        assert not self.gets.get(layer_id)
        for found in self._found(layer_id):
            shutil.rmtree(found)

    async def get(self, layer_id: str) -> Path:
        await self._called("get", layer_id)
        for found in self._found(layer_id):
            self.gets[layer_id] = self.gets.get(layer_id, 0) + 1
            return found
        raise Failed(f"no such layer: {layer_id}")

    async def put(self, layer_id: str) -> None:
        await self._called("put", layer_id)
        if not self.gets.get(layer_id):
            raise Failed(f"not in use: {layer_id}")
        self.gets[layer_id] -= 1

    async def exists(self, layer_id: str) -> bool:
        await self._called("exists", layer_id)
        return bool(self._found(layer_id))

    async def status(self) -> Pairs:
        await self._called("status")
        return (("Fake", "yes"),)

    async def metadata(self, layer_id: str) -> Mapping[str, str]:
        await self._called("metadata", layer_id)
        return self.describe(layer_id)

    async def cleanup(self) -> None:
        await self._called("cleanup")

    async def apply_diff(self, layer_id: str, parent: str, blob: Archived) -> Extracted:
        await self._called("apply_diff", layer_id, parent)
        assert isinstance(blob, Path)
        content = blob.read_bytes()
        (self.home / "layers" / layer_id / "file").write_bytes(content)
        return Extracted(f"sha256:{hashlib.sha256(content).hexdigest()}", len(content))

    @contextlib.asynccontextmanager
    async def diff(self, layer_id: str, parent: str | None) -> AsyncGenerator[AsyncIterator[bytes], None]:
        await self._called("diff", layer_id)

        async def chunks() -> AsyncIterator[bytes]:
            for found in self._found(layer_id):
                for file in sorted(found.iterdir()):
                    yield file.read_bytes()

        yield chunks()

    async def changes(self, layer_id: str, parent: str | None) -> tuple[Change, ...]:
        await self._called("changes", layer_id)
        return tuple(
            Change(f"/{file.name}", Kind.ADDED) for found in self._found(layer_id) for file in found.iterdir()
        )

    async def diff_size(self, layer_id: str, parent: str | None) -> int:
        await self._called("diff_size", layer_id)
        return sum(file.stat().st_size for found in self._found(layer_id) for file in found.iterdir())

    async def inventory(self) -> Inventory:
        await self._called("inventory")
        names = [frozenset(p.name for p in (self.home / d).iterdir()) for d in ("layers", "containers")]
        return Inventory(*names)

    def describe(self, layer_id: str) -> Mapping[str, str]:
        found = self._found(layer_id)
        return {"Dir": str(found[0])} if found else {}

    def _found(self, layer_id: str) -> list[Path]:
        places = [self.home / "layers" / layer_id, self.home / "containers" / layer_id]
        return [place for place in places if place.exists()]

    async def _called(self, *call: str) -> None:
        self.calls.append(call)
        await trio.lowlevel.checkpoint()
        if (gate := self.gates.get(call[0])) is not None:
            self.waiting.set()
            await gate.wait()
        if (error := self.fails.get(call[0])) is not None:
            raise error


async def opened(driver: Driver) -> Layers:
    """Return a layer store over a driver, both of them ready."""
    await driver.init()
    layers = Layers(driver)
    await layers.open()
    return layers


async def fake_layers(home: Path) -> Layers:
    """Return a layer store over a fake driver."""
    return await opened(FakeDriver(home))


async def put_layers(layers: LayerStore, chain_ids: Iterable[str]) -> None:
    """Add layers, each on the one before it."""
    parent = None
    for chain_id in chain_ids:
        blob = layers.home / "blob"
        blob.write_bytes(b"content")
        await layers.add(chain_id, parent, blob, lambda _: None)
        parent = chain_id


def chain_ids(layers: LayerStore) -> set[str]:
    """Return the chain IDs of all layers that a store has."""
    index = layers.home / "index"
    return {f"sha256:{path.name}" for path in index.iterdir() if not path.suffix}
