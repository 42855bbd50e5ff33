"""Networks at a start: whatever the records say is put in force again, whatever no record knows is removed.

Nothing here interrupts a container that runs.  The firewall's table is made anew in one transaction, so that
what is published stays published; bridges and links that are as they should be are not touched.  The links of
a container are not if a crash came between them and its record while it was connected or disconnected.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol, TypeVar

import attrs
import structlog

from daemon.actors.container.attachments import NOWHERE, Attachments
from daemon.actors.container.networking.linkplans import HOST_END, HOST_END_DIGITS, link_plans
from daemon.actors.container.networking.linux import in_thread
from daemon.actors.container.networking.naming import asker, resolv_conf_of_host
from daemon.actors.container.snapshot import Stored
from daemon.actors.firewall import Firewall
from daemon.actors.firewall_commands import Reconcile
from daemon.actors.networks import Networks
from daemon.actors.recovery.known import Known
from daemon.actors.recovery.leftovers import Leftovers, LinuxLeftovers
from daemon.errors import EngineError
from daemon.failpoints import reached
from daemon.networks.hostports import HostPorts
from daemon.networks.plans import Asker, LinkPlan
from daemon.networks.records import Endpoint, NetworkRecord

T = TypeVar("T")
LOG: Final = structlog.get_logger(__name__)


class Answering(Protocol):
    """The resolver, as far as a start needs it."""

    def expect(self) -> None:
        """Be ready for askers that may come soon."""
        ...

    async def keep(self, askers: Collection[Asker]) -> Mapping[str, str]:
        """Have these answered and nobody else; return who could not be, and why.

        Raises:
            Failed: the resolver does not answer.

        """
        ...


@attrs.frozen
class NetworkRecovery:
    """What there is to put in force: `directory` has the namespaces' files."""

    networks: Networks
    firewall: Firewall
    ports: HostPorts
    resolver: Answering
    directory: Path
    leftovers: Leftovers = attrs.field(factory=LinuxLeftovers)

    async def recover(self, known: Known, *, clear: bool) -> None:
        """Take up the networks again, with those who are in them; `clear`: remove what no record knows.

        Raises:
            EngineError: the networks cannot be defined: the disk refuses, or no subnet is left.

        """
        attached = [found for found in known.containers if found.attachments != NOWHERE]
        await self.networks.recover(known.networks, places(attached))
        reached("recover-networks-defined")
        await self._reconcile(attached)
        reached("recover-firewall-reconciled")
        amiss = await in_thread(lambda: self._amiss(attached))
        if clear:
            await self._clear(attached)
        reached("recover-networks-cleared")
        await in_thread(lambda: self._mend(amiss))
        reached("recover-networks-mended")
        await self._tell_resolver(attached)
        reached("recover-resolver-told")
        if any(not record.predefined for record in self._records()):
            self.resolver.expect()  # not earlier: telling it would wait for it

    async def _reconcile(self, attached: Sequence[Stored]) -> None:
        """Hold the ports again, and have the firewall as the records say."""
        for found in attached:
            for problem in self.ports.hold(found.record.id, found.attachments.ports):
                LOG.warning("a published port is shared", container=found.record.id, reason=problem)
        in_use = {network_id for found in attached for network_id in _network_ids(found.attachments)}
        bridges = [record for record in self._records() if record.is_bridge and _wanted(record, in_use)]
        rules = [record.bridge_rules() for record in bridges]
        published = [port for found in attached for port in found.attachments.ports]
        try:
            await self.firewall.mailbox.ask(Reconcile(tuple(rules), tuple(published)))
        except EngineError as error:  # containers run all the same; the next change tries again
            LOG.error("the firewall is not as it should be", reason=str(error))

    def _amiss(self, attached: Sequence[Stored]) -> dict[Path, tuple[LinkPlan, ...]]:
        """Return the links planned for the containers that have others, by their namespaces' files."""
        known = {record.id: record for record in self._records()}
        found = {}
        for one in attached:
            path = self.directory / one.record.id
            if not known.keys() >= {*_network_ids(one.attachments)}:  # the journal was damaged
                continue
            plans = link_plans(one.record, one.attachments, known.__getitem__)
            try:
                if plans and self.leftovers.is_amiss(path, plans):
                    found[path] = plans
            except EngineError as error:
                LOG.error("a container's links are not known", container=path.name, reason=str(error))
        return found

    def _mend(self, amiss: Mapping[Path, tuple[LinkPlan, ...]]) -> None:
        for path, plans in amiss.items():
            LOG.warning("putting right what a crash has left of a change", container=path.name)
            try:
                self.leftovers.mend(path, plans)
            except EngineError as error:
                LOG.error("a container's links stay as they are", container=path.name, reason=str(error))

    async def _clear(self, attached: Sequence[Stored]) -> None:
        """Remove namespaces and links that are nobody's."""
        kept = {found.record.id for found in attached}
        expected = {record.link for record in self._records() if record.is_bridge}
        expected |= {host_end for found in attached for host_end in _host_ends(found.attachments)}
        try:
            await in_thread(lambda: self._remove_all_but(kept, expected))
        except EngineError as error:  # the next start tries again
            LOG.error("not everything that no record knows of could be found", reason=str(error))

    def _remove_all_but(self, kept: Collection[str], expected: Collection[str]) -> None:
        for path in self.leftovers.sandboxes(self.directory):
            if path.name not in kept:
                _try(self.leftovers.remove_sandbox, path)
        for link in self.leftovers.links(self.networks.owner):
            if link not in expected:
                _try(self.leftovers.remove_link, link)

    async def _tell_resolver(self, attached: Sequence[Stored]) -> None:
        try:
            refused = await self.resolver.keep(self._askers(attached))
        except EngineError as error:
            LOG.error("containers' names are not answered", reason=str(error))
            return
        for container_id, reason in refused.items():
            LOG.error("a container's names are not answered", container=container_id, reason=reason)

    def _askers(self, attached: Sequence[Stored]) -> list[Asker]:
        text = resolv_conf_of_host()
        found = (asker(one.record, one.attachments, self.directory / one.record.id, text) for one in attached)
        return [one for one in found if one is not None]

    def _records(self) -> list[NetworkRecord]:
        return [network.record for network in self.networks]


def places(attached: Sequence[Stored]) -> dict[str, dict[str, Endpoint]]:
    """Return who is in each network, by its id and the container's."""
    found: dict[str, dict[str, Endpoint]] = {}
    for stored in attached:
        for attachment in stored.attachments.networks:
            endpoint = Endpoint(stored.record.name, attachment.lease)
            found.setdefault(attachment.lease.network_id, {})[stored.record.id] = endpoint
    return found


def _wanted(record: NetworkRecord, in_use: set[str]) -> bool:
    return not record.predefined or record.id in in_use


def _network_ids(attachments: Attachments) -> Iterator[str]:
    return (found.lease.network_id for found in attachments.networks)


def _host_ends(attachments: Attachments) -> Iterator[str]:
    return (HOST_END + found.lease.endpoint_id[:HOST_END_DIGITS] for found in attachments.networks)


def _try(remove: Callable[[T], None], what: T) -> None:
    """Remove what no record knows of; if that fails, it can wait for the next start."""
    LOG.warning("removing what no record knows of", name=str(what))
    try:
        remove(what)
    except EngineError as error:
        LOG.error("it stays", name=str(what), reason=str(error))
