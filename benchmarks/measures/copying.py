"""How fast a file of 200 MB gets into a container and out of it, as `docker cp` asks for it."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs

from benchmarks.docker_api import Session
from benchmarks.engine import ApiEngine
from benchmarks.filetrees import END, content, header, padding
from benchmarks.measure import Sampler, running, timed

FILE_BYTES: Final = 200_000_000
MEGABYTE: Final = 1_000_000
DRAIN_SECONDS: Final = 60.0
PLACE: Final = "/tmp"
NAME: Final = "large"


@attrs.frozen
class Copied:
    """A running container that has the file, and a tar of it."""

    session: Session
    container: str
    tar: Path


@contextmanager
def copied(engine: ApiEngine) -> Generator[Copied, None, None]:
    """Lend such a container."""
    tar = engine.root.parent / "large.tar"
    tar.write_bytes(header(NAME, FILE_BYTES) + content(FILE_BYTES, seed=200) + padding(FILE_BYTES) + END)
    with engine.session() as session, running(session) as container:
        session.put_archive(container, PLACE, tar)
        yield Copied(session, container, tar)


@contextmanager
def into(ground: Copied) -> Generator[Sampler, None, None]:
    """Take the rate at which the file gets in, over the one that is there, in MB/s."""

    def put() -> None:
        ground.session.put_archive(ground.container, PLACE, ground.tar)

    yield lambda: _rates(timed(put))


@contextmanager
def out_of(ground: Copied) -> Generator[Sampler, None, None]:
    """Take the rate at which the file gets out, in MB/s."""

    def get() -> None:
        with ground.session.get_archive(ground.container, f"{PLACE}/{NAME}") as archive:
            got, ended = archive.drain(time.perf_counter() + DRAIN_SECONDS)
            if not ended or got < FILE_BYTES:
                raise RuntimeError(f"{got} of {FILE_BYTES} bytes came")

    yield lambda: _rates(timed(get))


def _rates(milliseconds: float) -> Sequence[float]:
    return [FILE_BYTES / MEGABYTE / (milliseconds / 1000)]
