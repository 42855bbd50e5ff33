"""The kinds of links that a container can have, and how each is made directly in its namespace.

Nothing is moved or renamed afterwards, since both have the kernel wait until every processor has forgotten
the old state.  What a kernel does not have is found out by asking for it.

Source: ip-link(8), linux/if_link.h.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import attrs

from daemon.errors import Failed, InvalidParameter
from daemon.networks import rtnetlink
from daemon.networks.marks import mark
from daemon.networks.netlink import Request, attribute, number
from daemon.networks.plans import LinkPlan

_IFLA_MACVLAN_MODE: Final = 1
_IFLA_IPVLAN_MODE: Final = 1
_MACVLAN_MODES: Final = MappingProxyType({"": 4, "private": 1, "vepa": 2, "bridge": 4, "passthru": 8})
_IPVLAN_MODES: Final = MappingProxyType({"": 0, "l2": 0, "l3": 1, "l3s": 2})


@attrs.frozen
class Kind:
    """One kind of link.

    Attributes:
        on_host: the container's link has another end on the host.
        own_mac: it has a hardware address of its own, which neighbours must be told of.
        module: of the kernel, that has it.
        creation: what makes it, given the plan, the number of the parent and a descriptor of the namespace.

    """

    on_host: bool
    own_mac: bool
    module: str
    creation: Callable[[LinkPlan, int, int], Request]


def _pair(plan: LinkPlan, parent: int, namespace: int) -> Request:
    inner = rtnetlink.link(
        plan.name,
        rtnetlink.mac(plan.mac),
        rtnetlink.mtu(plan.mtu),
        rtnetlink.one_queue(),
        number(rtnetlink.IFLA_NET_NS_FD, namespace),
    )
    return rtnetlink.create_link(
        plan.host_name,
        rtnetlink.mac(mark(plan.owner, plan.host_name)),
        rtnetlink.mtu(plan.mtu),
        rtnetlink.one_queue(),
        number(rtnetlink.IFLA_MASTER, parent),
        rtnetlink.kind("veth", rtnetlink.peer(inner)),
    )


def _macvlan(plan: LinkPlan, parent: int, namespace: int) -> Request:
    mode = number(_IFLA_MACVLAN_MODE, _mode(plan, _MACVLAN_MODES))
    return _upon(plan, parent, namespace, rtnetlink.mac(plan.mac), rtnetlink.kind("macvlan", mode))


def _ipvlan(plan: LinkPlan, parent: int, namespace: int) -> Request:
    mode = attribute(_IFLA_IPVLAN_MODE, struct.pack("=H", _mode(plan, _IPVLAN_MODES)))
    return _upon(plan, parent, namespace, rtnetlink.kind("ipvlan", mode))


def _upon(plan: LinkPlan, parent: int, namespace: int, *values: bytes) -> Request:
    return rtnetlink.create_link(
        plan.name,
        rtnetlink.mtu(plan.mtu),
        number(rtnetlink.IFLA_LINK, parent),
        number(rtnetlink.IFLA_NET_NS_FD, namespace),
        *values,
    )


def _mode(plan: LinkPlan, modes: Mapping[str, int]) -> int:
    if plan.mode not in modes:
        raise InvalidParameter(
            f"{plan.kind} has no mode {plan.mode}: it is one of {', '.join(filter(None, modes))}"
        )
    return modes[plan.mode]


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "bridge": Kind(on_host=True, own_mac=True, module="veth", creation=_pair),
        "macvlan": Kind(on_host=False, own_mac=True, module="macvlan", creation=_macvlan),
        "ipvlan": Kind(on_host=False, own_mac=False, module="ipvlan", creation=_ipvlan),
    }
)


def lacking(plan: LinkPlan, error: OSError) -> Failed | None:
    """Return what to say if `error` means that the kernel does not know this kind of link."""
    if error.errno != errno.EOPNOTSUPP:
        return None
    module = KINDS[plan.kind].module
    return Failed(
        f"link {plan.name} on {plan.parent}: the kernel lacks {module} links; load the module {module}, "
        f"or use a network of another driver"
    )
