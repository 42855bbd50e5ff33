"""The images' actor and the transfers' on a fake registry, a fake layer store and a fake ledger."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from daemon.actors.image_actor import ImagesActor
from daemon.actors.image_pulls import PullWish
from daemon.actors.image_pushes import PushWish
from daemon.actors.image_transfers import Pull, Push, Transfers, make_transfers
from daemon.actors.images import Images
from daemon.images import platforms, references
from daemon.images.blobs import BlobStore
from daemon.images.content import Content
from daemon.images.progress import Message, Watch
from daemon.images.registry.credentials import ANONYMOUS, Credentials
from tests.registries.fake import FakeRegistries, FakeRepository
from tests.unit.fakes import FakeLedger
from tests.unit.images.pulling.fakes import FakeLayers

NAME = "localhost:5000/box"


@attrs.define(eq=False)
class World:
    """An engine that has nothing but images; `box` is the repository most tests pull from."""

    images: Images
    layers: FakeLayers
    registries: FakeRegistries
    ledger: FakeLedger
    transfers: Transfers
    downloads_at_once: int = 3
    uploads_at_once: int = 2

    @property
    def box(self) -> FakeRepository:
        return self.registries.add(NAME)

    @property
    def blobs(self) -> BlobStore:
        return self.images.content.blobs

    @property
    def partials(self) -> set[str]:
        """The digests of what has come of unfinished downloads."""
        return {f"sha256:{file.name}" for file in (self.blobs.root / "partial").iterdir()}

    @property
    def stored(self) -> set[str]:
        """The digests of all blobs."""
        return {f"sha256:{file.name}" for file in (self.blobs.root / "sha256").iterdir()}

    def wish(self, name: str = f"{NAME}:1", platform: str = "", who: Credentials = ANONYMOUS) -> PullWish:
        return PullWish(references.parse(name), who, platforms.parse(platform) if platform else None)

    async def ask(self, wish: PullWish, watch: Watch) -> None:
        await self.transfers.mailbox.ask(Pull(wish, watch))

    async def pull(self, name: str = f"{NAME}:1", platform: str = "") -> list[str]:
        """Pull to the end and return what it said, as "id: status"."""
        with Watch() as watch:
            await self.ask(self.wish(name, platform), watch)
            return await said(watch)

    async def push(self, name: str, platform: str = "") -> list[Message]:
        with Watch() as watch:
            wanted = platforms.parse(platform) if platform else None
            wish = PushWish(references.parse(name), ANONYMOUS, wanted)
            await self.transfers.mailbox.ask(Push(wish, watch))
            return await messages(watch)


async def messages(watch: Watch) -> list[Message]:
    """Read to the end."""
    found = []
    while (message := await watch.next()) is not None:
        found.append(message)
    return found


async def said(watch: Watch) -> list[str]:
    """Read to the end, without the numbers."""
    return [text(message) for message in await messages(watch)]


def text(message: Message) -> str:
    return f"{message.id}: {message.state.status}" if message.id else message.state.status


@asynccontextmanager
async def make_world(tmp_path: Path) -> AsyncGenerator[World, None]:
    """Run the actors until the block ends."""
    home = tmp_path / "layers"
    home.mkdir()
    layers, ledger, registries = FakeLayers(home), FakeLedger(), FakeRegistries()
    content = Content(BlobStore(tmp_path / "blobs"), layers)
    images = Images(content, lambda _: (), tmp_path / "spool")
    await images.recover(ledger)
    world: World
    transfers = make_transfers(
        images,
        registries,
        downloads_at_once=lambda: world.downloads_at_once,
        uploads_at_once=lambda: world.uploads_at_once,
    )
    world = World(images, layers, registries, ledger, transfers)
    async with trio.open_nursery() as nursery:
        await nursery.start(ImagesActor(images, ledger).run)
        await nursery.start(transfers.run)
        try:
            yield world
        finally:
            nursery.cancel_scope.cancel()
