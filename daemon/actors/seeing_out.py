"""The end of a run that somebody holds up: a client, or the runtime that was to start it.

conmon ends when it has passed on all the output, and it waits for whoever is attached.  A client that
does not read (a pager, a stopped terminal) would so keep a process that was killed from ever having
ended: nobody could stop, wait for or remove its container.

A runtime that hangs while it starts a process would do the same to what is killed meanwhile.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

import trio

from daemon.errors import EngineError
from daemon.runtimes.attach import AttachSession
from daemon.runtimes.base import Exit

T = TypeVar("T")
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


async def unless(over: Callable[[], Awaitable[object]], work: Callable[[], Awaitable[T]]) -> T | None:
    """Return what `work` does; None if it was broken off, soon after it had become pointless.

    Raises:
        EngineError: it failed.

    """
    done: T | None = None
    failure: EngineError | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_break_off, over, nursery.cancel_scope)
        try:
            done = await work()
        except EngineError as error:
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return done


async def _break_off(over: Callable[[], Awaitable[object]], working: trio.CancelScope) -> None:
    await over()
    await trio.sleep(PATIENCE_SECONDS)  # a short life is over before the runtime that started it
    working.cancel()


async def _hurry(process_ended: Callable[[], Awaitable[None]], sessions: Iterable[AttachSession]) -> None:
    await process_ended()
    await trio.sleep(PATIENCE_SECONDS)
    while True:  # until the monitor has ended: each reading lets it write some more
        for session in sessions:
            session.read_ahead()
        await trio.sleep(PERIOD_SECONDS)
