"""What every graph driver can do: the operations of Docker's graph driver plugins, and a few for ourselves.

A driver keeps *layers* under ids that whoever uses it makes up; an id is opaque, and a file's name.  A layer
that is made with `create` is filled once, by `apply_diff`, and never changes again; one that is made with
`create_read_write` is a container's root filesystem.  A parent is the layer below, "" for none.

Every call may be repeated: the engine may have died before it knew that a call was carried out.  What
drivers raise is OSError, for what the kernel or the disk said, or an `EngineError`; the caller says for what.

Source: moby v27 `daemon/graphdriver/{driver,proxy}.go`; api-contract section 5.2.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import attrs

from daemon.archives.changes import Change
from daemon.archives.sandbox import Extracted
from daemon.archives.supply import Archived

Pairs = tuple[tuple[str, str], ...]


@attrs.frozen
class Capabilities:
    """What differs between drivers, so that others have to know.

    Attributes:
        reproduces_exact_diffs: the diff of a layer is, byte for byte, the one that was applied.
        any_order: a layer may be filled before its parent is, or even exists.
        counts_gets: a second `get` wants a second `put`; False where the kernel is asked what is mounted.

    """

    reproduces_exact_diffs: bool = False
    any_order: bool = False
    counts_gets: bool = True


@attrs.frozen
class Inventory:
    """The ids of all layers that a driver has for this engine."""

    read_only: frozenset[str] = frozenset()
    read_write: frozenset[str] = frozenset()


class Operations(Protocol):
    """What Docker's plugins can do: enough to be served as one."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can; known once it was initialized."""
        ...

    async def init(self) -> None:
        """Get ready; the first call, once for each start of the engine."""
        ...

    async def create(self, layer_id: str, parent: str) -> None:
        """Make an empty layer, which is to be filled; leave alone one that is there."""
        ...

    async def create_read_write(self, layer_id: str, parent: str) -> None:
        """Make a root filesystem that shows the layers from `parent` down; leave alone one that is there."""
        ...

    async def remove(self, layer_id: str) -> None:
        """Delete a layer, if it is there; nothing stands on it, nor is it in use any more."""
        ...

    async def get(self, layer_id: str) -> Path:
        """Return where the layer, with all below it, can be seen; only a root filesystem is written to."""
        ...

    async def put(self, layer_id: str) -> None:
        """Take back one `get`."""
        ...

    async def exists(self, layer_id: str) -> bool:
        """Tell whether there is such a layer."""
        ...

    async def status(self) -> Pairs:
        """Return what `docker info` shows about the driver."""
        ...

    async def metadata(self, layer_id: str) -> Mapping[str, str]:
        """Return what inspect shows as GraphDriver.Data."""
        ...

    async def cleanup(self) -> None:
        """Let go of everything; the last call, and only when nothing is in use."""
        ...

    async def apply_diff(self, layer_id: str, parent: str, blob: Archived) -> Extracted:
        """Fill a layer from a tar with AUFS whiteouts, compressed or not, which is read once.

        Raises:
            InvalidParameter: it is no layer that could be unpacked.

        """
        ...

    def diff(self, layer_id: str, parent: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Lend a tar, not compressed and with AUFS whiteouts, of what a layer has over another."""
        ...

    async def changes(self, layer_id: str, parent: str) -> tuple[Change, ...]:
        """Return what a layer has over another, directories before what is in them."""
        ...

    async def diff_size(self, layer_id: str, parent: str) -> int:
        """Return how many bytes of files a layer has over another."""
        ...


class Driver(Operations, Protocol):
    """A graph driver as the engine uses it."""

    @property
    def name(self) -> str:
        """What `docker info` calls it."""
        ...

    @property
    def home(self) -> Path:
        """The engine's own directory for this driver."""
        ...

    async def open_read_write(self, layer_id: str, parent: str) -> Path:
        """Do `create_read_write` and `get`, in one step if possible: a container's start waits for it."""
        ...

    def diff(self, layer_id: str, parent: str | None) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Lend a tar of what a layer has over another; None means its own parent."""
        ...

    async def changes(self, layer_id: str, parent: str | None) -> tuple[Change, ...]:
        """Return what a layer has over another; None means its own parent."""
        ...

    async def diff_size(self, layer_id: str, parent: str | None) -> int:
        """Return how many bytes of files a layer has over another; None means its own parent."""
        ...

    async def inventory(self) -> Inventory:
        """Return what layers there are."""
        ...

    def describe(self, layer_id: str) -> Mapping[str, str]:
        """Return what is known of `metadata` at once; nothing for what is not there."""
        ...
