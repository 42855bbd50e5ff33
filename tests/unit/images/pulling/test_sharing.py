"""Several clients and one pull, several pulls and one layer; who leaves, and who stays."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import attrs
import pytest
import trio

from daemon.actors.image_transfers import Pull, Transfers
from daemon.errors import EngineError, Unavailable
from daemon.images import digests
from daemon.images.progress import DOWNLOADING, Message, State, Watch
from daemon.images.registry.credentials import ANONYMOUS, Credentials
from daemon.images.registry.errors import RegistryFailed
from daemon.images.registry.repository import Notice, Retry
from tests.registries.fake import FakeBlob, FakeRepository
from tests.unit.images.pulling.fakes import Made, layer, make_image
from tests.unit.images.pulling.world import NAME, World, make_world, said
from tests.unit.settling import settled

MIB = 1 << 20


@attrs.define(eq=False)
class HeldRepository(FakeRepository):
    """One that stops in the middle of each layer until `go`; then it goes on, or fails with `fault`."""

    go: trio.Event = attrs.field(factory=trio.Event)
    fault: RegistryFailed | None = None

    @contextlib.asynccontextmanager
    async def blob(
        self, digest: str, offset_bytes: int = 0, notice: Notice | None = None
    ) -> AsyncGenerator[FakeBlob, None]:
        async with FakeRepository.blob(self, digest, offset_bytes, notice) as blob:
            yield blob if len(blob.content) < MIB else self._held(blob)

    def _held(self, blob: FakeBlob) -> FakeBlob:
        repository = self

        class Held(FakeBlob):
            async def __aiter__(self) -> AsyncIterator[bytes]:
                half = max(MIB, len(blob.content) // 2)
                yield blob.content[:half]
                await repository.go.wait()
                if repository.fault is not None:
                    raise repository.fault
                yield blob.content[half:]

        return Held(blob.size_bytes, blob.content)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with make_world(tmp_path) as world:
        world.registries.repositories[NAME] = HeldRepository()
        yield world


def big(seed: int) -> bytes:
    """Return the tar of a layer that does not get smaller by compression."""
    import random

    return layer(random.Random(seed).randbytes(2 * MIB))


def asked_for(world: World, made: Made) -> list[str]:
    return [line for line in world.box.asked if any(digest in line for digest in made.digests)]


def release(world: World) -> None:
    assert isinstance(world.box, HeldRepository)
    world.box.go.set()


@attrs.define(eq=False)
class Client:
    """A client in a task of its own."""

    world: World
    name: str = f"{NAME}:1"
    who: Credentials = ANONYMOUS
    watch: Watch = attrs.field(factory=Watch)
    lines: list[str] = attrs.field(factory=list)
    error: EngineError | None = None
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    async def run(self) -> None:
        with self.scope, self.watch:
            await self.world.ask(self.world.wish(self.name, who=self.who), self.watch)
            try:
                self.lines = await said(self.watch)
            except EngineError as error:
                self.error = error


async def begin(nursery: trio.Nursery, *clients: Client) -> None:
    """Have clients ask, each when the one before gets nowhere."""
    for client in clients:
        nursery.start_soon(client.run)
        await settled()


async def test_two_who_want_the_same_share_one_pull(world: World) -> None:
    made = make_image(world.box, big(1), tag="1")
    first, second = Client(world), Client(world)
    async with trio.open_nursery() as nursery:
        await begin(nursery, first, second)
        release(world)
    assert first.lines[-1] == second.lines[-1] == f"Status: Downloaded newer image for {NAME}:1"
    assert second.lines[0] == "1: Pulling from box"
    assert world.box.asked.count("manifest 1") == 1
    assert len(asked_for(world, made)) == 1


async def test_who_leaves_does_not_end_what_another_wants(world: World) -> None:
    make_image(world.box, big(1), tag="1")
    first, second = Client(world), Client(world)
    async with trio.open_nursery() as nursery:
        await begin(nursery, first, second)
        first.scope.cancel()
        await settled()
        release(world)
    assert second.lines[-1].startswith("Status: Downloaded newer image")
    assert world.box.asked.count("manifest 1") == 1


async def test_the_last_to_leave_ends_it_and_the_next_one_goes_on_from_there(world: World) -> None:
    made = make_image(world.box, big(1), tag="1")
    first, second = Client(world), Client(world)
    async with trio.open_nursery() as nursery:
        await begin(nursery, first, second)
        first.scope.cancel()
        second.scope.cancel()
    await settled()
    assert world.partials == {made.digests[0]}
    assert len(world.images) == 0
    release(world)
    await world.pull()
    offset = int(asked_for(world, made)[-1].split()[-1])
    assert offset == world.blobs.path(made.digests[0]).stat().st_size // 2 >= MIB
    assert world.images.resolve(f"{NAME}:1").id == made.id


async def test_who_comes_while_an_unwanted_pull_ends_begins_another(world: World) -> None:
    make_image(world.box, big(1), tag="1")
    first, second = Client(world), Client(world)
    async with trio.open_nursery() as nursery:
        await begin(nursery, first)
        first.scope.cancel()
        nursery.start_soon(second.run)
        release(world)
    assert second.lines[-1].startswith("Status: Downloaded newer image")


async def test_others_do_not_get_in_with_somebody_elses_credentials(world: World) -> None:
    make_image(world.box, big(1), tag="1")
    first, second = Client(world), Client(world, who=Credentials("me", "secret"))
    async with trio.open_nursery() as nursery:
        await begin(nursery, first, second)
        release(world)
    assert world.box.asked.count("manifest 1") == 2
    assert first.lines[-1] == f"Status: Downloaded newer image for {NAME}:1"


async def test_two_images_with_a_layer_in_common_fetch_and_unpack_it_once(world: World) -> None:
    common = big(1)
    made = make_image(world.box, common, layer(b"a"), tag="1")
    make_image(world.box, common, layer(b"b"), tag="2", author="me")
    first, second = Client(world), Client(world, f"{NAME}:2")
    async with trio.open_nursery() as nursery:
        await begin(nursery, first, second)
        release(world)
    assert len(world.images) == 2
    assert len([line for line in world.box.asked if made.digests[0] in line]) == 1
    assert world.layers.begun.count(made.chain_ids[0]) == 1
    assert f"{digests.short(made.digests[0])}: {DOWNLOADING}" in second.lines


async def test_a_layer_whose_puller_leaves_is_taken_over(world: World) -> None:
    common = big(1)
    made = make_image(world.box, common, layer(b"a"), tag="1")
    make_image(world.box, common, layer(b"b"), tag="2", author="me")
    first, second = Client(world), Client(world, f"{NAME}:2")
    async with trio.open_nursery() as nursery:
        await begin(nursery, first, second)
        first.scope.cancel()
        await settled()
        release(world)
    assert second.lines[-1].startswith("Status: Downloaded newer image")
    asked = [line for line in world.box.asked if made.digests[0] in line]
    assert [line.split()[-1] != "0" for line in asked] == [False, True], "the second goes on from the first"


async def test_a_layer_that_another_pull_has_unpacked_is_kept_if_that_fails(world: World) -> None:
    common = layer(b"common")
    broken = make_image(world.box, common, big(1), tag="1")
    make_image(world.box, common, layer(b"b"), tag="2", author="me")
    first = Client(world)
    assert isinstance(world.box, HeldRepository)
    world.box.fault = RegistryFailed("gone away")
    async with trio.open_nursery() as nursery:
        await begin(nursery, first)
        await world.pull(f"{NAME}:2")
        release(world)
    assert str(first.error) == "gone away"
    assert world.layers.begun.count(broken.chain_ids[0]) == 1
    assert set(world.layers.sizes) == set(world.images.resolve(f"{NAME}:2").chain_ids)


async def test_layers_that_do_not_arrive_leave_room_for_others(world: World) -> None:
    world.downloads_at_once = 8
    make_image(world.box, *(big(seed) for seed in range(6)), tag="1", level=1)
    make_image(world.box, layer(b"small"), tag="2")
    stuck = Client(world)
    async with trio.open_nursery() as nursery:
        await begin(nursery, stuck)
        assert (await world.pull(f"{NAME}:2"))[-1].startswith("Status: Downloaded newer image")
        release(world)


async def test_a_stale_partial_is_downloaded_once_more_from_the_beginning(world: World) -> None:
    made = make_image(world.box, big(1), tag="1")
    release(world)
    world.blobs.partial(made.digests[0]).write_bytes(b"what a power cut has left" * 1000)
    await world.pull()
    assert [line.split()[-1] for line in asked_for(world, made)] == ["25000", "0"]
    assert world.images.resolve(f"{NAME}:1").id == made.id


async def test_a_partial_that_is_too_large_begins_anew(world: World) -> None:
    made = make_image(world.box, big(1), tag="1")
    release(world)
    world.blobs.partial(made.digests[0]).write_bytes(bytes(3 * MIB))
    await world.pull()
    assert [line.split()[-1] for line in asked_for(world, made)] == ["0"]


async def test_a_partial_that_is_whole_is_not_downloaded(world: World) -> None:
    made = make_image(world.box, big(1), tag="1")
    world.blobs.partial(made.digests[0]).write_bytes(made.blobs[0])
    await world.pull()
    assert asked_for(world, made) == []
    assert world.partials == set()


async def test_the_actors_end_is_told_to_every_client(world: World) -> None:
    make_image(world.box, big(1), tag="1")
    transfers = Transfers(world.transfers.pulls, world.transfers.pushes)
    watch = Watch()
    async with trio.open_nursery() as actor:
        await actor.start(transfers.run)
        await transfers.mailbox.ask(Pull(world.wish(), watch))
        await settled()
        actor.cancel_scope.cancel()
    with pytest.raises(Unavailable):
        await said(watch)


async def test_a_client_that_does_not_read_holds_nothing_up_and_costs_little() -> None:
    watch = Watch()
    for number in range(100_000):
        watch.tell(Message(State(DOWNLOADING, number, 100_000), "layer"))
    watch.tell(Message(State("Download complete"), "layer"))
    watch.end()
    assert await said(watch) == [f"layer: {DOWNLOADING}", "layer: Download complete"]


async def test_what_a_retry_waits_for_is_said(world: World) -> None:
    made = make_image(world.box, layer(b"x"), tag="1")

    @attrs.define(eq=False)
    class Flaky(FakeRepository):
        @contextlib.asynccontextmanager
        async def blob(
            self, digest: str, offset_bytes: int = 0, notice: Notice | None = None
        ) -> AsyncGenerator[FakeBlob, None]:
            if notice is not None:
                notice(Retry(2.0, "connection reset"))
            async with FakeRepository.blob(self, digest, offset_bytes, notice) as blob:
                yield blob

    world.registries.repositories[NAME] = Flaky(dict(world.box.manifests), dict(world.box.blobs))
    assert f"{digests.short(made.digests[0])}: Retrying in 2 seconds" in await world.pull()


async def test_a_prune_takes_partials_that_nobody_is_adding_to(world: World) -> None:
    made = make_image(world.box, big(1), tag="1")
    stray = digests.of(b"stray")
    world.blobs.partial(stray).write_bytes(b"left behind")
    client = Client(world)
    async with trio.open_nursery() as nursery:
        await begin(nursery, client)
        assert world.images.content.drop_partials(days=7) == 0
        assert world.images.content.drop_partials() == len(b"left behind")
        assert world.partials == {made.digests[0]}
        release(world)
    assert client.lines[-1].startswith("Status: Downloaded newer image")
