"""The networks of an engine that has no kernel."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Collection
from ipaddress import ip_network
from typing import Any

import attrs
import trio
from structlog.testing import capture_logs

from daemon.actors.network.messages import Join
from daemon.actors.network.snapshot import Network
from daemon.actors.networks import Networks
from daemon.actors.supervision import Supervision
from daemon.model import EndpointConfig
from daemon.networks.asked import NetworkAsked
from daemon.networks.plans import BridgePlan, BridgeRules, Subnet
from daemon.networks.records import Lease, NetworkRecord
from daemon.settings import Settings
from daemon.wire import parse_client, parse_record
from tests.unit.fakes import FakeLedger


@attrs.define(eq=False)
class FakeNetworkHost:
    """A host whose kernel does at once what it is told.

    Attributes:
        taken: what its own links and routes cover.
        links: its links, by name the owner's mark; "" is nobody's.
        bridges: how the bridges are that were made.
        rules: what the firewall has, by link.
        faults: raised by the call of that name while it is there.
        gates: the call of that name waits for its gate.
        calls: the names of the calls that were made, in order.

    """

    taken: set[Subnet] = attrs.field(factory=set)
    links: dict[str, str] = attrs.field(factory=lambda: {"eth0": ""})
    bridges: dict[str, BridgePlan] = attrs.field(factory=dict)
    rules: dict[str, BridgeRules] = attrs.field(factory=dict)
    faults: dict[str, Exception] = attrs.field(factory=dict)
    gates: dict[str, trio.Event] = attrs.field(factory=dict)
    calls: list[str] = attrs.field(factory=list)

    async def taken_subnets(self) -> Collection[Subnet]:
        await self._called("taken_subnets")
        own = {interface.network for plan in self.bridges.values() for interface in plan.interfaces}
        return self.taken | own

    async def has_link(self, name: str) -> bool:
        await self._called("has_link")
        return name in self.links

    async def ensure_bridge(self, plan: BridgePlan) -> None:
        await self._called("ensure_bridge")
        self.links.setdefault(plan.name, plan.owner)
        self.bridges[plan.name] = plan

    async def remove_link(self, name: str, owner: str) -> None:
        await self._called("remove_link")
        if self.links.get(name) == owner:
            del self.links[name]
            del self.bridges[name]

    async def install(self, rules: BridgeRules) -> None:
        await self._called("install")
        self.rules[rules.link] = rules

    async def withdraw(self, link: str) -> None:
        await self._called("withdraw")
        self.rules.pop(link, None)

    def take(self, *subnets: str) -> None:
        """Use `subnets` for something else."""
        self.taken.update(map(ip_network, subnets))

    def hold(self, call: str) -> trio.Event:
        """Let `call` wait until the returned event is set."""
        self.gates[call] = trio.Event()
        return self.gates[call]

    @property
    def is_clean(self) -> bool:
        """Whether nothing of ours is left."""
        return not (self.bridges or self.rules) and self.links == {"eth0": ""}

    async def _called(self, call: str) -> None:
        self.calls.append(call)
        await trio.lowlevel.checkpoint()
        if call in self.gates:
            await self.gates[call].wait()
        if call in self.faults:
            raise self.faults[call]


@attrs.define(eq=False)
class NetworkWorld:
    """An engine's networks over fakes; their actors live in `nursery`."""

    nursery: trio.Nursery
    host: FakeNetworkHost = attrs.field(factory=FakeNetworkHost)
    ledger: FakeLedger = attrs.field(factory=FakeLedger)
    settings: Settings = attrs.field(factory=Settings)
    engine_id: str = "an-engine"
    expectations: list[str] = attrs.field(factory=list)
    networks: Networks = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.networks = Networks(
            self.host,
            self.ledger,
            Supervision(self.nursery),
            lambda: self.settings,
            self.engine_id,
            lambda: self.expectations.append("names"),
        )

    @property
    def recorded(self) -> list[NetworkRecord]:
        """What the journal has."""
        return [parse_record(record.body, NetworkRecord) for record in self.ledger.records("network")]

    async def created(self, name: str = "web", **document: Any) -> Network:
        return await self.networks.create(asked(name, **document))

    async def joined(self, network: Network, container: str, **wish: Any) -> Lease:
        """Have a container join that is called as its id is."""
        return await network.mailbox.ask(a_join(container, **wish))

    async def reaches(self, network: Network, accepts: Callable[[Any], bool]) -> None:
        await network.cell.wait_for(accepts)

    def again(self, **changes: Any) -> NetworkWorld:
        """Return the world after a restart of the engine on the same host, before it has recovered."""
        return NetworkWorld(self.nursery, self.host, self.ledger, attrs.evolve(self.settings, **changes))


@contextlib.asynccontextmanager
async def network_world() -> AsyncGenerator[NetworkWorld, None]:
    """Return an engine's networks that have recovered; what is logged is not shown."""
    with capture_logs():
        async with trio.open_nursery() as nursery:
            world = NetworkWorld(nursery)
            await world.networks.recover(())
            try:
                yield world
            finally:
                nursery.cancel_scope.cancel()


def asked(name: str = "web", **document: Any) -> NetworkAsked:
    """Return a wish as a client writes it."""
    return parse_client({"Name": name, **document}, NetworkAsked)


def a_join(container: str, name: str = "", **wish: Any) -> Join:
    """Return a container's wish to join, which a client writes as `wish`."""
    return Join(container, name or container, parse_client(wish, EndpointConfig))


def ipam(*pools: dict[str, Any], **document: Any) -> dict[str, Any]:
    """Return that part of a wish."""
    return {"Config": list(pools), **document}
