"""How long the life of a container takes, step by step and in parallel."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from benchmarks.engine import Engine, Life
from benchmarks.measure import SLEEP, Sampler, created, running, timed

REPEATS: Final = 4
CLIENTS: Final = 8
RUNS_PER_CLIENT: Final = 3
GREETING: Final = b"hello"


@contextmanager
def create(engine: Engine) -> Generator[Sampler, None, None]:
    """Take the making of a container."""
    with engine.life() as life:

        def once() -> float:
            began = time.perf_counter()
            container = life.create(SLEEP)
            took = (time.perf_counter() - began) * 1000
            life.remove(container)
            return took

        yield lambda: [once() for _ in range(REPEATS)]


@contextmanager
def start(engine: Engine) -> Generator[Sampler, None, None]:
    """Take the start of a created container alone."""
    with engine.life() as life:

        def once() -> float:
            with created(life) as container:
                return timed(life.start, container)

        yield lambda: [once() for _ in range(REPEATS)]


@contextmanager
def whole_life(engine: Engine) -> Generator[Sampler, None, None]:
    """Take create, start, kill, wait and remove together."""
    with engine.life() as life:
        yield lambda: [timed(one_life, life) for _ in range(REPEATS)]


def one_life(life: Life) -> None:
    """Have a container from beginning to end."""
    container = life.create(SLEEP)
    life.start(container)
    life.kill(container)
    life.wait(container)
    life.remove(container)


@contextmanager
def kill_and_wait(engine: Engine) -> Generator[Sampler, None, None]:
    """Take the end of a running container: SIGKILL until the exit code is known."""
    with engine.life() as life:

        def end(container: str) -> None:
            life.kill(container)
            life.wait(container)

        def once() -> float:
            with running(life) as container:
                return timed(end, container)

        yield lambda: [once() for _ in range(REPEATS)]


@contextmanager
def remove(engine: Engine) -> Generator[Sampler, None, None]:
    """Take the removal of a container that has exited."""
    with engine.life() as life:

        def once() -> float:
            container = life.create(("true",))
            life.start(container)
            life.wait(container)
            return timed(life.remove, container)

        yield lambda: [once() for _ in range(REPEATS)]


@contextmanager
def attached_exec(engine: Engine) -> Generator[Sampler, None, None]:
    """Take an attached exec of `echo`, from create to the end of its output."""
    with engine.life() as life, running(life) as container:

        def greet() -> None:
            output = life.exec_output(container, ("echo", GREETING.decode()))
            if GREETING not in output:
                raise RuntimeError(f"exec printed {output!r}")

        yield lambda: [timed(greet) for _ in range(REPEATS)]


@contextmanager
def parallel_runs(engine: Engine) -> Generator[Sampler, None, None]:
    """Take how many `run true` (create, start, wait, remove) clients in parallel get a second."""
    with ThreadPoolExecutor(CLIENTS) as pool:

        def sample() -> Sequence[float]:
            began = time.perf_counter()
            for done in [pool.submit(_run_some, engine) for _ in range(CLIENTS)]:
                done.result()
            return [CLIENTS * RUNS_PER_CLIENT / (time.perf_counter() - began)]

        yield sample


def _run_some(engine: Engine) -> None:
    with engine.life() as life:
        for _ in range(RUNS_PER_CLIENT):
            container = life.create(("true",))
            life.start(container)
            life.wait(container)
            life.remove(container)
