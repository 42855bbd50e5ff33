"""One push: everything a manifest names to a registry, and the manifest last.

The blobs and the manifest go out as they are kept, so the image has the same digests there as here.  A blob
that the registry has is not sent; one that it has in another repository is mounted from there.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

import attrs
import trio

from daemon.errors import Failed
from daemon.images import digests, documents, progress
from daemon.images.blobs import BlobStore
from daemon.images.digests import Measured
from daemon.images.documents import OCI_MANIFEST
from daemon.images.progress import Message, State, Tell, TellState
from daemon.images.records import ImageRecord
from daemon.images.registry.repository import Content, Notice, Repository
from daemon.images.together import together

PIECE_BYTES: Final = 1 << 20


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
        sources: paths of repositories at the same registry that may have a blob, the likeliest first.
        room: held by each upload; how many the engine does at once is its business.

    """

    repository: Repository
    record: ImageRecord
    blobs: BlobStore
    sources: Callable[[str], list[str]]
    room: trio.CapacityLimiter
    tell: Tell

    async def run(self, tag: str) -> Pushed:
        """Push the image as `tag`.

        Raises:
            RegistryError: the registry does not take it.
            Failed: a blob is missing here.

        """
        raw = await self._manifest()
        layers = {
            layer.blob: progress.of(self.tell, digests.short(layer.diff_id)) for layer in self.record.layers
        }
        for tell in layers.values():
            tell(State(progress.PREPARING))
        tasks = [self._task(blob, tell) for blob, tell in layers.items()]
        await together([*tasks, self._task(self.record.id, lambda _: None)])
        media_type = documents.read_json(raw, "image manifest", dict).get("mediaType") or OCI_MANIFEST
        digest = await self.repository.put_manifest(tag, media_type, raw)
        pushed = Pushed(tag, digest, len(raw))
        progress.say(self.tell, f"{tag}: digest: {digest} size: {len(raw)}")
        self.tell(Message(State(""), aux={"Tag": tag, "Digest": digest, "Size": len(raw)}))
        return pushed

    async def _manifest(self) -> bytes:
        for digest in self.record.blobs:
            if digest not in self.blobs:
                raise Failed(f"the image cannot be pushed: its blob {digest} is missing here; pull it again")
        return await self.blobs.read(self.record.manifest)

    def _task(self, digest: str, tell: TellState) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            if not self.room.available_tokens:
                tell(State(progress.WAITING))
            async with self.room:
                await self._send(digest, tell)

        return run

    async def _send(self, digest: str, tell: TellState) -> None:
        if await self.repository.blob_size(digest) is not None:
            tell(State(progress.ALREADY_PUSHED))
            return
        for path in self.sources(digest):
            if await self.repository.mount(digest, path):
                tell(State(f"Mounted from {path}"))
                return
        kept = Measured(digest, self.blobs.size_bytes(digest))
        await self.repository.upload(_Kept(self.blobs.path(digest), kept, tell), noticing(tell))
        tell(State(progress.PUSHED))


@attrs.define(eq=False)
class _Kept:
    """A blob's file as the registry client reads it."""

    path: Path
    measured: Measured
    tell: TellState

    def open(self, offset_bytes: int) -> Content:
        return self._opened(offset_bytes)

    @contextlib.asynccontextmanager
    async def _opened(self, offset_bytes: int) -> AsyncGenerator[AsyncIterator[bytes], None]:
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
