"""Keeps actors alive: the only code that starts them, and that starts them again.

An actor that crashes is a bug, but one object's bug: it is logged, the actor is started anew from
what is known of its object, and nothing else notices.  One that keeps crashing is started more and
more slowly, never given up: its mailbox is always somebody's.

What has become of each of them is kept beside it, for whoever wants to know (`daemon.api.docker.debug`).
"""

from __future__ import annotations

import time
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
class Crash:
    """How an incarnation of an actor ended that should have lived on."""

    at_ns: int
    text: str


@attrs.define
class Kept:
    """What has become of one actor; between two incarnations it is not `alive`."""

    alive: bool = True
    crashes: int = 0
    last_crash: Crash | None = None


@attrs.frozen(eq=False)
class SeenThrough:
    """A task that is run to its end."""

    name: str
    since_ns: int


@attrs.frozen
class Supervision:
    """Actors as tasks of one nursery; leaving that ends them all.

    Attributes:
        nursery: where they live.
        kept: the actors there are, by name.
        seen_through: the tasks there are, oldest first.

    """

    nursery: trio.Nursery
    kept: dict[str, Kept] = attrs.field(factory=dict, init=False)
    seen_through: list[SeenThrough] = attrs.field(factory=list, init=False)

    def keep(self, name: str, live: Callable[[], Awaitable[None]]) -> None:
        """Run `live`, a whole incarnation of an actor, until it returns; after a crash, again."""
        self.kept[name] = kept = Kept()
        self.nursery.start_soon(self._keep, name, live, kept, name=name)

    def see_through(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Run `work` to its end, whoever waits for it; a crash is logged, and that was it."""
        self.nursery.start_soon(self._see_through, name, work, name=name)

    async def _see_through(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        task = SeenThrough(name, time.time_ns())
        self.seen_through.append(task)
        try:
            await work()
        except Exception:  # the isolation that supervision is for
            LOG.exception("task crashed", task=name)
        finally:
            self.seen_through.remove(task)

    async def _keep(self, name: str, live: Callable[[], Awaitable[None]], kept: Kept) -> None:
        pause_seconds = FIRST_PAUSE_SECONDS
        while True:
            born, kept.alive = trio.current_time(), True
            try:
                await live()
            except* Exception as crash:  # the isolation that supervision is for
                LOG.exception("actor crashed", actor=name)
                kept.alive, kept.crashes = False, kept.crashes + 1
                kept.last_crash = Crash(time.time_ns(), _text(crash))
            else:
                self.kept.pop(name, None)
                return
            if trio.current_time() - born > STABLE_SECONDS:
                pause_seconds = FIRST_PAUSE_SECONDS
            await trio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)


def _text(crash: BaseException) -> str:
    """Return what has crashed, without the groups that nurseries put round it."""
    if isinstance(crash, BaseExceptionGroup):
        return "; ".join(_text(inner) for inner in crash.exceptions)
    return repr(crash)
