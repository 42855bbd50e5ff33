"""How much memory an engine takes: idle, and for each container it keeps.

Proportional set sizes: a page that N processes share counts as 1/N in each.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final

from benchmarks import processes
from benchmarks.engine import ApiEngine
from benchmarks.measure import Sampler, running

CONTAINERS: Final = 100


@contextmanager
def idle(engine: ApiEngine) -> Generator[Sampler, None, None]:
    """Take the engine and its helpers, in MiB."""
    yield lambda: [processes.pss_mib(engine.own_processes())]


@contextmanager
def per_container(engine: ApiEngine) -> Generator[Sampler, None, None]:
    """Take what each of 100 running containers adds to the engine, and its monitor, in MiB.

    What runs in the container is the user's and not counted.
    """
    with engine.session() as session:

        def sample() -> Sequence[float]:
            before = processes.pss_mib(engine.own_processes())
            with ExitStack() as stack:
                for _ in range(CONTAINERS):
                    stack.enter_context(running(session))
                grown = processes.pss_mib(engine.own_processes()) - before
                monitors = processes.monitors(engine.root)
                if len(monitors) < CONTAINERS:
                    raise RuntimeError(f"{len(monitors)} monitors for {CONTAINERS} containers")
                return [(grown + processes.pss_mib(monitors)) / CONTAINERS]

        yield sample
