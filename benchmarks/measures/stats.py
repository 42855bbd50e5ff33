"""What it costs to follow the consumption of 100 containers: CPU time for each record that a client is sent.

That of the engine, its helpers and monitors: dockerd asks containerd, and that the monitor of each container.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final

from benchmarks import processes
from benchmarks.client import Stream
from benchmarks.measure import Sampler
from benchmarks.measures.hundred import Hundred

WARM_UP_SECONDS: Final = 3.0
SAMPLE_SECONDS: Final = 10.0
RECORD: Final = b'"preread":'


@contextmanager
def per_record(ground: Hundred) -> Generator[Sampler, None, None]:
    """Take CPU milliseconds per record, of 100 streams that are read together."""

    def sample() -> Sequence[float]:
        with ExitStack() as stack:
            streams = [stack.enter_context(ground.session.stats(one)) for one in ground.containers]
            time.sleep(WARM_UP_SECONDS)
            _read(streams)
            engine = ground.engine
            pids = [*engine.own_processes(), *processes.monitors(engine.root)]
            before_ms = processes.cpu_ms(pids)
            time.sleep(SAMPLE_SECONDS)  # what is sent meanwhile has room in the sockets
            spent_ms = processes.cpu_ms(pids) - before_ms
            return [spent_ms / _read(streams)]

    yield sample


def _read(streams: Sequence[Stream]) -> int:
    """Return how many records have come.

    Raises:
        RuntimeError: there is a stream without any.

    """
    counts = [stream.take().count(RECORD) for stream in streams]
    if not all(counts):
        raise RuntimeError(f"{counts.count(0)} streams have no record")
    return sum(counts)
