"""What a measure is: a name, the bars it must meet, and how its figures are taken.

A measure is opened once for each engine and then asked for samples in turn (A B A B), so that
whatever else the machine does in a minute is spread over all engines.  What is dear to set up is a
setting, which measures that follow each other share.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

import attrs

from benchmarks.client import EngineAnswered
from benchmarks.engine import ApiEngine, Engine, Life
from benchmarks.figures import Bar, Statistic

SLEEP: Final = ("sleep", "1000")

Sampler = Callable[[], Sequence[float]]
Setting = Callable[[ApiEngine], AbstractContextManager[Any]]


@attrs.frozen
class Measure:
    """One row of the table.

    Attributes:
        take: opens the measure on one engine, or on what its setting yields for that engine, and yields
            what takes samples in `unit`.
        statistic: which figure of the samples stands for them all.
        most_rounds: more would take too long.
        on_floor: whether it makes sense without an engine.
        setting: what it is taken amid.
        unable: by name, why an engine cannot take part.
    """

    name: str
    unit: str
    take: Callable[[Any], AbstractContextManager[Sampler]]
    bars: tuple[Bar, ...] = ()
    statistic: Statistic = "median"
    higher_is_better: bool = False
    most_rounds: int = 1000
    on_floor: bool = False
    setting: Setting | None = None
    unable: Mapping[str, str] = attrs.field(factory=dict)

    def suits(self, engine: Engine) -> bool:
        """Tell whether this can be taken on `engine`."""
        return engine.name not in self.unable and (self.on_floor or isinstance(engine, ApiEngine))


def timed(work: Callable[..., object], *arguments: object) -> float:
    """Return how long a call takes, in milliseconds."""
    began = time.perf_counter()
    work(*arguments)
    return (time.perf_counter() - began) * 1000


@contextmanager
def created(life: Life, command: Sequence[str] = SLEEP) -> Generator[str, None, None]:
    """Lend a container that was created; whatever became of it, it is gone afterwards."""
    container = life.create(command)
    try:
        yield container
    finally:
        discard(life, container)


@contextmanager
def running(life: Life, command: Sequence[str] = SLEEP) -> Generator[str, None, None]:
    """Lend a running container."""
    with created(life, command) as container:
        life.start(container)
        yield container


def discard(life: Life, container: str) -> None:
    """Remove a container in any state.

    By hand, because podman's forced removal first asks politely, for 10 s.
    """
    # Not running, or never started: nothing to kill.
    with contextlib.suppress(EngineAnswered, KeyError, ProcessLookupError):
        life.kill(container)
        life.wait(container)
    life.remove(container)
