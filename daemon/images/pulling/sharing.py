"""Work that several jobs need at once: one of them does it, the others wait and hear of it.

Who waits depends on nobody: if the one who works is cancelled or fails, the next one takes over.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Generator
from typing import TypeVar

import attrs
import trio

from daemon.images.progress import State, TellState

T = TypeVar("T")


@attrs.define(eq=False)
class _Work:
    """One piece of work under way, and who wants to hear of it."""

    ended: trio.Event = attrs.field(factory=trio.Event, init=False)
    _latest: State | None = attrs.field(default=None, init=False)
    _hearers: list[TellState] = attrs.field(factory=list, init=False)

    def tell(self, state: State) -> None:
        self._latest = state
        for hearer in self._hearers:
            hearer(state)

    @contextlib.contextmanager
    def heard_by(self, tell: TellState) -> Generator[None, None, None]:
        if self._latest is not None:
            tell(self._latest)
        self._hearers.append(tell)
        try:
            yield
        finally:
            self._hearers.remove(tell)


@attrs.define(eq=False)
class Sharing:
    """Work by name, which leaves something that whoever comes later will find done."""

    _under_way: dict[str, _Work] = attrs.field(factory=dict, init=False)

    @property
    def names(self) -> frozenset[str]:
        """What is being worked on."""
        return frozenset(self._under_way)

    async def see_to(
        self,
        name: str,
        done: Callable[[], T | None],
        do: Callable[[TellState], Awaitable[T]],
        tell: TellState,
    ) -> T:
        """Return what is `done` as soon as that is something; `do` it if nobody else is at it."""
        while (found := done()) is None:
            work = self._under_way.get(name)
            if work is None:
                return await self._work(name, do, tell)
            with work.heard_by(tell):
                await work.ended.wait()
        return found

    async def _work(self, name: str, do: Callable[[TellState], Awaitable[T]], tell: TellState) -> T:
        work = self._under_way[name] = _Work()
        try:
            with work.heard_by(tell):
                return await do(work.tell)
        finally:
            del self._under_way[name]
            work.ended.set()
