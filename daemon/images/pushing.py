"""One push: everything a manifest names to a registry, and the manifest last.

Blobs and manifest go out as they are kept, but for layers that are kept plain: these are packed on the way,
and then the manifest names what they have become.  A blob that the registry has is not sent, a layer in
whichever form it has it; a blob that it has in another repository is mounted from there.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import attrs
import trio

from daemon.errors import Failed
from daemon.images import digests, documents, progress
from daemon.images.blobs import BlobStore
from daemon.images.digests import Measured
from daemon.images.documents import OCI_MANIFEST
from daemon.images.packing import PackedLayer
from daemon.images.progress import Message, State, Tell, TellState
from daemon.images.records import ImageRecord, LayerRecord
from daemon.images.registry.repository import Notice, Repository
from daemon.images.together import together

PIECE_BYTES: Final = 1 << 20


class Memory(Protocol):
    """What the engine knows from earlier pushes and pulls."""

    def packed(self, diff_id: str) -> Measured | None:
        """Return what a layer that is kept plain became when it was last packed, if it was."""
        ...

    async def remember(self, diff_id: str, packed: Measured) -> None:
        """Have it known the next time, also after a restart."""
        ...

    def sources(self, digest: str) -> list[str]:
        """Return paths of repositories at the same registry that may have a blob, the likeliest first."""
        ...


@attrs.frozen
class Pushed:
    """What a registry has now: the manifest `digest` under `tag`."""

    tag: str
    digest: str
    size_bytes: int


@attrs.define(eq=False)
class Push:
    """One image on its way to a repository.

    Attributes:
        room: held by each upload; how many the engine does at once is its business.

    """

    repository: Repository
    record: ImageRecord
    blobs: BlobStore
    memory: Memory
    room: trio.CapacityLimiter
    tell: Tell
    _packed: dict[str, Measured] = attrs.field(factory=dict, init=False)

    async def run(self, tag: str) -> Pushed:
        """Push the image as `tag`.

        Raises:
            RegistryError: the registry does not take it.
            Failed: a blob is missing or damaged here.

        """
        kept = await self._manifest()
        layers = [(layer, progress.of(self.tell, digests.short(layer.diff_id))) for layer in self._layers()]
        for _, tell in layers:
            tell(State(progress.PREPARING))
        tasks = [self._task(partial(self._send_layer, layer), tell) for layer, tell in layers]
        await together([*tasks, self._task(partial(self._send_kept, self.record.id), lambda _: None)])
        raw = documents.with_packed_layers(kept, self._packed)
        media_type = documents.read_json(raw, "image manifest", dict).get("mediaType") or OCI_MANIFEST
        digest = await self.repository.put_manifest(tag, media_type, raw)
        pushed = Pushed(tag, digest, len(raw))
        progress.say(self.tell, f"{tag}: digest: {digest} size: {len(raw)}")
        self.tell(Message(State(""), aux={"Tag": tag, "Digest": digest, "Size": len(raw)}))
        return pushed

    def _layers(self) -> Iterable[LayerRecord]:
        """Return each layer once, however often the image has it."""
        return {layer.blob: layer for layer in self.record.layers}.values()

    async def _manifest(self) -> bytes:
        for digest in self.record.blobs:
            if digest not in self.blobs:
                raise Failed(f"the image cannot be pushed: its blob {digest} is missing here; pull it again")
        return await self.blobs.read(self.record.manifest)

    def _task(
        self, send: Callable[[TellState], Awaitable[None]], tell: TellState
    ) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            if not self.room.available_tokens:
                tell(State(progress.WAITING))
            async with self.room:
                await send(tell)

        return run

    async def _send_layer(self, layer: LayerRecord, tell: TellState) -> None:
        if not layer.is_plain:
            await self._send_kept(layer.blob, tell)
        elif packed := await self._send_packed(layer, tell):
            self._packed[layer.blob] = packed

    async def _send_kept(self, digest: str, tell: TellState) -> None:
        if not await self._has(digest, tell):
            kept = Measured(digest, self.blobs.size_bytes(digest))
            await self.repository.upload(_Kept(self.blobs.path(digest), kept, tell), noticing(tell))
            tell(State(progress.PUSHED))

    async def _send_packed(self, layer: LayerRecord, tell: TellState) -> Measured | None:
        """Send a layer that is kept plain, and return what it became; None if the registry has it plain."""
        known = self.memory.packed(layer.diff_id)
        if known is not None and await self._has(known.digest, tell):
            return known
        if await self.repository.blob_size(layer.blob) is not None:
            tell(State(progress.ALREADY_PUSHED))
            return None
        blob = PackedLayer(self.blobs.path(layer.blob), layer.diff_id, tell)
        packed = await self.repository.upload(blob, noticing(tell))
        if packed != known:
            await self.memory.remember(layer.diff_id, packed)
        tell(State(progress.PUSHED))
        return packed

    async def _has(self, digest: str, tell: TellState) -> bool:
        """Tell whether the registry has a blob, or takes it from another repository."""
        if await self.repository.blob_size(digest) is not None:
            tell(State(progress.ALREADY_PUSHED))
            return True
        for path in self.memory.sources(digest):
            if await self.repository.mount(digest, path):
                tell(State(f"Mounted from {path}"))
                return True
        return False


@attrs.define(eq=False)
class _Kept:
    """A blob's file as the registry client reads it."""

    path: Path
    measured: Measured
    tell: TellState

    @contextlib.asynccontextmanager
    async def open(self, offset_bytes: int) -> AsyncGenerator[AsyncIterator[bytes], None]:
        async with await trio.open_file(self.path, "rb", buffering=0) as file:
            await file.seek(offset_bytes)
            yield self._pieces(file.read, offset_bytes)

    async def _pieces(self, read: Callable[[int], Awaitable[bytes]], sent_bytes: int) -> AsyncIterator[bytes]:
        whole_bytes = self.measured.size_bytes
        while piece := await read(PIECE_BYTES):
            self.tell(State(progress.PUSHING, sent_bytes, whole_bytes))
            yield piece
            sent_bytes += len(piece)
        self.tell(State(progress.PUSHING, sent_bytes, whole_bytes))


def noticing(tell: TellState) -> Notice:
    """Return what tells of waits for another attempt."""
    return lambda retry: tell(State(f"Retrying in {max(1, round(retry.delay_seconds))} seconds"))
