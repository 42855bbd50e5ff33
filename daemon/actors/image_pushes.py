"""What a push does, from a name to what the registry calls it: jobs of `daemon.actors.image_transfers`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import attrs
import trio

from daemon.actors.image_catalog import ImageSnapshot
from daemon.actors.image_commands import RecordPacked, RecordPushed
from daemon.actors.images import Images
from daemon.errors import Failed
from daemon.images import platforms
from daemon.images.digests import Measured
from daemon.images.platforms import Platform
from daemon.images.progress import Tell, say
from daemon.images.pushing import Push
from daemon.images.references import Reference
from daemon.images.registry.credentials import Credentials
from daemon.images.registry.repository import Action, Registries


@attrs.frozen
class PushWish:
    """What a client wants a registry to have; a reference without tag means all tags of that repository."""

    reference: Reference
    credentials: Credentials
    platform: Platform | None = None


@attrs.define(eq=False)
class Pushes:
    """How pushes are carried out; `uploads_at_once`, 0 for any number, is asked before each."""

    images: Images
    registries: Registries
    uploads_at_once: Callable[[], int]
    _room: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1), init=False)

    async def push(self, wish: PushWish, tell: Tell) -> None:
        """Push what is wished for, and tell of it as Docker does.

        Raises:
            NotFound: there is no such image here, or none for that platform.
            RegistryError: the registry does not take it.
            Failed: something of the image is missing here.

        """
        reference = wish.reference
        say(tell, f"The push refers to repository [{reference.repository}]")
        images = self._chosen(reference)
        for tag, image in images:
            platforms.check(tag.familiar, image.platform, wish.platform)
        async with self.registries.repository(reference, wish.credentials, Action.PUSH) as repository:
            for tag, image in images:
                with self.images.content.lease() as lease:
                    lease.record(image.record)
                    self._room.total_tokens = self.uploads_at_once() or math.inf
                    blobs, memory = self.images.content.blobs, _Memory(self.images, reference)
                    push = Push(repository, image.record, blobs, memory, self._room, tell)
                    pushed = await push.run(tag.tag)
                await self.images.mailbox.ask(RecordPushed(image.id, tag, pushed.digest))

    def _chosen(self, reference: Reference) -> list[tuple[Reference, ImageSnapshot]]:
        """Return what is to be pushed, each image under the name it is pushed by."""
        catalog = self.images.catalog.current
        found = [
            (tag, image) for image in catalog for tag in image.tags if tag.repository == reference.repository
        ]
        if not found:
            raise Failed(f"An image does not exist locally with the tag: {reference.familiar_repository}")
        wanted = [one for one in found if not reference.tag or one[0].tag == reference.tag]
        if not wanted:
            raise Failed(f"tag does not exist: {reference.familiar}")
        return wanted


@attrs.frozen
class _Memory:
    """What the recorded images say about pushing to `target`."""

    images: Images
    target: Reference

    def packed(self, diff_id: str) -> Measured | None:
        return self.images.catalog.current.packed(diff_id)

    async def remember(self, diff_id: str, packed: Measured) -> None:
        await self.images.mailbox.ask(RecordPacked(diff_id, packed))

    def sources(self, digest: str) -> list[str]:
        return list(dict.fromkeys(self._sources(digest)))

    def _sources(self, digest: str) -> Iterator[str]:
        for image in self.images:
            if digest in image.record.sent:
                for source in image.digest_names:
                    if source.domain == self.target.domain and source.path != self.target.path:
                        yield source.path
