"""Compares Longshore with its floor and with other engines; see docs/benchmarks.md.

scripts/bench [--only NAME ...] [--rounds N] [--engines NAME,...] [--runtime PATH] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from benchmarks import image, leftovers
from benchmarks.engine import Engine, Lab
from benchmarks.engines import ENGINES, started
from benchmarks.measure import Measure
from benchmarks.measures import MEASURES
from benchmarks.report import Report, Row, machine_facts
from benchmarks.run import amid, take


def main() -> int:
    """Take the measures asked for and print them; return the exit status."""
    arguments = _parse(sys.argv[1:])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        with _lab(arguments.runtime) as lab:
            report = _measured(lab, arguments)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    print(report.text())
    if arguments.json:
        arguments.json.write_text(json.dumps(report.document(), indent=1) + "\n")
    return 0


def _measured(lab: Lab, arguments: argparse.Namespace) -> Report:
    machine = machine_facts(lab.runtime)
    rows: list[Row] = []
    with started(lab, arguments.engines) as (engines, missing):
        for _, measures in groupby(_wanted(arguments.only), attrgetter("setting")):
            rows += _rows(list(measures), engines, arguments.rounds)
        versions = {name: engine.version for name, engine in engines.items()}
    return Report(machine, versions, missing, tuple(rows))


def _rows(
    measures: Sequence[Measure], engines: Mapping[str, Engine], rounds: int
) -> Generator[Row, None, None]:
    """Take measures that share a setting."""
    with amid(measures, engines) as grounds:
        for measure in measures:
            print(f"measuring {measure.name} ...", file=sys.stderr, flush=True)
            yield take(measure, grounds, rounds)


def _wanted(names: Sequence[str]) -> list[Measure]:
    return [measure for measure in MEASURES if not names or measure.name in names]


@contextmanager
def _lab(runtime: str) -> Generator[Lab, None, None]:
    """Lend a place to work in, of which nothing is left afterwards."""
    # Short, because the sockets below it have at most 107 bytes for their names.
    root = Path(tempfile.mkdtemp(prefix="lsbench-", dir="/tmp"))
    cgroup = f"lsbench-{os.getpid()}"
    try:
        yield Lab(root, cgroup, runtime, image.root_filesystem())
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # a second interruption must not leave half of it behind
        leftovers.sweep(root, cgroup)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _parse(words: Sequence[str]) -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser("scripts/bench", description=__doc__.partition("\n")[0])
    names = [measure.name for measure in MEASURES]
    parser.add_argument("--only", nargs="+", choices=names, default=[], help="take these measures alone")
    parser.add_argument("--rounds", type=int, default=10, help="samples of each measure on each engine")
    parser.add_argument("--engines", type=_engines, default=list(ENGINES), help="such as longshore,floor")
    parser.add_argument("--runtime", type=_runtime, default="crun", help="crun, runc or a path")
    parser.add_argument("--json", type=Path, help="write all samples to this file too")
    return parser.parse_args(words)


def _engines(text: str) -> list[str]:
    names = text.split(",")
    if unknown := sorted(set(names) - set(ENGINES)):
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose from {', '.join(ENGINES)}")
    return names


def _runtime(text: str) -> str:
    if (path := shutil.which(text)) is None:
        raise argparse.ArgumentTypeError(f"{text} is not installed")
    return path


if __name__ == "__main__":
    sys.exit(main())
