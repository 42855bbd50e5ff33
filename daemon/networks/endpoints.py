"""A link inside a container's namespace: settings, addresses, routes, and telling the neighbours.

The order: settings before the link is up, since they say what happens then; addresses and routes after;
the announcement last, when packets get through.  Without that, whoever knew an address from an earlier
container would send to that one's hardware address for seconds.  The kernel itself announces (arp_notify,
ndisc_notify) when it is told a link's hardware address, even if it is the same.

Source: Documentation/networking/ip-sysctl.rst of Linux.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from daemon.networks import rtnetlink, sysctls
from daemon.networks.finding import find
from daemon.networks.netlink import Netlink, Request
from daemon.networks.plans import LinkPlan
from daemon.networks.settling import settle


def configure(netlink: Netlink, plan: LinkPlan) -> str:
    """Bring the plan's link up, with all it carries, and return its hardware address.

    Args:
        netlink: into the container's namespace, in which the calling thread is.
        plan: of the link, which is there.

    Raises:
        OSError: the kernel refused.

    """
    for name, value in _settings(plan).items():
        sysctls.put(name, value)
    link = rtnetlink.read_link(netlink.ask(rtnetlink.get_link(plan.name)))
    netlink.tell(
        rtnetlink.change_link(plan.name, up=True),
        *(rtnetlink.put_address(link.index, interface) for interface in plan.interfaces),
        *_routes(link.index, plan),
    )
    settle(netlink, plan.interfaces)
    return link.mac


def route(netlink: Netlink, plan: LinkPlan) -> None:
    """Make the plan's gateways the way out; a family for which it has none is left as it is.

    Raises:
        OSError: the kernel refused.

    """
    link = rtnetlink.read_link(netlink.ask(rtnetlink.get_link(plan.name)))
    netlink.tell(*_routes(link.index, plan))


def announce(netlink: Netlink, plan: LinkPlan) -> None:
    """Tell the neighbours where the plan's addresses are now; a link that has gone has nothing to tell.

    Args:
        netlink: into the container's namespace, in which the calling thread is.
        plan: of the link.

    Raises:
        OSError: the kernel refused.

    """
    link = find(netlink, plan.name)
    if link is None:
        return
    sysctls.put(f"net/ipv4/conf/{plan.name}/arp_notify", "1")
    if _has_ipv6(plan):
        sysctls.put(f"net/ipv6/conf/{plan.name}/ndisc_notify", "1")
    netlink.tell(rtnetlink.change_link(plan.name, rtnetlink.mac(link.mac)))


def _settings(plan: LinkPlan) -> Mapping[str, str]:
    """Return what is set before the link is up; what the plan says counts most."""
    if not sysctls.has_ipv6():
        return plan.sysctls
    directory = f"net/ipv6/conf/{plan.name}"
    if not _has_ipv6(plan):
        return {f"{directory}/disable_ipv6": "1", **plan.sysctls}
    return {f"{directory}/disable_ipv6": "0", f"{directory}/accept_dad": "0", **plan.sysctls}


def _has_ipv6(plan: LinkPlan) -> bool:
    return any(interface.version == 6 for interface in plan.interfaces)


def _routes(index: int, plan: LinkPlan) -> Iterator[Request]:
    for gateway in plan.gateways:
        reachable = any(gateway in interface.network for interface in plan.interfaces)
        yield rtnetlink.put_default_route(index, gateway, reachable=reachable)
