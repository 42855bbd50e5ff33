"""Several things at the same time, each to its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from outcome import Outcome, acapture


async def all_of(*works: Callable[[], Awaitable[None]]) -> None:
    """Do all of them to their ends, whichever fails; then raise what the first that failed raised."""
    outcomes: dict[int, Outcome[None]] = {}

    async def do(place: int, work: Callable[[], Awaitable[None]]) -> None:
        outcomes[place] = await acapture(work)

    async with trio.open_nursery() as nursery:
        for place, work in enumerate(works):
            nursery.start_soon(do, place, work)
    for place in range(len(works)):
        outcomes[place].unwrap()
