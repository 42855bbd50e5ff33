"""What is written down of a container's networks: in the files mounted over its own, and beside its run."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

import attrs

from daemon.actors.container.attachments import Attachments, RunNetworks
from daemon.actors.container.networking.naming import NetworkFacts, asks_resolver
from daemon.actors.container.networking.wiring import KnownNetworks, Others
from daemon.actors.container.snapshot import ContainerRecord
from daemon.errors import Conflict, NotFound
from daemon.networks.linking import parse_link

BRIDGE: Final = "bridge"


@attrs.frozen
class Descriptions:
    """Makes them, of the networks and of the other containers as they are now."""

    networks: KnownNetworks
    others: Others

    def links(self, record: ContainerRecord) -> tuple[tuple[str, str], ...]:
        """Return address and names of each container that this one is linked to.

        Raises:
            NotFound: one is gone.
            Conflict: one does not run.

        """
        return tuple(self._link(text) for text in _linked_to(record))

    def links_left(self, record: ContainerRecord) -> tuple[tuple[str, str], ...]:
        """Return the same of those that run still: whoever runs already goes on without the others."""
        found = []
        for text in _linked_to(record):
            with suppress(NotFound, Conflict):
                found.append(self._link(text))
        return tuple(found)

    def facts(
        self, record: ContainerRecord, attachments: Attachments, links: tuple[tuple[str, str], ...]
    ) -> NetworkFacts:
        """Return what the container's own files are to say."""
        return NetworkFacts(
            tuple(str(address) for address in attachments.addresses),
            self.host_gateways(),
            links,
            asks_resolver(record.networks),
            Path(attachments.sandbox) if attachments.sandbox else None,
        )

    def kept(self, attachments: Attachments) -> RunNetworks:
        """Return what is to be kept beside a run, in case the journal is lost.

        Raises:
            NotFound: a network is gone.

        """
        records = (self.networks.resolve(found.lease.network_id).record for found in attachments.networks)
        return RunNetworks(attachments, tuple(records))

    def host_gateways(self) -> tuple[str, ...]:
        """Return the host's addresses on the predefined bridge, none if there is no such network."""
        bridges = (network.record for network in self.networks if network.record.name == BRIDGE)
        return tuple(str(pool.gateway) for record in bridges for pool in record.pools)

    def _link(self, text: str) -> tuple[str, str]:
        name, alias = parse_link(text)
        address, short_id, other = self.others.link(name)
        return address, " ".join(dict.fromkeys((alias, short_id, other)))


def _linked_to(record: ContainerRecord) -> tuple[str, ...]:
    """Return the links that are lines of a file: on other networks than the bridge they are names."""
    return tuple(record.host_config.links or ()) if record.host_config.network_mode == BRIDGE else ()
