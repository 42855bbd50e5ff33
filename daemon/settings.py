"""The user's configuration, as one frozen value.

Field names are the keys of daemon.json with underscores, or carry the key as `wire`; units are in
the names.  `daemon.configuration` makes and checks a `Settings`; everybody else only reads it, and
keeps the one they read: a reload publishes another one and changes none.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from daemon.model import wire


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
class Settings:
    """Everything the user may say about this engine.

    `default_runtime` is empty when the engine is to choose (`daemon.runtimes.discovery`), and so is
    `default_cgroupns_mode`, which then follows the host's cgroup version.
    """

    hosts: tuple[str, ...] = ()
    data_root: Path = Path("/var/lib/longshore")
    exec_root: Path = Path("/run/longshore")
    pidfile: Path | None = None
    debug: bool = False
    log_level: str = "info"
    log_format: str = "text"
    labels: tuple[str, ...] = ()
    runtimes: Mapping[str, ConfiguredRuntime] = attrs.field(factory=dict)
    default_runtime: str = ""
    shutdown_timeout_seconds: int = wire("shutdown-timeout", default=15)
    default_ulimits: Mapping[str, DefaultUlimit] = attrs.field(factory=dict)
    default_shm_size_bytes: int = wire("default-shm-size", default=64 << 20)
    default_ipc_mode: str = "private"
    default_cgroupns_mode: str = ""
    default_stop_timeout_seconds: int = wire("default-stop-timeout", default=10)
    cgroup_parent: str = ""
    tls: bool = False
    tls_verify: bool = wire("tlsverify", default=False)
    tls_ca_cert: Path | None = wire("tlscacert", default=None)
    tls_cert: Path | None = wire("tlscert", default=None)
    tls_key: Path | None = wire("tlskey", default=None)
    seccomp_profile: str = ""

    @property
    def listen_urls(self) -> tuple[str, ...]:
        """Where to listen: what is configured, else a socket of the engine's own."""
        return self.hosts or (f"unix://{self.exec_root}/longshore.sock",)

    @property
    def lowest_log_level(self) -> str:
        """What is less important than this is not logged."""
        return "debug" if self.debug else self.log_level
