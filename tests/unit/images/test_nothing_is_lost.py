"""Whatever is brought in, taken away or interrupted: a recorded image is whole, and nothing else stays.

The images share layers.  The journal may take its time over any step, and meanwhile whoever waits for it may
leave; and the engine may die, which is a copy of what is on the disk at that moment, with the next one on it.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import attrs
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from daemon.actors.image_actor import ImagesActor
from daemon.actors.image_commands import Delete, Prune, Record
from daemon.actors.images import Images
from daemon.actors.mailbox import Command
from daemon.errors import EngineError
from daemon.images.blobs import BlobStore
from daemon.images.content import Content
from daemon.images.loading import Brought
from daemon.images.records import ImageRecord
from daemon.wire import parse_record
from tests.unit.fakes import FakeLedger
from tests.unit.graphdrivers.fakes import chain_ids, fake_layers, put_layers
from tests.unit.images import tars
from tests.unit.settling import settled

MADE: Final = (
    tars.brought("a", "one:1", layers=1),
    tars.brought("a", "two:1", layers=2),
    tars.brought("a", "one:1", layers=3, comment="takes the name of the first"),
    tars.brought("b", "other:1", layers=2),
    tars.brought("b", comment="nameless", layers=1),
)
NAMES: Final = ("one:1", "two:1", "other:1", *(image.record.id for image in MADE))


@attrs.define(eq=False)
class Job:
    """Somebody who brings an image in: everything is on the disk, and it is recorded when he is told to."""

    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    go: trio.Event = attrs.field(factory=trio.Event)


@attrs.define(eq=False)
class World:
    """One engine's images after the other, each on what the last one has left at `root`."""

    root: Path
    ledger: FakeLedger
    nursery: trio.Nursery
    images: Images
    jobs: list[Job] = attrs.field(factory=list)

    async def begin(self, made: Brought, fetched: bool) -> None:
        self.jobs.append(job := Job())
        await self.nursery.start(self._bring, job, made, fetched)

    async def finish(self, number: int) -> None:
        if self.jobs:
            self.jobs[number % len(self.jobs)].go.set()

    async def leave(self, number: int) -> None:
        if self.jobs:
            self.jobs.pop(number % len(self.jobs)).scope.cancel()

    async def delete(self, name: str) -> None:
        self.nursery.start_soon(self._ask, Delete(name, force=True))

    async def prune(self) -> None:
        self.nursery.start_soon(self._ask, Prune(lambda image: not image.tags))

    async def slow_down(self) -> None:
        if self.ledger.gate is None:
            self.ledger.gate = trio.Event()

    async def hurry(self) -> None:
        if self.ledger.gate is not None:
            self.ledger.gate.set()
            self.ledger.gate = None

    async def end(self) -> None:
        """Have every job leave and everything else carried out."""
        await self.hurry()
        while self.jobs:
            await self.leave(0)
        await settled()

    def recorded(self) -> Iterator[ImageRecord]:
        return (parse_record(entry.body, ImageRecord) for entry in self.ledger.records("image"))

    def check_recorded_are_whole(self) -> None:
        content = self.images.content
        for record in (*self.recorded(), *(image.record for image in self.images)):
            missing = [digest for digest in record.blobs if digest not in content.blobs]
            assert not missing, f"{record.id} lacks {missing}"
            missing = [chain_id for chain_id in record.chain_ids if chain_id not in content.layers]
            assert not missing, f"{record.id} lacks the layers {missing}"

    def check_nothing_else_is_there(self) -> None:
        content, recorded = self.images.content, list(self.recorded())
        blobs = {f"sha256:{file.name}" for file in (content.blobs.root / "sha256").iterdir()}
        assert blobs == {digest for record in recorded for digest in record.blobs}
        assert chain_ids(content.layers) == {chain for record in recorded for chain in record.chain_ids}

    async def _bring(
        self, job: Job, made: Brought, fetched: bool, task_status: trio.TaskStatus[None]
    ) -> None:
        content = self.images.content
        with job.scope, contextlib.suppress(EngineError), content.lease() as lease:
            lease.record(made.record)
            if fetched:
                lease.fetched.update(layer.blob for layer in made.record.layers)
            for blob in tars.blobs_of(made):
                content.blobs.add(blob)
            await put_layers(content.layers, made.record.chain_ids)
            task_status.started()
            await job.go.wait()
            await self.images.mailbox.ask(Record((made,), "load"))

    async def _ask(self, command: Command[Any]) -> None:
        with contextlib.suppress(EngineError):
            await self.images.mailbox.ask(command)


@contextlib.asynccontextmanager
async def engine(root: Path, ledger: FakeLedger) -> AsyncGenerator[World, None]:
    """Run an engine's images on what is at `root`."""
    content = Content(BlobStore(root / "blobs"), await fake_layers(root / "graph"))
    images = Images(content, lambda _: (), root / "spool")
    await images.recover(ledger)
    async with trio.open_nursery() as nursery:
        await nursery.start(ImagesActor(images, ledger).run)
        world = World(root, ledger, nursery, images)
        try:
            yield world
        finally:
            await world.hurry()  # or what is shielded would wait for ever
            nursery.cancel_scope.cancel()


Step = Callable[[World], Awaitable[None]]
STEPS: Final = st.one_of(
    st.builds(
        lambda made, fetched: lambda world: world.begin(made, fetched), st.sampled_from(MADE), st.booleans()
    ),
    st.builds(lambda number: lambda world: world.finish(number), st.integers(0, 3)),
    st.builds(lambda number: lambda world: world.leave(number), st.integers(0, 3)),
    st.builds(lambda name: lambda world: world.delete(name), st.sampled_from(NAMES)),
    st.sampled_from([World.prune, World.slow_down, World.hurry]),
)
LIVES: Final = st.lists(st.lists(STEPS, max_size=12), min_size=1, max_size=3)


@settings(deadline=None, max_examples=60)
@given(LIVES)
def test_recorded_images_are_whole_and_nothing_else_stays(lives: list[list[Step]]) -> None:
    async def live(directory: Path) -> None:
        root, books = directory / "0", FakeLedger().books
        for number, steps in enumerate(lives, 1):
            async with engine(root, FakeLedger(books)) as world:
                world.check_recorded_are_whole()
                world.check_nothing_else_is_there()
                for step in steps:
                    await step(world)
                    await settled()
                    world.check_recorded_are_whole()
                root = directory / str(number)  # what the next one finds if this one dies here
                shutil.copytree(world.root, root, ignore=shutil.ignore_patterns("trash"))
                books = world.ledger.books.copy()
                await world.end()
                world.check_recorded_are_whole()
                world.check_nothing_else_is_there()
        async with engine(root, FakeLedger(books)) as world:
            world.check_recorded_are_whole()
            world.check_nothing_else_is_there()

    with tempfile.TemporaryDirectory() as directory, capture_logs():
        trio.run(live, Path(directory))
