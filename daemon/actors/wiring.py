"""What of networking there is one of in an engine: the firewall's actor, host ports, the resolver."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs
import structlog

from daemon.actors.firewall import Firewall
from daemon.actors.firewall_commands import Repair
from daemon.actors.published import Cell
from daemon.actors.supervision import Supervision
from daemon.errors import EngineError, Failed
from daemon.networks.firewall.absent import AbsentFilter
from daemon.networks.firewall.kernel import KernelFilter
from daemon.networks.hostports import HostPorts
from daemon.networks.resolver.client import Resolver
from daemon.runtimes.layout import Layout
from daemon.settings import Settings

LOG = structlog.get_logger(__name__)
TABLE: Final = "longshore"
DIGITS: Final = 8


@attrs.frozen
class Wiring:
    """The parts, for whoever assembles an engine."""

    firewall: Firewall
    ports: HostPorts
    resolver: Resolver
    kernel: KernelFilter | AbsentFilter
    objections: Cell[tuple[str, ...]] = attrs.field(factory=lambda: Cell(()))
    """What other tables on this host have against our traffic, as it was when somebody last looked."""

    @classmethod
    @contextmanager
    def of(cls, layout: Layout) -> Generator[Wiring, None, None]:
        """Make them for the engine with these roots; on leaving, let go of them: what is in force stays.

        The packet filter is not closed: a thread that nobody waits for any more may still be using it.
        """
        kernel = _packet_filter(table_of(layout.exec_root))
        wiring = cls(Firewall(kernel), HostPorts(), Resolver(layout.exec_root / "resolver.sock"), kernel)
        try:
            yield wiring
        finally:
            wiring.resolver.close()
            wiring.ports.close()

    def keep(self, supervision: Supervision) -> None:
        """Have their tasks run."""
        supervision.keep(self.firewall.mailbox.name, self.firewall.run)
        supervision.keep("resolver", self.resolver.watch)

    async def repair_firewall(self) -> None:
        """Make the firewall's table what it should be, whatever somebody has done to it."""
        try:
            await self.firewall.mailbox.ask(Repair())
        except EngineError as error:
            LOG.error("the firewall cannot be repaired", reason=str(error))
        await self.look_for_objections()

    async def look_for_objections(self) -> None:
        """Find out which tables of others drop what our bridges forward, and say so."""
        try:
            found = await self.kernel.objections(self.firewall.wanted.bridges)
        except EngineError as error:
            LOG.error("the tables of others cannot be read", reason=str(error))
            return
        for objection in found:
            LOG.warning("firewall", warning=objection)
        self.objections.publish(found)


def _packet_filter(table: str) -> KernelFilter | AbsentFilter:
    """Return the host's, or one that says why there is none: an engine is of use without networks, too."""
    try:
        return KernelFilter(table)
    except Failed as error:
        return AbsentFilter(str(error))


def table_of(exec_root: Path) -> str:
    """Return the name of an engine's firewall table: several engines on one host have one each."""
    if exec_root == Settings().exec_root:
        return TABLE
    return f"{TABLE}-{hashlib.sha256(bytes(exec_root)).hexdigest()[:DIGITS]}"
