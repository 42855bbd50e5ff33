"""What an engine with networks may have left on the host."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.clients.leaks import leftovers

SETTLE_SECONDS: Final = 10.0


def leftovers_when_settled(root: Path, ids: Iterable[str]) -> list[str]:
    """Return what is left once the resolver has noticed that the engine is gone, which takes it a moment."""
    known = tuple(ids)
    deadline = time.monotonic() + SETTLE_SECONDS
    while (found := leftovers(root, known)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found
