"""What happened in a run, in one order: the clock of all that is checked, and the story of a failure."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import attrs
import trio

LAST_LINES: Final = 400


@attrs.define(eq=False)
class Trace:
    """A numbered list of what happened, and of what should not have."""

    _lines: list[tuple[float, str, tuple[Any, ...]]] = attrs.field(factory=list, init=False)
    violations: list[str] = attrs.field(factory=list, init=False)
    born: float = attrs.field(factory=trio.current_time, init=False)

    @property
    def tick(self) -> int:
        """The number of what happens next."""
        return len(self._lines)

    def note(self, what: str, *details: Any) -> int:
        """Add something and return its number."""
        self._lines.append((trio.current_time() - self.born, what, details))
        return len(self._lines) - 1

    def violate(self, what: str) -> None:
        """Say that something happened which must not."""
        self.violations.append(f"#{self.note('VIOLATION', what)}: {what}")

    def digest(self) -> str:
        """Return what two runs have in common only if the same happened in them."""
        return hashlib.sha256("\n".join(self.lines(None)).encode()).hexdigest()

    def lines(self, last: int | None = LAST_LINES) -> list[str]:
        """Return the story, or the end of it."""
        start = 0 if last is None else max(0, len(self._lines) - last)
        return [
            f"{number:5} {at:12.6f} {what:10} {' '.join(map(str, details))}"
            for number, (at, what, details) in enumerate(self._lines[start:], start)
        ]
