"""A container's networks as the list and inspect show them.

What a container is to be in each network is there always; addresses only while it has them.
Source: EndpointSettings and NetworkSettings of the Engine API; api-contract 3.10, 3.18 and 3.20.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from daemon.actors.container.admission.endpoints import PREDEFINED
from daemon.actors.container.attachments import Attachment
from daemon.actors.container.networking.naming import SHORT_ID, names_of
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.model import EndpointConfig
from daemon.networks.plans import PublishedPort
from daemon.networks.ports import ContainerPort, exposed_ports
from daemon.networks.records import Lease

Version = tuple[int, int]
SHORT_ID_IS_NO_ALIAS: Final = (1, 45)
DNS_NAMES_SINCE: Final = (1, 44)
PRIORITY_SINCE: Final = (1, 48)
BRIDGE: Final = "bridge"
NOT_ATTACHED: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "EndpointID": "",
        "Gateway": "",
        "IPAddress": "",
        "IPPrefixLen": 0,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "MacAddress": "",
    }
)


def networks(snapshot: ContainerSnapshot, version: Version) -> dict[str, Any]:
    """Return NetworkSettings.Networks."""
    wishes = snapshot.record.networks
    return {name: _endpoint(snapshot, name, wish, version) for name, wish in wishes.items()}


def network_settings(snapshot: ContainerSnapshot, version: Version) -> dict[str, Any]:
    """Return NetworkSettings; the addresses on the predefined bridge are there twice, for old clients."""
    attachment = _attached(snapshot, BRIDGE)
    sandbox = snapshot.attachments.sandbox if snapshot.running else ""
    return {
        "Bridge": "",
        "SandboxID": snapshot.id if sandbox else "",
        "SandboxKey": sandbox,
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        **(NOT_ATTACHED if attachment is None else _addresses(attachment.lease)),
        "Ports": _ports(snapshot),
        "Networks": networks(snapshot, version),
    }


def listed_ports(snapshot: ContainerSnapshot) -> list[dict[str, Any]]:
    """Return the ports of a running container, as the list has them."""
    shown: list[dict[str, Any]] = []
    for port, ends in _by_port(snapshot).items():
        private = {"PrivatePort": port.number, "Type": port.protocol}
        shown += [{"IP": str(end.host_address), "PublicPort": end.host_port, **private} for end in ends]
        shown += [] if ends else [private]
    return shown


def _endpoint(
    snapshot: ContainerSnapshot, network: str, wish: EndpointConfig, version: Version
) -> dict[str, Any]:
    attachment = _attached(snapshot, network)
    shown: dict[str, Any] = {
        "IPAMConfig": wish.ipam_config,
        "Links": wish.links,
        "Aliases": _aliases(snapshot, network, wish, version),
        "DriverOpts": wish.driver_opts,
        "NetworkID": "" if attachment is None else attachment.lease.network_id,
        **(NOT_ATTACHED if attachment is None else _addresses(attachment.lease)),
    }
    if version >= DNS_NAMES_SINCE:
        shown["DNSNames"] = None if network in PREDEFINED else list(names_of(snapshot.record, wish))
    if version >= PRIORITY_SINCE:
        shown["GwPriority"] = wish.gw_priority
    return shown


def _aliases(
    snapshot: ContainerSnapshot, network: str, wish: EndpointConfig, version: Version
) -> list[str] | None:
    aliases = list(wish.aliases or ())
    if network not in PREDEFINED and version < SHORT_ID_IS_NO_ALIAS:
        aliases.append(snapshot.id[:SHORT_ID])
    return aliases or None


def _attached(snapshot: ContainerSnapshot, network: str) -> Attachment | None:
    return snapshot.attachments.named(network) if snapshot.running else None


def _addresses(lease: Lease) -> dict[str, Any]:
    fourth, sixth = lease.address4, lease.address6
    return {
        "EndpointID": lease.endpoint_id,
        "Gateway": str(lease.gateway4 or ""),
        "IPAddress": str(fourth.ip) if fourth else "",
        "IPPrefixLen": fourth.network.prefixlen if fourth else 0,
        "IPv6Gateway": str(lease.gateway6 or ""),
        "GlobalIPv6Address": str(sixth.ip) if sixth else "",
        "GlobalIPv6PrefixLen": sixth.network.prefixlen if sixth else 0,
        "MacAddress": lease.mac,
    }


def _ports(snapshot: ContainerSnapshot) -> dict[str, Any]:
    return {
        str(port): [{"HostIp": str(end.host_address), "HostPort": str(end.host_port)} for end in ends] or None
        for port, ends in _by_port(snapshot).items()
    }


def _by_port(snapshot: ContainerSnapshot) -> dict[ContainerPort, list[PublishedPort]]:
    """Return what leads to each port of a running container, in the order of the ports."""
    if not (snapshot.running and snapshot.attachments.sandbox):
        return {}
    found: dict[ContainerPort, list[PublishedPort]] = defaultdict(list)
    for port in exposed_ports(snapshot.record.config):
        found[port] = []
    for published in snapshot.attachments.ports:
        found[ContainerPort(published.port, published.protocol)].append(published)
    return dict(sorted(found.items()))


def is_in(snapshot: ContainerSnapshot, network: str) -> bool:
    """Tell whether a container is in a network of this name or with this id, now or when it runs."""
    return network in snapshot.record.networks or _attached(snapshot, network) is not None


def bound_ports(snapshot: ContainerSnapshot) -> Iterator[ContainerPort]:
    """Yield the container's ports that it publishes now."""
    return (port for port, ends in _by_port(snapshot).items() if ends)
