"""How much a connection to a container on the default bridge carries: from another one, or from the host.

The ends are processes of this benchmark in the network namespaces of the containers and of the engine, so
that the network is measured and not what runs in the image.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Final

import attrs

from benchmarks.engine import ApiEngine
from benchmarks.engines import REPOSITORY
from benchmarks.measure import Sampler, running
from benchmarks.netspace import NetSpace, of_process

PORT: Final = 20000
SECONDS: Final = 3
LOOPBACK: Final = "127.0.0.1"


@attrs.frozen
class Pair:
    """Two running containers on the bridge, the second of which publishes `PORT`.

    Attributes:
        host: where the engine is.
        sender: where the first container is.
        receiver: where the second is.
        address: its address on the bridge.
        gateway: an address of the host, on the bridge.
    """

    host: NetSpace
    sender: NetSpace
    receiver: NetSpace
    address: str
    gateway: str


@contextmanager
def pair(engine: ApiEngine) -> Generator[Pair, None, None]:
    """Lend two containers."""
    with (
        engine.bridged() as bridged,
        engine.bridged((PORT,)) as published,
        running(bridged) as first,
        running(published) as second,
    ):
        network = published.network(second)
        yield Pair(
            engine.netspace,
            of_process(bridged.state(first)["Pid"]),
            of_process(published.state(second)["Pid"]),
            network["IPAddress"],
            network["Gateway"],
        )


@contextmanager
def between_containers(ground: Pair) -> Generator[Sampler, None, None]:
    """Take a connection from one container to the other's address."""
    yield lambda: _rate(ground.sender, ground.receiver, ground.address)


@contextmanager
def to_published(ground: Pair) -> Generator[Sampler, None, None]:
    """Take a connection from the host to the port at an address of the host's."""
    yield lambda: _rate(ground.host, ground.receiver, ground.gateway)


@contextmanager
def to_published_on_loopback(ground: Pair) -> Generator[Sampler, None, None]:
    """Take a connection from the host to the port at 127.0.0.1, for which dockerd has a proxy."""
    yield lambda: _rate(ground.host, ground.receiver, LOOPBACK)


def _rate(sender: NetSpace, receiver: NetSpace, address: str) -> Sequence[float]:
    """Return what the receiver got, in MB/s."""
    with _end(receiver, "receive", str(PORT)) as receiving:
        assert receiving.stdout is not None
        try:
            receiving.stdout.readline()
            with _end(sender, "send", address, str(PORT), str(SECONDS)) as sending:
                sending.wait()
        except BaseException:
            receiving.kill()
            raise
        if sending.returncode != 0:
            receiving.kill()
            raise RuntimeError(f"nothing could be sent to {address}")
        return [float(receiving.stdout.read())]


def _end(space: NetSpace, *arguments: str) -> subprocess.Popen[str]:
    command = space.command([sys.executable, "-m", "benchmarks.traffic", *arguments])
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
