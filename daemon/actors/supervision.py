"""Keeps actors alive: the only code that starts them, and that starts them again.

An actor that crashes is a bug, but one object's bug: it is logged, the actor is started anew from
what is known of its object, and nothing else notices.  One that keeps crashing is started more and
more slowly, never given up: its mailbox is always somebody's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import attrs
import structlog
import trio

LOG = structlog.get_logger(__name__)
FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 30.0
STABLE_SECONDS: Final = 60.0  # who has lived so long is not in a crash loop


@attrs.frozen
class Supervision:
    """Actors as tasks of one nursery; leaving that ends them all."""

    nursery: trio.Nursery

    def keep(self, name: str, live: Callable[[], Awaitable[None]]) -> None:
        """Run `live`, a whole incarnation of an actor, until it returns; after a crash, again."""
        self.nursery.start_soon(self._keep, name, live, name=name)

    def see_through(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Run `work` to its end, whoever waits for it; a crash is logged, and that was it."""
        self.nursery.start_soon(self._see_through, name, work, name=name)

    async def _see_through(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except Exception:  # the isolation that supervision is for
            LOG.exception("task crashed", task=name)

    async def _keep(self, name: str, live: Callable[[], Awaitable[None]]) -> None:
        pause_seconds = FIRST_PAUSE_SECONDS
        while True:
            born = trio.current_time()
            try:
                await live()
            except* Exception:  # the isolation that supervision is for
                LOG.exception("actor crashed", actor=name)
            else:
                return
            if trio.current_time() - born > STABLE_SECONDS:
                pause_seconds = FIRST_PAUSE_SECONDS
            await trio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)
