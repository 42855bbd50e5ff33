"""Which namespaces a container has of its own, joins, or shares with the host.

The spec lists what is created or joined; a namespace that is not listed is the host's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from daemon.model import HostConfig

HOST = "host"


def namespaces(host_config: HostConfig, joined: Mapping[str, Path]) -> list[dict[str, str]]:
    """Return the section; `joined` has the file for each kind that is there already."""
    return [
        {"type": kind, "path": str(joined[kind])} if kind in joined else {"type": kind}
        for kind, mode in _modes(host_config)
        if mode != HOST
    ]


def _modes(host_config: HostConfig) -> Iterator[tuple[str, str]]:
    yield "mount", ""
    yield "pid", host_config.pid_mode
    yield "ipc", host_config.ipc_mode
    yield "uts", host_config.uts_mode
    yield "network", host_config.network_mode
    yield "cgroup", host_config.cgroupns_mode
