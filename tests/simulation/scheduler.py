"""One seed, one run: all randomness comes from here.

trio picks the order of the tasks that are ready at the same moment by a random number generator of its own,
`trio._core._run._r`.  That makes a run repeatable only together with `_ALLOW_DETERMINISTIC_SCHEDULING`, which
has each batch sorted by the tasks' age before it is shuffled (trio 0.35, `unrolled_run`).  Two things remain
that are ordered by address, and neither can be seen: tasks that one cancellation or `Event` wakes come from a
set, but go through the same sorted batch; deadlines that are equal expire in one sweep, before anybody runs.
The clock is virtual and jumps, so time passes only in the order of the deadlines.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

import attrs
import trio
import trio.testing
from trio._core import _run as trio_run

T = TypeVar("T")
DETERMINISTIC: Final = "_ALLOW_DETERMINISTIC_SCHEDULING"
SCALES_SECONDS: Final = (0.0, 0.0, 0.001, 0.001, 0.05, 0.05, 1.0, 15.0)
"""How long things take at most: a turn of the loop, a system call, a runtime, and longer than any grace."""
EPOCH_NS: Final = 1_700_000_000_000_000_000
NANOSECONDS: Final = 1_000_000_000


def now_ns() -> int:
    """Return the virtual time since 1970."""
    return EPOCH_NS + int(trio.current_time() * NANOSECONDS)


@attrs.define(eq=False)
class Chance:
    """Every choice of a run, in the order it is made."""

    seed: int
    _random: random.Random = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def happens(self, probability: float) -> bool:
        return self._random.random() < probability

    def pick(self, choices: Sequence[T]) -> T:
        return self._random.choice(choices)

    def weighted(self, choices: dict[T, int]) -> T:
        return self._random.choices(list(choices), list(choices.values()))[0]

    def between(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)

    def hexadecimal(self, digits: int) -> str:
        return f"{self._random.getrandbits(4 * digits):0{digits}x}"

    def seconds(self) -> float:
        """Return how long something takes; most things are short, and some are long."""
        return self._random.choice(SCALES_SECONDS) * self._random.random()

    async def pause(self) -> None:
        """Let time pass, at least one turn of the loop."""
        seconds = self.seconds()
        if seconds:
            await trio.sleep(seconds)
        else:
            await trio.lowlevel.checkpoint()


@contextmanager
def _scheduled_by(seed: int) -> Generator[None]:
    order, allowed = trio_run._r, trio_run._ALLOW_DETERMINISTIC_SCHEDULING
    trio_run._r = random.Random(seed)
    setattr(trio_run, DETERMINISTIC, True)  # it is declared Final, and pytest-trio sets it, too
    try:
        yield
    finally:
        trio_run._r = order
        setattr(trio_run, DETERMINISTIC, allowed)


def run(seed: int, main: Callable[[Chance], Awaitable[T]]) -> T:
    """Run `main` on a virtual clock; all that happens follows from `seed`."""
    with _scheduled_by(seed):
        return trio.run(main, Chance(seed), clock=trio.testing.MockClock(autojump_threshold=0))
