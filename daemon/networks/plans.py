"""What the kernel side of container networking is told: links, firewall rules, names, as frozen values.

Whoever decides (`daemon.actors`) makes these; whoever acts (`links`, `namespaces`, `firewall`, `resolver`)
is told everything by them and looks nothing up.  Addresses are objects of `ipaddress`: an *interface* is an
address with the length of its network's prefix, as a link carries it.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from pathlib import Path

import attrs

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface
Subnet = IPv4Network | IPv6Network


@attrs.frozen
class BridgePlan:
    """A bridge on the host.

    Attributes:
        name: the link's, 15 bytes at most.
        interfaces: what the host carries on it; the containers' gateways.  None: an isolated bridge.
        mtu: in bytes; 0 leaves it to the kernel.
        owner: written on the link (ifalias), so that whoever clears up knows whose it is.
        from_loopback: packets from the host's 127.0.0.0/8 may go out here (published ports).

    """

    name: str
    interfaces: tuple[Interface, ...]
    mtu: int = 0
    owner: str = ""
    from_loopback: bool = True


@attrs.frozen
class LinkPlan:
    """A container's link into one network.

    Attributes:
        kind: "bridge" (a veth pair), "macvlan" or "ipvlan".
        parent: the bridge, or the host's link that macvlan or ipvlan share.
        host_name: of the pair's end on the host; unused by the other kinds.
        name: in the container, e.g. "eth0".
        mac: "02:42:ac:11:00:02"; empty leaves it to the kernel (ipvlan shares its parent's).
        interfaces: what the container carries on it.
        gateways: where everything else goes; empty if this link is not the way out.
        mtu: in bytes; 0 leaves it to the kernel.
        mode: of a macvlan ("bridge", "private", "vepa", "passthru") or ipvlan ("l2", "l3", "l3s").
        isolated: on a bridge, it may talk to the bridge but not to other isolated links (icc=false).
        sysctls: by file below /proc/sys, e.g. {"net/ipv4/conf/eth0/forwarding": "1"}.
        owner: see `BridgePlan`.

    """

    kind: str
    parent: str
    host_name: str
    name: str
    mac: str
    interfaces: tuple[Interface, ...]
    gateways: tuple[Address, ...] = ()
    mtu: int = 0
    mode: str = ""
    isolated: bool = False
    sysctls: Mapping[str, str] = attrs.field(factory=dict)
    owner: str = ""


@attrs.frozen
class BridgeRules:
    """What may pass a bridge.

    Attributes:
        link: the bridge's name.
        subnets: its containers' addresses.
        internal: nothing leaves it and nothing comes in.
        between_containers: whether its containers may talk to each other (icc).
        masquerade: whether what leaves it is given the host's address (enable_ip_masquerade).

    """

    link: str
    subnets: tuple[Subnet, ...]
    internal: bool = False
    between_containers: bool = True
    masquerade: bool = True


@attrs.frozen
class PublishedPort:
    """A port of a container that the host answers at.

    Attributes:
        protocol: "tcp", "udp" or "sctp".
        host_address: 0.0.0.0 or :: for every address of the host, else one of them.
        host_port: 1 to 65535.
        address: the container's, of the same family.
        port: the container's.

    """

    protocol: str
    host_address: Address
    host_port: int
    address: Address
    port: int


@attrs.frozen
class Membership:
    """A container's place in one network, as far as names go.

    Attributes:
        network: the network's id.
        network_name: the domain of the answers to reverse look-ups.
        addresses: the container's in this network.
        names: what others in this network call it, the first is the answer to reverse look-ups.
        links: what it calls others in this network, by alias.

    """

    network: str
    network_name: str
    addresses: tuple[Address, ...]
    names: tuple[str, ...]
    links: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Asker:
    """A container that asks for names.

    Attributes:
        id: the container's.
        namespace: the file of its network namespace.
        servers: who is asked for names that no network has; none for a container without a way out.
        memberships: its networks, the first counts most.

    """

    id: str
    namespace: Path
    servers: tuple[str, ...]
    memberships: tuple[Membership, ...]
