"""Takes the measures on the engines in turn."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Final

import attrs

from benchmarks.deadline import within
from benchmarks.engine import Engine
from benchmarks.figures import summarize
from benchmarks.measure import Measure
from benchmarks.report import Row

STEP_SECONDS: Final = 180
"""The slowest step that is still well: dockerd starting, then removing 100 containers on a busy machine."""


Grounds = Mapping[str, "Ground"]
"""By the name of the engine."""


@attrs.frozen
class Ground:
    """Where measures are taken: an engine, and what they are opened on, unless that could not be had."""

    engine: Engine
    subject: Any
    failure: str | None = None


class Entrant:
    """One engine in one measure or setting: opened, used, closed; out of it from its first failure on."""

    def __init__(
        self, take: Callable[[Any], AbstractContextManager[Any]], subject: Any, failure: str | None = None
    ) -> None:
        self._take = take
        self._subject = subject
        self._stack = ExitStack()
        self.yielded: Any = None
        self.samples: list[float] = []
        self.failure = failure

    def open(self) -> None:
        def enter() -> None:
            self.yielded = self._stack.enter_context(self._take(self._subject))

        if self.failure is None:
            self._attempt(enter)

    def sample(self) -> None:
        if self.failure is None:
            self._attempt(lambda: self.samples.extend(self.yielded()))

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


@contextmanager
def amid(measures: Sequence[Measure], engines: Mapping[str, Engine]) -> Generator[Grounds, None, None]:
    """Set up what measures of one setting are taken amid, on every engine that one of them suits."""
    setting = measures[0].setting
    if setting is None:
        yield {name: Ground(engine, engine) for name, engine in engines.items()}
        return
    suited = {name for name, engine in engines.items() if any(measure.suits(engine) for measure in measures)}
    entrants = {name: Entrant(setting, engines[name]) for name in engines if name in suited}
    try:
        for entrant in entrants.values():
            entrant.open()
        yield {
            name: Ground(engines[name], entrant.yielded, entrant.failure)
            for name, entrant in entrants.items()
        }
    finally:
        for name, entrant in entrants.items():
            failed_before = entrant.failure
            entrant.close()
            if entrant.failure != failed_before:  # its figures stand, those that follow may suffer
                print(f"{name} keeps remains of a setting: {entrant.failure}", file=sys.stderr)


def take(measure: Measure, grounds: Grounds, rounds: int) -> Row:
    """Take one measure on every engine it suits, a sample from each in turn."""
    entrants = {
        name: Entrant(measure.take, ground.subject, ground.failure)
        for name, ground in grounds.items()
        if measure.suits(ground.engine)
    }
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
        unable=measure.unable,
    )
