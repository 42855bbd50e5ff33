"""The requests about links, addresses and routes that a container's network is made of.

Pure: each function returns bytes or a `Request`, and `netlink.Netlink` sends it.  A link is named by its
name, which the kernel looks up; its number is needed only for addresses and routes.

Source: rtnetlink(7), linux/if_link.h, linux/if_addr.h, linux/rtnetlink.h.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from typing import Final

import attrs

from daemon.networks.netlink import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    Request,
    attribute,
    attributes,
    number,
    string,
    text,
)
from daemon.networks.plans import Address, Interface, Subnet

_NEWLINK, _DELLINK, _GETLINK = 16, 17, 18
_NEWADDR, _DELADDR, _GETADDR = 20, 21, 22
_NEWROUTE, _GETROUTE = 24, 26

IFLA_ADDRESS: Final = 1
_IFLA_IFNAME: Final = 3
_IFLA_MTU: Final = 4
IFLA_LINK: Final = 5
IFLA_MASTER: Final = 10
_IFLA_LINKINFO: Final = 18
IFLA_IFALIAS: Final = 20
_IFLA_AF_SPEC: Final = 26
IFLA_NET_NS_FD: Final = 28
_IFLA_NUM_TX_QUEUES, _IFLA_NUM_RX_QUEUES = 31, 32
_IFLA_INFO_KIND, _IFLA_INFO_DATA, _IFLA_INFO_SLAVE_KIND, _IFLA_INFO_SLAVE_DATA = 1, 2, 4, 5
_VETH_INFO_PEER: Final = 1
_IFLA_BRPORT_MODE, _IFLA_BRPORT_ISOLATED = 4, 33
_IFLA_INET6_ADDR_GEN_MODE: Final = 8
_IN6_ADDR_GEN_MODE_NONE: Final = 1

_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST = 1, 2, 4
_IFA_F_NODAD: Final = 2
_RTA_DST, _RTA_OIF, _RTA_GATEWAY = 1, 4, 5
_RT_TABLE_MAIN: Final = 254
_RTPROT_STATIC: Final = 4
_RTN_LOCAL: Final = 2
_RTNH_F_ONLINK: Final = 4
_IFF_UP: Final = 1
_ROUTES_TO_HOSTS_AND_NETWORKS: Final = frozenset({1, 6, 7, 8})  # unicast, blackhole, unreachable, prohibit

_LINK: Final = struct.Struct("=BxHiII")  # family, type of hardware, index, flags, which flags
_ADDRESS: Final = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
_ROUTE: Final = struct.Struct("=BBBBBBBBI")  # family, lengths, tos, table, protocol, scope, type, flags


@attrs.frozen
class Link:
    """A link as the kernel has it; `owner` is its alias, `mac` is "" for one that has none."""

    index: int
    name: str
    kind: str
    owner: str
    mac: str


def link(name: str = "", *values: bytes, up: bool | None = None) -> bytes:
    """Return the body of a message about a link; `up` None leaves it as it is."""
    flags = _IFF_UP if up else 0
    changed = 0 if up is None else _IFF_UP
    named = text(_IFLA_IFNAME, name) if name else b""
    return _LINK.pack(socket.AF_UNSPEC, 0, 0, flags, changed) + named + b"".join(values)


def create_link(name: str, *values: bytes, up: bool | None = None) -> Request:
    """Make a link; EEXIST if the name is taken."""
    return Request(_NEWLINK, link(name, *values, up=up), NLM_F_CREATE | NLM_F_EXCL)


def change_link(name: str, *values: bytes, up: bool | None = None) -> Request:
    """Change a link; ENODEV if there is none."""
    return Request(_NEWLINK, link(name, *values, up=up))


def delete_link(name: str) -> Request:
    """Delete a link, and the other end if it is a pair; the kernel takes some 20 ms."""
    return Request(_DELLINK, link(name))


def get_link(name: str) -> Request:
    """Ask for a link; that also has the kernel act on a change of its carrier at once, not some time."""
    return Request(_GETLINK, link(name))


def get_links() -> Request:
    """Ask for all links."""
    return Request(_GETLINK, link())


def mtu(size: int) -> bytes:
    """Return the attribute for an MTU, nothing for 0."""
    return number(_IFLA_MTU, size) if size else b""


def one_queue() -> bytes:
    """Return the attributes that give a link one queue each way from the beginning.

    A pair uses one anyway, but is made with one for each processor; giving the rest up has the kernel wait
    until every processor has forgotten them, for each end (netif_set_real_num_tx_queues).
    """
    return number(_IFLA_NUM_TX_QUEUES, 1) + number(_IFLA_NUM_RX_QUEUES, 1)


def mac(address: str) -> bytes:
    """Return the attribute for a hardware address, nothing for ""."""
    return attribute(IFLA_ADDRESS, bytes.fromhex(address.replace(":", ""))) if address else b""


def kind(name: str, *data: bytes) -> bytes:
    """Return the attribute that says what sort of link it is."""
    said = attribute(_IFLA_INFO_DATA, b"".join(data)) if data else b""
    return attribute(_IFLA_LINKINFO, text(_IFLA_INFO_KIND, name), said)


def peer(body: bytes) -> bytes:
    """Return what the data of a "veth" has: the other end's link."""
    return attribute(_VETH_INFO_PEER, body)


def bridge_port(*, hairpin: bool, isolated: bool) -> bytes:
    """Return the attribute for a link that is a bridge's port."""
    data = attribute(_IFLA_BRPORT_MODE, bytes([hairpin])) + attribute(
        _IFLA_BRPORT_ISOLATED, bytes([isolated])
    )
    return attribute(
        _IFLA_LINKINFO, text(_IFLA_INFO_SLAVE_KIND, "bridge"), attribute(_IFLA_INFO_SLAVE_DATA, data)
    )


def without_link_local() -> bytes:
    """Return the attribute that keeps the kernel from giving a link an IPv6 address of its own."""
    mode = attribute(_IFLA_INET6_ADDR_GEN_MODE, bytes([_IN6_ADDR_GEN_MODE_NONE]))
    return attribute(_IFLA_AF_SPEC, attribute(socket.AF_INET6, mode))


def read_link(message: bytes) -> Link:
    """Read the kernel's message about a link."""
    _, _, index, _, _ = _LINK.unpack_from(message)
    found = attributes(message, _LINK.size)
    information = attributes(found.get(_IFLA_LINKINFO, b""))
    return Link(
        index,
        string(found.get(_IFLA_IFNAME, b"")),
        string(information.get(_IFLA_INFO_KIND, b"")),
        string(found.get(IFLA_IFALIAS, b"")),
        found.get(IFLA_ADDRESS, b"").hex(":"),
    )


def put_address(index: int, interface: Interface) -> Request:
    """Give a link an address, at once usable: nobody is asked whether it has it (IPv6 DAD)."""
    return Request(_NEWADDR, _address(index, interface), NLM_F_CREATE | NLM_F_REPLACE)


def take_address(index: int, interface: Interface) -> Request:
    """Take an address off a link."""
    return Request(_DELADDR, _address(index, interface))


def get_addresses() -> Request:
    """Ask for the addresses of all links."""
    return Request(_GETADDR, _ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0))


def read_address(message: bytes) -> tuple[int, Interface]:
    """Read the kernel's message about an address: the link's number, and what it carries."""
    _, length, _, _, index = _ADDRESS.unpack_from(message)
    found = attributes(message, _ADDRESS.size)
    packed = found.get(_IFA_LOCAL) or found[_IFA_ADDRESS]
    return index, ipaddress.ip_interface((ipaddress.ip_address(packed), length))


def put_default_route(index: int, gateway: Address, *, reachable: bool) -> Request:
    """Make `gateway` on this link the way to everything, in place of another.

    Args:
        index: of the link.
        gateway: where to.
        reachable: the link has an address in its network; else the kernel is told to believe it.

    """
    family = _family(gateway)
    flags = 0 if reachable else _RTNH_F_ONLINK
    fixed = _ROUTE.pack(family, 0, 0, 0, _RT_TABLE_MAIN, _RTPROT_STATIC, 0, 1, flags)
    body = fixed + attribute(_RTA_GATEWAY, gateway.packed) + number(_RTA_OIF, index)
    return Request(_NEWROUTE, body, NLM_F_CREATE | NLM_F_REPLACE)


def get_route(address: Address) -> Request:
    """Ask how a packet to `address` would go."""
    family, length = _family(address), address.max_prefixlen
    body = _ROUTE.pack(family, length, 0, 0, 0, 0, 0, 0, 0) + attribute(_RTA_DST, address.packed)
    return Request(_GETROUTE, body)


def is_local(message: bytes) -> bool:
    """Return whether the kernel's message about a route says that packets stay here."""
    return bool(_ROUTE.unpack_from(message)[7] == _RTN_LOCAL)


def get_routes(family: int) -> Request:
    """Ask for the routes of one family, in all tables."""
    return Request(_GETROUTE, _ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0))


def read_route(message: bytes) -> Subnet | None:
    """Read the kernel's message about a route: where to, None for one to this host or to many."""
    family, length, _, _, _, _, _, kind_, _ = _ROUTE.unpack_from(message)
    if family not in {socket.AF_INET, socket.AF_INET6} or kind_ not in _ROUTES_TO_HOSTS_AND_NETWORKS:
        return None
    size = 4 if family == socket.AF_INET else 16
    packed = attributes(message, _ROUTE.size).get(_RTA_DST, bytes(size))
    return ipaddress.ip_network((packed, length), strict=False)


def _address(index: int, interface: Interface) -> bytes:
    family, length = _family(interface.ip), interface.network.prefixlen
    flags = _IFA_F_NODAD if interface.version == 6 else 0
    packed = interface.ip.packed
    body = _ADDRESS.pack(family, length, flags, 0, index)
    body += attribute(_IFA_LOCAL, packed) + attribute(_IFA_ADDRESS, packed)
    if interface.version == 4 and interface.network.num_addresses > 2:
        body += attribute(_IFA_BROADCAST, interface.network.broadcast_address.packed)
    return body


def _family(address: Address) -> int:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6
