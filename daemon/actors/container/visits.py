"""Who uses a container's root filesystem besides the container itself: copies, exports, commits.

A visitor is let in by the container's actor, as its table allows, and from then on is nobody's concern: the
container may start, stop and end meanwhile.  Only a removal waits until the last visitor has left, and one by
force has them break off.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio


@attrs.define(eq=False)
class Visitor:
    """One use of a root filesystem; it says itself when it is over (`Visits.leave`)."""

    _break_off: Callable[[], None] | None = attrs.field(default=None, init=False)
    _is_cut_off: bool = attrs.field(default=False, init=False)

    def can_be_cut_off(self, break_off: Callable[[], None]) -> None:
        """Have `break_off` called when there is no more time; at once, if that is so already."""
        self._break_off = break_off
        if self._is_cut_off:
            break_off()

    def cut_off(self) -> None:
        """Tell it to leave, soon."""
        self._is_cut_off = True
        if self._break_off is not None:
            self._break_off()


@attrs.define(eq=False)
class Visits:
    """The visitors that one container has; they outlive a crash of its actor."""

    _present: set[Visitor] = attrs.field(factory=set, init=False)
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)

    def __bool__(self) -> bool:
        return bool(self._present)

    def admit(self, visitor: Visitor) -> None:
        """Let a visitor in."""
        self._present.add(visitor)

    def leave(self, visitor: Visitor) -> None:
        """Let one out; who has never been let in may go as well."""
        self._present.discard(visitor)
        self._changed.set()
        self._changed = trio.Event()

    def cut_off(self) -> None:
        """Tell all of them to leave, soon."""
        for visitor in tuple(self._present):
            visitor.cut_off()

    async def over(self) -> None:
        """Return once the last of them has left."""
        while self._present:
            await self._changed.wait()
