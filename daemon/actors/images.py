"""The images there are, as the rest of the engine sees them.

Reads go to the catalog, which is one frozen value; changes are commands to the mailbox
(`daemon.actors.image_commands`), behind which `daemon.actors.image_actor` works.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

import attrs
import structlog
import trio

from daemon.actors.image_catalog import Catalog, ImageSnapshot, make_catalog
from daemon.actors.image_deletion import ImageUser
from daemon.actors.mailbox import Mailbox
from daemon.actors.published import Cell
from daemon.errors import EngineError
from daemon.failpoints import reached
from daemon.images import documents, references, saving
from daemon.images.blobs import PARTIAL_DAYS
from daemon.images.content import Content
from daemon.images.records import IMAGE_KIND, ImageRecord, LayerRecord
from daemon.images.spool import Spool
from daemon.journal import Record
from daemon.syscalls import sync_filesystem
from daemon.wire import parse_record


class Recorded(Protocol):
    """What recovery reads of the journal."""

    def records(self, kind: str) -> list[Record]:
        """Return all records of a kind."""
        ...

    def names(self, kind: str) -> dict[str, str]:
        """Return all names of a kind, with the id each stands for."""
        ...


UsersOf = Callable[[str], Iterable[ImageUser]]
_log = structlog.get_logger(__name__)


@attrs.define(eq=False)
class Images:
    """The catalog, and the way to the actor; `users_of` returns the containers of an image id."""

    content: Content
    users_of: UsersOf
    spool_directory: Path
    mailbox: Mailbox = attrs.field(factory=lambda: Mailbox("images"), init=False)
    catalog: Cell[Catalog] = attrs.field(factory=lambda: Cell(Catalog()), init=False)

    def __iter__(self) -> Iterator[ImageSnapshot]:
        return iter(self.catalog.current)

    def __len__(self) -> int:
        return len(self.catalog.current.images)

    def get(self, image_id: str) -> ImageSnapshot | None:
        """Return the image with exactly this id."""
        return self.catalog.current.images.get(image_id)

    def layer(self, chain_id: str) -> LayerRecord | None:
        """Return a layer that some image has."""
        return self.catalog.current.layer(chain_id)

    def ancestors(self, image: ImageSnapshot) -> Iterator[ImageSnapshot]:
        """Yield the image's parent, the parent's, and so on, as far as they are still there."""
        while (parent := self.get(image.record.parent)) is not None:
            yield parent
            image = parent

    def resolve(self, reference: str) -> ImageSnapshot:
        """Return the image that `reference` means.

        Raises:
            NotFound: there is none.
            InvalidParameter: it is no reference, or the start of several ids.

        """
        return self.catalog.current.find(reference).image

    def new_spool(self) -> Spool:
        """Return a place for an upload or a new layer, where there is nothing yet."""
        return Spool(self.spool_directory / secrets.token_hex(16), self.content.throw_away)

    async def save(self, images: Iterable[saving.Saved]) -> AsyncGenerator[bytes, None]:
        """Yield a tar of `images`, which stay whole until it has ended even if they are deleted."""
        wanted = tuple(images)
        with self.content.lease() as lease:
            for image in wanted:
                lease.record(image.record)
            parts = await trio.to_thread.run_sync(saving.pieces, wanted, self.content.blobs)
            tar = saving.chunks(parts)
            while chunk := await trio.to_thread.run_sync(next, tar, b""):
                yield chunk  # noqa: ASYNC119  Quart closes it, and leaving the lease awaits nothing

    async def sync(self) -> None:
        """Make what a job has written durable, so that the record about to be committed never lies."""
        stores = (self.content.blobs.trash, self.content.layers.home)
        devices = {store.stat().st_dev: store for store in stores}
        for store in devices.values():
            await trio.to_thread.run_sync(sync_filesystem, store)
        reached("image-synced")

    async def recover(self, journal: Recorded, *, discard: bool = True) -> None:
        """Show the images that are recorded and `discard` all content that belongs to none of them.

        To be called once, before the actor runs and before anything is asked of it.
        """
        await trio.to_thread.run_sync(self._open_stores)
        tags: dict[str, list[str]] = {}
        for name, image_id in journal.names(IMAGE_KIND).items():
            tags.setdefault(image_id, []).append(name)
        found = []
        for entry in journal.records(IMAGE_KIND):
            try:
                record = parse_record(entry.body, ImageRecord)
                self.content.keep(record)
                await self.content.layers.know(record.chain_ids)
                document = documents.read_image(await self.content.blobs.read(record.id))
                names = tuple(references.parse(name) for name in sorted(tags.get(entry.id, ())))
            except (EngineError, OSError) as error:  # one damaged image must not keep the others from working
                _log.error("an image cannot be read", image_id=entry.id, error=str(error))
                continue
            found.append(ImageSnapshot(record, document, names))
        self.catalog.publish(make_catalog(found))
        await trio.to_thread.run_sync(self.content.drop_partials, PARTIAL_DAYS)
        if discard:
            await trio.to_thread.run_sync(self.content.keep_only_needed)
        self._report_missing()

    def _open_stores(self) -> None:
        self.content.blobs.open()
        self.spool_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for spool in self.spool_directory.iterdir():
            self.content.blobs.throw_away(spool)

    def _report_missing(self) -> None:
        for image in self:
            for chain_id in image.chain_ids:
                if chain_id not in self.content.layers:
                    _log.error("a layer is missing; load the image again", image_id=image.id, layer=chain_id)
