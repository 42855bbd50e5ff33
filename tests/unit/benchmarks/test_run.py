from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.engine import ApiEngine
from benchmarks.measure import Measure, Sampler
from benchmarks.run import take


def engine(name: str) -> ApiEngine:
    return ApiEngine(name, "1", Path("/nowhere"), Path("/nowhere"), (), {})


class Bench:
    """A measure that writes down in which order it is used."""

    def __init__(self, sample: Callable[[str], Sequence[float]] = lambda name: [1.0]) -> None:
        self.log: list[str] = []
        self._sample = sample

    @contextmanager
    def open(self, engine: Any) -> Generator[Sampler, None, None]:
        def sample() -> Sequence[float]:
            self.log.append(engine.name)
            return self._sample(engine.name)

        self.log.append(f"open {engine.name}")
        try:
            yield sample
        finally:
            self.log.append(f"close {engine.name}")


BOTH = {"a": engine("a"), "b": engine("b")}


def test_engines_are_sampled_in_turn() -> None:
    bench = Bench()
    take(Measure("m", "ms", bench.open), BOTH, rounds=2)
    assert bench.log == ["open a", "open b", "a", "b", "a", "b", "close a", "close b"]


def test_no_measure_takes_more_rounds_than_it_says() -> None:
    row = take(Measure("m", "ms", Bench().open, most_rounds=2), BOTH, rounds=9)
    assert row.figures["a"].samples == 2


def test_an_engine_that_fails_is_left_out_and_the_others_go_on() -> None:
    def sample(name: str) -> Sequence[float]:
        if name == "a":
            raise RuntimeError("gone")
        return [1.0]

    bench = Bench(sample)
    row = take(Measure("m", "ms", bench.open), BOTH, rounds=2)
    assert row.failures == {"a": "RuntimeError: gone"}
    assert row.figures.keys() == {"b"}
    assert bench.log.count("a") == 1
    assert "close a" in bench.log


def test_an_interrupt_closes_everything_and_goes_through() -> None:
    def sample(name: str) -> Sequence[float]:
        raise KeyboardInterrupt

    bench = Bench(sample)
    with pytest.raises(KeyboardInterrupt):
        take(Measure("m", "ms", bench.open), BOTH, rounds=1)
    assert bench.log[-2:] == ["close a", "close b"]


def test_an_interrupt_is_not_replaced_by_an_error_while_cleaning_up() -> None:
    def sample(name: str) -> Sequence[float]:
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("cannot clean up")

    with pytest.raises(KeyboardInterrupt):
        take(Measure("m", "ms", Bench(sample).open), BOTH, rounds=1)
