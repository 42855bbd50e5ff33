"""The networks' host: bridges over netlink, their rules by the firewall's actor."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final, TypeVar

import attrs
import trio

from daemon.actors.firewall import Firewall
from daemon.actors.firewall_commands import Install, Withdraw
from daemon.errors import Conflict
from daemon.networks import bridges, links, surroundings
from daemon.networks.plans import BridgePlan, BridgeRules, Subnet

T = TypeVar("T")
OWNERS: Final = "longshore:"  # every engine's links begin with this
SLOTS: Final = trio.CapacityLimiter(8)


@attrs.frozen
class LinuxNetworkHost:
    """This machine's links and firewall."""

    firewall: Firewall

    async def taken_subnets(self, *, but: str = "") -> Collection[Subnet]:
        """Return what the host's addresses and routes cover, leaving out those of the link `but`."""
        return await in_thread(lambda: surroundings.taken_subnets(but=but))

    async def has_link(self, name: str) -> bool:
        """Return whether the host has a link of this name."""
        return await in_thread(lambda: links.exists(name))

    async def ensure_bridge(self, plan: BridgePlan) -> None:
        """Make the bridge, or make one of the same owner as it should be."""
        await in_thread(lambda: _ensure_bridge(plan))

    async def remove_link(self, name: str, owner: str) -> None:
        """Remove a link; one that is not there, or is another owner's, is left as it is."""
        await in_thread(lambda: _remove_link(name, owner))

    async def install(self, rules: BridgeRules) -> None:
        """Put the bridge's rules into the firewall, in place of those it had."""
        await self.firewall.mailbox.ask(Install(bridges=(rules,)))

    async def withdraw(self, link: str) -> None:
        """Take the bridge's rules out of the firewall; none is fine."""
        await self.firewall.mailbox.ask(Withdraw(links=(link,)))


async def in_thread(work: Callable[[], T]) -> T:
    """Do `work` in a thread, beside not too many others."""
    return await trio.to_thread.run_sync(work, limiter=SLOTS)


def _ensure_bridge(plan: BridgePlan) -> None:
    owners = {link.name: link.owner for link in links.owned_links(OWNERS)}
    if owners.get(plan.name, plan.owner) != plan.owner:
        raise Conflict(
            f"bridge {plan.name} belongs to another engine on this host ({owners[plan.name]}): "
            "give this one another name, or stop that engine and remove it"
        )
    surroundings.ensure_forwarding(ipv6=any(interface.version == 6 for interface in plan.interfaces))
    bridges.ensure_bridge(plan)


def _remove_link(name: str, owner: str) -> None:
    if any(link.name == name and link.owner == owner for link in links.owned_links(owner)):
        links.remove_link(name)
