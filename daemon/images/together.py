"""Several tasks of which the first to fail ends the others and is what has failed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import trio

from daemon.errors import EngineError


async def together(tasks: Iterable[Callable[[], Awaitable[None]]]) -> None:
    """Run all of `tasks` at once, to the end.

    Raises:
        EngineError, OSError: what the first task to fail raised; bare, not in a group as from a nursery.

    """
    failed: list[EngineError | OSError] = []

    async def run(task: Callable[[], Awaitable[None]], nursery: trio.Nursery) -> None:
        try:
            await task()
        except (EngineError, OSError) as error:
            failed.append(error)
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        for task in tasks:
            nursery.start_soon(run, task, nursery)
    if failed:
        raise failed[0]
