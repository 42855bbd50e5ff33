"""What it costs a container that its image has 60 layers instead of one."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from benchmarks.docker_api import Session
from benchmarks.engine import ApiEngine
from benchmarks.measure import SLEEP, Sampler, discard
from benchmarks.warehouse import DEEP, FLAT, warehouse

PAIRS: Final = 10


@contextmanager
def layered(engine: ApiEngine) -> Generator[Session, None, None]:
    """Lend a client of an engine that has both images."""
    found = warehouse(engine)
    with engine.session() as session:
        try:
            for name in (DEEP, FLAT):
                session.load(found.small_archive(name))
            yield session
        finally:
            session.remove_images(DEEP, FLAT)


@contextmanager
def create(session: Session) -> Generator[Sampler, None, None]:
    """Take creations from 60 layers in multiples of those from a single layer, pair by pair."""
    yield lambda: [_created(session, DEEP) / _created(session, FLAT) for _ in range(PAIRS)]


@contextmanager
def start(session: Session) -> Generator[Sampler, None, None]:
    """Take creation and start in the same way: one engine may leave to the start what another does before."""
    yield lambda: [_started(session, DEEP) / _started(session, FLAT) for _ in range(PAIRS)]


def _created(session: Session, image: str) -> float:
    began = time.perf_counter()
    container = session.create(SLEEP, Image=image)
    took = time.perf_counter() - began
    discard(session, container)
    return took


def _started(session: Session, image: str) -> float:
    began = time.perf_counter()
    container = session.create(SLEEP, Image=image)
    try:
        session.start(container)
        return time.perf_counter() - began
    finally:
        discard(session, container)
