"""Downloading one blob: into a partial, followed while it grows, hashed on the way, then into the store.

Receiving and writing overlap, one piece ahead of each other, so memory is bounded and neither the network
nor the disk waits for the other; hashing and writing happen in a thread.  Broken connections are the
registry client's business, which goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs
import trio

from daemon.archives.growing import Growing
from daemon.errors import EngineError, Failed
from daemon.failpoints import reached
from daemon.images.blobs import BlobStore
from daemon.images.documents import Descriptor
from daemon.images.iterating import iterated
from daemon.images.progress import DOWNLOADED, DOWNLOADING, VERIFYING, State, TellState
from daemon.images.pulling.partials import Partial
from daemon.images.registry.errors import WrongContent
from daemon.images.registry.repository import Repository, Retry
from daemon.images.together import together

PIECE_BYTES: Final = 1 << 20
TELL_SECONDS: Final = 0.1


class Mismatch(WrongContent):
    """What came is not what was asked for; `again` if it is to be asked for from the beginning.

    That is so if part of it had come with an earlier download, or from a mirror.
    """

    def __init__(self, text: str, *, again: bool) -> None:
        super().__init__(text)
        self.again = again


@attrs.define(eq=False)
class Download:
    """One blob on its way; `begun` is told of the file as soon as there is one."""

    blob: Descriptor
    blobs: BlobStore
    begun: Callable[[Growing], None]
    tell: TellState
    _told_at: float = attrs.field(default=-TELL_SECONDS, init=False)

    async def run(self, repository: Repository) -> None:
        """Bring the blob into the store, unless that fails or is cancelled; then what has come is kept.

        The partial stays as well, for whoever follows it; but nothing of what has turned out to be wrong.

        Raises:
            Mismatch: what came is not what was asked for.
            RegistryError: the registry would not give it.
            Failed: the disk is full.

        """
        path = self.blobs.partial(self.blob.digest)
        growing = Growing(path)
        try:
            partial = await trio.to_thread.run_sync(Partial, path, self.blob.size)
            try:
                growing.grown(partial.size_bytes)
                self.begun(growing)
                await self._fill(partial, growing, repository)
                self._verify(partial)
            finally:
                partial.close()
        except OSError as error:
            failed = Failed(f"image store: {error.strerror or error}")
            growing.broken(failed)
            raise failed from error
        except WrongContent as wrong:
            path.unlink()
            again = repository.distrust(self.blob.digest) or partial.found_bytes > 0
            mismatch = Mismatch(str(wrong), again=again)
            growing.broken(mismatch)
            raise mismatch from wrong
        except EngineError as error:
            growing.broken(error)
            raise
        self.blobs.publish(path, self.blob.digest)
        reached("image-blob-downloaded")
        growing.complete()
        self.tell(State(DOWNLOADED))

    def _verify(self, partial: Partial) -> None:
        self.tell(State(VERIFYING))
        if (partial.size_bytes, partial.digest) != (self.blob.size, self.blob.digest):
            raise WrongContent(f"filesystem layer verification failed for digest {self.blob.digest}")

    async def _fill(self, partial: Partial, growing: Growing, repository: Repository) -> None:
        send, receive = trio.open_memory_channel[bytes](1)

        async def take_in() -> None:
            async with send:
                await self._receive(repository, partial.size_bytes, send)

        async def put_away() -> None:
            async with receive:
                async for piece in receive:
                    growing.grown(await trio.to_thread.run_sync(partial.add, piece))
                    self._count(partial.size_bytes)

        if partial.size_bytes < self.blob.size:
            await together((take_in, put_away))

    async def _receive(
        self, repository: Repository, offset_bytes: int, send: trio.MemorySendChannel[bytes]
    ) -> None:
        gathered = bytearray()
        left_bytes = self.blob.size - offset_bytes
        async with (
            repository.blob(self.blob.digest, offset_bytes, self._notice) as blob,
            iterated(blob) as chunks,
        ):
            async for chunk in chunks:
                left_bytes -= len(chunk)
                if left_bytes < 0:
                    raise WrongContent(f"blob {self.blob.digest} is larger than its manifest says")
                gathered += chunk
                if len(gathered) >= PIECE_BYTES or not left_bytes:
                    await send.send(bytes(gathered))
                    gathered.clear()
            if gathered:
                await send.send(bytes(gathered))

    def _count(self, size_bytes: int) -> None:
        now = trio.current_time()
        if now - self._told_at >= TELL_SECONDS:
            self._told_at = now
            self.tell(State(DOWNLOADING, size_bytes, self.blob.size))

    def _notice(self, retry: Retry) -> None:
        self.tell(State(f"Retrying in {max(1, round(retry.delay_seconds))} seconds"))
