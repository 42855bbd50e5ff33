"""The end of a run that a client holds up.

conmon ends when it has passed on all the output, and it waits for whoever is attached.  A client that
does not read (a pager, a stopped terminal) would so keep a process that was killed from ever having
ended: nobody could stop, wait for or remove its container.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import trio

from daemon.runtimes.attach import AttachSession
from daemon.runtimes.base import Exit

PATIENCE_SECONDS: Final = 2.0  # for a client that reads, slowly, by itself; dockerd gives as much
PERIOD_SECONDS: Final = 0.05


async def seen_out(
    process_ended: Callable[[], Awaitable[None]],
    exited: Callable[[], Awaitable[Exit | None]],
    sessions: Iterable[AttachSession],
) -> Exit | None:
    """Return how a process ended, once its monitor has: soon after its end, whoever is attached."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_hurry, process_ended, sessions)
        ended = await exited()
        nursery.cancel_scope.cancel()
    return ended


async def _hurry(process_ended: Callable[[], Awaitable[None]], sessions: Iterable[AttachSession]) -> None:
    await process_ended()
    await trio.sleep(PATIENCE_SECONDS)
    while True:  # until the monitor has ended: each reading lets it write some more
        for session in sessions:
            session.read_ahead()
        await trio.sleep(PERIOD_SECONDS)
