"""The networks of a container that runs, as they change: one more, one less, another name."""

from __future__ import annotations

from pathlib import Path

import attrs
import trio

from daemon.actors.container.attachments import Attachment, Attachments
from daemon.actors.container.networking.linkplans import link_plan, link_plans
from daemon.actors.container.networking.naming import asks_resolver
from daemon.actors.container.networking.runs import ContainerNetworks
from daemon.actors.container.snapshot import ContainerRecord
from daemon.actors.network.messages import Leave, Rename
from daemon.errors import Conflict
from daemon.networks.plans import LinkPlan


@attrs.frozen
class NetworkChanges:
    """What is done to running containers; `of_runs` does what a start and an end do."""

    of_runs: ContainerNetworks

    async def join(self, record: ContainerRecord, attachments: Attachments, network: str) -> Attachments:
        """Bring a container into one more of its networks; return what it has then.

        Raises:
            NotFound: there is no such network.
            EngineError: it cannot be there; then nothing has changed.

        """
        if not attachments.addresses:
            raise Conflict(f"container {record.id} runs without any network: start it again to connect it")
        added = await self.of_runs.join(record, network, record.networks[network], attachments)
        after = attachments.also_in(added)
        try:
            plan = self._plan(added)
            if plan is not None:
                plans = link_plans(record, after, self.of_runs.record_of)
                await self.of_runs.sandboxes.plug(self._sandbox(record), plans, plan)
                self.of_runs.announce(record.id, (plan,))
            await self.of_runs.tell(record, after)
        except BaseException:
            # Shielded: whoever is broken off here must leave nothing; what is done is bounded by itself.
            with trio.CancelScope(shield=True):
                await self.quit(record, after, network)
            raise
        return after

    async def quit(self, record: ContainerRecord, attachments: Attachments, network: str) -> Attachments:
        """Take a container out of a network, which it has no more; return what it has left.

        Ports that led there lead to another of its networks, or nowhere.

        Raises:
            EngineError: the kernel refuses.

        """
        gone = attachments.named(network)
        if gone is None:
            return attachments
        rest = await self._republished(record, attachments.without(gone.lease.network_id))
        plan = self._plan(gone)
        if plan is not None:
            plans = link_plans(record, rest, self.of_runs.record_of)
            await self.of_runs.sandboxes.unplug(self._sandbox(record), plans, plan)
        if asks_resolver(record.networks):
            await self.of_runs.tell(record, rest)
        else:
            await self.of_runs.names.drop(record.id)  # it was its last network with names
        await self.of_runs.networks.resolve(gone.lease.network_id).mailbox.ask(Leave(record.id))
        return rest

    async def rename(self, record: ContainerRecord, attachments: Attachments) -> None:
        """Have a container found by its new name.

        Raises:
            Failed: the resolver does not listen.

        """
        for attachment in attachments.networks:
            network = self.of_runs.networks.resolve(attachment.lease.network_id)
            await network.mailbox.ask(Rename(record.id, record.name))
        if attachments.networks:
            await self.of_runs.tell(record, attachments)

    async def _republished(self, record: ContainerRecord, rest: Attachments) -> Attachments:
        """Return `rest` with its ports leading to addresses that it has."""
        if {port.address for port in rest.ports} <= set(rest.addresses):
            return rest
        await self.of_runs.unpublish(rest.ports)
        ports = await self.of_runs.claim(record, rest)
        await self.of_runs.publish(ports)
        return attrs.evolve(rest, ports=ports)

    def _plan(self, attachment: Attachment) -> LinkPlan | None:
        return link_plan(attachment, self.of_runs.record_of(attachment.lease.network_id), {})

    def _sandbox(self, record: ContainerRecord) -> Path:
        return self.of_runs.sandbox(record.id)
