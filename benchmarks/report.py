"""The results as a table for people and as JSON for programs."""

from __future__ import annotations

import os
import platform
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from benchmarks.figures import Bar, Figures, Statistic, ratio, verdict

JUDGED: Final = "longshore"
GAP: Final = "  "
NOTHING: Final = "-"
UNABLE: Final = "cannot"


@attrs.frozen
class Row:
    """One measure on all engines.

    Attributes:
        figures: by engine; those on which it was not taken are absent.
        failures: by engine, why it has no figures although it should.
        unable: by engine, why it cannot have any.
        samples: by engine, in the order they were taken.
    """

    name: str
    unit: str
    statistic: Statistic
    higher_is_better: bool
    bars: tuple[Bar, ...]
    figures: Mapping[str, Figures]
    failures: Mapping[str, str]
    samples: Mapping[str, Sequence[float]]
    unable: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def values(self) -> dict[str, float]:
        """The figure that counts, by engine."""
        return {engine: figures.of(self.statistic) for engine, figures in self.figures.items()}

    def ratios(self) -> dict[str, float | None]:
        """Return how many times each other engine's figure Longshore's is."""
        values = self.values
        if (ours := values.pop(JUDGED, None)) is None:
            return {}
        return {engine: ratio(ours, theirs) for engine, theirs in values.items()}

    def verdicts(self) -> dict[str, str]:
        """Return what each bar, spelled out, comes to."""
        return {
            bar.text(higher_is_better=self.higher_is_better): verdict(
                bar, self.values, JUDGED, higher_is_better=self.higher_is_better
            )
            for bar in self.bars
        }


@attrs.frozen
class Report:
    """All that a run of the benchmark found.

    Attributes:
        versions: of the engines that took part, in the order of the columns.
        missing: why the other engines did not.
    """

    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    missing: Mapping[str, str]
    rows: tuple[Row, ...]

    def document(self) -> dict[str, Any]:
        """Return everything, ready to be written as JSON."""
        return {
            "machine": dict(self.machine),
            "engines": dict(self.versions),
            "missing": dict(self.missing),
            "measures": [
                {**attrs.asdict(row), "ratios": row.ratios(), "verdicts": row.verdicts()} for row in self.rows
            ],
        }

    def text(self) -> str:
        """Return everything but the samples as plain text."""
        parts = [_facts(self.machine), _facts(self.versions)]
        parts += [f"{engine} is missing: {reason}" for engine, reason in self.missing.items()]
        parts += [
            "",
            _grid([_header(self.versions), *(_cells(row, tuple(self.versions)) for row in self.rows)]),
        ]
        parts += ["", "Cells hold median and p99, or the mean alone; ratios are those of the figure named."]
        parts += [*_bar_lines(self.rows), *_failure_lines(self.rows)]
        parts += _unable_lines(self.rows, self.versions)
        return "\n".join(parts)


def machine_facts(runtime: str) -> dict[str, Any]:
    """Return what the figures depend on beside the engines."""
    memory_kib = int(Path("/proc/meminfo").read_text().split()[1])
    return {
        "cpus": os.cpu_count(),
        "memory_mib": memory_kib // 1024,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "runtime": runtime,
        "cgroups": "v2" if Path("/sys/fs/cgroup/cgroup.controllers").exists() else "v1",
        "load_before": round(os.getloadavg()[0], 2),
    }


def _facts(facts: Mapping[str, Any]) -> str:
    return "; ".join(f"{name} {value}" for name, value in facts.items())


def _header(versions: Mapping[str, str]) -> list[str]:
    others = [engine for engine in versions if engine != JUDGED]
    against = [f"/{engine}" for engine in others] if JUDGED in versions else []
    return ["measure", "unit", "figure", *versions, *against]


def _cells(row: Row, engines: Sequence[str]) -> list[str]:
    cells = [row.name, row.unit, row.statistic]
    cells += [_cell(row, engine) for engine in engines]
    if JUDGED in engines:
        ratios = row.ratios()
        cells += [_number(ratios.get(engine)) for engine in engines if engine != JUDGED]
    return cells


def _cell(row: Row, engine: str) -> str:
    if engine in row.failures:
        return "failed"
    if engine in row.unable:
        return UNABLE
    if engine not in row.figures:
        return NOTHING
    figures = row.figures[engine]
    if row.statistic == "mean" or figures.samples == 1:
        return _number(figures.mean)
    return f"{_number(figures.median)} {_number(figures.p99)}"


def _number(value: float | None) -> str:
    if value is None:
        return NOTHING
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.2f}"


def _grid(lines: Sequence[Sequence[str]]) -> str:
    """Align the cells of a table: the name to the left, all others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        GAP.join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines
    )


def _bar_lines(rows: Sequence[Row]) -> list[str]:
    lines = [
        [row.name, row.statistic, bar, outcome] for row in rows for bar, outcome in row.verdicts().items()
    ]
    return ["", "Bars for longshore:", *("  " + GAP.join(line) for line in lines)] if lines else []


def _failure_lines(rows: Sequence[Row]) -> list[str]:
    lines = [f"  {row.name} on {engine}: {reason}" for row in rows for engine, reason in row.failures.items()]
    return ["", "Failures:", *lines] if lines else []


def _unable_lines(rows: Sequence[Row], engines: Collection[str]) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for row in rows:
        for engine in sorted(row.unable.keys() & set(engines)):
            reasons.setdefault(f"{engine}: {row.unable[engine]}", []).append(row.name)
    lines = [f"  {', '.join(names)} on {reason}" for reason, names in reasons.items()]
    return ["", "Impossible:", *lines] if lines else []
