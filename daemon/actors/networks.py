"""All networks: how one comes into being, how it is found, and how it is found again after a restart.

A network is made in this order: thought out (`daemon.actors.network.admission`), claimed, raised in the
kernel, written.  So whoever finds it can use it, and what was refused has left nothing.  While it is being
made, nobody else gets its name, its bridge's name or its subnets.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

import attrs
import structlog

from daemon.actors.containers import new_id
from daemon.actors.mailbox import Command, Mailbox, Request
from daemon.actors.network import predefined
from daemon.actors.network.actor import NetworkActor, draft
from daemon.actors.network.admission import Plain, Surroundings, admitted, check_others, chosen, plain
from daemon.actors.network.host import NetworkHost
from daemon.actors.network.kernel import has_link, host_subnets, lower_network, raise_network
from daemon.actors.network.lifecycle import State
from daemon.actors.network.snapshot import Network, NetworkSnapshot
from daemon.actors.published import Cell, Registry
from daemon.actors.supervision import Supervision
from daemon.errors import EngineError, Forbidden, InvalidParameter, NotFound, Unavailable
from daemon.failpoints import reached
from daemon.journal import Ledger, Name, Record, Transaction
from daemon.networks.asked import NetworkAsked
from daemon.networks.plans import Subnet
from daemon.networks.pools import overlaps, pools_of
from daemon.networks.records import NETWORK_KIND, Endpoint, NetworkRecord
from daemon.settings import Settings
from daemon.wire import to_record

LOG = structlog.get_logger(__name__)
Places = Mapping[str, Mapping[str, Endpoint]]
NOBODY: Final[Places] = {}


@attrs.frozen
class Create(Command[Network]):
    """A network that does not exist yet."""

    wish: Plain


@attrs.define(eq=False)
class Networks:
    """The networks, oldest first; `settings` returns those in force, `expect_names` hears of a new one."""

    host: NetworkHost
    ledger: Ledger
    supervision: Supervision
    settings: Callable[[], Settings]
    engine_id: str
    expect_names: Callable[[], None]
    now_ns: Callable[[], int] = time.time_ns
    _registry: Registry[Network] = attrs.field(factory=Registry, init=False)
    _claims: dict[str, NetworkRecord] = attrs.field(factory=dict, init=False)

    def __iter__(self) -> Iterator[Network]:
        return iter(self._registry)

    def __len__(self) -> int:
        return len(self._registry)

    @property
    def owner(self) -> str:
        """What is written on this engine's links."""
        return f"longshore:{self.engine_id}"

    def named(self, name: str) -> Network | None:
        """Return the network with exactly this name."""
        return next((network for network in self._registry if network.record.name == name), None)

    def resolve(self, reference: str) -> Network:
        """Return the network with this id, else this name, else this unique beginning of an id.

        Raises:
            NotFound: there is none.
            InvalidParameter: the beginning fits several.

        """
        exact = self._registry.get(reference) or self.named(reference)
        if exact is not None:
            return exact
        found = self._registry.with_prefix(reference) if reference else []
        if len(found) > 1:
            matches = f"{len(found)} matches found based on ID prefix"
            raise InvalidParameter(f"network {reference} is ambiguous ({matches})")
        if not found:
            raise NotFound(f"network {reference} not found")
        return found[0]

    async def create(self, asked: NetworkAsked) -> Network:
        """Bring a network into being; once begun it is completed or undone, even if the asker is cancelled.

        Raises:
            InvalidParameter: what is asked makes no sense, or no subnet is left.
            Forbidden: the name is predefined, or a subnet or the bridge's name taken.
            NotFound: there is no such driver.
            Conflict: the name is taken.
            Failed: the kernel or the disk refuses.

        """
        request = Request(Create(plain(asked, self.settings().default_network_opts)))
        self.supervision.see_through(f"create network {asked.name}", partial(self._bear, request))
        return await request.outcome()

    async def recover(self, found: Sequence[NetworkRecord], places: Places = NOBODY) -> None:
        """Take up again what the journal knows, and define what is always there.

        Args:
            found: the definitions in the journal.
            places: who is in each network, by its id and the container's, as the containers' records have it.

        Raises:
            Failed: the kernel or the disk refuses.
            InvalidParameter: no subnet is left for the bridge.
            Forbidden: the settings give the bridge what another network has.

        """
        by_name = {record.name: record for record in found if record.predefined}
        others = sorted((one for one in found if not one.predefined), key=lambda one: one.created_ns)
        self._claims.update({record.id: record for record in others})
        for name in predefined.names(self.settings()):
            await self._predefine(by_name.get(name), name, places)
        for record in tuple(self._claims.values()):
            state = State.RAISING if record.is_bridge else State.ACTIVE
            self._adopt(NetworkSnapshot(record, state, places.get(record.id, {})))
        self._claims.clear()

    async def _predefine(self, known: NetworkRecord | None, name: str, places: Places) -> None:
        """Show a predefined network as the settings want it, and write it if that is news."""
        blank = NetworkRecord(new_id(), name, self.now_ns(), predefined.DRIVERS[name], predefined=True)
        record = predefined.defined(known or blank, self.settings(), self.owner)
        self._check_settings(record)
        endpoints = places.get(record.id, {})
        if record.is_bridge and not endpoints:
            record = await self._settled(record)
        if record != known:
            await self._write(record)
        state = State.RAISING if endpoints else State.DORMANT
        self._adopt(NetworkSnapshot(record, state if record.is_bridge else State.ACTIVE, endpoints))

    def _check_settings(self, record: NetworkRecord) -> None:
        try:
            check_others(record, self._around((), but=record.id).others)
        except Forbidden as error:
            raise Forbidden(f"the settings of network {record.name} cannot be met: {error}") from None

    async def _settled(self, record: NetworkRecord) -> NetworkRecord:
        """Return the predefined bridge with a subnet for each version of IP, none of which anybody uses.

        As long as the bridge is there, what it carries is its own.
        """
        is_there = await has_link(self.host, record.link)
        host = await host_subnets(self.host)
        around = self._around(host, but=record.id)
        taken = [*host, *(pool.subnet for other in around.others for pool in other.pools)]
        kept = [one for one in record.pools if is_there or one.configured or not overlaps(one.subnet, taken)]
        versions = (4, 6) if record.enable_ipv6 else (4,)
        missing = [version for version in versions if version not in {pool.version for pool in kept}]
        pools = sorted((*kept, *chosen(missing, kept, around)), key=lambda pool: pool.version)
        return attrs.evolve(record, pools=tuple(pools))

    async def _ready(self, network: Network) -> NetworkRecord:
        """Return what a network is to be in the kernel.

        The predefined bridge may have waited long for its first container, and its subnet may have come
        into use by others on this host: then it gets another one, which from now on nobody else gets.
        """
        snapshot = network.snapshot
        record = snapshot.record
        if not (record.predefined and record.is_bridge) or snapshot.endpoints:
            return record
        settled = self._claims[record.id] = await self._settled(record)
        if settled != record:
            await self._write(settled)
        return settled

    def _around(self, host: Collection[Subnet], but: str = "") -> Surroundings:
        records = [*(network.record for network in self._registry), *self._claims.values()]
        others = [record for record in records if record.id != but]
        pools = pools_of(self.settings().default_address_pools, self.engine_id)
        return Surroundings(others, host, pools, self.owner)

    async def _bear(self, request: Request[Network]) -> None:
        assert isinstance(request.command, Create)
        try:
            host = await host_subnets(self.host) if request.command.wish.missing else ()
            record = admitted(request.command.wish, self._around(host), new_id(), self.now_ns())
            self._claims[record.id] = record
            reached("network-claimed")
            try:
                network = await self._make(record)
            finally:
                del self._claims[record.id]
        except EngineError as error:
            request.refuse(error)
        else:
            request.answer(network)
        finally:
            request.refuse(Unavailable("the engine ended before the network was made"))

    async def _make(self, record: NetworkRecord) -> Network:
        refused: EngineError | None = None
        try:
            await raise_network(self.host, record)
            reached("network-raised")
            await self._write(record)
            reached("network-written")
        except EngineError as error:
            refused = error
        if refused is not None:
            await self._unmake(record)
            raise refused
        self.expect_names()
        return self._adopt(NetworkSnapshot(record, State.ACTIVE))

    async def _unmake(self, record: NetworkRecord) -> None:
        try:
            await lower_network(self.host, record)
        except EngineError as error:  # the next start of the engine clears it away
            LOG.error("a network that was not made is left", network=record.name, reason=str(error))

    async def _write(self, record: NetworkRecord) -> None:
        """Write a definition; with its name and an event, if it is a new one."""
        await self.ledger.commit(
            Transaction(
                put=(Record(NETWORK_KIND, record.id, to_record(record)),),
                names=(Name(NETWORK_KIND, record.name, record.id),),
                events=() if record.predefined else (draft(record, "create"),),
            )
        )

    def _adopt(self, snapshot: NetworkSnapshot) -> Network:
        network = Network(snapshot.id, Mailbox(f"network {snapshot.id}"), Cell(snapshot))
        self._registry.add(network.id, network)
        self.supervision.keep(network.mailbox.name, partial(self._own, network))
        return network

    async def _own(self, network: Network) -> None:
        ready, forget = partial(self._ready, network), partial(self._registry.remove, network.id)
        await NetworkActor(network, self.host, self.ledger, ready, forget).run()
        network.mailbox.close(f"network {network.id} not found")
