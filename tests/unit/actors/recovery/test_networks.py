"""Networks at a start: what the records know stays and is in force, what they do not know is removed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path

import attrs
import pytest

from daemon.actors.container.attachments import Attachment, Attachments
from daemon.actors.container.snapshot import ContainerRecord, ContainerSnapshot, Stored
from daemon.actors.container.states import State
from daemon.actors.firewall import Firewall
from daemon.actors.recovery.known import Known
from daemon.actors.recovery.networks import NetworkRecovery, places
from daemon.errors import Failed
from daemon.model import EndpointConfig
from daemon.networks.hostports import HostPorts
from daemon.networks.plans import Asker, LinkPlan, PublishedPort
from daemon.networks.records import NetworkRecord
from daemon.runtimes.base import Run
from tests.unit.actors.attaching import a_lease, a_place, in_networks
from tests.unit.actors.networks import NetworkWorld, network_world
from tests.unit.actors.packetfilter import FakeFilter

DIRECTORY = Path("/nowhere/netns")
RUN = Run(4711, 1, 4710, 1)


@attrs.define(eq=False)
class FakeLeftovers:
    """What an engine has left, in memory."""

    owner: str
    names: set[str] = attrs.field(factory=set)
    owned: set[str] = attrs.field(factory=set)
    stuck: str = ""
    mute: bool = False
    amiss: list[str] = attrs.field(factory=list)

    def is_amiss(self, sandbox: Path, plans: Sequence[LinkPlan]) -> bool:
        self._check(f"look {sandbox.name}")
        return sandbox.name in self.amiss

    def mend(self, sandbox: Path, plans: Sequence[LinkPlan]) -> None:
        self._check(sandbox.name)
        assert [plan.name for plan in plans] == ["eth0"]
        self.amiss.remove(sandbox.name)

    def sandboxes(self, directory: Path) -> tuple[Path, ...]:
        assert directory == DIRECTORY
        return tuple(directory / name for name in sorted(self.names))

    def links(self, owner: str) -> tuple[str, ...]:
        assert owner == self.owner
        if self.mute:
            raise Failed("the kernel does not say")
        return tuple(sorted(self.owned))

    def remove_sandbox(self, sandbox: Path) -> None:
        self._check(sandbox.name)
        self.names.remove(sandbox.name)

    def remove_link(self, name: str) -> None:
        self._check(name)
        self.owned.remove(name)

    def _check(self, name: str) -> None:
        if name == self.stuck:
            raise Failed("the kernel refuses")


@attrs.define(eq=False)
class FakeResolver:
    kept: list[Asker] = attrs.field(factory=list)
    refused: Mapping[str, str] = attrs.field(factory=dict)
    deaf: bool = False
    expects: bool = False

    def expect(self) -> None:
        self.expects = True

    async def keep(self, askers: Collection[Asker]) -> Mapping[str, str]:
        if self.deaf:
            raise Failed("the resolver does not answer")
        self.kept = list(askers)
        return self.refused


@attrs.define(eq=False)
class Start:
    """An engine that starts on a host where another one has run."""

    world: NetworkWorld
    kernel: FakeFilter
    ports: HostPorts
    recovery: NetworkRecovery
    leftovers: FakeLeftovers
    resolver: FakeResolver
    web: NetworkRecord

    async def recover(self, *containers: Stored, clear: bool = True) -> None:
        await self.recovery.recover(Known(containers, (), networks=self.world.recorded), clear=clear)

    def of_host(self) -> set[str]:
        return self.leftovers.names | self.leftovers.owned


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    async with network_world() as before:
        web = (await before.created("web")).record
        after = before.again()
        kernel, resolver = FakeFilter(), FakeResolver()
        firewall, ports = Firewall(kernel), HostPorts()
        leftovers = FakeLeftovers(after.networks.owner)
        recovery = NetworkRecovery(after.networks, firewall, ports, resolver, DIRECTORY, leftovers)
        await before.nursery.start(firewall.run)
        yield Start(after, kernel, ports, recovery, leftovers, resolver, web)
        ports.close()


def stored(record: ContainerRecord, attachments: Attachments) -> Stored:
    return ContainerSnapshot(record, State.RUNNING, RUN, attachments=attachments).stored()


def a_container(start: Start, *ports: PublishedPort) -> Stored:
    """Return a container that runs in network web."""
    record = in_networks({"web": EndpointConfig()})
    pool = start.web.pools[0]
    address = str(next(pool.subnet.hosts()) + 1)
    lease = a_lease("web", f"{address}/{pool.subnet.prefixlen}", network_id=start.web.id)
    attachments = Attachments((Attachment(lease, "eth0"),), ports, str(DIRECTORY / record.id))
    return stored(record, attachments)


def a_port(number: int = 42030) -> PublishedPort:
    return PublishedPort("tcp", ip_address("127.3.0.1"), number, ip_address("172.18.0.2"), 80)


def test_places_are_known_by_network_and_container() -> None:
    one, other = (in_networks({"web": EndpointConfig(), "api": EndpointConfig()}) for _ in range(2))
    found = places(
        [
            stored(one, Attachments((a_place("web"), a_place("api", "eth1")))),
            stored(other, Attachments((a_place("web"),))),
        ]
    )
    assert {network: list(endpoints) for network, endpoints in found.items()} == {
        "id-of-web": [one.id, other.id],
        "id-of-api": [one.id],
    }


@pytest.mark.parametrize("clear", [True, False])
async def test_links_that_are_not_as_the_record_says_are_put_right(start: Start, *, clear: bool) -> None:
    container, other = a_container(start), a_container(start)
    start.leftovers.amiss = [container.record.id]
    await start.recover(container, other, clear=clear)
    assert not start.leftovers.amiss


@pytest.mark.parametrize("what", ["", "look "])
async def test_links_that_cannot_be_put_right_keep_no_engine_from_starting(start: Start, what: str) -> None:
    container = a_container(start)
    start.leftovers.amiss = [container.record.id]
    start.leftovers.stuck = what + container.record.id
    await start.recover(container)
    assert start.leftovers.amiss


async def test_whoever_runs_is_where_it_was(start: Start) -> None:
    port = a_port()
    container = a_container(start, port)
    await start.recover(container)
    (endpoint,) = start.world.networks.resolve("web").snapshot.endpoints.values()
    assert endpoint.lease == container.attachments.networks[0].lease
    assert start.ports.of(container.record.id) == (port,)
    assert start.kernel.left == {port}
    (asker,) = start.resolver.kept
    assert (asker.id, asker.namespace) == (container.record.id, DIRECTORY / container.record.id)


async def test_what_no_record_knows_is_removed_and_what_one_knows_stays(start: Start) -> None:
    container = a_container(start)
    known = {container.record.id, start.web.link, "ls" + a_lease("web").endpoint_id[:13]}
    start.leftovers.names = {container.record.id, "f" * 64}
    start.leftovers.owned = {*known - {container.record.id}, "ls0123456789abc", "br-ffffffffffff"}
    await start.recover(container)
    assert start.of_host() == known


async def test_who_has_left_all_networks_keeps_its_namespace(start: Start) -> None:
    container = a_container(start)
    container = attrs.evolve(container, attachments=container.attachments.without(start.web.id))
    start.leftovers.names = {container.record.id}
    await start.recover(container)
    assert start.of_host() == {container.record.id}


async def test_a_launch_that_was_cut_off_leaves_nothing(start: Start) -> None:
    record = in_networks({"web": EndpointConfig()})
    start.leftovers.names = {record.id}
    cut_off = ContainerSnapshot(record, State.INITIALIZED, RUN, attachments=Attachments((a_place("web"),)))
    await start.recover(cut_off.stored())
    assert start.of_host() == set()
    assert start.world.networks.resolve("web").snapshot.endpoints == {}


async def test_nothing_is_removed_while_records_cannot_be_read(start: Start) -> None:
    start.leftovers.names, start.leftovers.owned = {"f" * 64}, {"ls0123456789abc"}
    await start.recover(clear=False)
    assert start.of_host() == {"f" * 64, "ls0123456789abc"}


async def test_what_cannot_be_removed_keeps_nothing_else(start: Start) -> None:
    start.leftovers.names, start.leftovers.owned = {"e" * 64, "f" * 64}, {"ls0123456789abc"}
    start.leftovers.stuck = "e" * 64
    await start.recover()
    assert start.of_host() == {"e" * 64}


async def test_a_start_goes_on_whatever_cannot_be_put_in_force(start: Start) -> None:
    container = a_container(start, a_port())
    start.kernel.refuses = lambda ports: True
    start.leftovers.mute = start.resolver.deaf = True
    await start.recover(container)
    assert len(start.world.networks.resolve("web").snapshot.endpoints) == 1
    assert start.ports.of(container.record.id) != ()
