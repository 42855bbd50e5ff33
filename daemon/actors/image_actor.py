"""The actor that alone changes which images there are.

Bringing images in takes long and runs in child tasks; each ends with one short message to the actor
itself, `Record`.  So everything that changes the catalog happens one after the other, in the
actor, and always in this order: sync the disk, commit to the journal, publish, answer.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs
import structlog
import trio

from daemon.actors import image_changes
from daemon.actors.image_catalog import ImageSnapshot
from daemon.actors.image_changes import Change
from daemon.actors.image_commands import (
    AddLayer,
    Delete,
    Import,
    Load,
    NoteSaved,
    Prune,
    Pruned,
    Record,
    RecordPacked,
    RecordPulled,
    RecordPushed,
    Removed,
    Tag,
)
from daemon.actors.image_deletion import Deletion, decide
from daemon.actors.images import Images
from daemon.actors.mailbox import Request
from daemon.errors import Conflict, EngineError, Failed, Unavailable
from daemon.failpoints import reached
from daemon.graphdrivers import trees
from daemon.images import digests
from daemon.images.loading import Job
from daemon.images.progress import Tell, to_nobody
from daemon.images.records import LayerRecord
from daemon.images.spool import Spool
from daemon.journal import Held, Ledger, Transaction

JOBS_AT_ONCE: Final = 4  # each has a child process that may fill a core and much memory
_log = structlog.get_logger(__name__)


@attrs.define(eq=False)
class ImagesActor:
    """The task behind `Images`."""

    images: Images
    ledger: Ledger
    _open: set[Request[Any]] = attrs.field(factory=set, init=False)
    _room: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(JOBS_AT_ONCE), init=False)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take commands until cancelled; every command taken is answered, whatever happens."""
        try:
            async with trio.open_nursery() as jobs:
                jobs.start_soon(self._empty_trash)
                task_status.started()
                while True:
                    await self._take(jobs)
        finally:
            for request in self._open:
                request.refuse(Unavailable("the images' actor has ended"))
            self._open.clear()

    async def _take(self, jobs: trio.Nursery) -> None:
        request = await self.images.mailbox.take()
        assert isinstance(request, Request)
        self._open.add(request)
        if type(request.command) in _JOBS:
            jobs.start_soon(self._carry_out_in_turn, request)
        else:
            await self._carry_out(request)

    async def _carry_out_in_turn(self, request: Request[Any]) -> None:
        async with self._room:
            await self._carry_out(request)

    async def _carry_out(self, request: Request[Any]) -> None:
        if request.withdrawn:  # whoever asked has left, and taken along what it was about: a file, a lease
            request.answer(None)
            self._open.discard(request)
            return
        request.begun = True
        try:
            request.answer(await _HANDLERS[type(request.command)](self, request.command))
        except EngineError as error:
            request.refuse(error)
        except OSError as error:
            request.refuse(Failed(f"image store: {error.strerror or error}"))
        self._open.discard(request)

    async def _load(self, command: Load) -> tuple[str, ...]:
        async with self._job(command.spool, command.tell) as job:
            brought = await job.load(command.parts, command.platform)
            await self.images.sync()
            await self.images.mailbox.ask(Record(brought, "load"))
        return tuple(line for image in brought for line in _lines(image.record.id, image.tags))

    async def _import(self, command: Import) -> str:
        async with self._job(command.tar) as job:
            brought = await job.import_tar(command.tar.path, command.description.document)
            await self.images.sync()
            tags = (command.tag,) if command.tag else ()
            await self.images.mailbox.ask(Record((attrs.evolve(brought, tags=tags),), "import"))
        return brought.record.id

    async def _add_layer(self, command: AddLayer) -> str:
        async with self._job(command.spool) as job:
            parent = self.images.resolve(command.parent_id)
            brought = await job.add_layer(
                parent.record, parent.document, command.layer, command.description.document
            )
            await self.images.sync()
            tags = (command.tag,) if command.tag else ()
            await self.images.mailbox.ask(Record((attrs.evolve(brought, tags=tags),), "create"))
        return brought.record.id

    @contextlib.asynccontextmanager
    async def _job(self, spool: Spool, tell: Tell = to_nobody) -> AsyncGenerator[Job, None]:
        spool.claim()
        reached("image-spooled")
        try:
            with self.images.content.lease() as lease:
                yield Job(self.images.content, lease, self._known_layer, tell)
        finally:
            spool.discard()

    def _known_layer(self, chain_id: str) -> LayerRecord | None:
        """Return a layer that need not be brought in: it and its blob are not only recorded but there."""
        content, layer = self.images.content, self.images.layer(chain_id)
        return layer if layer and chain_id in content.layers and layer.blob in content.blobs else None

    async def _record(self, command: Record) -> None:
        now_ns = time.time_ns()
        await self._add(
            image_changes.record(self.images.catalog.current, command.brought, command.action, now_ns),
            command.action,
        )

    async def _record_pulled(self, command: RecordPulled) -> None:
        catalog, now_ns = self.images.catalog.current, time.time_ns()
        change = image_changes.pulled(catalog, command.brought, command.name, command.digest, now_ns)
        await self._add(change, "pull")

    async def _record_pushed(self, command: RecordPushed) -> None:
        image = self.images.get(command.image_id)
        if image is not None:  # else it was removed meanwhile, and nobody asks where it has gone
            catalog = self.images.catalog.current
            await self._commit(image_changes.pushed(catalog, image, command.name, command.digest))

    async def _record_packed(self, command: RecordPacked) -> None:
        change = image_changes.packed(self.images.catalog.current, command.diff_id, command.packed)
        if change.transaction.put:  # else it was removed meanwhile
            await self._commit(change)

    async def _add(self, change: Change, how: str) -> None:
        """Carry out a change that may bring new images, whose content has a lease until now.

        They are counted before the commit: whoever has the lease may be cancelled, and end it, meanwhile.
        """
        content, known = self.images.content, self.images.catalog.current.images
        new = [image.record for image in change.catalog if image.id not in known]
        for record in new:
            content.keep(record)
        try:
            await self._commit(change)
        except EngineError:  # anything else may have come after it was committed
            for record in new:
                content.forget(record)
            raise
        for record in new:
            _log.info("new image", image_id=record.id, how=how)

    async def _tag(self, command: Tag) -> None:
        image = self.images.resolve(command.reference)
        await self._commit(image_changes.tag(self.images.catalog.current, image, command.tag, time.time_ns()))

    async def _delete(self, command: Delete) -> Removed:
        catalog = self.images.catalog.current
        found = catalog.find(command.reference)
        users = tuple(self.images.users_of(found.image.id))
        name, is_parent = found.tag or found.digest, found.image.id in catalog.parents
        deletion = decide(found.image, name, command.reference, command.force, users, is_parent=is_parent)
        removed = await self._remove(found.image, deletion)
        if deletion.delete and command.parents:
            removed += await self._remove_parents(found.image)
        return removed

    async def _remove_parents(self, image: ImageSnapshot) -> Removed:
        """Remove what a deleted image was made of, as far as nothing else keeps it."""
        removed = Removed()
        for parent in self.images.ancestors(image):
            if self._is_kept(parent):
                break
            try:
                removed += await self._remove(parent, Deletion((), True))
            except Conflict as error:
                _log.info("a parent is not removed", image_id=parent.id, reason=str(error))
                break
        return removed

    def _is_kept(self, image: ImageSnapshot) -> bool:
        """Return whether a name, another image or a container keeps an image."""
        is_parent = image.id in self.images.catalog.current.parents
        return bool(image.tags or image.repo_digests or is_parent or tuple(self.images.users_of(image.id)))

    async def _remove(self, image: ImageSnapshot, deletion: Deletion) -> Removed:
        before = self.images.catalog.current
        try:
            await self._commit(image_changes.remove(before, image, deletion))
        except Held as error:  # a container was created from it since we looked
            holder = digests.short(error.holders[0][1])
            raise Conflict(
                f"conflict: unable to delete {digests.short(image.id)} (must be forced) - "
                f"image is being used by stopped container {holder}"
            ) from error
        untagged = tuple(name.familiar for name in (*deletion.untag, *deletion.forget))
        if not deletion.delete:
            return Removed(untagged)
        self.images.content.forget(image.record)
        _log.info("image deleted", image_id=image.id)
        gone = [chain for chain in image.chain_ids if self.images.catalog.current.layer(chain) is None]
        return Removed(untagged, (image.id, *reversed(gone)))

    async def _prune(self, command: Prune) -> Pruned:
        removed = Removed()
        reclaimed_bytes = self.images.content.drop_partials()
        for image in self.images:
            catalog = self.images.catalog.current
            is_gone = image.id not in catalog.images  # with an image that was made of it
            if is_gone or tuple(self.images.users_of(image.id)) or not command.accepts(image):
                continue
            deletion = Deletion(image.tags, image.id not in catalog.parents, image.digest_names)
            try:
                one = await self._remove(image, deletion)
            except Conflict as error:
                _log.info("an image is not pruned", image_id=image.id, reason=str(error))
                continue
            if deletion.delete:
                one += await self._remove_parents(image)
            removed += one
            sizes = {layer.chain_id: layer.unpacked_bytes for layer in image.record.layers}
            reclaimed_bytes += sum(sizes.get(chain_id, 0) for chain_id in one.deleted)
        return Pruned(removed, reclaimed_bytes)

    async def _note_saved(self, command: NoteSaved) -> None:
        catalog = self.images.catalog.current
        saved = [catalog.images[image_id] for image_id in command.image_ids if image_id in catalog.images]
        events = tuple(image_changes.event(image, "save", image.id) for image in saved)
        await self.ledger.commit(Transaction(events=events))

    async def _commit(self, change: Change) -> None:
        with trio.CancelScope(shield=True):  # it happens in any case, and then it must be shown
            await self.ledger.commit(change.transaction)
        reached("image-committed")
        self.images.catalog.publish(change.catalog)

    async def _empty_trash(self) -> None:
        content = self.images.content
        while True:
            await content.discarded.wait()
            content.discarded = trio.Event()
            await content.layers.sweep()
            trash = content.blobs.trash
            try:
                await trio.to_thread.run_sync(trees.empty, trash)
            except OSError as error:  # tried again with the next thing that is thrown away
                _log.warning("the trash cannot be emptied", path=str(trash), error=str(error))


def _lines(image_id: str, tags: tuple[Any, ...]) -> list[str]:
    """Return what `docker load` says of one image; clients look for these very words."""
    return [f"Loaded image: {tag.familiar}" for tag in tags] or [f"Loaded image ID: {image_id}"]


_HANDLERS: Final[Mapping[type, Callable[[ImagesActor, Any], Awaitable[Any]]]] = MappingProxyType(
    {
        Load: ImagesActor._load,
        Import: ImagesActor._import,
        AddLayer: ImagesActor._add_layer,
        Record: ImagesActor._record,
        Tag: ImagesActor._tag,
        Delete: ImagesActor._delete,
        Prune: ImagesActor._prune,
        NoteSaved: ImagesActor._note_saved,
        RecordPulled: ImagesActor._record_pulled,
        RecordPushed: ImagesActor._record_pushed,
        RecordPacked: ImagesActor._record_packed,
    }
)
_JOBS: Final = frozenset({Load, Import, AddLayer})
