from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import attrs

from benchmarks.figures import Bar, Statistic, summarize
from benchmarks.report import Report, Row

VERSIONS = {"longshore": "0.1", "floor": "conmon 2", "dockerd": "20.10"}


def row(
    samples: Mapping[str, Sequence[float]],
    statistic: Statistic = "median",
    failures: Mapping[str, str] | None = None,
) -> Row:
    return Row(
        name="start",
        unit="ms",
        statistic=statistic,
        higher_is_better=False,
        bars=(Bar(1.4, times="floor"), Bar(25)),
        figures={engine: summarize(values) for engine, values in samples.items()},
        failures=failures or {},
        samples=samples,
    )


def report(*rows: Row, missing: Mapping[str, str] | None = None) -> Report:
    return Report({"cpus": 2}, VERSIONS, missing or {}, rows)


def cells(text: str, name: str = "start") -> list[str]:
    return next(line.split() for line in text.splitlines() if line.startswith(name))


def test_a_row_has_medians_p99s_and_ratios() -> None:
    text = report(row({"longshore": [28, 30, 32], "floor": [20, 20, 24], "dockerd": [150]})).text()
    assert cells(text) == ["start", "ms", "median", "30.00", "32.00", "20.00", "24.00", "150", "1.50", "0.20"]


def test_ratios_compare_the_figure_that_counts() -> None:
    ratios = row({"longshore": [1, 10], "floor": [1, 5]}, statistic="p99").ratios()
    assert ratios == {"floor": 2}


def test_an_engine_without_the_measure_has_a_dash() -> None:
    table = report(row({"longshore": [30]})).text()
    assert cells(table) == ["start", "ms", "median", "30.00", "-", "-", "-", "-"]


def test_an_engine_that_failed_is_named_with_the_reason() -> None:
    text = report(row({"longshore": [30]}, failures={"dockerd": "OutOfTime: no end after 180 s"})).text()
    assert "failed" in cells(text)
    assert "start on dockerd: OutOfTime: no end after 180 s" in text


def test_an_engine_that_is_missing_is_named_with_the_reason() -> None:
    assert (
        "podman is missing: podman is not installed"
        in report(row({}), missing={"podman": "podman is not installed"}).text()
    )


def test_an_engine_that_cannot_take_part_is_named_with_the_reason_and_its_measures() -> None:
    unable = {"dockerd": "it reloads on SIGHUP alone", "podman": "not in this run"}
    rows = [attrs.evolve(row({"longshore": [30]}), name=name, unable=unable) for name in ("start", "end")]
    text = report(*rows).text()
    assert cells(text) == ["start", "ms", "median", "30.00", "-", "cannot", "-", "-"]
    assert "  start, end on dockerd: it reloads on SIGHUP alone" in text
    assert "podman" not in text


def test_each_bar_is_judged() -> None:
    assert row({"longshore": [30], "floor": [20]}).verdicts() == {
        "<= 1.4 x floor": "missed: 30 instead of 28",
        "<= 25": "missed: 30 instead of 25",
    }


def test_columns_are_aligned() -> None:
    slow = row({"longshore": [12345], "floor": [1]})
    table = [
        line for line in report(row({"longshore": [1]}), slow).text().splitlines() if line.startswith("start")
    ]
    assert len({len(line) for line in table}) == 1


def test_the_document_is_json_and_keeps_every_sample() -> None:
    document = json.loads(json.dumps(report(row({"longshore": [30, 31], "floor": [20]})).document()))
    (measure,) = document["measures"]
    assert measure["samples"] == {"longshore": [30, 31], "floor": [20]}
    assert measure["ratios"] == {"floor": 1.525}
    assert document["machine"] == {"cpus": 2}
