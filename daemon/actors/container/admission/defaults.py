"""What a container gets that its client said nothing about, and what its API version makes of it.

Defaults are written into the stored configuration, so that inspect shows what really applies and a later
change of the engine's settings changes no container that exists.

Source of the version differences: api-contract 3.20.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from daemon.errors import InvalidParameter
from daemon.model import BindOptions, Config, HostConfig, LogConfig, Mount, RestartPolicy, Ulimit
from daemon.runtimes.spec.inputs import HostFacts
from daemon.runtimes.spec.security import MASKED_PATHS, READONLY_PATHS
from daemon.runtimes.table import RuntimeTable

Version = tuple[int, int]
START_INTERVAL_SINCE: Final = (1, 44)


@attrs.frozen
class Defaults:
    """The engine's own part: settings and host, as they are now.

    `hostname` is the host's; `network_mode` is for who names none; `has_host_gateway` tells whether a bridge
    has an address for "host-gateway"; `shm_size` in bytes.
    """

    host: HostFacts
    runtimes: RuntimeTable
    hostname: str
    network_mode: str = "bridge"
    has_host_gateway: bool = True
    shm_size: int = 64 << 20
    ipc_mode: str = "private"
    cgroupns_mode: str = ""
    cgroup_parent: str = ""
    ulimits: tuple[Ulimit, ...] = ()
    log_driver: str = "json-file"
    log_opts: Mapping[str, str] = {}
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()


def filled(host_config: HostConfig, config: Config, defaults: Defaults, version: Version) -> HostConfig:
    """Return `host_config` with every default in its place."""
    return attrs.evolve(
        host_config,
        network_mode=_network_mode(host_config, config, defaults),
        ipc_mode=host_config.ipc_mode or ("shareable" if version < (1, 40) else defaults.ipc_mode),
        cgroupns_mode=host_config.cgroupns_mode or _cgroupns_mode(defaults, version),
        cgroup_parent=host_config.cgroup_parent or defaults.cgroup_parent,
        runtime=host_config.runtime or defaults.runtimes.default,
        log_config=_log_config(host_config.log_config, defaults),
        dns=host_config.dns or defaults.dns or host_config.dns,
        dns_search=host_config.dns_search or defaults.dns_search or host_config.dns_search,
        dns_options=host_config.dns_options or defaults.dns_options or host_config.dns_options,
        restart_policy=_restart_policy(host_config.restart_policy),
        shm_size=host_config.shm_size or defaults.shm_size,
        memory_swap=_memory_swap(host_config),
        memory_swappiness=_set(host_config.memory_swappiness, -1),
        pids_limit=_set(host_config.pids_limit, 0),
        ulimits=_ulimits(host_config, defaults),
        **_hidden_paths(host_config),
    )


def _network_mode(host_config: HostConfig, config: Config, defaults: Defaults) -> str:
    if config.network_disabled:
        return "none"
    asked = host_config.network_mode
    return defaults.network_mode if asked in {"", "default"} else asked


def _cgroupns_mode(defaults: Defaults, version: Version) -> str:
    if defaults.host.cgroup_version == 1 and version < (1, 41):
        return "host"
    return defaults.cgroupns_mode or defaults.host.cgroupns_mode


def _log_config(own: LogConfig, defaults: Defaults) -> LogConfig:
    """Return how to log; the engine's options are for the engine's driver, and for no other."""
    driver = own.type or defaults.log_driver
    inherited = defaults.log_opts if driver == defaults.log_driver else {}
    return LogConfig(driver, {**inherited, **(own.config or {})})


def _restart_policy(policy: RestartPolicy) -> RestartPolicy:
    return attrs.evolve(policy, name=policy.name or "no")


def _memory_swap(host_config: HostConfig) -> int:
    """Return the limit of memory and swap together: twice the memory limit unless said."""
    return host_config.memory_swap or max(host_config.memory, 0) * 2


def _set(value: int | None, unset: int) -> int | None:
    """Return None for the number by which a client says that it does not set the field."""
    return None if value == unset else value


def _ulimits(host_config: HostConfig, defaults: Defaults) -> tuple[Ulimit, ...] | None:
    own = host_config.ulimits or ()
    said = {ulimit.name for ulimit in own}
    return (*own, *(ulimit for ulimit in defaults.ulimits if ulimit.name not in said)) or host_config.ulimits


def _hidden_paths(host_config: HostConfig) -> Mapping[str, Any]:
    """Return the default paths where the client gave none; an empty list is its wish to hide nothing."""
    if host_config.privileged:
        return {}
    paths = {"masked_paths": MASKED_PATHS, "readonly_paths": READONLY_PATHS}
    return {name: default for name, default in paths.items() if getattr(host_config, name) is None}


def config_as_of_version(config: Config, version: Version) -> Config:
    """Return `config` as its API version meant it: what that did not know yet is not there."""
    probe = config.healthcheck
    if version >= START_INTERVAL_SINCE or probe is None:
        return config
    return attrs.evolve(config, healthcheck=attrs.evolve(probe, start_interval=0))


def as_of_version(host_config: HostConfig, version: Version) -> HostConfig:
    """Return `host_config` as an engine of that API version would have understood it.

    Raises:
        InvalidParameter: it uses what that version did not have and had to refuse.

    """
    for since, earlier in _GATES:
        if version < since:
            host_config = earlier(host_config)
    return host_config


def _binds_with(**changes: Any) -> Callable[[HostConfig], HostConfig]:
    """Make a gate that sets options of all binds among Mounts."""

    def change(mount: Mount) -> Mount:
        options = attrs.evolve(mount.bind_options or BindOptions(), **changes)
        return attrs.evolve(mount, bind_options=options) if mount.type == "bind" else mount

    def gate(host_config: HostConfig) -> HostConfig:
        mounts = host_config.mounts
        return attrs.evolve(host_config, mounts=tuple(map(change, mounts)) if mounts else mounts)

    return gate


def _without_foreign_options(host_config: HostConfig) -> HostConfig:
    """Drop options that belong to another type of mount, which early versions overlooked."""
    own = {"bind": "bind_options", "volume": "volume_options", "tmpfs": "tmpfs_options"}

    def change(mount: Mount) -> Mount:
        foreign: dict[str, Any] = {name: None for type_, name in own.items() if type_ != mount.type}
        return attrs.evolve(mount, **foreign)

    return attrs.evolve(
        host_config, mounts=tuple(map(change, host_config.mounts or ())) or host_config.mounts
    )


def _no_tmpfs_options(host_config: HostConfig) -> HostConfig:
    if any(mount.tmpfs_options and mount.tmpfs_options.options for mount in host_config.mounts or ()):
        raise InvalidParameter("specifying tmpfs options requires API version 1.46 or newer")
    return host_config


_GATES: Final[tuple[tuple[Version, Callable[[HostConfig], HostConfig]], ...]] = (
    ((1, 40), _binds_with(non_recursive=False)),
    ((1, 42), _binds_with(create_mountpoint=False)),
    ((1, 42), _without_foreign_options),
    ((1, 42), lambda host_config: attrs.evolve(host_config, console_size=(0, 0))),
    ((1, 43), lambda host_config: attrs.evolve(host_config, annotations=None)),
    ((1, 44), _binds_with(read_only_non_recursive=True)),
    ((1, 46), _no_tmpfs_options),
)
