"""What is done for a run as long as it lasts: the grace of its stop, freezing, keeping its log.

Once the run is over such work is pointless and must say nothing any more, so that the state table need not
know of reports that come too late.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import trio


@attrs.define(eq=False)
class RunTasks:
    """The tasks of one run after the other, in the nursery of their actor."""

    nursery: trio.Nursery
    _scopes: set[trio.CancelScope] = attrs.field(factory=set, init=False)

    def begin(self, work: Callable[..., Awaitable[None]], *arguments: object) -> None:
        """Do `work`, unless the run ends first."""
        scope = trio.CancelScope()
        self._scopes.add(scope)
        self.nursery.start_soon(self._within, scope, work, *arguments)

    def end(self) -> None:
        """Break off whatever is still being done: the run is over."""
        for scope in self._scopes:
            scope.cancel()

    async def _within(
        self, scope: trio.CancelScope, work: Callable[..., Awaitable[None]], *arguments: object
    ) -> None:
        with scope:
            await work(*arguments)
        self._scopes.discard(scope)
