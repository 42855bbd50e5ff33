"""How much may be under way at once: a number for each asker, and one for all of them."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

import attrs


@attrs.define(eq=False)
class Slots:
    """So many at once, and within what `above` has left."""

    free: int
    above: Slots | None = None

    @contextlib.contextmanager
    def taken(self) -> Generator[bool, None, None]:
        """Hold one for the block, or yield False if there is none."""
        granted = self._take()
        try:
            yield granted
        finally:
            if granted:
                self._give_back()

    def _take(self) -> bool:
        if self.free == 0 or (self.above is not None and not self.above._take()):
            return False
        self.free -= 1
        return True

    def _give_back(self) -> None:
        self.free += 1
        if self.above is not None:
            self.above._give_back()
