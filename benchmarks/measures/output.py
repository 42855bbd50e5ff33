"""How fast the output of a container reaches a client, and what that does to other clients."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Final

from benchmarks.docker_api import Session, logs_target
from benchmarks.engine import ApiEngine, Engine
from benchmarks.engines import REPOSITORY
from benchmarks.image import LINE, lines
from benchmarks.measure import Sampler, created, discard, timed

MEGABYTE: Final = 1_000_000
DEADLINE_SECONDS: Final = 10.0
PRINTINGS: Final = 61
"""How often /lines is printed: about 512 MB."""
PRINT_LINES: Final = ("cat", *["/lines"] * PRINTINGS)
PRINT_ZEROS: Final = ("dd", "if=/dev/zero", "bs=64k", "count=7813")
LOG_PRINTINGS: Final = 8
TAIL_LINES: Final = 10
TAIL_REPEATS: Final = 10
NEIGHBOURS: Final = 20
CALLS: Final = 50


@contextmanager
def attached(engine: Engine, command: Sequence[str], size_bytes: int) -> Generator[Sampler, None, None]:
    """Take the rate at which an attached client gets what a container writes, in MB/s.

    An engine that does not get all of it through in time is measured by what it did.
    """
    with engine.life() as life:

        def sample() -> Sequence[float]:
            with created(life, command) as container, life.attach(container) as output:
                life.start(container)
                began = time.perf_counter()
                got, ended = output.drain(began + DEADLINE_SECONDS)
                seconds = time.perf_counter() - began
                if ended and got < size_bytes:
                    raise RuntimeError(f"{engine.name} lost output: {got} of {size_bytes} bytes arrived")
                return [min(got, size_bytes) / MEGABYTE / seconds]

        yield sample


attached_lines = partial(attached, command=PRINT_LINES, size_bytes=PRINTINGS * len(lines()))
attached_zeros = partial(attached, command=PRINT_ZEROS, size_bytes=7813 << 16)


@contextmanager
def logged(session: Session) -> Generator[str, None, None]:
    """Lend a container that has exited and left a log of 64 MB."""
    with created(session, ("cat", *["/lines"] * LOG_PRINTINGS)) as container:
        session.start(container)
        session.wait(container)
        yield container


@contextmanager
def logs(engine: ApiEngine) -> Generator[Sampler, None, None]:
    """Take the rate at which a whole log is sent, in MB/s of what the container wrote."""
    size_bytes = LOG_PRINTINGS * len(lines())
    with engine.session() as session, logged(session) as container:

        def sample() -> Sequence[float]:
            began = time.perf_counter()
            with session.logs(container) as output:
                got, ended = output.drain(began + DEADLINE_SECONDS)
            if ended and got < size_bytes:
                raise RuntimeError(f"{engine.name} lost log: {got} of {size_bytes} bytes arrived")
            return [min(got, size_bytes) / MEGABYTE / (time.perf_counter() - began)]

        yield sample


@contextmanager
def logs_tail(engine: ApiEngine) -> Generator[Sampler, None, None]:
    """Take the last lines of a long log."""
    with engine.session() as session, logged(session) as container:

        def tail() -> None:
            if (got := session.logs_tail(container, TAIL_LINES).count(LINE)) != TAIL_LINES:
                raise RuntimeError(f"{engine.name} sent {got} lines for tail={TAIL_LINES}")

        yield lambda: [timed(tail) for _ in range(TAIL_REPEATS)]


@contextmanager
def calls_while_streaming(engine: ApiEngine) -> Generator[Sampler, None, None]:
    """Take small reads while another client is sent logs as fast as the engine can."""
    with ExitStack() as stack:
        session = stack.enter_context(engine.session())
        container = stack.enter_context(logged(session))
        for _ in range(NEIGHBOURS):
            stack.callback(discard, session, session.create(("true",)))
        calls = (session.ping, session.fetch_list, partial(session.inspect, container))

        def sample() -> Sequence[float]:
            with _streaming(engine, container):
                return [timed(call) for _ in range(CALLS) for call in calls]

        yield sample


@contextmanager
def _streaming(engine: ApiEngine, container: str) -> Generator[None, None, None]:
    """Have another process fetch a log over and over; it has begun when the block does."""
    target = logs_target(container, "all")
    command = [sys.executable, "-m", "benchmarks.drain", str(engine.socket), target]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY) as drain:
        try:
            assert drain.stdout is not None
            if not drain.stdout.readline():
                raise RuntimeError("the streaming client did not get anything")
            yield
        finally:
            drain.kill()
