"""How fast images come and go: pulled from a registry on loopback, loaded, saved; and what pulls cost others.

Every sample begins without the image: removed, and its content gone from the engine's directory.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import attrs

from benchmarks import processes, registry
from benchmarks.docker_api import Session
from benchmarks.engine import ApiEngine
from benchmarks.engines import REPOSITORY
from benchmarks.measure import Sampler, created, timed
from benchmarks.warehouse import MANY_LAYERS, ONE_LAYER, Warehouse, warehouse

MEGABYTE: Final = 1_000_000
REMAINS_BYTES: Final = 16 << 20
"""What may be left of images of 500 MB and more: databases, logs."""
REMOVAL_SECONDS: Final = 60.0
GLANCE_SECONDS: Final = 0.02
DRAIN_SECONDS: Final = 120.0


@attrs.frozen
class Stocked:
    """An engine without the images, a client of it, and where they are to be had."""

    engine: ApiEngine
    session: Session
    warehouse: Warehouse
    empty_bytes: int

    @contextmanager
    def without(self, image: str) -> Generator[None, None, None]:
        """Leave the engine as it was, whatever the block brings in."""
        try:
            yield
        finally:
            self.session.remove_images(image)
            self._await_disk_space()

    def _await_disk_space(self) -> None:
        """Wait until what was removed is gone from the disk, so that no later sample pays for it."""
        deadline = time.monotonic() + REMOVAL_SECONDS
        while (left := size_bytes(self.engine.root) - self.empty_bytes) > REMAINS_BYTES:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.engine.name} keeps {left / MEGABYTE:.0f} MB of what was removed")
            time.sleep(GLANCE_SECONDS)


@contextmanager
def stocked(engine: ApiEngine) -> Generator[Stocked, None, None]:
    """Lend an engine with a registry beside it."""
    found = warehouse(engine)
    with registry.serving(found.directory, engine.netspace), engine.session() as session:
        yield Stocked(engine, session, found, size_bytes(engine.root))


def size_bytes(directory: Path) -> int:
    """Return what a directory takes on the disk."""
    command = ["du", "--summarize", "--block-size=1", "--one-file-system", str(directory)]
    said: list[str] = []
    while not said:  # du gives up where directories are being deleted
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    return int(said[0])


@contextmanager
def pull(ground: Stocked, image: str) -> Generator[Sampler, None, None]:
    """Take a pull, until its story ends."""

    def sample() -> Sequence[float]:
        with ground.without(name := _named(image)):
            return [timed(ground.session.pull, name)]

    yield sample


pull_layers = partial(pull, image=MANY_LAYERS)
pull_one = partial(pull, image=ONE_LAYER)


@contextmanager
def pull_memory(ground: Stocked) -> Generator[Sampler, None, None]:
    """Take by how much the resident memory of the engine itself grows at most during a pull, in MiB."""

    def sample() -> Sequence[float]:
        pids = ground.engine.pids
        with ground.without(name := _named(MANY_LAYERS)):
            before = sum(map(processes.resident_mib, pids))
            for pid in pids:
                processes.forget_peak(pid)
            ground.session.pull(name)
            return [sum(map(processes.peak_mib, pids)) - before]

    yield sample


@contextmanager
def pull_helpers(ground: Stocked) -> Generator[Sampler, None, None]:
    """Take how large all helpers of the engine together are at most during a pull, in MiB."""

    def sample() -> Sequence[float]:
        with ground.without(name := _named(MANY_LAYERS)):
            return [max(_meanwhile(ground.engine, name, lambda: [_helpers_mib(ground.engine)]))]

    yield sample


@contextmanager
def pull_reads(ground: Stocked) -> Generator[Sampler, None, None]:
    """Take small calls while an image is being pulled."""
    session = ground.session
    with created(session) as container:
        calls = (session.ping, session.fetch_list, session.images, partial(session.inspect, container))

        def sample() -> Sequence[float]:
            with ground.without(name := _named(MANY_LAYERS)):
                return _meanwhile(ground.engine, name, lambda: [timed(call) for call in calls])

        yield sample


@contextmanager
def load(ground: Stocked) -> Generator[Sampler, None, None]:
    """Take the rate at which an archive is brought in, in MB/s of the archive."""
    archive = ground.warehouse.archive

    def sample() -> Sequence[float]:
        with ground.without(MANY_LAYERS):
            return [_rate(archive.stat().st_size, timed(ground.session.load, archive))]

    yield sample


@contextmanager
def save(ground: Stocked) -> Generator[Sampler, None, None]:
    """Take the rate at which what was loaded is saved, in MB/s of the archive that was loaded."""
    archive = ground.warehouse.archive
    with ground.without(MANY_LAYERS):
        ground.session.load(archive)
        yield lambda: [_rate(archive.stat().st_size, timed(_save, ground.session))]


def _rate(size_bytes: int, milliseconds: float) -> float:
    return size_bytes / MEGABYTE / (milliseconds / 1000)


def _save(session: Session) -> None:
    with session.save(MANY_LAYERS) as archive:
        if not archive.drain(time.perf_counter() + DRAIN_SECONDS)[1]:
            raise RuntimeError(f"no end of the archive after {DRAIN_SECONDS:.0f} s")


def _named(image: str) -> str:
    return f"{registry.ADDRESS}/{image}"


def _helpers_mib(engine: ApiEngine) -> float:
    return processes.pss_mib(sorted(set(engine.own_processes()) - set(engine.pids)))


def _meanwhile(engine: ApiEngine, image: str, look: Callable[[], Sequence[float]]) -> Sequence[float]:
    """Return what `look` finds over and over while another process has an image pulled."""
    command = [sys.executable, "-m", "benchmarks.pulls", str(engine.socket), image]
    found: list[float] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY) as pulling:
        try:
            assert pulling.stdout is not None
            pulling.stdout.readline()
            while pulling.poll() is None:
                found += look()
                time.sleep(GLANCE_SECONDS)
        finally:
            pulling.kill()
    if pulling.returncode != 0 or not found:
        raise RuntimeError(f"{engine.name} does not pull {image}")
    return found
