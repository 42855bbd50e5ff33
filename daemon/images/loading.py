"""Bringing images in: from an archive, or from one plain file system tar.

A job takes what it needs under a lease and returns what is to be recorded.  Until that is
committed nobody else can see it, and when the lease ends without a record it is gone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import attrs
import orjson
import trio

from daemon.archives import sandbox
from daemon.archives.sandbox import Archive, Extracted, Member
from daemon.archives.supply import Known
from daemon.errors import InvalidParameter
from daemon.failpoints import reached
from daemon.images import digests, documents, progress
from daemon.images.completing import complete
from daemon.images.content import Content, Lease
from daemon.images.documents import ImageDocument
from daemon.images.layerfile import WrittenLayer
from daemon.images.plan import PlannedImage, read_plan
from daemon.images.platforms import Platform
from daemon.images.progress import State, Tell
from daemon.images.records import ImageRecord, LayerRecord
from daemon.images.references import Reference
from daemon.images.together import together
from daemon.syscalls import begin_writing_out

UNPACKED_AT_ONCE: Final = max(2, os.cpu_count() or 1)  # by one job: a child keeps a core busy, and the disk


@attrs.frozen
class Brought:
    """An image that is complete on disk but not recorded yet."""

    record: ImageRecord
    document: ImageDocument
    tags: tuple[Reference, ...]


@attrs.define(eq=False)
class Job:
    """One load or import; `known` finds a layer that a recorded image has, `tell` hears of others."""

    content: Content
    lease: Lease
    known: Callable[[str], LayerRecord | None]
    tell: Tell = progress.to_nobody
    _unpacked: dict[str, LayerRecord] = attrs.field(factory=dict, init=False)

    async def load(self, parts: Archive, platform: Platform | None = None) -> tuple[Brought, ...]:
        """Bring in all images of an archive, of several for one image that for `platform`.

        Raises:
            InvalidParameter: the archive is broken, or lies about what it holds.

        """
        await trio.to_thread.run_sync(_begin_writing_out, parts)
        plan = await read_plan(parts, platform)
        return tuple([await self._bring(image) for image in plan])

    async def import_tar(self, tar: Path, describe: Callable[[str], Mapping[str, Any]]) -> Brought:
        """Make a file system tar the only layer of a new image; `describe` makes the config for its diff ID.

        Raises:
            InvalidParameter: it is not a tar, or a broken one.

        """
        digest, size_bytes = await trio.to_thread.run_sync(_measure, tar)
        known = Known(tar, digest)
        # A layer that nothing is below has its diff ID as its chain ID.
        chain_id = await sandbox.diff_id_of(known)
        self.lease.layer(chain_id)
        extracted = await self.content.layers.add(chain_id, None, known, _expecting(chain_id, 0))
        reached("image-layer-imported")
        member = Member(tar, size_bytes, digest)
        self._adopt_blob(member)
        layer = self._keep_layer(member, chain_id, chain_id, extracted.size_bytes)
        document = documents.read_image(orjson.dumps(describe(extracted.diff_id)))
        return self._complete(PlannedImage(document, (), ()), (layer,))

    async def add_layer(
        self,
        parent: ImageRecord,
        parent_document: ImageDocument,
        written: WrittenLayer | None,
        describe: Callable[[ImageDocument, str | None], bytes],
    ) -> Brought:
        """Make an image of `parent` and one more layer, if there is one; `describe` makes its config.

        Raises:
            InvalidParameter: the layer is not what it is said to be.

        """
        self.lease.record(parent)
        layers = parent.layers
        if written is not None:
            layers = (*layers, await self._add_written(written, parent.layers))
        document = documents.read_image(describe(parent_document, written.diff_id if written else None))
        record = self._complete(PlannedImage(document, (), ()), layers).record
        return Brought(attrs.evolve(record, parent=parent.id), document, ())

    async def _add_written(self, written: WrittenLayer, below: tuple[LayerRecord, ...]) -> LayerRecord:
        diff_ids = (*(layer.diff_id for layer in below), written.diff_id)
        chain_id = digests.chain_ids(diff_ids)[-1]
        self.lease.layer(chain_id)
        layer = self.known(chain_id)
        if layer is None:
            member = Member(written.path, written.size_bytes, written.digest)
            parent = below[-1].chain_id if below else None
            layer = await self._put(member, chain_id, parent, _expecting(written.diff_id, len(below)))
        self.lease.blob(layer.blob)
        return layer

    async def _bring(self, image: PlannedImage) -> Brought:
        """Unpack what is missing, several layers at once where the driver lets them come in any order."""
        chain_ids = digests.chain_ids(image.document.diff_ids)
        layers = [self._lease(chain_id) for chain_id in chain_ids]
        missing = [place for place, layer in enumerate(layers) if layer is None]
        in_place = {place: trio.Event() for place in missing}
        room = trio.CapacityLimiter(UNPACKED_AT_ONCE)

        async def unpack(place: int) -> None:
            if place - 1 in in_place and not self.content.layers.in_any_order:
                await in_place[place - 1].wait()
            async with room:
                layers[place] = await self._unpack(image, place, chain_ids)
            in_place[place].set()

        await together(partial(unpack, place) for place in missing)
        return self._complete(image, tuple(layer for layer in layers if layer))

    def _lease(self, chain_id: str) -> LayerRecord | None:
        self.lease.layer(chain_id)
        layer = self.known(chain_id) or self._unpacked.get(chain_id)
        if layer:
            self.lease.blob(layer.blob)
        return layer

    async def _unpack(self, image: PlannedImage, place: int, chain_ids: Sequence[str]) -> LayerRecord:
        parent = chain_ids[place - 1] if place else None
        diff_id, member = image.document.diff_ids[place], image.layers[place]
        tell = progress.of(self.tell, digests.short(diff_id))
        tell(State(progress.LOADING, 0, member.size_bytes))
        layer = await self._put(member, chain_ids[place], parent, _expecting(diff_id, place))
        tell(State(progress.LOADING, member.size_bytes, member.size_bytes))
        return layer

    async def _put(
        self, member: Member, chain_id: str, parent: str | None, accept: Callable[[Extracted], None]
    ) -> LayerRecord:
        self._adopt_blob(member)
        blob = Known(self.content.blobs.path(member.digest), member.digest)
        extracted = await self.content.layers.add(chain_id, parent, blob, accept)
        reached("image-layer-unpacked")
        return self._keep_layer(member, extracted.diff_id, chain_id, extracted.size_bytes)

    def _adopt_blob(self, member: Member) -> None:
        self.lease.blob(member.digest)
        if member.digest not in self.content.blobs:
            self.content.blobs.adopt(member.path, member.digest)
        reached("image-blob-written")

    def _keep_layer(self, member: Member, diff_id: str, chain_id: str, unpacked_bytes: int) -> LayerRecord:
        with self.content.blobs.path(member.digest).open("rb") as blob:
            media_type = documents.layer_media_type(blob.read(8))
        layer = LayerRecord(diff_id, chain_id, member.digest, media_type, member.size_bytes, unpacked_bytes)
        self._unpacked[chain_id] = layer
        return layer

    def _complete(self, image: PlannedImage, layers: tuple[LayerRecord, ...]) -> Brought:
        stated = [member.digest for member in image.layers]
        record = complete(self.lease, image.document, layers, image.manifest, stated)
        return Brought(record, image.document, image.tags)


def _expecting(diff_id: str, position: int) -> Callable[[Extracted], None]:
    def accept(extracted: Extracted) -> None:
        if extracted.diff_id != diff_id:
            raise InvalidParameter(
                f'invalid diffID for layer {position}: expected "{diff_id}", got "{extracted.diff_id}"'
            )

    return accept


def _begin_writing_out(parts: Archive) -> None:
    """Let the disk have what is to stay on it, which it can be writing while layers are unpacked."""
    for member in parts.members.values():
        begin_writing_out(member.path)


def _measure(file: Path) -> tuple[str, int]:
    with file.open("rb") as opened:
        return digests.of_file(opened), file.stat().st_size
