"""Who still needs which blob and which unpacked layer, counted; what nobody needs is discarded at once.

Images need their content for as long as they are recorded, jobs (a load, a save) for as long as they
run, by a lease.  A lease takes its count before it looks whether something exists, and counting,
looking and discarding happen without a checkpoint between them: so nothing is ever discarded under a
job that has just found it, and a load that fails leaves nothing.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import attrs
import structlog
import trio

from daemon.archives.sandbox import Extracted
from daemon.archives.supply import Archived
from daemon.failpoints import reached
from daemon.images.blobs import BlobStore
from daemon.images.records import ImageRecord

LOG: Final = structlog.get_logger(__name__)


class LayerStore(Protocol):
    """Unpacked layers by chain ID; what is not `async` is done at once."""

    @property
    def home(self) -> Path:
        """The directory of which the file system has everything."""
        ...

    @property
    def in_any_order(self) -> bool:
        """Whether a layer may be added before the one below it is there."""
        ...

    def __contains__(self, chain_id: str) -> bool: ...

    def describe(self, chain_ids: Sequence[str]) -> Mapping[str, Any]:
        """Return what inspect shows as the GraphDriver of an image with these layers, lowest first."""
        ...

    async def add(
        self, chain_id: str, parent: str | None, blob: Archived, accept: Callable[[Extracted], None]
    ) -> Extracted:
        """Unpack a layer; it is there when this returns, and not at all if this or `accept` raises.

        One that is there already is unpacked again, to look at it, but stays as it is.

        Args:
            chain_id: the new layer's.
            parent: the chain ID of the one below; that must be there, unless the driver takes any order.
            blob: its tar, compressed or not.
            accept: raises what is to be raised if this is not the layer that was expected.

        """
        ...

    async def know(self, chain_ids: Sequence[str]) -> None:
        """Learn which of these layers, lowest first, stands on which; for start-up."""
        ...

    async def size_bytes(self, chain_id: str) -> int:
        """Return the size of all files of a layer that is there."""
        ...

    def discard(self, chain_id: str) -> None:
        """Take a layer out of the store, at once; `sweep` deletes it."""
        ...

    def keep_only(self, chain_ids: Collection[str]) -> None:
        """Discard all other layers and everything half unpacked; for start-up."""
        ...

    async def sweep(self) -> None:
        """Delete what was discarded or never became whole, but for what is being unpacked."""
        ...


@attrs.define(eq=False)
class Content:
    """Both stores and the counts; `discarded` is set whenever there is something in the trash."""

    blobs: BlobStore
    layers: LayerStore
    discarded: trio.Event = attrs.field(factory=trio.Event, init=False)
    _blob_users: Counter[str] = attrs.field(factory=Counter, init=False)
    _layer_users: Counter[str] = attrs.field(factory=Counter, init=False)
    _leases: list[Lease] = attrs.field(factory=list, init=False)

    def keep(self, record: ImageRecord) -> None:
        """Count a recorded image as a user of its content."""
        self.need(record.blobs, record.chain_ids)

    def forget(self, record: ImageRecord) -> None:
        """Stop counting it; what nobody else needs is discarded."""
        self.release(record.blobs, record.chain_ids)

    @contextlib.contextmanager
    def lease(self) -> Generator[Lease, None, None]:
        """Lend content to one job."""
        lease = Lease(self)
        self._leases.append(lease)
        try:
            yield lease
        finally:
            self._leases.remove(lease)
            for digest in lease.fetched:
                if self._blob_users[digest] <= lease.blobs.count(digest):
                    self.blobs.set_aside(digest)
            if not lease.keeps_fetched:
                self.blobs.drop_partials_of(lease.fetched - self._arriving())
            self.release(lease.blobs, lease.layers)

    def need(self, blobs: Collection[str], layers: Collection[str]) -> None:
        """Count one more user of each."""
        self._blob_users.update(blobs)
        self._layer_users.update(layers)

    def release(self, blobs: Collection[str], layers: Collection[str]) -> None:
        """Count one user less of each, and discard what has none left."""
        for digest in _unused(self._blob_users, blobs):
            self.blobs.discard(digest)
        reached("image-blobs-discarded")
        for chain_id in _unused(self._layer_users, layers):
            self.layers.discard(chain_id)
        self.discarded.set()

    def drop_partials(self, days: float = 0) -> int:
        """Discard what downloads have left that ended `days` ago; return its size in bytes."""
        dropped_bytes = self.blobs.drop_partials(self._arriving(), days)
        self.discarded.set()
        return dropped_bytes

    def throw_away(self, path: Path) -> None:
        """Have a file or directory of the blobs' file system deleted; that there is none is fine.

        What a broken disk does not let go of, the next start finds.
        """
        try:
            self.blobs.throw_away(path)
        except OSError as error:
            LOG.warning("something cannot be thrown away", path=str(path), error=str(error))
        self.discarded.set()

    def _arriving(self) -> set[str]:
        return {digest for lease in self._leases for digest in lease.fetched}

    def keep_only_needed(self) -> None:
        """Discard what no recorded image needs; for start-up, before the first job."""
        self.blobs.keep_only(self._blob_users)
        self.layers.keep_only(self._layer_users)
        self.discarded.set()


@attrs.define(eq=False)
class Lease:
    """What one job needs; grows while it runs.

    Attributes:
        fetched: blobs that took a download: where the job fails they are kept for the next one,
            if `keeps_fetched`.

    """

    content: Content
    blobs: list[str] = attrs.field(factory=list, init=False)
    layers: list[str] = attrs.field(factory=list, init=False)
    fetched: set[str] = attrs.field(factory=set, init=False)
    keeps_fetched: bool = attrs.field(default=True, init=False)

    def blob(self, digest: str) -> None:
        """Need a blob, whether it is there yet or not."""
        self.content.need((digest,), ())
        self.blobs.append(digest)

    def layer(self, chain_id: str) -> None:
        """Need an unpacked layer, whether it is there yet or not."""
        self.content.need((), (chain_id,))
        self.layers.append(chain_id)

    def record(self, record: ImageRecord) -> None:
        """Need everything of an image."""
        for digest in record.blobs:
            self.blob(digest)
        for chain_id in record.chain_ids:
            self.layer(chain_id)


def _unused(users: Counter[str], released: Collection[str]) -> list[str]:
    users.subtract(released)
    unused = [name for name in set(released) if users[name] <= 0]
    for name in unused:
        del users[name]
    return unused
