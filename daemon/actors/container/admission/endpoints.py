"""What a client may say about networks at create, as long as there are only `none` and `host`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from daemon.actors.container.admission.defaults import Version
from daemon.errors import InvalidParameter
from daemon.model import HostConfig, NetworkingConfig

# Settings that need a network with addresses and names, and what dockerd says of them elsewhere.
_NEED_A_NETWORK: Final[Mapping[str, str]] = MappingProxyType(
    {
        "aliases": "network-scoped aliases are only supported for user-defined networks",
        "links": "links are only supported for user-defined networks",
        "ipam_config": "user specified IP address is supported on user defined networks only",
        "mac_address": "conflicting options: mac-address and the network mode",
        "driver_opts": "endpoint options are only supported for user-defined networks",
    }
)


def check_endpoints(
    networking: NetworkingConfig, asked_mode: str, host_config: HostConfig, version: Version
) -> None:
    """Refuse endpoints in networks the container will not be in, and settings that nothing could honour.

    Args:
        networking: the client's.
        asked_mode: the network mode as the client wrote it; endpoints may be named after it.
        host_config: with the mode that was made of it.
        version: before 1.44 there could be but one endpoint.

    Raises:
        InvalidParameter: see above.

    """
    endpoints = networking.endpoints_config or {}
    if version < (1, 44) and len(endpoints) > 1:
        names = ", ".join(sorted(endpoints))
        raise InvalidParameter(f"Container cannot be created with multiple network endpoints: {names}")
    for name, endpoint in endpoints.items():
        if name not in {asked_mode, host_config.network_mode, "default"}:
            raise InvalidParameter(
                f'network "{name}" is not supported yet: use --network none or --network host'
            )
        for field, text in _NEED_A_NETWORK.items():
            if endpoint is not None and getattr(endpoint, field):
                raise InvalidParameter(text)
