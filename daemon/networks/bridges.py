"""Bridges on the host, brought to plan.

A bridge is ours by its alias, or by its hardware address (`daemon.networks.marks`), which is also what keeps
the gateway's as it is while ports come and go.  Somebody else's bridge can be used, but nothing is taken
from it and it does not become ours.

Source: ip-link(8), Documentation/networking/ip-sysctl.rst of Linux.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from daemon.errors import Failed
from daemon.networks import rtnetlink, sysctls
from daemon.networks.failures import explained
from daemon.networks.finding import find
from daemon.networks.marks import is_owned, mark
from daemon.networks.netlink import Netlink, Request, text
from daemon.networks.plans import BridgePlan
from daemon.networks.rtnetlink import Link
from daemon.networks.settling import settle


def ensure_bridge(plan: BridgePlan) -> bool:
    """Have a bridge as planned, whatever is there of it.

    Returns:
        Whether it is ours; somebody else's has got what it lacked and lost nothing.

    Raises:
        Failed: the kernel refused, or a link of this name is no bridge.

    """
    with explained(f"bridge {plan.name}"), Netlink() as host:
        found = find(host, plan.name) or _create(host, plan)
        if found.kind != "bridge":
            raise Failed(
                f"bridge {plan.name}: a {found.kind or 'physical'} link has this name; use another name"
            )
        ours = is_owned(found, plan.owner)
        if ours:
            host.tell(
                rtnetlink.change_link(
                    plan.name, text(rtnetlink.IFLA_IFALIAS, plan.owner), rtnetlink.mtu(plan.mtu)
                )
            )
        for name, value in _settings(plan, ours=ours).items():
            sysctls.put(name, value)
        host.tell(rtnetlink.change_link(plan.name, up=True), *_addresses(host, found, plan, ours=ours))
        settle(host, plan.interfaces)
        return ours


def _create(host: Netlink, plan: BridgePlan) -> Link:
    mac = rtnetlink.mac(mark(plan.owner, plan.name))
    host.tell(rtnetlink.create_link(plan.name, mac, rtnetlink.mtu(plan.mtu), rtnetlink.kind("bridge")))
    return rtnetlink.read_link(host.ask(rtnetlink.get_link(plan.name)))


def _addresses(host: Netlink, link: Link, plan: BridgePlan, *, ours: bool) -> Iterator[Request]:
    carried = [rtnetlink.read_address(message) for message in host.dump(rtnetlink.get_addresses())]
    has = {interface for index, interface in carried if index == link.index and not interface.is_link_local}
    if ours:
        yield from (rtnetlink.take_address(link.index, interface) for interface in has - set(plan.interfaces))
    yield from (
        rtnetlink.put_address(link.index, interface) for interface in plan.interfaces if interface not in has
    )


def _settings(plan: BridgePlan, *, ours: bool) -> Mapping[str, str]:
    """Return what the host does with what comes in from the bridge.

    Containers must not tell the host where to send its packets: no router advertisements.  Without an IPv6
    address there shall not be one that the kernel gives, over which containers could reach the host.
    """
    settings = {
        f"net/ipv4/conf/{plan.name}/forwarding": "1",
        f"net/ipv4/conf/{plan.name}/route_localnet": str(int(plan.from_loopback)),
    }
    if not sysctls.has_ipv6():
        return settings
    directory = f"net/ipv6/conf/{plan.name}"
    wanted = any(interface.version == 6 for interface in plan.interfaces)
    if wanted:
        settings |= {f"{directory}/disable_ipv6": "0", f"{directory}/forwarding": "1"}
    if ours:
        settings |= {f"{directory}/accept_ra": "0", f"{directory}/disable_ipv6": str(int(not wanted))}
    return settings
