"""What is behind `NetworkHost` on a real host: netlink in threads, and the firewall's actor."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import attrs
import trio

from daemon.actors.firewall_commands import Install, Withdraw
from daemon.actors.mailbox import Mailbox
from daemon.errors import Conflict
from daemon.networks.bridges import ensure_bridge
from daemon.networks.links import links_of, owned_links, remove_link
from daemon.networks.plans import BridgePlan, BridgeRules, Subnet
from daemon.networks.surroundings import ensure_forwarding, has_link, taken_subnets

OWNERS: Final = "longshore:"  # whose links begin with this is an engine like this one


@attrs.frozen
class LinuxNetworkHost:
    """Links and firewall of this host; see `daemon.actors.network.host.NetworkHost`."""

    firewall: Mailbox

    async def taken_subnets(self) -> Collection[Subnet]:
        """See `NetworkHost`."""
        return await trio.to_thread.run_sync(taken_subnets)

    async def has_link(self, name: str) -> bool:
        """See `NetworkHost`."""
        return await trio.to_thread.run_sync(has_link, name)

    async def ensure_bridge(self, plan: BridgePlan) -> None:
        """See `NetworkHost`; the host forwards packets from then on."""
        await trio.to_thread.run_sync(_ensure_bridge, plan)

    async def remove_link(self, name: str, owner: str) -> None:
        """See `NetworkHost`."""
        await trio.to_thread.run_sync(_remove_own, name, owner)

    async def install(self, rules: BridgeRules) -> None:
        """See `NetworkHost`."""
        await self.firewall.ask(Install(bridges=(rules,)))

    async def withdraw(self, link: str) -> None:
        """See `NetworkHost`."""
        await self.firewall.ask(Withdraw(links=(link,)))


def _ensure_bridge(plan: BridgePlan) -> None:
    owners = {link.name: link.owner for link in owned_links(OWNERS)}
    if owners.get(plan.name, plan.owner) != plan.owner:
        raise Conflict(
            f"bridge {plan.name} belongs to another engine on this host ({owners[plan.name]}): "
            "give this one's another name"
        )
    ensure_forwarding(ipv6=any(interface.version == 6 for interface in plan.interfaces))
    ensure_bridge(plan)


def _remove_own(name: str, owner: str) -> None:
    if any(link.name == name for link in links_of(owner)):
        remove_link(name)
