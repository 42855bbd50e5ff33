"""What the engine asks of whoever makes root filesystems.

They stack unpacked layers under a container's own writable layer.  Every call may be
repeated (mount of what is mounted, remove of what is gone), because start-up after a crash
repeats what it cannot know to have happened.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from daemon.archives.changes import Change


class GraphDriver(Protocol):
    """Root filesystems of containers."""

    @property
    def name(self) -> str:
        """What `docker info` calls it."""
        ...

    @property
    def status(self) -> Sequence[tuple[str, str]]:
        """What `docker info` shows about it."""
        ...

    async def prepare(self, container_id: str, chain_ids: Sequence[str]) -> None:
        """Make an empty writable layer over the layers `chain_ids`, lowest first.

        Raises:
            Failed: a layer is missing, or the disk refused.

        """
        ...

    async def mount(self, container_id: str, chain_ids: Sequence[str] | None = None) -> Path:
        """Return the root filesystem, mounted for a run; with `chain_ids`, `prepare` it first.

        Raises:
            Failed: the kernel refused, or it was never prepared.

        """
        ...

    async def unmount(self, container_id: str) -> None:
        """Say that the run is over; the writable layer stays.

        Raises:
            Failed: the kernel refused.

        """
        ...

    def mounted(
        self, container_id: str, chain_ids: Sequence[str] | None = None
    ) -> AbstractAsyncContextManager[Path]:
        """Lend the root filesystem, whether the container runs or not; with `chain_ids`, `prepare` it first.

        Raises:
            Failed: the kernel refused, or it was never prepared.

        """
        ...

    async def remove(self, container_id: str) -> None:
        """Unmount and delete the writable layer.

        Raises:
            Failed: something in it cannot be deleted.

        """
        ...

    def diff(self, container_id: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Lend a layer's tar of what the container has changed, as `commit` needs it: not compressed.

        The iterator raises Failed if something cannot be read; what came before is worthless then.
        """
        ...

    async def changes(self, container_id: str) -> tuple[Change, ...]:
        """Return what the container has changed of its image's files, directories before what is in them.

        Raises:
            Failed: something cannot be read, or it was never prepared.

        """
        ...

    async def written_bytes(self, container_id: str) -> int:
        """Return the size of what the container has written; 0 for one that was never prepared."""
        ...

    def describe(self, container_id: str) -> Mapping[str, str]:
        """Return what inspect shows as GraphDriver.Data; nothing for what was never prepared."""
        ...

    async def prune(self, container_ids: Collection[str]) -> None:
        """Unmount and delete the writable layers of all other containers; for start-up."""
        ...

    async def adopt(self, container_ids: Collection[str]) -> None:
        """Take it that these run, so their root filesystems are mounted; for start-up."""
        ...
