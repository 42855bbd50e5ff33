"""Which networks a container is to be in, and as what: the endpoints of a create or a connect.

Whether a network exists is found out at each start, as dockerd does: here only what is said of it is checked.
On the predefined networks a container has no name and no address of its choice.

Source: api-contract 3.4 and 3.20; NetworkingConfig and EndpointSettings of the Engine API.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs

from daemon.actors.container.admission.defaults import Version
from daemon.errors import InvalidParameter
from daemon.model import Config, EndpointConfig, HostConfig, NetworkingConfig

MANY_SINCE: Final = (1, 44)
SHARED: Final = "container:"
# What dockerd says where one network excludes all others, at a create and at a connect.
SHARING_EXCLUDES: Final = (
    "container sharing network namespace with another container or host "
    "cannot be connected to any other network"
)
PRIVATE_EXCLUDES: Final = (
    "container cannot be connected to multiple networks with one of the networks in private (none) mode"
)
PREDEFINED: Final = frozenset({"bridge", "host", "none"})
_MAC: Final = re.compile(r"[0-9a-f]{2}([:-][0-9a-f]{2}){5}", re.IGNORECASE)
_FAMILIES: Final[Mapping[str, int]] = MappingProxyType({"IPv4Address": 4, "IPv6Address": 6})

# Settings that need a network with names and pools of one's own, and what dockerd says of them elsewhere.
_NEED_A_NETWORK: Final[Mapping[str, str]] = MappingProxyType(
    {
        "aliases": "network-scoped aliases are only supported for user-defined networks",
        "links": "links are only supported for user-defined networks",
        "ipam_config": "user specified IP address is supported on user defined networks only",
    }
)
# Settings that need an address at all.
_NEED_AN_ADDRESS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "mac_address": "conflicting options: mac-address and the network mode",
        "driver_opts": "endpoint options are only supported for networks with addresses",
    }
)


def wanted_networks(
    networking: NetworkingConfig, asked_mode: str, config: Config, host_config: HostConfig, version: Version
) -> dict[str, EndpointConfig]:
    """Return what the container is to be in each of its networks, the one of its network mode first.

    Args:
        networking: the client's.
        asked_mode: the network mode as the client wrote it; the endpoint may be named after it.
        config: a MAC address in it is for the network of the mode.
        host_config: with the mode that was made of it.
        version: before 1.44 there could be but one endpoint.

    Raises:
        InvalidParameter: an endpoint is malformed, or contradicts the network mode.

    """
    mode = host_config.network_mode
    endpoints = dict(networking.endpoints_config or {})
    if version < MANY_SINCE and len(endpoints) > 1:
        names = ", ".join(sorted(endpoints))
        raise InvalidParameter(f"Container cannot be created with multiple network endpoints: {names}")
    own = next((endpoints.pop(name) for name in (asked_mode, mode, "default") if name in endpoints), None)
    _check_mode(mode, bool(endpoints))
    if mode.startswith(SHARED):
        return {}
    wanted = {mode: _with_links(_with_mac(own or EndpointConfig(), config), host_config)}
    wanted |= {name: endpoint or EndpointConfig() for name, endpoint in endpoints.items()}
    for name, endpoint in wanted.items():
        check_endpoint(name, endpoint)
    return wanted


def check_endpoint(network: str, endpoint: EndpointConfig) -> None:
    """Refuse what cannot be in a network of this name.

    Raises:
        InvalidParameter: see above.

    """
    refused: dict[str, str] = {}
    if network in PREDEFINED:
        refused |= _NEED_A_NETWORK
    if network in PREDEFINED - {"bridge"}:
        refused |= _NEED_AN_ADDRESS
    for field, text in refused.items():
        if _says(getattr(endpoint, field)):
            raise InvalidParameter(text)
    if endpoint.mac_address and not _MAC.fullmatch(endpoint.mac_address):
        raise InvalidParameter(f"invalid MAC address: {endpoint.mac_address}")
    _check_addresses(endpoint.ipam_config or {})


def _check_mode(mode: str, has_more: bool) -> None:
    if has_more and (mode == "host" or mode.startswith(SHARED)):
        raise InvalidParameter(SHARING_EXCLUDES)
    if has_more and mode == "none":
        raise InvalidParameter(PRIVATE_EXCLUDES)


def _with_mac(endpoint: EndpointConfig, config: Config) -> EndpointConfig:
    if config.mac_address and endpoint.mac_address not in {"", config.mac_address}:
        raise InvalidParameter(
            "the container-wide MAC address must match the endpoint-specific MAC address "
            "for the main network, or be left empty"
        )
    return attrs.evolve(endpoint, mac_address=endpoint.mac_address or config.mac_address)


def _with_links(endpoint: EndpointConfig, host_config: HostConfig) -> EndpointConfig:
    """Return the endpoint with the host configuration's links, where these are names of the network."""
    if not host_config.links or host_config.network_mode in PREDEFINED:
        return endpoint
    return attrs.evolve(endpoint, links=(*(endpoint.links or ()), *host_config.links))


def _check_addresses(ipam_config: Mapping[str, Any]) -> None:
    if ipam_config.get("LinkLocalIPs"):
        raise InvalidParameter("link-local addresses (LinkLocalIPs) are not supported: leave them out")
    for field, version in _FAMILIES.items():
        text = ipam_config.get(field) or ""
        try:
            fits = not text or ipaddress.ip_address(text).version == version
        except ValueError:
            fits = False
        if not fits:
            raise InvalidParameter(f"invalid IPv{version} address: {text}")


def _says(value: Any) -> bool:
    return any(value.values()) if isinstance(value, Mapping) else bool(value)
