"""Containers' links: plugged in, unplugged, and found again after a crash.

The rule: every function brings about what its plan says from whatever it finds, so the engine may die at
any instruction and call again.  All are synchronous, for threads, and none waits for another: the kernel's
own lock on links is all that many starts at once share.

Deleting a link takes the kernel some 20 ms, during which other links can be worked on.
"""

from __future__ import annotations

import errno
from pathlib import Path

from daemon.errors import Failed
from daemon.networks import endpoints, namespaces, rtnetlink, sysctls
from daemon.networks.failures import explained
from daemon.networks.finding import find
from daemon.networks.kinds import KINDS, lacking
from daemon.networks.marks import is_owned
from daemon.networks.netlink import Netlink, Refused, Request, text
from daemon.networks.plans import LinkPlan
from daemon.networks.rtnetlink import Link


def plug(sandbox: Path, plan: LinkPlan) -> str:
    """Give the container of `sandbox` a link as planned, in place of one that is there, usable at once.

    If it fails, some of the link may be there: `unplug` it, or remove the sandbox.

    Returns:
        The link's hardware address.

    Raises:
        Failed: the kernel refused, or lacks this kind of link.
        InvalidParameter: the plan's mode or sysctls are not ones that there are.

    """
    sysctls.check(plan.sysctls)
    with explained(f"link {plan.name} on {plan.parent}"), Netlink() as host:
        parent = _parent(host, plan)
        with namespaces.inside(sandbox) as here, Netlink() as inner:
            _create(host, inner, plan, KINDS[plan.kind].creation(plan, parent.index, here))
            if KINDS[plan.kind].on_host:
                host.tell(*_port(plan))
            mac = endpoints.configure(inner, plan)
            if KINDS[plan.kind].on_host:
                # The container's end got its carrier as it was brought up, these two a moment later.
                host.tell(rtnetlink.get_link(plan.host_name), rtnetlink.get_link(plan.parent))
    return mac


def announce(sandbox: Path, plan: LinkPlan) -> None:
    """Tell the neighbours that the plan's addresses are here now; a link or sandbox that has gone is fine.

    Each neighbour costs the kernel a few microseconds, so this is for when the container has been started.

    Raises:
        Failed: the kernel refused.

    """
    if not KINDS[plan.kind].own_mac or not namespaces.exists(sandbox):
        return
    with (
        explained(f"announcing link {plan.name} on {plan.parent}"),
        namespaces.inside(sandbox),
        Netlink() as inner,
    ):
        endpoints.announce(inner, plan)


def unplug(sandbox: Path, plan: LinkPlan) -> None:
    """Take the link away from the container of `sandbox`; that either is gone already is fine.

    Raises:
        Failed: the kernel refused, or there is a link of this name that cannot be the plan's.

    """
    with explained(f"removing link {plan.name} on {plan.parent}"), Netlink() as host:
        if KINDS[plan.kind].on_host:
            _delete_host_end(host, plan)
        elif namespaces.exists(sandbox):
            with namespaces.inside(sandbox), Netlink() as inner:
                _delete(inner, plan.name)


def set_gateways(sandbox: Path, plan: LinkPlan) -> None:
    """Make the plan's gateways the way out, in place of others; a family without one stays as it is.

    Raises:
        Failed: the kernel refused, or the link is not there.

    """
    with (
        explained(f"default route over link {plan.name} on {plan.parent}"),
        namespaces.inside(sandbox),
        Netlink() as inner,
    ):
        endpoints.route(inner, plan)


def remove_link(name: str) -> None:
    """Delete a link of the host, a bridge too; that it is gone already is fine.

    Raises:
        Failed: the kernel refused.

    """
    with explained(f"removing link {name}"), Netlink() as host:
        _delete(host, name)


def owned_links(owner_prefix: str) -> tuple[Link, ...]:
    """Return the host's links whose owner begins with `owner_prefix`.

    Raises:
        Failed: the kernel refused.

    """
    with explained("listing links"), Netlink() as host:
        links = map(rtnetlink.read_link, host.dump(rtnetlink.get_links()))
        return tuple(link for link in links if link.owner.startswith(owner_prefix))


def links_of(owner: str) -> tuple[Link, ...]:
    """Return the host's links that are this owner's, those half made too.

    Raises:
        Failed: the kernel refused.

    """
    with explained("listing links"), Netlink() as host:
        links = map(rtnetlink.read_link, host.dump(rtnetlink.get_links()))
        return tuple(link for link in links if is_owned(link, owner))


def _parent(host: Netlink, plan: LinkPlan) -> Link:
    parent = find(host, plan.parent)
    if parent is None:
        raise Failed(f"link {plan.name} on {plan.parent}: the host has no link {plan.parent}; see `ip link`")
    if plan.kind == "bridge" and parent.kind != "bridge":
        raise Failed(f"link {plan.name} on {plan.parent}: {plan.parent} is no bridge; see `ip -details link`")
    return parent


def _create(host: Netlink, inner: Netlink, plan: LinkPlan, creation: Request) -> None:
    try:
        host.tell(creation)
    except Refused as error:
        if (lacks := lacking(plan, error)) is not None:
            raise lacks from error
        if error.errno != errno.EEXIST:
            raise
        if KINDS[plan.kind].on_host:
            _delete_host_end(host, plan)
        _delete(inner, plan.name)
        host.tell(creation)


def _port(plan: LinkPlan) -> tuple[Request, Request]:
    """Return what makes the host's end of a pair a port as planned, and only then lets packets through."""
    silent = (rtnetlink.without_link_local(),) if sysctls.has_ipv6() else ()
    port = rtnetlink.bridge_port(hairpin=True, isolated=plan.isolated)
    owner = text(rtnetlink.IFLA_IFALIAS, plan.owner)
    change = rtnetlink.change_link(plan.host_name, owner, port, *silent)
    return change, rtnetlink.change_link(plan.host_name, up=True)


def _delete_host_end(host: Netlink, plan: LinkPlan) -> None:
    found = find(host, plan.host_name)
    if found is None:
        return
    if found.kind != "veth" or found.owner not in {"", plan.owner}:
        raise Failed(
            f"link {plan.host_name}: {found.owner or 'somebody else'} has a link of this name; see `ip link`"
        )
    _delete(host, plan.host_name)


def _delete(netlink: Netlink, name: str) -> None:
    try:
        netlink.tell(rtnetlink.delete_link(name))
    except Refused as error:
        if error.errno != errno.ENODEV:
            raise
