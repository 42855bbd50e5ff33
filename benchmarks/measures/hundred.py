"""What an engine with 100 running containers does when it is killed, stormed, or one of them is stuck."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final

import attrs

from benchmarks.client import EngineAnswered
from benchmarks.docker_api import Session
from benchmarks.engine import ApiEngine
from benchmarks.engines import REPOSITORY
from benchmarks.measure import SLEEP, Sampler, discard, timed

CONTAINERS: Final = 100
STARTS: Final = 32
KNOCK_SECONDS: Final = 0.005
STUCK_ROUNDS: Final = 50
SETTLE_SECONDS: Final = 1.0


@attrs.frozen
class Hundred:
    """The engine, a client of it, and its running containers."""

    engine: ApiEngine
    session: Session
    containers: Sequence[str]


@contextmanager
def hundred(engine: ApiEngine) -> Generator[Hundred, None, None]:
    """Lend an engine with 100 running containers, which are gone afterwards."""
    with ExitStack() as stack:
        session = stack.enter_context(engine.session())
        containers = []
        for _ in range(CONTAINERS):
            containers.append(session.create(SLEEP))
            stack.callback(discard, session, containers[-1])
            session.start(containers[-1])
        yield Hundred(engine, session, containers)


@contextmanager
def restart(ground: Hundred) -> Generator[Sampler, None, None]:
    """Take the time from the start of an engine that was killed to its first list of all containers."""

    def listed() -> bool:
        try:
            with ground.engine.session() as session:
                return set(ground.containers) <= set(session.list_all())
        except (OSError, EngineAnswered):
            return False

    def answer() -> None:
        ground.engine.start_again()
        while not listed():
            time.sleep(KNOCK_SECONDS)

    def sample() -> Sequence[float]:
        time.sleep(SETTLE_SECONDS)  # or the samples would follow each other faster than any crash does
        ground.session.close()
        ground.engine.crash()
        return [timed(answer)]

    yield sample


@contextmanager
def list_in_a_storm(ground: Hundred) -> Generator[Sampler, None, None]:
    """Take each list of all containers while 32 clients start a container each at the same moment."""

    def sample() -> Sequence[float]:
        with ExitStack() as stack:
            starting = [ground.session.create(SLEEP) for _ in range(STARTS)]
            for container in starting:
                stack.callback(discard, ground.session, container)
            return _during_starts(ground, starting)

    yield sample


def _during_starts(ground: Hundred, starting: Sequence[str]) -> list[float]:
    command = [sys.executable, "-m", "benchmarks.starts", str(ground.engine.socket), *starting]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=REPOSITORY) as storm:
        assert storm.stdin is not None
        assert storm.stdout is not None
        storm.stdout.readline()
        storm.stdin.write(b"go\n")
        storm.stdin.flush()
        took = []
        while storm.poll() is None:
            took.append(timed(ground.session.fetch_list))
        if storm.returncode != 0:
            raise RuntimeError("not all of the containers could be started")
        return took
