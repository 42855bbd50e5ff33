"""Askers as tests need them."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path

from daemon.networks.plans import Asker, Membership


def member(network: str, addresses: str, names: str, links: Mapping[str, str] | None = None) -> Membership:
    """Return a place in `network`, whose name is the same with a net before it."""
    return Membership(
        network=network,
        network_name=f"net{network}",
        addresses=tuple(map(ip_address, addresses.split())),
        names=tuple(names.split()),
        links=links or {},
    )


def asker(
    asker_id: str, *memberships: Membership, servers: tuple[str, ...] = (), namespace: Path = Path("/none")
) -> Asker:
    return Asker(asker_id, namespace, servers, memberships)
