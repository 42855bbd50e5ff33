"""The networks of one run: `reserve` decides, `plumb` has the kernel do it, `leave` undoes both.

`leave` knows no more than the container's id, however far the others have come, so it is all there is to a
launch that broke off, to a run that has ended and to a crash.  What a container has is `Attachments`, which
its record keeps; nothing here remembers anything else of it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

import attrs
import structlog

from daemon.actors.concurrent import all_of
from daemon.actors.container.attachments import NOWHERE, Attachment, Attachments
from daemon.actors.container.networking.descriptions import Descriptions
from daemon.actors.container.networking.linkplans import link_plans, next_link, published_at, wanted_ports
from daemon.actors.container.networking.naming import asker, asks_resolver, resolv_conf_of_host
from daemon.actors.container.networking.wiring import (
    Background,
    KnownNetworks,
    Names,
    Others,
    Publisher,
    Sandboxes,
)
from daemon.actors.container.snapshot import ContainerRecord
from daemon.actors.network.messages import Join, Leave
from daemon.errors import EngineError
from daemon.failpoints import reached
from daemon.model import EndpointConfig
from daemon.networks.hostports import HostPorts, InUse
from daemon.networks.plans import LinkPlan, PublishedPort
from daemon.networks.records import NetworkRecord
from daemon.runtimes.stages import stage

LOG: Final = structlog.get_logger(__name__)
BRIDGE: Final = "bridge"


@attrs.define(eq=False)
class ContainerNetworks:
    """The networks, as containers use them; `directory` has a file for each container's namespace."""

    networks: KnownNetworks
    sandboxes: Sandboxes
    publisher: Publisher
    names: Names
    ports: HostPorts
    others: Others
    background: Background
    directory: Path

    @property
    def descriptions(self) -> Descriptions:
        """What is written down of a container's networks."""
        return Descriptions(self.networks, self.others)

    def sandbox(self, container_id: str) -> Path:
        """Return the file of a container's namespace."""
        return self.directory / container_id

    def record_of(self, network_id: str) -> NetworkRecord:
        """Return what a network is.

        Raises:
            NotFound: it is gone.

        """
        return self.networks.resolve(network_id).record

    async def reserve(self, record: ContainerRecord) -> Attachments:
        """Take places in all networks of a container, and the ports that it publishes.

        Raises:
            NotFound: there is no such network.
            EngineError: one has no place, or a port is in use; `leave` gives back what was taken.

        """
        attachments = NOWHERE
        for name, wish in record.networks.items():
            attachments = attachments.also_in(await self.join(record, name, wish, attachments))
        ports = await self.claim(record, attachments)
        has_links = any(found.link for found in attachments.networks)
        return attrs.evolve(
            attachments, ports=ports, sandbox=str(self.sandbox(record.id)) if has_links else ""
        )

    async def plumb(self, record: ContainerRecord, attachments: Attachments) -> None:
        """Bring a container's links, ports and names into being.

        Raises:
            Failed: the kernel refuses; `leave` undoes what was done.

        """
        plans = link_plans(record, attachments, self.record_of)
        if not plans:
            return
        with stage("plugging into networks"):
            await self.sandboxes.make(self.sandbox(record.id), plans)
        reached("plumb-made")
        self.announce(record.id, plans)
        await all_of(partial(self.publish, attachments.ports), partial(self.tell, record, attachments))

    def announce(self, container_id: str, plans: tuple[LinkPlan, ...]) -> None:
        """Have the neighbours told where the plans' addresses are now; nobody waits for that."""
        work = partial(self._announce, container_id, plans)
        self.background.see_through(f"announce container {container_id}", work)

    async def _announce(self, container_id: str, plans: tuple[LinkPlan, ...]) -> None:
        try:
            await self.sandboxes.announce(self.sandbox(container_id), plans)
        except EngineError as error:  # then the neighbours find out by asking, as a rule within seconds
            LOG.info("neighbours were not told of a container", container=container_id, reason=str(error))

    async def leave(self, record: ContainerRecord) -> None:
        """Leave nothing of a container in any network, nor of the host's ports.

        Raises:
            EngineError: something could not be undone; everything else is.

        """
        try:
            with stage("leaving networks"):
                await all_of(
                    partial(self.forget_names, record),
                    partial(self.unpublish, self.ports.of(record.id)),
                    partial(self.sandboxes.remove, self.sandbox(record.id)),
                    partial(self._vacate, record.id),
                )
        finally:
            self.ports.release(record.id)

    async def _vacate(self, container_id: str) -> None:
        for network in self.networks:
            if container_id in network.snapshot.endpoints:
                await network.mailbox.ask(Leave(container_id))
                reached("leave-vacated")

    async def join(
        self, record: ContainerRecord, name: str, wish: EndpointConfig, attachments: Attachments
    ) -> Attachment:
        """Take a place in one network, beside those that the container has.

        Raises:
            NotFound: there is no such network.
            EngineError: there is no place.

        """
        network = self.networks.resolve(name)
        with stage(f"joining network {name}"):
            lease = await network.mailbox.ask(Join(record.id, record.name, wish))
        if network.record.link_plan(lease, "", "", way_out=False) is None:
            return Attachment(lease)
        prefix = network.record.interface_prefix
        return Attachment(lease, lease.interface_name or next_link(attachments, prefix))

    async def claim(self, record: ContainerRecord, attachments: Attachments) -> tuple[PublishedPort, ...]:
        """Take the host's ports for a container; one whose last holder is being cleared away is waited for.

        Raises:
            InUse: one is in use.
            Failed: it cannot be bound.

        """
        wishes = wanted_ports(record, attachments, self.record_of)
        addresses = published_at(record, attachments, self.record_of)
        if not addresses:
            self.ports.release(record.id)
            return ()
        while True:
            try:
                return self.ports.claim(record.id, wishes, addresses)
            except InUse as error:
                refusal = error
            if not await self.others.cleared(refusal.holder):
                raise refusal

    async def publish(self, ports: tuple[PublishedPort, ...]) -> None:
        """Have the host answer at these ports.

        Raises:
            Failed: the kernel refuses.

        """
        if ports:
            with stage("publishing ports"):
                await self.publisher.publish(ports)
            reached("plumb-published")

    async def unpublish(self, ports: tuple[PublishedPort, ...]) -> None:
        """Have the host answer there no more.

        Raises:
            Failed: the kernel refuses.

        """
        if ports:
            await self.publisher.unpublish(ports)
            reached("leave-unpublished")

    async def forget_names(self, record: ContainerRecord) -> None:
        """Have a container's names known no more, if any of its networks has names.

        It may be in one that its record does not have any more, from which it was taken while it ended.

        Raises:
            Failed: the resolver does not listen.

        """
        places = [one.record.name for one in self.networks if record.id in one.snapshot.endpoints]
        if asks_resolver((*record.networks, *places)):
            await self.names.drop(record.id)
            reached("leave-names-dropped")

    async def tell(self, record: ContainerRecord, attachments: Attachments) -> None:
        """Have a container's names known, and its questions answered.

        Raises:
            Failed: the resolver does not listen.

        """
        found = asker(record, attachments, self.sandbox(record.id), resolv_conf_of_host())
        if found is not None:
            with stage("telling the resolver"):
                await self.names.put(found)
            reached("plumb-told")
