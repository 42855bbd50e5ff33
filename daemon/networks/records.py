"""What a network is, and what a container has in it: frozen values that go into records.

A network's definition is the journal's; a lease is its container's, whose record keeps it.  Both say in
`daemon.networks.plans`' words what the kernel is to do about them.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Final

import attrs

from daemon.networks import options
from daemon.networks.addresses import Pool
from daemon.networks.plans import Address, BridgePlan, BridgeRules, Interface, LinkPlan

NETWORK_KIND: Final = "network"
NETWORK_DRIVERS: Final = ("bridge", "host", "ipvlan", "macvlan", "null")
LINKLESS: Final = frozenset({"host", "null"})
SHORT_ID: Final = 12
DEFAULT_PREFIX: Final = "eth"
EVERYWHERE: Final = IPv4Address(0)
FIRST_MODES: Final[Mapping[str, str]] = {"macvlan": "bridge", "ipvlan": "l2"}


@attrs.frozen
class Lease:
    """A container's place in a network: what is its own there for as long as it is connected.

    Attributes:
        driver: the network's.
        endpoint_id: 64 hexadecimal digits.
        mac: "02:42:ac:11:00:02"; empty where the link has its parent's, or where there is no link.
        address4: with the length of the subnet's prefix; None without IPv4.
        gateway4: where everything else goes; None if the network leads nowhere.
        address6: the same for IPv6.
        gateway6: the same for IPv6.
        interface_name: what the link is to be called in the container; empty: the next one's name.
        sysctls: by file below /proc/sys, IFNAME standing for the link's name.

    """

    network_id: str
    network_name: str
    driver: str
    endpoint_id: str
    mac: str = ""
    address4: IPv4Interface | None = None
    gateway4: IPv4Address | None = None
    address6: IPv6Interface | None = None
    gateway6: IPv6Address | None = None
    interface_name: str = ""
    sysctls: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def interfaces(self) -> tuple[Interface, ...]:
        """What the link carries."""
        return tuple(found for found in (self.address4, self.address6) if found is not None)

    @property
    def gateways(self) -> tuple[Address, ...]:
        """Where everything else goes."""
        return tuple(found for found in (self.gateway4, self.gateway6) if found is not None)


@attrs.frozen
class Endpoint:
    """A lease and the name of the container that has it."""

    container_name: str
    lease: Lease


@attrs.frozen
class NetworkRecord:
    """The definition of a network, completed with what the engine chose.

    Attributes:
        driver: "bridge", "macvlan", "ipvlan", "host" or "null".
        link: the bridge's name, or the name of the parent that macvlan or ipvlan share; else empty.
        owner: what is written on links, so that whoever clears up knows whose they are.
        pools: addresses are given from the first that has one left, for each family.
        predefined: it is there from the first start on and cannot be removed.

    """

    id: str
    name: str
    created_ns: int
    driver: str
    link: str = ""
    owner: str = ""
    pools: tuple[Pool, ...] = ()
    enable_ipv4: bool = True
    enable_ipv6: bool = False
    internal: bool = False
    attachable: bool = False
    options: Mapping[str, str] = attrs.field(factory=dict)
    labels: Mapping[str, str] = attrs.field(factory=dict)
    ipam_driver: str = "default"
    ipam_options: Mapping[str, str] | None = None
    predefined: bool = False

    @property
    def is_bridge(self) -> bool:
        """Whether it has a bridge of its own in the kernel."""
        return self.driver == "bridge"

    @property
    def interface_prefix(self) -> str:
        """What its links in containers are called, up to a number."""
        return self.options.get(options.INTERFACE_PREFIX) or DEFAULT_PREFIX

    @property
    def host_binding(self) -> IPv4Address | None:
        """Where ports are published that name no address; None: at all of the host's, IPv6 as well."""
        address = IPv4Address(self.options.get(options.HOST_BINDING) or EVERYWHERE)
        return None if address == EVERYWHERE else address

    def bridge_plan(self) -> BridgePlan:
        """Return the bridge that this network needs in the kernel."""
        inhibited = 4 if options.is_on(self.options, options.INHIBIT_IPV4, default=False) else 0
        carried = tuple(pool.on_link(pool.gateway) for pool in self.pools if pool.version != inhibited)
        mtu = options.mtu(self.options)
        return BridgePlan(self.link, carried, mtu, self.owner, from_loopback=not self.internal)

    def bridge_rules(self) -> BridgeRules:
        """Return what may pass its bridge."""
        return BridgeRules(
            self.link,
            tuple(pool.subnet for pool in self.pools),
            internal=self.internal,
            between_containers=options.is_on(self.options, options.ICC, default=True),
            masquerade=options.is_on(self.options, options.MASQUERADE, default=True),
        )

    def link_plan(self, lease: Lease, name: str, host_name: str, *, way_out: bool) -> LinkPlan | None:
        """Return the link that the holder of `lease` gets.

        Args:
            lease: of this network.
            name: the link's, in the container.
            host_name: of its other end, where there is one.
            way_out: whether everything that has no better route goes here.

        Returns:
            None if the network has no links: `host` and `null`.

        """
        if self.driver in LINKLESS:
            return None
        mode_option = options.MODES.get(self.driver, "")
        return LinkPlan(
            kind=self.driver,
            parent=self.link,
            host_name=host_name,
            name=name,
            mac=lease.mac,
            interfaces=lease.interfaces,
            gateways=lease.gateways if way_out else (),
            mtu=options.mtu(self.options),
            mode=self.options.get(mode_option) or FIRST_MODES.get(self.driver, ""),
            isolated=self.is_bridge and not options.is_on(self.options, options.ICC, default=True),
            sysctls={file.replace("IFNAME", name): value for file, value in lease.sysctls.items()},
            owner=self.owner,
        )
