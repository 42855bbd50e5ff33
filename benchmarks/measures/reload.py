"""How long a reload takes, what other clients notice of it, and what it leaves behind."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Final

from benchmarks import processes
from benchmarks.figures import summarize
from benchmarks.measure import SLEEP, Sampler, timed
from benchmarks.measures.crowd import SETTLE_SECONDS, Crowd, Edit, all_arguments

REPEATS: Final = 4
CALLS: Final = 1000
PERIODS: Final = 4
PERIOD_SECONDS: Final = 0.75
RELOADS: Final = 100

Call = Callable[[Crowd], object]


@contextmanager
def by_signal(crowd: Crowd, edit: Edit) -> Generator[Sampler, None, None]:
    """Take SIGHUP until a subscriber has the event of the reload."""
    yield lambda: [crowd.reload_by_signal(edit) for _ in range(REPEATS)]


@contextmanager
def by_call(crowd: Crowd, edit: Edit) -> Generator[Sampler, None, None]:
    """Take the call that reloads."""
    yield lambda: [crowd.reload_by_call(edit) for _ in range(REPEATS)]


@contextmanager
def slowdown(crowd: Crowd, call: Call) -> Generator[Sampler, None, None]:
    """Take the p99 of a call while reloads follow each other, in multiples of its p99 without them.

    With and without take turns, so that whatever else the machine does is in both.
    """

    def sample() -> Sequence[float]:
        quiet, busy = list[float](), list[float]()
        for _ in range(PERIODS):
            quiet += _calls(crowd, call, nullcontext())
            busy += _calls(crowd, call, crowd.reloading())
        return [summarize(busy).p99 / summarize(quiet).p99]

    yield sample


def ping(crowd: Crowd) -> None:
    """Make the smallest request there is."""
    crowd.session.ping()


def fetch_list(crowd: Crowd) -> None:
    """List all containers."""
    crowd.session.fetch_list()


def inspect(crowd: Crowd) -> None:
    """Inspect one of the running containers."""
    crowd.session.inspect(crowd.container)


def create_and_remove(crowd: Crowd) -> None:
    """Create a container and remove it."""
    crowd.session.remove(crowd.session.create(SLEEP))


@contextmanager
def growth(crowd: Crowd, weigh: Callable[[Sequence[int]], float]) -> Generator[Sampler, None, None]:
    """Take by how much 100 reloads change what the engine's processes weigh."""

    def sample() -> Sequence[float]:
        before = weigh(crowd.engine.own_processes())
        for _ in range(RELOADS):
            crowd.reload_by_signal(all_arguments)
        time.sleep(SETTLE_SECONDS)
        return [weigh(crowd.engine.own_processes()) - before]

    yield sample


def open_files(pids: Sequence[int]) -> float:
    """Return how many file descriptors some processes have."""
    return sum(len(os.listdir(Path(f"/proc/{pid}/fd"))) for pid in pids)


memory = processes.pss_mib


def _calls(crowd: Crowd, call: Call, meanwhile: AbstractContextManager[object]) -> list[float]:
    """Return how long each call of one period took, in milliseconds."""
    took: list[float] = []
    with meanwhile:
        end = time.perf_counter() + PERIOD_SECONDS
        while len(took) < CALLS / PERIODS or time.perf_counter() < end:
            took.append(timed(call, crowd))
    return took
