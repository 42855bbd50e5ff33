"""Names of images that somebody was promised."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import attrs


@attrs.define(eq=False)
class Promised:
    """The names of one who makes images: those that are there, and `unsure` those of the call under way."""

    names: set[str] = attrs.field(factory=set)
    unsure: set[str] = attrs.field(factory=set)

    @contextmanager
    def attempt(self, *names: str) -> Generator[None, None, None]:
        """Announce a call about names; the block ends normally only if it was answered."""
        self.unsure = set(names)
        yield  # ruff: ignore[fallible-context-manager]  without an answer both stay possible
        self.unsure.clear()

    def found(self, names: set[str]) -> None:
        """Take what was found for what is."""
        self.names = names
        self.unsure.clear()
