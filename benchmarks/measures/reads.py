"""How long it takes to be told about containers."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from benchmarks.engine import ApiEngine
from benchmarks.measure import SLEEP, Sampler, running, timed

REPEATS: Final = 20
LISTED: Final = 300


@contextmanager
def list_containers(engine: ApiEngine) -> Generator[Sampler, None, None]:
    """Take the list of 300 containers, created and not running."""
    with engine.session() as session:
        made = []
        try:
            made += [session.create(SLEEP) for _ in range(LISTED)]
            yield lambda: [timed(session.fetch_list) for _ in range(REPEATS)]
        finally:
            for container in made:
                session.remove(container)


@contextmanager
def inspect(engine: ApiEngine) -> Generator[Sampler, None, None]:
    """Take the inspection of a running container."""
    with engine.session() as session, running(session) as container:
        yield lambda: [timed(session.inspect, container) for _ in range(REPEATS)]


@contextmanager
def ping(engine: ApiEngine) -> Generator[Sampler, None, None]:
    """Take the smallest request there is."""
    with engine.session() as session:
        yield lambda: [timed(session.ping) for _ in range(REPEATS)]
