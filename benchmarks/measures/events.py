"""Whether an event is with its subscriber when the call that caused it returns."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Final

from benchmarks.client import Stream
from benchmarks.engine import ApiEngine
from benchmarks.measure import Sampler, created

REPEATS: Final = 4
LOST_SECONDS: Final = 2.0
SETTLE_SECONDS: Final = 0.05


@contextmanager
def late_events(engine: ApiEngine) -> Generator[Sampler, None, None]:
    """Take 100 for each start whose event came after its answer, and 0 for each in time: per cent.

    Raises:
        RuntimeError: an event did not come at all.
    """
    with engine.session() as session, session.events("start") as events:
        time.sleep(SETTLE_SECONDS)  # subscribed means: the engine has got as far as waiting

        def once() -> float:
            with created(session, ("true",)) as container:
                session.start(container)
                if container.encode() in events.poll():
                    return 0.0
                if not _comes(events, container):
                    raise RuntimeError(f"{engine.name} lost the start event of {container}")
                return 100.0

        def sample() -> Sequence[float]:
            return [once() for _ in range(REPEATS)]

        yield sample


def _comes(events: Stream, container: str) -> bool:
    """Tell whether an event about a container still comes."""
    deadline = time.perf_counter() + LOST_SECONDS
    while time.perf_counter() < deadline:
        if container.encode() in events.poll():
            return True
        time.sleep(0.001)
    return False
