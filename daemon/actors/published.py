"""What actors show of themselves: one immutable snapshot each, replaced as a whole.

Every read in the API is answered from here and never enters a mailbox, so nothing that is stuck
can make a read hang.  An actor is the only writer of its cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import attrs
import trio

S = TypeVar("S")


@attrs.define(eq=False)
class Cell(Generic[S]):
    """One published snapshot."""

    current: S
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)

    def publish(self, snapshot: S) -> None:
        """Replace the snapshot and wake whoever waits for a change."""
        self.current = snapshot
        self._changed.set()
        self._changed = trio.Event()

    async def wait_for(self, accepts: Callable[[S], bool]) -> S:
        """Return the first snapshot, from the current one on, that `accepts` likes.

        A snapshot that is replaced before the waiter has run is not seen: ask for facts that
        stay true ("at least two exits"), not for passing states.
        """
        while not accepts(self.current):
            await self._changed.wait()
        return self.current


@attrs.define(eq=False)
class Registry(Generic[S]):
    """All published objects of one kind, by their full id, oldest first."""

    _by_id: dict[str, S] = attrs.field(factory=dict, init=False)

    def add(self, object_id: str, published: S) -> None:
        """Show `published`."""
        self._by_id[object_id] = published

    def remove(self, object_id: str) -> None:
        """Stop showing it."""
        del self._by_id[object_id]

    def get(self, object_id: str) -> S | None:
        """Return the object with exactly this id."""
        return self._by_id.get(object_id)

    def with_prefix(self, prefix: str) -> list[S]:
        """Return the objects whose id begins with `prefix`."""
        return [found for object_id, found in self._by_id.items() if object_id.startswith(prefix)]

    def __iter__(self) -> Iterator[S]:
        return iter(list(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)
