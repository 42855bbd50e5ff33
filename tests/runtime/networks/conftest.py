from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trio

from daemon.networks.firewall.kernel import KernelFilter
from daemon.networks.firewall.ruleset import Ruleset
from tests.runtime.networks.hosts import FreshHost, fresh_host
from tests.runtime.networks.topology import Topology, topology
from tests.runtime.networks.traffic import Traffic


@pytest.fixture
def host(tmp_path: Path) -> Iterator[FreshHost]:
    """A host of the test's own, in which its thread is."""
    yield from fresh_host(tmp_path)


@pytest.fixture(scope="module")
def hosts() -> Iterator[Topology]:
    """A host, its containers and another host."""
    with topology() as made:
        yield made


@pytest.fixture
async def kernel(hosts: Topology) -> AsyncIterator[KernelFilter]:
    """The host's packet filter, which a test leaves empty."""
    made = hosts.inside("host", KernelFilter)
    yield made
    await made.replace(Ruleset())
    made.close()


@pytest.fixture
async def traffic(hosts: Topology) -> AsyncIterator[Traffic]:
    """Talk between the hosts; services end with the test."""
    async with trio.open_nursery() as nursery:
        yield Traffic(hosts, nursery)
        nursery.cancel_scope.cancel()
