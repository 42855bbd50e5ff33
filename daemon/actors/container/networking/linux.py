"""What containers' networks need of this host, from the modules that do it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import attrs
import trio

from daemon.actors.firewall import Firewall
from daemon.actors.firewall_commands import Install, Withdraw
from daemon.failpoints import reached
from daemon.networks import links, namespaces
from daemon.networks.plans import LinkPlan, PublishedPort

T = TypeVar("T")
SLOTS: Final = trio.CapacityLimiter(8)  # so many starts and ends plug at once


@attrs.frozen
class LinuxSandboxes:
    """Namespaces and links of this machine; each call is one visit to a thread."""

    async def make(self, sandbox: Path, plans: tuple[LinkPlan, ...]) -> None:
        """Make a namespace with these links; whatever is half done already is made whole."""
        await in_thread(lambda: _make(sandbox, plans))

    async def plug(self, sandbox: Path, plans: tuple[LinkPlan, ...], added: LinkPlan) -> None:
        """Add a link and set the ways out as in `plans`, which has `added`, too."""
        await in_thread(lambda: _plug(sandbox, plans, added))

    async def announce(self, sandbox: Path, plans: tuple[LinkPlan, ...]) -> None:
        """Tell the neighbours where the addresses are now; a namespace that has gone is fine."""
        await in_thread(lambda: _announce(sandbox, plans))

    async def unplug(self, sandbox: Path, plans: tuple[LinkPlan, ...], removed: LinkPlan) -> None:
        """Remove a link and set the ways out as in `plans`, which are the others."""
        await in_thread(lambda: _unplug(sandbox, plans, removed))

    async def remove(self, sandbox: Path) -> None:
        """Leave nothing of a namespace; one that is not there is gone already."""
        if _is_there(sandbox):
            await in_thread(lambda: namespaces.remove(sandbox))
            reached("leave-sandbox-removed")


@attrs.frozen
class FirewallPublisher:
    """Ports, published by the firewall's actor."""

    firewall: Firewall

    async def publish(self, ports: tuple[PublishedPort, ...]) -> None:
        """Send what comes for these ports; return once that is so."""
        await self.firewall.mailbox.ask(Install(ports=ports))

    async def unpublish(self, ports: tuple[PublishedPort, ...]) -> None:
        """Send nothing any more, nor what belongs to flows that go on."""
        await self.firewall.mailbox.ask(Withdraw(ports=ports))


async def in_thread(work: Callable[[], T]) -> T:
    """Do `work` in a thread, beside not too many others."""
    return await trio.to_thread.run_sync(work, limiter=SLOTS)


def _is_there(sandbox: Path) -> bool:
    """Tell whether there is anything to remove: of most containers there is not, and a thread costs more."""
    return sandbox.exists()


def _make(sandbox: Path, plans: tuple[LinkPlan, ...]) -> None:
    namespaces.make(sandbox)
    for plan in plans:
        links.plug(sandbox, plan)


def _announce(sandbox: Path, plans: tuple[LinkPlan, ...]) -> None:
    for plan in plans:
        links.announce(sandbox, plan)


def _plug(sandbox: Path, plans: tuple[LinkPlan, ...], added: LinkPlan) -> None:
    links.plug(sandbox, added)
    _lead_out(sandbox, plans)


def _unplug(sandbox: Path, plans: tuple[LinkPlan, ...], removed: LinkPlan) -> None:
    links.unplug(sandbox, removed)
    _lead_out(sandbox, plans)


def _lead_out(sandbox: Path, plans: tuple[LinkPlan, ...]) -> None:
    for plan in plans:
        if plan.gateways:
            links.set_gateways(sandbox, plan)
