"""What a client says of a network it wants, in Docker's words (`daemon.wire.parse_client` reads them).

Source: NetworkCreateRequest, IPAM and IPAMConfig of the Engine API schema, v1.51.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from daemon.model import Json, wire


@attrs.frozen
class PoolAsked:
    """One subnet."""

    subnet: str = ""
    ip_range: str = wire("IPRange", default="")
    gateway: str = ""
    auxiliary_addresses: Mapping[str, str] | None = None


@attrs.frozen
class IpamAsked:
    """Where addresses come from."""

    driver: str = ""
    options: Mapping[str, str] | None = None
    config: tuple[PoolAsked, ...] | None = None


@attrs.frozen
class NetworkAsked:
    """A network to create."""

    name: str = ""
    check_duplicate: bool = False
    driver: str = ""
    scope: str = ""
    enable_ipv4: bool | None = wire("EnableIPv4", default=None)
    enable_ipv6: bool | None = wire("EnableIPv6", default=None)
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    config_only: bool = False
    config_from: Mapping[str, Json] | None = None
    ipam: IpamAsked = wire("IPAM", default=IpamAsked())
    options: Mapping[str, str] | None = None
    labels: Mapping[str, str] | None = None
