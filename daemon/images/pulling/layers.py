"""Bringing the layers of one image: downloading, unpacking, and what of it is there or under way already.

A layer is unpacked while it still arrives.  Where the driver wants the one below in place first, it waits for
that; where it does not, all go at once.  Nothing is a layer before the digest of its blob and its diff ID
are right: the reader of a growing file does not see its end before that is known.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import attrs
import trio

from daemon.archives.growing import Growing
from daemon.archives.sandbox import Extracted
from daemon.errors import InvalidParameter
from daemon.failpoints import reached
from daemon.images import digests, documents, progress
from daemon.images.content import Content, LayerStore, Lease
from daemon.images.progress import State, Tell, TellState
from daemon.images.pulling.download import Download, Mismatch
from daemon.images.pulling.plan import Layer
from daemon.images.pulling.sharing import Sharing
from daemon.images.records import LayerRecord
from daemon.images.registry.repository import Repository
from daemon.images.together import together

UNPACKING_AT_ONCE: Final = 4  # each is a child process that may fill a core


@attrs.define(eq=False)
class Workshop:
    """What all pulls of an engine share.

    Attributes:
        known: finds a layer that a recorded image has.
        downloads_at_once: how many the engine may do, at this moment; 0 for any number.
        unrecorded: layers that are whole, of images that are not recorded yet.

    """

    content: Content
    known: Callable[[str], LayerRecord | None]
    downloads_at_once: Callable[[], int]
    downloads: Sharing = attrs.field(factory=Sharing, init=False)
    layers: Sharing = attrs.field(factory=Sharing, init=False)
    unrecorded: dict[str, LayerRecord] = attrs.field(factory=dict, init=False)
    _slots: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1), init=False)
    _unpacking: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1), init=False)

    @contextlib.asynccontextmanager
    async def download_slot(self, tell: TellState, queued: Callable[[], None]) -> AsyncGenerator[None, None]:
        """Wait for this download's turn; `queued` is called when its place in the queue is taken."""
        self._slots.total_tokens = self.downloads_at_once() or math.inf
        if not self._slots.available_tokens:
            tell(State(progress.WAITING))
        queued()
        async with self._slots:
            yield

    @contextlib.asynccontextmanager
    async def unpacking_slot(self) -> AsyncGenerator[None, None]:
        """Wait until one more layer may be unpacked; those that do not arrive leave room for others."""
        downloads = self.downloads_at_once() or math.inf
        self._unpacking.total_tokens = max(UNPACKING_AT_ONCE, downloads + 1)
        async with self._unpacking:
            yield

    def whole(self, chain_id: str) -> LayerRecord | None:
        """Return a layer that is in place, and its blob with it."""
        layer = self.unrecorded.get(chain_id) or self.known(chain_id)
        content = self.content
        return layer if layer and chain_id in content.layers and layer.blob in content.blobs else None


@attrs.define(eq=False)
class LayerPull:
    """The layers of one image being brought, under the lease of its pull."""

    workshop: Workshop
    repository: Repository
    lease: Lease
    tell: Tell
    _in_place: dict[str, trio.Event] = attrs.field(factory=dict, init=False)
    _made: set[str] = attrs.field(factory=set, init=False)

    async def bring(self, layers: Sequence[Layer]) -> tuple[LayerRecord, ...]:
        """Bring `layers`, lowest first.

        Raises:
            InvalidParameter: one is broken, or not what the image says.
            RegistryError: one cannot be had.
            Failed: the disk refused.

        """
        brought: dict[str, LayerRecord] = {}
        missing = []
        for layer in layers:
            self._in_place[layer.chain_id] = trio.Event()
            found = self._lease(layer)
            if found is None:
                missing.append(layer)
            else:
                brought[layer.chain_id] = found
                self._in_place[layer.chain_id].set()
        turns = [trio.Event() for _ in range(len(missing) + 1)]
        turns[0].set()

        def task(number: int, layer: Layer) -> Callable[[], Awaitable[None]]:
            async def run() -> None:
                await turns[number].wait()  # the lowest begins: the others wait for it
                brought[layer.chain_id] = await self._bring(layer, turns[number + 1].set)

            return run

        await together(task(number, layer) for number, layer in enumerate(missing))
        return tuple(brought[layer.chain_id] for layer in layers)

    def forget(self) -> None:
        """Let go of what was unpacked here: it is recorded by now, or nobody's."""
        for chain_id in self._made:
            self.workshop.unrecorded.pop(chain_id, None)

    def _lease(self, layer: Layer) -> LayerRecord | None:
        self.lease.layer(layer.chain_id)
        found = self.workshop.whole(layer.chain_id)
        self.lease.blob(found.blob if found else layer.blob.digest)
        tell = progress.of(self.tell, digests.short(layer.blob.digest))
        tell(State(progress.ALREADY_EXISTS if found else progress.PULLING_LAYER))
        return found

    async def _bring(self, layer: Layer, queued: Callable[[], None]) -> LayerRecord:
        shop, chain_id = self.workshop, layer.chain_id
        tell = progress.of(self.tell, digests.short(layer.blob.digest))
        arrival = _Arrival(self, layer, queued)
        found = await shop.layers.see_to(chain_id, lambda: shop.whole(chain_id), arrival.bring, tell)
        queued()
        if found.blob != layer.blob.digest:  # somebody has brought the same layer in another form
            self.lease.blob(found.blob)
        self._in_place[chain_id].set()
        tell(State(progress.PULLED))
        return found

    async def parent_in_place(self, layer: Layer) -> None:
        """Return when what `layer` must be unpacked on is there."""
        if layer.parent is not None and not self.workshop.content.layers.in_any_order:
            await self._in_place[layer.parent].wait()

    def keep(self, layer: LayerRecord) -> LayerRecord:
        """Let other pulls find a layer that is whole."""
        self._made.add(layer.chain_id)
        self.workshop.unrecorded[layer.chain_id] = layer
        return layer


@attrs.define(eq=False)
class _Arrival:
    """One layer that nobody else brings."""

    pull: LayerPull
    layer: Layer
    queued: Callable[[], None]
    _file: Path | Growing | None = attrs.field(default=None, init=False)
    _begun: trio.Event = attrs.field(factory=trio.Event, init=False)
    _fetched: trio.Event = attrs.field(factory=trio.Event, init=False)
    _unpacked_bytes: int | None = attrs.field(default=None, init=False)

    async def bring(self, tell: TellState) -> LayerRecord:
        """Fetch and unpack it, once more from the beginning if what was bad is not the registry's."""
        try:
            await self._fetch_and_unpack(tell)
        except Mismatch as mismatch:
            if not mismatch.again:
                raise
            return await attrs.evolve(self).bring(tell)
        finally:
            self.pull.workshop.content.blobs.drop_partial(self.layer.blob.digest)
        return self.pull.keep(await trio.to_thread.run_sync(self._record))

    async def _fetch_and_unpack(self, tell: TellState) -> None:
        async def fetch() -> None:
            await self._fetch(tell)

        async def unpack() -> None:
            await self._begun.wait()
            await self._unpack()

        await together((fetch, unpack))

    async def _fetch(self, tell: TellState) -> None:
        shop, blob = self.pull.workshop, self.layer.blob

        async def download(tell: TellState) -> bool:
            async with shop.download_slot(tell, self.queued):
                await Download(blob, shop.content.blobs, self._begin, tell).run(self.pull.repository)
            return True

        def done() -> bool | None:
            return blob.digest in shop.content.blobs or None

        self.pull.lease.fetched.add(blob.digest)
        await shop.downloads.see_to(blob.digest, done, download, tell)
        self.queued()
        self._fetched.set()
        self._begin(shop.content.blobs.path(blob.digest))
        if self._unpacked_bytes is None:
            tell(State(progress.EXTRACTING))

    def _begin(self, file: Path | Growing) -> None:
        if self._file is None:
            self._file = file
            self._begun.set()

    async def _unpack(self) -> None:
        shop, layer = self.pull.workshop, self.layer
        assert self._file is not None
        await self.pull.parent_in_place(layer)
        async with shop.unpacking_slot():
            refusal = await self._add(shop.content.layers, self._file)
        if refusal is not None:
            await self._fetched.wait()  # if that fails this is not a broken image but a broken download
            self.pull.lease.fetched.discard(layer.blob.digest)
            raise refusal
        reached("image-layer-unpacked")

    async def _add(self, layers: LayerStore, file: Path | Growing) -> InvalidParameter | None:
        layer = self.layer
        try:
            extracted = await layers.add(layer.chain_id, layer.parent, file, self._accept)
        except InvalidParameter as refusal:
            return refusal
        self._unpacked_bytes = extracted.size_bytes
        return None

    def _accept(self, extracted: Extracted) -> None:
        if extracted.diff_id != self.layer.diff_id:
            raise InvalidParameter(
                f"layers from manifest don't match image configuration: {self.layer.blob.digest} is "
                f"{extracted.diff_id}, not {self.layer.diff_id}"
            )

    def _record(self) -> LayerRecord:
        layer = self.layer
        with self.pull.workshop.content.blobs.path(layer.blob.digest).open("rb") as blob:
            media_type = documents.layer_media_type(blob.read(8))
        assert self._unpacked_bytes is not None
        return LayerRecord(
            diff_id=layer.diff_id,
            chain_id=layer.chain_id,
            blob=layer.blob.digest,
            media_type=media_type,
            size_bytes=layer.blob.size,
            unpacked_bytes=self._unpacked_bytes,
        )
