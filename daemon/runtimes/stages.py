"""What slow work is at, for whoever wonders why nothing happens: "mounting", "crun create" until 12:00:31.

It is said where the waiting is done, several layers below those who show it, and nothing is decided by
it.  So it is ambient, like a logger's context: an actor names its `Stages` once, its child tasks
inherit that (contextvars), and code that runs on nobody's behalf says it to nobody.

Not part of a snapshot, which only transitions change: a stage begins and ends between two of them and is
forgotten with the process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import attrs

NANOSECONDS: Final = 1_000_000_000


@attrs.frozen
class Stage:
    """Something that is being waited for; without a deadline the engine would wait for ever."""

    name: str
    since_ns: int
    deadline_ns: int | None = None


@attrs.define(eq=False)
class Stages:
    """What one actor's tasks are at now; they may be at several things at once."""

    now_ns: Callable[[], int] = time.time_ns
    _open: list[Stage] = attrs.field(factory=list, init=False)

    def __iter__(self) -> Iterator[Stage]:
        return iter(self._open)

    @property
    def latest(self) -> Stage | None:
        """The one that began last, if there is any."""
        return self._open[-1] if self._open else None

    @contextmanager
    def during(self, name: str, seconds: float | None) -> Generator[None, None, None]:
        """Be at `name` while the block runs; see `stage`."""
        began_ns = self.now_ns()
        deadline_ns = None if seconds is None else began_ns + round(seconds * NANOSECONDS)
        stage = Stage(name, began_ns, deadline_ns)
        self._open.append(stage)
        try:
            yield
        finally:
            self._open.remove(stage)


_OF_TASK: Final[ContextVar[Stages]] = ContextVar("stages")


def show_in(stages: Stages) -> None:
    """Have this task, and those it starts from now on, say in `stages` what they are at."""
    _OF_TASK.set(stages)


@contextmanager
def stage(name: str, seconds: float | None = None) -> Generator[None, None, None]:
    """Be at `name` while the block runs.

    Args:
        name: what is waited for.
        seconds: after how long the engine gives up waiting, if it ever does.

    """
    stages = _OF_TASK.get(None)
    if stages is None:
        yield
        return
    with stages.during(name, seconds):
        yield
