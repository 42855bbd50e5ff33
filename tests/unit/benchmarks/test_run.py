from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from benchmarks.engine import ApiEngine
from benchmarks.measure import Measure, Sampler
from benchmarks.netspace import NetSpace
from benchmarks.run import Ground, amid, take


def engine(name: str) -> ApiEngine:
    return ApiEngine(name, "1", Path("/nowhere"), Path("/nowhere"), (), NetSpace(Path("/nowhere")), {})


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


ENGINES = {"a": engine("a"), "b": engine("b")}
BOTH = {name: Ground(engine, engine) for name, engine in ENGINES.items()}


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


def test_measures_of_one_setting_are_taken_on_what_it_yields() -> None:
    bench, setting = Bench(), Bench()

    @contextmanager
    def two_of(engine: Any) -> Generator[Any, None, None]:
        with setting.open(engine):
            yield attrs.evolve(engine, name=f"{engine.name}{engine.name}")

    measures = [Measure(name, "ms", bench.open, setting=two_of) for name in ("m", "n")]
    with amid(measures, ENGINES) as grounds:
        rows = [take(measure, grounds, rounds=1) for measure in measures]
    assert setting.log == ["open a", "open b", "close a", "close b"]
    assert bench.log == 2 * ["open aa", "open bb", "aa", "bb", "close aa", "close bb"]
    assert [row.figures.keys() for row in rows] == 2 * [{"a", "b"}]


def test_an_engine_without_the_setting_fails_in_all_measures_of_it() -> None:
    @contextmanager
    def only_on_b(engine: Any) -> Generator[Any, None, None]:
        if engine.name == "a":
            raise RuntimeError("no room")
        yield engine

    measures = [Measure(name, "ms", Bench().open, setting=only_on_b) for name in ("m", "n")]
    with amid(measures, ENGINES) as grounds:
        rows = [take(measure, grounds, rounds=1) for measure in measures]
    assert [row.failures for row in rows] == 2 * [{"a": "RuntimeError: no room"}]
    assert [row.figures.keys() for row in rows] == 2 * [{"b"}]


def test_a_setting_that_leaves_something_behind_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    @contextmanager
    def sticky(engine: Any) -> Generator[Any, None, None]:
        try:
            yield engine
        finally:
            raise RuntimeError("cannot remove it")

    with amid([Measure("m", "ms", Bench().open, setting=sticky)], {"a": engine("a")}):
        pass
    assert "a keeps remains of a setting: RuntimeError: cannot remove it" in capsys.readouterr().err


def test_an_engine_that_cannot_take_part_is_not_asked_to() -> None:
    asked = []

    @contextmanager
    def setting(engine: Any) -> Generator[Any, None, None]:
        asked.append(engine.name)
        yield engine

    measure = Measure("m", "ms", Bench().open, setting=setting, unable={"a": "it has no such thing"})
    with amid([measure], ENGINES) as grounds:
        row = take(measure, grounds, rounds=1)
    assert asked == ["b"]
    assert (set(row.figures), dict(row.failures)) == ({"b"}, {})
    assert row.unable == {"a": "it has no such thing"}
