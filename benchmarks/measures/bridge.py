"""What it costs a container to be on the default bridge: alone, among many, or with published ports."""

from __future__ import annotations

import statistics
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Final

import attrs

from benchmarks import processes
from benchmarks.docker_api import Session
from benchmarks.engine import ApiEngine
from benchmarks.measure import SLEEP, Sampler, created, discard, running, timed
from benchmarks.measures.lifecycle import REPEATS, one_life

FIRST_PORT: Final = 20000
MANY_PORTS: Final = 200
PUBLISHERS: Final = 5
"""So many containers with `MANY_PORTS` each publish 1000."""
NEIGHBOURS: Final = 200
CLIENTS: Final = 4
STARTS: Final = 15


@attrs.frozen
class Weight:
    """What an engine takes, in MiB.

    Attributes:
        engine: of the engine and its helpers, dockerd's proxies among them.
        kernel: what the kernel keeps, for all that this machine does.
    """

    engine: float
    kernel: float


@contextmanager
def plumbing(engine: ApiEngine) -> Generator[Sampler, None, None]:
    """Take by how much a start on the bridge is longer than one without a network, pair by pair."""
    with engine.bridged() as bridged, engine.session() as session:
        _start(bridged)  # which may make the bridge
        yield lambda: [_start(bridged) - _start(session) for _ in range(REPEATS)]


@contextmanager
def life(engine: ApiEngine) -> Generator[Sampler, None, None]:
    """Take create, start, kill, wait and remove together."""
    with engine.bridged() as bridged:
        yield lambda: [timed(one_life, bridged) for _ in range(REPEATS)]


@contextmanager
def start_with_ports(engine: ApiEngine) -> Generator[Sampler, None, None]:
    """Take a start with 200 published ports in multiples of one with a single port, pair by pair."""
    with engine.bridged(_ports(0)) as many, engine.bridged(_ports(0)[:1]) as single:
        _start(single)
        yield lambda: [_start(many) / _start(single)]


@contextmanager
def published(engine: ApiEngine) -> Generator[Weight, None, None]:
    """Lend how much heavier five containers that publish 1000 ports are than five that do not."""
    without = _growth(engine, [()] * PUBLISHERS)
    grown = _growth(engine, [_ports(number) for number in range(PUBLISHERS)])
    yield Weight(grown.engine - without.engine, grown.kernel - without.kernel)


@contextmanager
def ports_memory(ground: Weight) -> Generator[Sampler, None, None]:
    """Take what the ports cost the engine and its helpers, in MiB."""
    yield lambda: [ground.engine]


@contextmanager
def ports_in_kernel(ground: Weight) -> Generator[Sampler, None, None]:
    """Take what they cost the kernel, in MiB."""
    yield lambda: [ground.kernel]


@attrs.frozen
class Crowded:
    """An engine with 200 idle containers on the bridge: a client for that, and one for no network.

    The medians, in milliseconds, are those of their starts before the 200 were there, in turn.
    """

    bridged: Session
    bridged_alone_ms: float
    unplugged: Session
    unplugged_alone_ms: float


@contextmanager
def crowded(engine: ApiEngine) -> Generator[Crowded, None, None]:
    """Lend a bridge with 200 idle containers."""
    with engine.bridged() as bridged, engine.session() as unplugged:
        _start(bridged)
        pairs = [(_start(bridged), _start(unplugged)) for _ in range(STARTS)]
        alone = [statistics.median(column) for column in zip(*pairs, strict=True)]
        with _neighbours(engine):
            yield Crowded(bridged, alone[0], unplugged, alone[1])


@contextmanager
def start_among_many(ground: Crowded) -> Generator[Sampler, None, None]:
    """Take starts on the bridge in multiples of what they took before."""
    yield lambda: [_start(ground.bridged) / ground.bridged_alone_ms for _ in range(REPEATS)]


@contextmanager
def unplugged_among_many(ground: Crowded) -> Generator[Sampler, None, None]:
    """Take starts without a network in multiples of what they took before."""
    yield lambda: [_start(ground.unplugged) / ground.unplugged_alone_ms for _ in range(REPEATS)]


def _start(session: Session) -> float:
    """Return how long the start of a container takes, in milliseconds."""
    with created(session) as container:
        return timed(session.start, container)


def _ports(number: int) -> Sequence[int]:
    """Return the ports of one container of several."""
    return range(FIRST_PORT + number * MANY_PORTS, FIRST_PORT + (number + 1) * MANY_PORTS)


def _growth(engine: ApiEngine, published: Sequence[Sequence[int]]) -> Weight:
    with ExitStack() as stack:
        before = _weight(engine)
        for ports in published:
            stack.enter_context(running(stack.enter_context(engine.bridged(ports))))
        after = _weight(engine)
    return Weight(after.engine - before.engine, after.kernel - before.kernel)


def _weight(engine: ApiEngine) -> Weight:
    return Weight(processes.pss_mib(engine.own_processes()), processes.kernel_mib())


@contextmanager
def _neighbours(engine: ApiEngine) -> Generator[None, None, None]:
    """Have idle containers on the bridge, started and removed by several clients: one would take minutes."""
    share = NEIGHBOURS // CLIENTS
    with ThreadPoolExecutor(CLIENTS) as pool:
        containers: list[str] = []
        try:
            for done in [pool.submit(_start_some, engine, share, containers) for _ in range(CLIENTS)]:
                done.result()
            yield
        finally:
            shares = [containers[first::CLIENTS] for first in range(CLIENTS)]
            for removed in [pool.submit(_discard_some, engine, some) for some in shares]:
                removed.result()


def _start_some(engine: ApiEngine, count: int, containers: list[str]) -> None:
    with engine.bridged() as bridged:
        for _ in range(count):
            containers.append(container := bridged.create(SLEEP))
            bridged.start(container)


def _discard_some(engine: ApiEngine, containers: Sequence[str]) -> None:
    with engine.session() as session:
        for container in containers:
            discard(session, container)
