"""Kernel parameters of a container: only those that belong to a namespace of its own.

Anything else would be set for the whole host, so it is refused at create.

Source: sysctl(8), namespaces(7); the two defaults are what dockerd sets since 20.10.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from daemon.errors import InvalidParameter
from daemon.model import Config, HostConfig

_IPC_NAMES: Final = "msgmax msgmnb msgmni sem shmall shmmax shmmni shm_rmid_forced"
_IPC: Final = frozenset(f"kernel.{name}" for name in _IPC_NAMES.split())
# An unprivileged process may bind port 80 and open an ICMP socket: the container has the network to itself.
NETWORK_DEFAULTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "net.ipv4.ip_unprivileged_port_start": "0",
        "net.ipv4.ping_group_range": "0 2147483647",
    }
)


def sysctls(config: Config, host_config: HostConfig) -> dict[str, str]:
    """Return the section: defaults, the NIS domain name, what the client set."""
    defaults = NETWORK_DEFAULTS if _own(host_config.network_mode) else {}
    domain = (
        {"kernel.domainname": config.domainname} if config.domainname and _own(host_config.uts_mode) else {}
    )
    return {**defaults, **domain, **(host_config.sysctls or {})}


def check_sysctls(host_config: HostConfig) -> None:
    """Refuse parameters that are not the container's own.

    Raises:
        InvalidParameter: one is the host's, or not known to belong to a namespace.

    """
    for name in host_config.sysctls or {}:
        kind, mode = _owner(name, host_config)
        if kind is None:
            raise InvalidParameter(f'sysctl "{name}" is not in a separate kernel namespace')
        if mode == "host":
            raise InvalidParameter(f'sysctl "{name}" is not allowed in the hosts {kind} namespace')


def _owner(name: str, host_config: HostConfig) -> tuple[str | None, str]:
    if name.startswith("net."):
        return "network", host_config.network_mode
    if name in _IPC or name.startswith("fs.mqueue."):
        return "ipc", host_config.ipc_mode
    if name == "kernel.domainname":
        return "UTS", host_config.uts_mode
    return None, ""


def _own(mode: str) -> bool:
    return mode != "host" and not mode.startswith("container:")
