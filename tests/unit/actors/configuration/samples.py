"""Another value for every key of daemon.json."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import attrs

from daemon.configuration import keys, takes_effect
from daemon.settings import AddressPool, ConfiguredRuntime, DefaultUlimit, Settings, TakesEffect

OTHER: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "hosts": ("unix:///other.sock",),
        "data-root": Path("/other/data"),
        "exec-root": Path("/other/exec"),
        "pidfile": Path("/other/pid"),
        "storage-driver": "mine",
        "storage-opts": ("size=3G",),
        "debug": True,
        "log-level": "warn",
        "log-format": "json",
        "labels": ("a=b",),
        "features": {"cdi": True},
        "live-restore": False,
        "shutdown-timeout": 3,
        "event-retention-days": 7,
        "event-retention-count": 1000,
        "event-retention-bytes": 1 << 20,
        "runtimes": {"slow": ConfiguredRuntime("/bin/slow", ("--debug",))},
        "default-runtime": "runc",
        "default-stop-timeout": 4,
        "default-shm-size": 1 << 20,
        "default-ipc-mode": "shareable",
        "default-cgroupns-mode": "host",
        "default-ulimits": {"nofile": DefaultUlimit("nofile", 10, 20)},
        "cgroup-parent": "/parent",
        "log-driver": "none",
        "log-opts": {"max-size": "1m"},
        "dns": ("10.0.0.1",),
        "dns-search": ("example.org",),
        "dns-opts": ("ndots:1",),
        "seccomp-profile": "unconfined",
        "registry-mirrors": ("https://mirror.example",),
        "insecure-registries": ("registry.example:5000",),
        "max-concurrent-downloads": 1,
        "max-concurrent-uploads": 1,
        "max-download-attempts": 1,
        "bridge": "br0",
        "bip": "10.1.0.1/16",
        "fixed-cidr": "10.1.1.0/24",
        "default-gateway": "10.1.0.9",
        "ipv6": True,
        "fixed-cidr-v6": "fd00:1::/64",
        "default-gateway-v6": "fd00:1::9",
        "icc": False,
        "ip-masq": False,
        "ip": "127.0.0.1",
        "userland-proxy": True,
        "mtu": 1400,
        "default-address-pools": (AddressPool("10.2.0.0/16", 24),),
        "default-network-opts": {"bridge": {"com.docker.network.driver.mtu": "1400"}},
        "tls": True,
        "tlsverify": True,
        "tlscacert": Path("/ca.pem"),
        "tlscert": Path("/cert.pem"),
        "tlskey": Path("/key.pem"),
    }
)
AT_RESTART: Final = frozenset(key for key in keys() if takes_effect(key) is TakesEffect.RESTART)


def changed(*changed_keys: str, settings: Settings | None = None) -> Settings:
    """Return settings with another value under each of these keys."""
    return attrs.evolve(settings or Settings(), **values_of(changed_keys))


def values_of(some: Collection[str]) -> dict[str, Any]:
    """Return the other values of these keys, by the names of the fields."""
    return {keys()[key].name: OTHER[key] for key in some}
