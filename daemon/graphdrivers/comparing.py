"""What one tree has over another, for drivers that do not know it: found by comparing the two."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from daemon.archives import sandbox
from daemon.archives.orders import Whiteouts


@asynccontextmanager
async def diff(lower: Path | None, upper: Path) -> AsyncGenerator[AsyncIterator[bytes], None]:
    """Lend a layer's tar of what `upper` has over `lower`.

    Raises:
        Failed: something could not be read.

    """
    changes = await sandbox.compare(lower, upper)
    async with sandbox.pack(upper, whiteouts=Whiteouts.APPLIED, changes=changes) as chunks:
        yield chunks
