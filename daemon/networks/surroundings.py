"""The host's own network: which subnets it uses already, and what makes it forward packets.

Forwarding is switched on for the whole host, as every container engine does, since answers come in on links
that are not ours.  For IPv6 that has a side effect: a link stops taking router advertisements, and routes
from earlier ones go.  A host that has its address or its way out from them would fall off the network, so
links that take them (accept_ra=1) are first told to take them when forwarding, too (2).  Links that appear
later keep their defaults.

Source: Documentation/networking/ip-sysctl.rst of Linux.
"""

from __future__ import annotations

import os
import socket
from typing import Final

from daemon.networks import rtnetlink, sysctls
from daemon.networks.failures import explained
from daemon.networks.finding import find
from daemon.networks.netlink import Netlink
from daemon.networks.plans import Subnet

# A route to more than that (0.0.0.0/0, or 0.0.0.0/1 of a VPN) is a way out and not a network.
_SHORTEST_PREFIX: Final = 8
_LINKS: Final = "net/ipv6/conf"
_NOT_LINKS: Final = frozenset({"all", "default"})


def taken_subnets() -> frozenset[Subnet]:
    """Return the networks that the host has an address in or a route to, those of bridges of ours too.

    Raises:
        Failed: the kernel refused.

    """
    with explained("reading the host's addresses and routes"), Netlink() as host:
        carried = [
            rtnetlink.read_address(message)[1].network for message in host.dump(rtnetlink.get_addresses())
        ]
        families = (socket.AF_INET, socket.AF_INET6) if sysctls.has_ipv6() else (socket.AF_INET,)
        messages = [message for family in families for message in host.dump(rtnetlink.get_routes(family))]
    routed = (rtnetlink.read_route(message) for message in messages)
    return frozenset(
        subnet
        for subnet in (*carried, *routed)
        if subnet is not None and subnet.prefixlen >= _SHORTEST_PREFIX
    )


def has_link(name: str) -> bool:
    """Return whether the host has a link of this name.

    Raises:
        Failed: the kernel refused.

    """
    with explained(f"looking for link {name}"), Netlink() as host:
        return find(host, name) is not None


def ensure_forwarding(*, ipv6: bool) -> None:
    """Have the host forward packets from one link to another; see the module for what else changes.

    Args:
        ipv6: too; IPv4 always.

    Raises:
        Failed: the kernel refused.

    """
    with explained("switching on forwarding"):
        sysctls.put("net/ipv4/ip_forward", "1")
        if not ipv6 or sysctls.read(f"{_LINKS}/all/forwarding") == "1":
            return
        for name in set(os.listdir(f"/proc/sys/{_LINKS}")) - _NOT_LINKS:
            if sysctls.read(f"{_LINKS}/{name}/accept_ra") == "1":
                sysctls.put(f"{_LINKS}/{name}/accept_ra", "2")
        sysctls.put(f"{_LINKS}/all/forwarding", "1")
