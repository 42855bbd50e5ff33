"""Connecting a container to a network and disconnecting it: first what runs, then its record.

One change after the other, as with updates (`daemon.actors.container.updates`), because the way out of a
container depends on all its networks.  A container that does not run is changed in its record alone.
What a run left is cleared away only after a change that was under way, or that change would make some of it
anew when nobody looks any more.

Whoever hears that a container has ended, or could not start, may want its address or its port at once, or
to remove its network; so it has left its networks by then, as with dockerd.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Final

import attrs
import structlog
import trio

from daemon.actors.container.admission.endpoints import PRIVATE_EXCLUDES, SHARED, SHARING_EXCLUDES
from daemon.actors.container.commands import Connect, Disconnect
from daemon.actors.container.host import ContainerHost
from daemon.actors.container.reports import Connected, Disconnected, Exited, LaunchFailed, Lost
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.container.states import ALIVE, LAUNCHING
from daemon.actors.mailbox import Mailbox, Promise
from daemon.actors.published import Cell
from daemon.errors import EngineError, Failed, Forbidden, InvalidParameter, Unavailable
from daemon.failpoints import reached

LOG: Final = structlog.get_logger(__name__)
REST_SECONDS: Final = 60.0  # a change takes less than the limits of what it asks together
LEAVE_SECONDS: Final = 5.0  # an end is told all the same, and clearing up does the rest
ALREADY_THERE: Final = "endpoint with name {name} already exists in network {network}"


@attrs.define(eq=False)
class Memberships:
    """The networks of one container, as they change; the changes are tasks of its actor."""

    cell: Cell[ContainerSnapshot]
    mailbox: Mailbox
    host: ContainerHost
    tasks: trio.Nursery
    _turn: trio.Lock = attrs.field(factory=trio.Lock, init=False)

    def begin(self, message: Connect | Disconnect) -> Promise[None]:
        """Begin a change; the promise is kept once it is written and whatever runs obeys it."""
        promise: Promise[None] = Promise()
        self.tasks.start_soon(self._see_through, message, promise)
        return promise

    def renamed(self) -> None:
        """Tell the networks what the container is called now."""
        self.tasks.start_soon(self._rename)

    async def at_rest(self) -> None:
        """Wait until no change is under way, but not for ever; on what does not run, none begins any more."""
        with trio.move_on_after(REST_SECONDS):
            async with self._turn:
                pass

    async def end(self, report: Exited | Lost | LaunchFailed) -> None:
        """Report that there is no process, when the container is in no network any more."""
        known = not isinstance(report, LaunchFailed)  # how far a launch has come is not
        if known and not self.cell.current.attachments.sandbox:  # it has nothing that anybody could want
            await self.mailbox.tell(report)
            return
        async with AsyncExitStack() as turn:
            with trio.move_on_after(LEAVE_SECONDS):
                await turn.enter_async_context(self._turn)
                await self._leave_all()
            await self.mailbox.tell(report)
            await self.cell.wait_for(lambda now: now.state not in ALIVE)  # until then one could join

    async def _leave_all(self) -> None:
        record = self.cell.current.record
        try:
            await self.host.leave_networks(record)
        except EngineError as error:  # clearing up tries again
            LOG.warning("networks not left", container=record.id, reason=str(error))

    async def _rename(self) -> None:
        # What is being launched has been read already, and is in its networks by its old name.
        await self.cell.wait_for(lambda now: now.state not in LAUNCHING)
        async with self._turn:
            now = self.cell.current
            if now.state not in ALIVE:
                return
            try:
                await self.host.rename_in_networks(now.record, now.attachments)
            except EngineError as error:  # the name is written, and the next start tells it
                LOG.error("networks know the former name", container=now.id, reason=str(error))

    async def _see_through(self, message: Connect | Disconnect, promise: Promise[None]) -> None:
        try:
            async with self._turn:
                await (self._connect(message) if isinstance(message, Connect) else self._disconnect(message))
        except EngineError as error:
            promise.refuse(error)
        else:
            promise.answer(None)
        finally:
            promise.refuse(Unavailable(f"the engine stopped looking after container {self.cell.current.id}"))

    async def _connect(self, wanted: Connect) -> None:
        check_connect(self.cell.current, wanted)
        if self.cell.current.state not in ALIVE:
            await self.mailbox.ask(Connected(wanted.network, wanted.endpoint))
        now = self.cell.current
        if now.state in ALIVE and now.attachments.named(wanted.network) is None:
            await self._join(now, wanted)  # it runs, or was started meanwhile, without

    async def _join(self, now: ContainerSnapshot, wanted: Connect) -> None:
        networks = {**now.record.networks, wanted.network: wanted.endpoint}
        record = attrs.evolve(now.record, networks=networks)
        attachments = await self.host.join_network(record, now.attachments, wanted.network)
        reached("join-done")
        refusal: EngineError | None = None
        try:
            await self.mailbox.ask(Connected(wanted.network, wanted.endpoint, attachments, now.run))
        except EngineError as error:
            refusal = error
        if refusal is not None:
            await self.host.leave_network(now.record, attachments, wanted.network)
            raise refusal

    async def _disconnect(self, unwanted: Disconnect) -> None:
        name = check_disconnect(self.cell.current, unwanted)
        report = Disconnected(name, unwanted.network_id, unwanted.driver)
        await self.mailbox.ask(await self._left(report) or report)
        if (late := await self._left(report)) is not None:  # it was started meanwhile, with it
            await self.mailbox.ask(late)

    async def _left(self, report: Disconnected) -> Disconnected | None:
        """Have what runs leave the network; return the report of that, None if it was not there."""
        now = self.cell.current
        if now.state not in ALIVE or now.attachments.named(report.network) is None:
            return None
        networks = {name: wish for name, wish in now.record.networks.items() if name != report.network}
        record = attrs.evolve(now.record, networks=networks)
        rest = await self.host.leave_network(record, now.attachments, report.network)
        reached("quit-done")
        return attrs.evolve(report, attachments=rest, run=now.run)


def check_connect(now: ContainerSnapshot, wanted: Connect) -> None:
    """Refuse a network that the container cannot be in, or is in already.

    Raises:
        InvalidParameter: its network mode, or the network, excludes others.
        Forbidden: it is there already.

    """
    mode = now.record.host_config.network_mode
    if mode.startswith(SHARED):
        raise InvalidParameter(SHARING_EXCLUDES)
    if "host" in {mode, wanted.network}:
        raise InvalidParameter(
            "container cannot be disconnected from host network or connected to host network"
        )
    if wanted.network in now.record.networks:
        raise Forbidden(ALREADY_THERE.format(name=now.record.name, network=wanted.network))
    if "none" in {*now.record.networks, wanted.network} and now.record.networks:
        raise InvalidParameter(PRIVATE_EXCLUDES)


def check_disconnect(now: ContainerSnapshot, unwanted: Disconnect) -> str:
    """Return the name under which the container's record has the network.

    Raises:
        InvalidParameter: it has the host's network.
        Failed: it is not in that network.

    """
    networks = now.record.networks
    if unwanted.network == "host" and "host" in networks:
        raise InvalidParameter(
            "container cannot be disconnected from host network or connected to host network"
        )
    for name in (unwanted.network, unwanted.network_id):
        if name in networks:
            return name
    raise Failed(f"container {now.id} is not connected to network {unwanted.network}")
