"""Takes the measures on the engines in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Final

from benchmarks.deadline import within
from benchmarks.engine import Engine
from benchmarks.figures import summarize
from benchmarks.measure import Measure, Sampler
from benchmarks.report import Row

STEP_SECONDS: Final = 180
"""The slowest step that is still well: dockerd starting, then removing 100 containers on a busy machine."""


class Entrant:
    """One engine in one measure: opened, sampled, closed; out of it from its first failure on."""

    def __init__(self, measure: Measure, engine: Engine) -> None:
        self._measure = measure
        self._engine = engine
        self._stack = ExitStack()
        self._sampler: Sampler | None = None
        self.samples: list[float] = []
        self.failure: str | None = None

    def open(self) -> None:
        def enter() -> None:
            self._sampler = self._stack.enter_context(self._measure.take(self._engine))

        self._attempt(enter)

    def sample(self) -> None:
        if self.failure is None and self._sampler is not None:
            sampler = self._sampler
            self._attempt(lambda: self.samples.extend(sampler()))

    def close(self) -> None:
        self._attempt(self._stack.close)

    def _attempt(self, work: Callable[[], None]) -> None:
        try:
            with within(STEP_SECONDS):
                work()
        except Exception as error:  # however an engine fails, the others are to be measured
            if _hides_interrupt(error):
                raise KeyboardInterrupt from error
            self.failure = self.failure or f"{type(error).__name__}: {error}"


def take(measure: Measure, engines: Mapping[str, Engine], rounds: int) -> Row:
    """Take one measure on every engine it suits, a sample from each in turn."""
    entrants = {name: Entrant(measure, engine) for name, engine in engines.items() if measure.suits(engine)}
    try:
        for entrant in entrants.values():
            entrant.open()
        for _ in range(min(rounds, measure.most_rounds)):
            for entrant in entrants.values():
                entrant.sample()
    finally:
        for entrant in entrants.values():
            entrant.close()
    return _row(measure, entrants)


def _hides_interrupt(error: BaseException) -> bool:
    """Tell whether an error came up only while cleaning up after an interrupt, which it must not replace."""
    context = error.__context__
    return context is not None and (isinstance(context, KeyboardInterrupt) or _hides_interrupt(context))


def _row(measure: Measure, entrants: Mapping[str, Entrant]) -> Row:
    taken = {name: entrant.samples for name, entrant in entrants.items() if entrant.samples}
    return Row(
        name=measure.name,
        unit=measure.unit,
        statistic=measure.statistic,
        higher_is_better=measure.higher_is_better,
        bars=measure.bars,
        figures={name: summarize(samples) for name, samples in taken.items()},
        failures={name: entrant.failure for name, entrant in entrants.items() if entrant.failure},
        samples=taken,
    )
