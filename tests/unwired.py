"""Networks for hosts that have none: whatever would need one fails the test."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import attrs

from daemon.actors.container.networking.runs import ContainerNetworks
from daemon.actors.network.snapshot import Network
from daemon.errors import NotFound
from daemon.networks.hostports import HostPorts
from daemon.networks.plans import Asker, LinkPlan, PublishedPort


@attrs.frozen
class Unwired:
    """All that containers' networks need of the host, for containers without any."""

    def __iter__(self) -> Iterator[Network]:
        return iter(())

    def resolve(self, reference: str) -> Network:
        raise NotFound(f"network {reference} not found")

    async def make(self, sandbox: Path, plans: tuple[LinkPlan, ...]) -> None:
        raise AssertionError(plans)

    async def plug(self, sandbox: Path, plans: tuple[LinkPlan, ...], added: LinkPlan) -> None:
        raise AssertionError(plans)

    async def announce(self, sandbox: Path, plans: tuple[LinkPlan, ...]) -> None:
        raise AssertionError(plans)

    def see_through(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        raise AssertionError(name)

    async def unplug(self, sandbox: Path, plans: tuple[LinkPlan, ...], removed: LinkPlan) -> None:
        raise AssertionError(plans)

    async def remove(self, sandbox: Path) -> None:
        assert not sandbox.exists()

    async def publish(self, ports: tuple[PublishedPort, ...]) -> None:
        raise AssertionError(ports)

    async def unpublish(self, ports: tuple[PublishedPort, ...]) -> None:
        raise AssertionError(ports)

    async def put(self, asker: Asker) -> None:
        raise AssertionError(asker)

    async def drop(self, container_id: str) -> None:
        assert container_id

    def link(self, reference: str) -> tuple[str, str, str]:
        raise NotFound(f"No such container: {reference}")

    async def cleared(self, container_id: str) -> bool:
        raise AssertionError(container_id)


def no_networks(directory: Path) -> ContainerNetworks:
    """Return what containers have that are in no network; there are no namespaces in `directory`."""
    unwired = Unwired()
    return ContainerNetworks(unwired, unwired, unwired, unwired, HostPorts(), unwired, unwired, directory)
