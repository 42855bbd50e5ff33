"""A file that is still being written, for readers that do not want to wait until it is whole.

Whoever writes says how far it is, and at the end whether that was all; so no reader ever takes the end of
what is there for the end of the file.
"""

from __future__ import annotations

from pathlib import Path

import attrs
import trio

from daemon.errors import EngineError


@attrs.frozen
class Progress:
    """How far a file is: its first `size_bytes` bytes are there and will not change any more."""

    size_bytes: int = 0
    is_complete: bool = False


@attrs.define(eq=False)
class Growing:
    """The file at `path`, which exists already, perhaps empty; any number of readers may follow it."""

    path: Path
    progress: Progress = Progress()
    _error: EngineError | None = attrs.field(default=None, init=False)
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)

    def grown(self, size_bytes: int) -> None:
        """Say that `size_bytes` bytes are there by now, counted from the beginning."""
        self.progress = Progress(size_bytes)
        self._wake()

    def complete(self) -> None:
        """Say that nothing will be added."""
        self.progress = attrs.evolve(self.progress, is_complete=True)
        self._wake()

    def broken(self, error: EngineError) -> None:
        """Say that the rest will never come: every reader ends with `error`."""
        self._error = error
        self._wake()

    async def beyond(self, seen: Progress | None) -> Progress:
        """Return how far the file is, as soon as that is not what was `seen` before.

        Raises:
            EngineError: what `broken` was told.

        """
        while True:
            if self._error:
                raise self._error
            if self.progress != seen:
                return self.progress
            await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
