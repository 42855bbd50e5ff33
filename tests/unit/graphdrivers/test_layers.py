from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NoReturn

import attrs
import pytest
import trio

from daemon.archives.sandbox import Extracted
from daemon.errors import Failed, InvalidParameter
from daemon.graphdrivers.layers import Layers
from daemon.images import digests
from tests.unit.graphdrivers.fakes import FakeDriver

BASE, TOP = (digests.of(b"base"), digests.of(b"top"))
ID = BASE.removeprefix("sha256:")


def accept(_: Extracted) -> None:
    pass


def refuse(_: Extracted) -> NoReturn:
    raise InvalidParameter("not that one")


@attrs.frozen
class Store:
    """A layer store over a fake driver, and a blob to fill layers from."""

    driver: FakeDriver
    layers: Layers
    blob: Path

    async def add(self, chain_id: str = BASE, parent: str | None = None) -> Extracted:
        return await self.layers.add(chain_id, parent, self.blob, accept)

    async def again(self) -> Store:
        """Return what the next engine finds."""
        layers = Layers(self.driver)
        await layers.open()
        return attrs.evolve(self, layers=layers)

    def index(self) -> list[str]:
        return sorted(path.name for path in (self.driver.home / "index").iterdir())

    async def on_disk(self) -> set[str]:
        return set((await self.driver.inventory()).read_only)


@pytest.fixture
async def store(tmp_path: Path) -> Store:
    driver, blob = FakeDriver(tmp_path / "graph"), tmp_path / "blob"
    await driver.init()
    blob.write_bytes(b"content")
    layers = Layers(driver)
    await layers.open()
    return Store(driver, layers, blob)


async def test_a_layer_is_there_once_it_is_unpacked(store: Store) -> None:
    assert BASE not in store.layers
    assert await store.add() == Extracted(digests.of(b"content"), 7)
    assert BASE in store.layers
    assert store.index() == [ID]
    assert await store.layers.size_bytes(BASE) == 7


async def test_the_driver_learns_what_a_layer_stands_on(store: Store) -> None:
    await store.add()
    await store.add(TOP, BASE)
    assert ("create", TOP.removeprefix("sha256:"), ID) in store.driver.calls


async def test_the_next_engine_finds_what_was_whole(store: Store) -> None:
    await store.add()
    later = await store.again()
    assert BASE in later.layers
    assert await later.layers.size_bytes(BASE) == 7


async def test_a_layer_that_exists_is_looked_at_and_not_replaced(store: Store) -> None:
    await store.add()
    store.blob.write_bytes(b"other")
    assert (await store.add()).diff_id == digests.of(b"other")
    assert (store.driver.home / "layers" / ID / "file").read_bytes() == b"content"
    await store.layers.sweep()
    assert (store.index(), await store.on_disk()) == ([ID], {ID})


@pytest.mark.parametrize("exists", [False, True])
async def test_what_is_not_accepted_leaves_nothing(store: Store, exists: bool) -> None:
    if exists:
        await store.add()
    with pytest.raises(InvalidParameter, match="not that one"):
        await store.layers.add(BASE, None, store.blob, refuse)
    assert (BASE in store.layers) is exists
    await store.layers.sweep()
    assert store.index() == ([ID] if exists else [])
    assert await store.on_disk() == ({ID} if exists else set())


@pytest.mark.parametrize("call", ["create", "apply_diff"])
async def test_what_broke_off_is_deleted_by_the_next_engine(store: Store, call: str) -> None:
    store.driver.fails[call] = OSError("disk")
    with pytest.raises(OSError, match="disk"):
        await store.add()
    store.driver.fails.clear()
    later = await store.again()
    assert BASE not in later.layers
    await later.layers.sweep()
    assert (later.index(), await later.on_disk()) == ([], set())


async def test_what_broke_off_may_be_tried_again(store: Store) -> None:
    store.driver.fails["apply_diff"] = OSError("disk")
    with pytest.raises(OSError, match="disk"):
        await store.add()
    store.driver.fails.clear()
    await store.add()
    await store.layers.sweep()
    assert (BASE in store.layers, await store.on_disk()) == (True, {ID})


async def test_two_who_want_the_same_layer_take_turns(store: Store) -> None:
    gate = store.driver.gates["apply_diff"] = trio.Event()
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(store.add)
        await store.driver.waiting.wait()
        await store.layers.sweep()
        gate.set()
    assert (store.driver.home / "layers" / ID / "file").exists()
    await store.layers.sweep()
    assert (store.index(), await store.on_disk()) == ([ID], {ID})


async def test_a_discarded_layer_is_gone_at_once_and_its_files_when_swept(store: Store) -> None:
    await store.add()
    store.layers.discard(BASE)
    store.layers.discard(BASE)
    assert BASE not in store.layers
    assert BASE not in (await store.again()).layers
    await store.layers.sweep()
    assert (store.index(), await store.on_disk()) == ([], set())


async def test_a_layer_that_cannot_be_deleted_is_tried_again(store: Store) -> None:
    await store.add()
    store.layers.discard(BASE)
    store.driver.fails["remove"] = Failed("busy")
    await store.layers.sweep()
    assert store.index() == [f"{ID}.partial"]
    store.driver.fails.clear()
    await store.layers.sweep()
    assert (store.index(), await store.on_disk()) == ([], set())


async def test_a_discarded_layer_can_come_back_before_it_is_deleted(store: Store) -> None:
    await store.add()
    store.layers.discard(BASE)
    await store.add()
    await store.layers.sweep()
    assert (BASE in store.layers, await store.on_disk()) == (True, {ID})


async def test_start_up_keeps_only_what_is_wanted(store: Store) -> None:
    await store.add()
    await store.add(TOP)
    await store.driver.create("stray", "")
    later = await store.again()
    later.layers.keep_only([BASE])
    assert (BASE in later.layers, TOP in later.layers) == (True, False)
    await later.layers.sweep()
    assert (later.index(), await later.on_disk()) == ([ID], {ID})


async def test_a_layer_that_the_driver_has_lost_is_none(store: Store) -> None:
    await store.add()
    await store.driver.remove(ID)
    assert BASE not in (await store.again()).layers


@pytest.mark.parametrize("content", [b"", b"[]", b'{"other": 1}'])
async def test_an_entry_that_cannot_be_read_is_none(store: Store, content: bytes) -> None:
    await store.add()
    (store.driver.home / "index" / ID).write_bytes(content)
    later = await store.again()
    assert BASE not in later.layers
    await later.layers.sweep()
    assert (later.index(), await later.on_disk()) == ([], set())


async def test_an_earlier_versions_layers_are_whole_and_their_parents_are_learnt(tmp_path: Path) -> None:
    driver = FakeDriver(tmp_path)
    await driver.init()
    for chain_id in (BASE, TOP):
        await driver.create(chain_id.removeprefix("sha256:"), "")
    (tmp_path / "layers" / ID / "file").write_bytes(b"123")
    (tmp_path / "index.new").mkdir()  # an engine died in the middle of this
    layers = Layers(driver)
    await layers.open()
    assert (BASE in layers, TOP in layers) == (True, True)
    driver.calls.clear()
    for _ in range(2):
        await layers.know([BASE, TOP])
    assert driver.calls == [("create", ID, ""), ("create", TOP.removeprefix("sha256:"), ID)]
    assert await layers.size_bytes(BASE) == 3


async def test_an_image_is_described_by_its_uppermost_layer(store: Store) -> None:
    await store.add()
    await store.add(TOP, BASE)
    assert store.layers.describe([BASE, TOP]) == {
        "Name": "fake",
        "Data": {"Dir": str(store.driver.home / "layers" / TOP.removeprefix("sha256:"))},
    }
    assert store.layers.describe([]) == {"Name": "fake", "Data": {}}


async def test_an_unpacking_that_is_broken_off_can_be_swept(store: Store) -> None:
    store.driver.gates["apply_diff"] = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(store.add, TOP, BASE))
        await store.driver.waiting.wait()
        nursery.cancel_scope.cancel()
    await store.layers.sweep()
    assert (store.index(), await store.on_disk()) == ([], set())
