"""What a run has of the network: its place in each of its networks, and the host's ports that lead to it.

Known to the record while the container runs, so that an engine that starts finds everything again: the
networks do not keep who is in them, and the firewall is made anew from what the containers say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from daemon.model import EndpointConfig
from daemon.networks.plans import Address, PublishedPort
from daemon.networks.records import Lease, NetworkRecord


@attrs.frozen
class Attachment:
    """A place in a network; `link` is what leads there in the container, empty where nothing does."""

    lease: Lease
    link: str = ""


@attrs.frozen
class Attachments:
    """All of one run, in the order of the container's networks; `sandbox` is its namespace's file, if any."""

    networks: tuple[Attachment, ...] = ()
    ports: tuple[PublishedPort, ...] = ()
    sandbox: str = ""

    def named(self, network: str) -> Attachment | None:
        """Return the place in a network of this name, or with this id."""
        return next((a for a in self.networks if network in {a.lease.network_name, a.lease.network_id}), None)

    def also_in(self, attachment: Attachment) -> Attachments:
        """Return them with one more."""
        return attrs.evolve(self, networks=(*self.networks, attachment))

    def without(self, network_id: str) -> Attachments:
        """Return them without those of a network."""
        kept = tuple(found for found in self.networks if found.lease.network_id != network_id)
        return attrs.evolve(self, networks=kept)

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Every address of the container."""
        return tuple(interface.ip for found in self.networks for interface in found.lease.interfaces)

    def gateways(self, wishes: Mapping[str, EndpointConfig]) -> dict[str, tuple[Address, ...]]:
        """Return, for each network id, the gateways by which the container leaves.

        There is one way out for each family: the first network that has one, as `ranked` has them.
        """
        out: dict[str, tuple[Address, ...]] = {}
        found: set[int] = set()
        for attachment in ranked(self.networks, wishes):
            lease = attachment.lease
            new = tuple(gateway for gateway in lease.gateways if gateway.version not in found)
            found |= {gateway.version for gateway in new}
            out[lease.network_id] = new
        return out


def ranked(attachments: Iterable[Attachment], wishes: Mapping[str, EndpointConfig]) -> list[Attachment]:
    """Return the places by their priority, the highest first, and of equals by the name of their network."""

    def rank(attachment: Attachment) -> tuple[int, str]:
        lease = attachment.lease
        wish = wishes.get(lease.network_name) or wishes.get(lease.network_id)
        return (-wish.gw_priority if wish else 0, lease.network_name)

    return sorted(attachments, key=rank)


@attrs.frozen
class RunNetworks:
    """What a run has of the network, and what its networks are: for an engine that has lost its journal."""

    attachments: Attachments
    networks: tuple[NetworkRecord, ...]


NOWHERE: Final = Attachments()
