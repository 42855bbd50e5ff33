"""What containers' networks need of the host, without one: real networks and ports, fakes for the rest."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import attrs
import trio

from daemon.actors.container.attachments import Attachments
from daemon.actors.container.networking.changes import NetworkChanges
from daemon.actors.container.networking.runs import ContainerNetworks
from daemon.actors.container.snapshot import ContainerRecord
from daemon.errors import Conflict
from daemon.model import Config, EndpointConfig, HostConfig
from daemon.networks.hostports import HostPorts
from daemon.networks.plans import Asker, LinkPlan, PublishedPort
from tests.unit.actors.networks import NetworkWorld, network_world
from tests.unit.actors.world import a_record

DIRECTORY = Path("/nowhere/netns")
CHOICE = range(42000, 42004)


@attrs.define(eq=False)
class FakeWires:
    """Namespaces, firewall, resolver and the other containers, as far as a container's networks see them.

    Attributes:
        links: in each namespace, by its file.
        ways_out: the gateways that were set last.
        published: what the firewall has.
        askers: whom the resolver answers.
        linked: address, short id and name of the containers that can be linked to.
        clearing: the containers that are being cleared away; each is waited for once.
        faults: raised by the call of that name while it is there, when it has done half of its work.
        gates: the call of that name waits for its gate.
        in_background: what was left to the background, which nobody does here.

    """

    links: dict[Path, dict[str, LinkPlan]] = attrs.field(factory=dict)
    ways_out: list[str] = attrs.field(factory=list)
    published: set[PublishedPort] = attrs.field(factory=set)
    askers: dict[str, Asker] = attrs.field(factory=dict)
    linked: dict[str, tuple[str, str, str]] = attrs.field(factory=dict)
    clearing: dict[str, ContainerRecord] = attrs.field(factory=dict)
    faults: dict[str, Exception] = attrs.field(factory=dict)
    gates: dict[str, trio.Event] = attrs.field(factory=dict)
    in_background: list[str] = attrs.field(factory=list)
    networks: ContainerNetworks = attrs.field(init=False)

    async def make(self, sandbox: Path, plans: tuple[LinkPlan, ...]) -> None:
        self.links[sandbox] = {plan.name: plan for plan in plans}
        await self._called("make")

    async def plug(self, sandbox: Path, plans: tuple[LinkPlan, ...], added: LinkPlan) -> None:
        assert added.name not in self.links[sandbox]
        self.links[sandbox][added.name] = added
        await self._called("plug")
        self._lead_out(plans)

    async def unplug(self, sandbox: Path, plans: tuple[LinkPlan, ...], removed: LinkPlan) -> None:
        self.links[sandbox].pop(removed.name, None)
        await self._called("unplug")
        self._lead_out(plans)

    async def announce(self, sandbox: Path, plans: tuple[LinkPlan, ...]) -> None:
        raise AssertionError("nobody does what is left to the background here")

    def see_through(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        self.in_background.append(name)

    async def remove(self, sandbox: Path) -> None:
        await self._called("remove")
        self.links.pop(sandbox, None)

    async def publish(self, ports: tuple[PublishedPort, ...]) -> None:
        self.published.update(ports)
        await self._called("publish")

    async def unpublish(self, ports: tuple[PublishedPort, ...]) -> None:
        self.published.difference_update(ports)  # is not wanted any more, even if that fails
        await self._called("unpublish")

    async def put(self, asker: Asker) -> None:
        await self._called("put")
        self.askers[asker.id] = asker

    async def drop(self, container_id: str) -> None:
        self.askers.pop(container_id, None)
        await self._called("drop")

    def link(self, reference: str) -> tuple[str, str, str]:
        if reference not in self.linked:
            raise Conflict(f"Cannot link to a non running container: /{reference}")
        return self.linked[reference]

    async def cleared(self, container_id: str) -> bool:
        left = self.clearing.pop(container_id, None)
        if left is None:
            return False
        await self.networks.leave(left)
        return True

    def hold(self, call: str) -> trio.Event:
        """Let `call` wait until the returned event is set."""
        self.gates[call] = trio.Event()
        return self.gates[call]

    def _lead_out(self, plans: tuple[LinkPlan, ...]) -> None:
        self.ways_out = [str(gateway) for plan in plans for gateway in plan.gateways]

    async def _called(self, call: str) -> None:
        await trio.lowlevel.checkpoint()
        if call in self.gates:
            await self.gates[call].wait()
        if call in self.faults:
            raise self.faults[call]


@attrs.define(eq=False)
class Wired:
    """Containers' networks, and all that can be left of a container.

    Attributes:
        loopback: an address of the host that nobody else uses: one of 127/8 for each process.

    """

    world: NetworkWorld
    wires: FakeWires
    ports: HostPorts
    runs: ContainerNetworks
    loopback: IPv4Address

    @property
    def changes(self) -> NetworkChanges:
        return NetworkChanges(self.runs)

    def record(
        self, *networks: str, ports: Mapping[str, str] | None = None, **changes: Any
    ) -> ContainerRecord:
        """Return the record of a container in these networks; `ports` are its own and the host's."""
        bindings = {
            own: [{"HostIp": str(self.loopback), "HostPort": port}] for own, port in (ports or {}).items()
        }
        return attrs.evolve(
            a_record(changes.pop("name", "web")),
            networks={name: EndpointConfig() for name in networks},
            config=Config(image="busybox"),
            host_config=HostConfig(network_mode=networks[0], port_bindings=bindings, **changes),
        )

    async def up(self, record: ContainerRecord) -> Attachments:
        """Do what a start does."""
        attachments = await self.runs.reserve(record)
        await self.runs.plumb(record, attachments)
        return attachments

    def places(self, container_id: str) -> list[str]:
        """Return the names of the networks that the container has a place in."""
        return [one.record.name for one in self.world.networks if container_id in one.snapshot.endpoints]

    def left_of(self, container_id: str) -> list[object]:
        """Return what there is of a container, anywhere."""
        found = self.wires.links.get(DIRECTORY / container_id, {}), self.wires.askers.get(container_id)
        of_it = (*found, self.ports.of(container_id), self.places(container_id))
        return [one for one in of_it if one]


@contextlib.asynccontextmanager
async def wired(*networks: str) -> AsyncGenerator[Wired, None]:
    """Return an engine that has these networks besides the predefined."""
    loopback = IPv4Address((127 << 24) + (2 << 22) + os.getpid() % (1 << 22))
    wires, ports = FakeWires(), HostPorts(lambda: CHOICE)
    async with network_world() as world:
        wires.networks = ContainerNetworks(
            world.networks, wires, wires, wires, ports, wires, wires, DIRECTORY
        )
        for name in networks:
            await world.created(name)
        try:
            yield Wired(world, wires, ports, wires.networks, loopback)
        finally:
            ports.close()
