"""From samples to figures, and from figures to verdicts."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Literal

import attrs

Statistic = Literal["median", "mean", "p99"]


@attrs.frozen
class Figures:
    """What is said of the samples of one measure on one engine."""

    median: float
    mean: float
    p99: float
    samples: int

    def of(self, statistic: Statistic) -> float:
        """Return one of the figures by name."""
        figures = {"median": self.median, "mean": self.mean, "p99": self.p99}
        return figures[statistic]


@attrs.frozen
class Bar:
    """A limit for Longshore's figure: absolute, or a multiple of what another engine reaches."""

    limit: float
    times: str | None = None

    def text(self, *, higher_is_better: bool) -> str:
        """Spell the bar as it stands in the table."""
        sign = ">=" if higher_is_better else "<="
        return f"{sign} {self.limit:g}" + (f" x {self.times}" if self.times else "")


def summarize(samples: Sequence[float]) -> Figures:
    """Return the figures of at least one sample.

    p99 is by nearest rank, so with fewer than 100 samples it is the worst of them.
    """
    ordered = sorted(samples)
    rank = math.ceil(0.99 * len(ordered))
    return Figures(
        median=statistics.median(ordered),
        mean=statistics.fmean(ordered),
        p99=ordered[rank - 1],
        samples=len(ordered),
    )


def ratio(ours: float, theirs: float) -> float | None:
    """Return how many times `theirs` ours is, or None when there is no telling."""
    return ours / theirs if theirs > 0 and ours >= 0 else None  # what has shrunk is no multiple of anything


def verdict(bar: Bar, values: Mapping[str, float], engine: str, *, higher_is_better: bool) -> str:
    """Say whether `engine` meets a bar, and by how much it misses it.

    Args:
        bar: the limit.
        values: the figure that counts, of every engine that has one.
        engine: whose figure is judged.
        higher_is_better: whether the limit is the least or the most allowed.
    """
    if engine not in values or (bar.times is not None and bar.times not in values):
        return "not measured"
    limit = bar.limit * (values[bar.times] if bar.times else 1)
    value = values[engine]
    if value >= limit if higher_is_better else value <= limit:
        return "met"
    return f"missed: {value:.4g} instead of {limit:.4g}"
