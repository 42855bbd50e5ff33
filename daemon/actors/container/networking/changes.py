"""The networks of a container that runs, as they change: one more, one less, another name."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

import attrs
import structlog
import trio

from daemon.actors.concurrent import all_of
from daemon.actors.container.attachments import Attachment, Attachments
from daemon.actors.container.networking.linkplans import link_plan, link_plans, published_at
from daemon.actors.container.networking.naming import asks_resolver
from daemon.actors.container.networking.runs import ContainerNetworks
from daemon.actors.container.snapshot import ContainerRecord
from daemon.actors.network.messages import Leave, Rename
from daemon.errors import Conflict, EngineError
from daemon.failpoints import reached
from daemon.networks.plans import LinkPlan

LOG: Final = structlog.get_logger(__name__)


@attrs.frozen
class NetworkChanges:
    """What is done to running containers; `of_runs` does what a start and an end do."""

    of_runs: ContainerNetworks

    async def join(self, record: ContainerRecord, attachments: Attachments, network: str) -> Attachments:
        """Bring a container into one more of its networks; return what it has then.

        If it leaves by this network from now on, its ports lead there, too.

        Raises:
            NotFound: there is no such network.
            EngineError: it cannot be there; then nothing has changed.

        """
        if not attachments.sandbox:
            raise Conflict(f"container {record.id} runs without any network: start it again to connect it")
        added = await self.of_runs.join(record, network, record.networks[network], attachments)
        reached("join-leased")
        after = attachments.also_in(added)
        try:
            plan = self._plan(added)
            if plan is not None:
                plans = link_plans(record, after, self.of_runs.record_of)
                await self.of_runs.sandboxes.plug(self._sandbox(record), plans, plan)
                reached("join-plugged")
                self.of_runs.announce(record.id, (plan,))
            await self.of_runs.tell(record, after)
            return await self._republished(record, after)
        except BaseException:
            # Shielded: whoever is broken off here must leave nothing; what is done is bounded by itself.
            with trio.CancelScope(shield=True):
                await self.undo(record, after, network)
            raise

    async def undo(self, record: ContainerRecord, attachments: Attachments, network: str) -> None:
        """Take back that a container was brought into a network, as if it had never been wished."""
        gone = attachments.named(network)
        assert gone is not None
        others = {name: wish for name, wish in record.networks.items() if name != network}
        record = attrs.evolve(record, networks=others)
        rest = attachments.without(gone.lease.network_id)
        try:
            await all_of(partial(self._detach, record, rest, gone), partial(self._restore, record, rest))
        except EngineError as error:  # the end of the run takes the rest
            LOG.error("left in a network", container=record.id, network=network, reason=str(error))

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
        await self._detach(record, rest, gone)
        return rest

    async def _detach(self, record: ContainerRecord, rest: Attachments, gone: Attachment) -> None:
        """Have nothing of a container in a network; its address is given back when no link has it."""
        plan = self._plan(gone)
        if plan is not None:
            plans = link_plans(record, rest, self.of_runs.record_of)
            await self.of_runs.sandboxes.unplug(self._sandbox(record), plans, plan)
            reached("quit-unplugged")
        await all_of(partial(self._retell, record, rest), partial(self._give_back, record, gone))

    async def _retell(self, record: ContainerRecord, rest: Attachments) -> None:
        if asks_resolver(record.networks):
            await self.of_runs.tell(record, rest)
        else:
            await self.of_runs.names.drop(record.id)  # it was its last network with names
        reached("quit-told")

    async def _give_back(self, record: ContainerRecord, gone: Attachment) -> None:
        await self.of_runs.networks.resolve(gone.lease.network_id).mailbox.ask(Leave(record.id))
        reached("quit-left")

    async def rename(self, record: ContainerRecord, attachments: Attachments) -> None:
        """Have a container found by its new name.

        Raises:
            Failed: the resolver does not listen.

        """
        for attachment in attachments.networks:
            network = self.of_runs.networks.resolve(attachment.lease.network_id)
            await network.mailbox.ask(Rename(record.id, record.name))
            reached("rename-known")
        if attachments.networks:
            await self.of_runs.tell(record, attachments)

    async def _restore(self, record: ContainerRecord, rest: Attachments) -> None:
        """Publish ports where they belong, those too whose change was broken off half-way."""
        await self.of_runs.publish((await self._republished(record, rest)).ports)

    async def _republished(self, record: ContainerRecord, attachments: Attachments) -> Attachments:
        """Return these with the ports leading to where they belong now."""
        held = self.of_runs.ports.of(record.id)
        at = published_at(record, attachments, self.of_runs.record_of)
        if held and {port.address for port in held} <= set(at):
            return attrs.evolve(attachments, ports=held)
        await self.of_runs.unpublish(held)
        ports = await self.of_runs.claim(record, attachments)
        reached("quit-claimed")
        await self.of_runs.publish(ports)
        return attrs.evolve(attachments, ports=ports)

    def _plan(self, attachment: Attachment) -> LinkPlan | None:
        return link_plan(attachment, self.of_runs.record_of(attachment.lease.network_id), {})

    def _sandbox(self, record: ContainerRecord) -> Path:
        return self.of_runs.sandbox(record.id)
