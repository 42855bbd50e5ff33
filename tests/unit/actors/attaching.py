"""Places in networks, and containers in them, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Any

import attrs

from daemon.actors.container.attachments import Attachment
from daemon.actors.container.snapshot import ContainerRecord
from daemon.model import Config, EndpointConfig, HostConfig
from daemon.networks.records import Lease, NetworkRecord
from tests.unit.actors.world import a_record

SIXTH = "fd00::2/64"


def a_lease(network: str, address: str = "172.18.0.2/16", sixth: str = "", **changes: Any) -> Lease:
    """Return a lease of a bridge; its gateways are the first addresses of its subnets."""
    fourth = IPv4Interface(address) if address else None
    six = IPv6Interface(sixth) if sixth else None
    lease = Lease(
        network_id=f"id-of-{network}",
        network_name=network,
        driver="bridge",
        endpoint_id=(network.encode().hex() + "0" * 64)[:64],
        mac="02:42:ac:12:00:02",
        address4=fourth,
        gateway4=IPv4Address(fourth.network.network_address + 1) if fourth else None,
        address6=six,
        gateway6=IPv6Address(six.network.network_address + 1) if six else None,
    )
    return attrs.evolve(lease, **changes)


def a_place(network: str, link: str = "eth0", **lease: Any) -> Attachment:
    return Attachment(a_lease(network, **lease), link)


def a_network(name: str, **changes: Any) -> NetworkRecord:
    driver = changes.pop("driver", "bridge")
    return NetworkRecord(f"id-of-{name}", name, 0, driver, link=f"br-{name}", owner="longshore:x", **changes)


def in_networks(
    networks: Mapping[str, EndpointConfig],
    config: Config | None = None,
    host_config: HostConfig | None = None,
) -> ContainerRecord:
    """Return the record of a container that is to be in these networks."""
    mode = next(iter(networks), "none")
    return attrs.evolve(
        a_record(),
        networks=dict(networks),
        config=config or Config(),
        host_config=attrs.evolve(host_config or HostConfig(), network_mode=mode),
    )
