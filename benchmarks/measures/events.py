"""Whether an event is with its subscriber when the call that caused it returns, and what subscribers cost."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Final

from benchmarks.client import Stream
from benchmarks.engine import ApiEngine
from benchmarks.engines import REPOSITORY
from benchmarks.measure import Sampler, created, timed

REPEATS: Final = 4
LOST_SECONDS: Final = 2.0
SETTLE_SECONDS: Final = 0.05
PERIODS: Final = 6
RENAMES: Final = 500


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


@contextmanager
def slowdown(engine: ApiEngine) -> Generator[Sampler, None, None]:
    """Take by how many per cent two subscribers slow down whoever causes events: renames of a container.

    One never reads, the other comes and goes.  Periods with and without them take turns, so that whatever
    else the machine does is in both; they are long enough for the socket of the one that is stuck to be full
    for half of the time.
    """
    with engine.session() as session, created(session) as container:

        def renames() -> None:
            for number in range(RENAMES):
                session.rename(container, f"renamed-{number}")

        def sample() -> Sequence[float]:
            quiet = busy = 0.0
            for _ in range(PERIODS):
                quiet += timed(renames)
                with _subscribers(engine):
                    busy += timed(renames)
            return [(busy / quiet - 1) * 100]

        renames()  # an engine's first ones are slower, and would count as quiet
        yield sample


@contextmanager
def _subscribers(engine: ApiEngine) -> Generator[None, None, None]:
    command = [sys.executable, "-m", "benchmarks.followers", str(engine.socket)]
    with (
        engine.session() as session,
        session.all_events(),
        subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY) as follower,
    ):
        try:
            assert follower.stdout is not None
            follower.stdout.readline()
            yield
        finally:
            follower.kill()
