"""What a health check costs: CPU time for each probe, of everything the engine has to do for it.

That of the engine, its helpers and monitors, and of all children they have waited for: the runtime and the
probe itself.  The probe is `true`, so nearly all of it is the engine's.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any, Final

from benchmarks import processes
from benchmarks.docker_api import Session
from benchmarks.engine import ApiEngine
from benchmarks.measure import SLEEP, Sampler, discard

CONTAINERS: Final = 10
WARM_UP_SECONDS: Final = 3.0
SAMPLE_SECONDS: Final = 10.0
CHECK: Final = {"Test": ["CMD", "true"], "Interval": 1_000_000_000}
TO_MICROSECONDS: Final = len("2026-01-01T00:00:00.000000")


@contextmanager
def per_probe(engine: ApiEngine) -> Generator[Sampler, None, None]:
    """Take CPU milliseconds per probe, of 10 containers that are probed every second.

    They are there for one sample only: other engines' probes would disturb it.
    """
    with engine.session() as session:

        def sample() -> Sequence[float]:
            with ExitStack() as stack:
                containers = [stack.enter_context(_probed(session)) for _ in range(CONTAINERS)]
                time.sleep(WARM_UP_SECONDS)
                pids = [*engine.own_processes(), *processes.monitors(engine.root)]
                before, began = processes.cpu_ms(pids), time.monotonic()
                time.sleep(SAMPLE_SECONDS)
                spent_ms, lasted = processes.cpu_ms(pids) - before, time.monotonic() - began
                return [
                    spent_ms / (lasted * sum(_probes_per_second(session.state(one)) for one in containers))
                ]

        yield sample


@contextmanager
def _probed(session: Session) -> Generator[str, None, None]:
    container = session.create(SLEEP, Healthcheck=CHECK)
    try:
        session.start(container)
        yield container
    finally:
        discard(session, container)


def _probes_per_second(state: dict[str, Any]) -> float:
    log = state["Health"]["Log"]
    if state["Health"]["Status"] != "healthy" or len(log) < 2:
        raise RuntimeError(f"it is not being probed: {state['Health']}")
    first, last = (datetime.fromisoformat(log[place]["Start"][:TO_MICROSECONDS]) for place in (0, -1))
    return float((len(log) - 1) / (last - first).total_seconds())
