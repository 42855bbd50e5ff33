from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.figures import Bar, ratio, summarize, verdict

samples = st.lists(st.floats(min_value=0, max_value=1e6), min_size=1)


def test_median_and_mean_are_of_all_samples() -> None:
    figures = summarize([1, 2, 9])
    assert (figures.median, figures.mean, figures.samples) == (2, 4, 3)


def test_p99_of_a_hundred_samples_leaves_out_the_worst_one() -> None:
    assert summarize(range(1, 101)).p99 == 99


def test_p99_of_few_samples_is_the_worst_of_them() -> None:
    assert summarize([5, 1, 7]).p99 == 7


@given(samples)
def test_p99_is_a_sample_and_no_less_than_the_median(values: list[float]) -> None:
    figures = summarize(values)
    assert figures.p99 in values
    assert figures.p99 >= figures.median


def test_figures_are_found_by_name() -> None:
    figures = summarize([1, 2, 9])
    assert [figures.of(name) for name in ("median", "mean", "p99")] == [2, 4, 9]


def test_ratio_to_nothing_is_unknown() -> None:
    assert ratio(4, 2) == pytest.approx(2)
    assert ratio(3, 0) is None
    assert ratio(-1, 2) is None


@pytest.mark.parametrize(
    ("value", "higher_is_better", "said"),
    [
        (8, False, "met"),
        (8.5, False, "missed: 8.5 instead of 8"),
        (8, True, "met"),
        (7.5, True, "missed: 7.5 instead of 8"),
    ],
)
def test_absolute_bar(value: float, higher_is_better: bool, said: str) -> None:
    assert verdict(Bar(8), {"ours": value}, "ours", higher_is_better=higher_is_better) == said


def test_relative_bar_is_a_multiple_of_another_engines_figure() -> None:
    bar = Bar(1.4, times="floor")
    assert verdict(bar, {"ours": 28, "floor": 20}, "ours", higher_is_better=False) == "met"
    assert (
        verdict(bar, {"ours": 30, "floor": 20}, "ours", higher_is_better=False) == "missed: 30 instead of 28"
    )


def test_a_bar_is_not_judged_without_both_figures() -> None:
    bar = Bar(1.4, times="floor")
    assert verdict(bar, {"ours": 28}, "ours", higher_is_better=False) == "not measured"
    assert verdict(bar, {"floor": 20}, "ours", higher_is_better=False) == "not measured"


def test_bars_are_spelled_with_their_direction() -> None:
    assert Bar(150).text(higher_is_better=True) == ">= 150"
    assert Bar(0.25, times="dockerd").text(higher_is_better=False) == "<= 0.25 x dockerd"
