"""Expensive answers, worked out once for all who ask meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import attrs
import trio

T = TypeVar("T")


@attrs.define(eq=False)
class Shared(Generic[T]):
    """An answer that `_work_out` finds; who asks while that is under way waits for it and gets the same.

    It belongs to nobody: when the one whose turn it is leaves, the next one begins again.
    """

    _work_out: Callable[[], Awaitable[T]]
    _turn: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _answers: list[T] = attrs.field(factory=list, init=False)
    _found: int = attrs.field(default=0, init=False)

    async def get(self) -> T:
        """Return the answer, which may have been begun before this call but ends after it."""
        found_before = self._found
        async with self._turn:
            if self._found == found_before:
                self._answers[:] = [await self._work_out()]
                self._found += 1
            return self._answers[0]
