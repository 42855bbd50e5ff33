"""The host's side of bind mounts: whether a source is there, and making those that may be made.

Clients name these paths, so they may lead to a file server that no longer answers.  All look-ups
happen in threads with a limiter of their own: a hundred stuck ones delay only others of their kind, and
a caller that is cancelled does not wait for its thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, TypeVar

import trio

from daemon.errors import Failed, InvalidParameter
from daemon.model import HostConfig
from daemon.runtimes.spec.mounting import BindMount, client_mounts

T = TypeVar("T")

THREADS: Final = trio.CapacityLimiter(100)


async def look_up(question: Callable[[], T]) -> T:
    """Ask the host about a path that a client named."""
    return await trio.to_thread.run_sync(question, abandon_on_cancel=True, limiter=THREADS)


async def check_bind_sources(host_config: HostConfig) -> None:
    """Refuse a bind whose source has to exist and does not.

    Raises:
        InvalidParameter: see above.

    """
    sources = [mount.source for mount in _binds(host_config) if not mount.create_source]
    missing = (
        await look_up(lambda: [path for path in sources if not os.path.lexists(path)]) if sources else []
    )
    if missing:
        raise InvalidParameter(
            f'invalid mount config for type "bind": bind source path does not exist: {missing[0]}'
        )


async def make_bind_sources(host_config: HostConfig) -> None:
    """Make the directories that binds in the old notation may find missing; before each start.

    Raises:
        InvalidParameter: a source that has to exist has gone since create.
        Failed: a directory cannot be made.

    """
    await check_bind_sources(host_config)
    sources = [mount.source for mount in _binds(host_config) if mount.create_source]
    if sources:
        await look_up(lambda: _make(sources))


def _make(sources: list[str]) -> None:
    for source in sources:
        try:
            if not os.path.lexists(source):
                os.makedirs(source, mode=0o755, exist_ok=True)
        except OSError as error:
            raise Failed(f"error while creating mount source path '{source}': {error.strerror}") from error


def _binds(host_config: HostConfig) -> list[BindMount]:
    return [mount for mount in client_mounts(host_config) if isinstance(mount, BindMount)]
