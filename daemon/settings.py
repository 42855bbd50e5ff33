"""The user's configuration, as one frozen value.

Field names are the keys of daemon.json with underscores, or carry the key as `wire`; units are in
the names.  `daemon.configuration` makes and checks a `Settings`; everybody else only reads it, and
keeps the one they read: a reload publishes another one and changes none.

Every field of `Settings` says what a change of it takes.  The plan of a reload and the user's table
(config/README.md) both speak from that, so that neither can promise what the other denies.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import attrs

from daemon.model import wire


class TakesEffect(Enum):
    """What has to happen before a changed setting is in force."""

    NOW = "now"
    NEW_CONTAINERS = "new containers"
    NEXT_START = "next start of a container"
    RESTART = "engine restart"


def setting(takes_effect: TakesEffect, key: str | None = None, **field: Any) -> Any:
    """Make a field that says what a change of it takes; `key` is for a name that is not the field's."""
    metadata = {"takes_effect": takes_effect} | ({} if key is None else {"wire": key})
    return attrs.field(metadata=metadata, **field)


@attrs.frozen
class ConfiguredRuntime:
    """An OCI runtime as configured; not looked up yet, `path` may be a name on PATH."""

    path: str = ""
    runtime_args: tuple[str, ...] = wire("runtimeArgs", default=())
    runtime_type: str = wire("runtimeType", default="")
    options: Mapping[str, Any] | None = None


@attrs.frozen
class DefaultUlimit:
    """A limit for containers that set none themselves; -1 is unlimited."""

    name: str = wire("Name")
    soft: int = wire("Soft")
    hard: int = wire("Hard")


@attrs.frozen
class AddressPool:
    """A range of addresses to cut networks from, each with a prefix of `size` bits."""

    base: str
    size: int


NOW, NEW_CONTAINERS, NEXT_START, RESTART = TakesEffect


@attrs.frozen
class Settings:
    """Everything the user may say about this engine.

    `default_runtime` is empty when the engine is to choose (`daemon.runtimes.discovery`), and so is
    `default_cgroupns_mode`, which then follows the host's cgroup version.  Of networks, `bip` empty
    and `mtu` 0 leave the choice to the engine as well.
    """

    hosts: tuple[str, ...] = setting(RESTART, default=())
    data_root: Path = setting(RESTART, default=Path("/var/lib/longshore"))
    exec_root: Path = setting(RESTART, default=Path("/run/longshore"))
    pidfile: Path | None = setting(RESTART, default=None)
    storage_driver: str = setting(RESTART, default="")
    storage_opts: tuple[str, ...] = setting(RESTART, default=())
    debug: bool = setting(NOW, default=False)
    log_level: str = setting(NOW, default="info")
    log_format: str = setting(NOW, default="text")
    labels: tuple[str, ...] = setting(NOW, default=())
    features: Mapping[str, bool] = setting(NOW, factory=dict)
    live_restore: bool = setting(NOW, default=True)
    shutdown_timeout_seconds: int = setting(NOW, "shutdown-timeout", default=15)
    event_retention_days: int = setting(NOW, default=90)
    event_retention_count: int = setting(NOW, default=100_000)
    event_retention_bytes: int = setting(NOW, default=128 << 20)
    runtimes: Mapping[str, ConfiguredRuntime] = setting(NEXT_START, factory=dict)
    default_runtime: str = setting(NEW_CONTAINERS, default="")
    default_stop_timeout_seconds: int = setting(NEW_CONTAINERS, "default-stop-timeout", default=10)
    default_shm_size_bytes: int = setting(NEW_CONTAINERS, "default-shm-size", default=64 << 20)
    default_ipc_mode: str = setting(NEW_CONTAINERS, default="private")
    default_cgroupns_mode: str = setting(NEW_CONTAINERS, default="")
    default_ulimits: Mapping[str, DefaultUlimit] = setting(NEW_CONTAINERS, factory=dict)
    cgroup_parent: str = setting(NEW_CONTAINERS, default="")
    log_driver: str = setting(NEW_CONTAINERS, default="json-file")
    log_opts: Mapping[str, str] = setting(NEW_CONTAINERS, factory=dict)
    dns: tuple[str, ...] = setting(NEW_CONTAINERS, default=())
    dns_search: tuple[str, ...] = setting(NEW_CONTAINERS, default=())
    dns_opts: tuple[str, ...] = setting(NEW_CONTAINERS, default=())
    seccomp_profile: str = setting(RESTART, default="")
    registry_mirrors: tuple[str, ...] = setting(NOW, default=())
    insecure_registries: tuple[str, ...] = setting(NOW, default=())
    max_concurrent_downloads: int = setting(NOW, default=3)
    max_concurrent_uploads: int = setting(NOW, default=5)
    max_download_attempts: int = setting(NOW, default=5)
    bridge: str = setting(RESTART, default="longshore0")
    bip: str = setting(RESTART, default="")
    fixed_cidr: str = setting(RESTART, default="")
    default_gateway: str = setting(RESTART, default="")
    ipv6: bool = setting(RESTART, default=False)
    fixed_cidr_v6: str = setting(RESTART, default="")
    default_gateway_v6: str = setting(RESTART, default="")
    icc: bool = setting(RESTART, default=True)
    ip_masq: bool = setting(RESTART, default=True)
    ip: str = setting(RESTART, default="")
    userland_proxy: bool = setting(NOW, default=False)
    mtu: int = setting(RESTART, default=0)
    default_address_pools: tuple[AddressPool, ...] = setting(RESTART, default=())
    default_network_opts: Mapping[str, Mapping[str, str]] = setting(NOW, factory=dict)
    tls: bool = setting(RESTART, default=False)
    tls_verify: bool = setting(RESTART, "tlsverify", default=False)
    tls_ca_cert: Path | None = setting(RESTART, "tlscacert", default=None)
    tls_cert: Path | None = setting(RESTART, "tlscert", default=None)
    tls_key: Path | None = setting(RESTART, "tlskey", default=None)

    @property
    def listen_urls(self) -> tuple[str, ...]:
        """Where to listen: what is configured, else a socket of the engine's own."""
        return self.hosts or (f"unix://{self.exec_root}/longshore.sock",)

    @property
    def lowest_log_level(self) -> str:
        """What is less important than this is not logged."""
        return "debug" if self.debug else self.log_level
