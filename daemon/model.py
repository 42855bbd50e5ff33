"""What clients ask for, as frozen values in Docker's vocabulary.

A field's wire name is its name in PascalCase unless `wire=` says otherwise (`daemon.wire` reads
that).  Every field that Docker's API has is here, so that inspect can echo what was sent; a field
this engine cannot honour yet is refused at create by `daemon.actors.container.admission`, never ignored.

Source: api-contract section 3.18 and the Engine API schema, v1.51.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

Json = Any  # JSON has no type until it is checked


def wire(name: str, **field: Any) -> Any:
    """Make a field whose wire name is `name`."""
    return attrs.field(metadata={"wire": name}, **field)


def str_slice() -> Any:
    """Make a list-of-strings field for which a client may also send one bare string."""
    return attrs.field(default=None, metadata={"bare_string": True})


@attrs.frozen
class Healthcheck:
    """How to probe a container; durations in nanoseconds, as on the wire."""

    test: tuple[str, ...] | None = str_slice()
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


@attrs.frozen
class Config:
    """The portable part: what an image says and a client may override."""

    hostname: str = ""
    domainname: str = ""
    user: str = ""
    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    exposed_ports: Mapping[str, Json] | None = None
    tty: bool = False
    open_stdin: bool = False
    stdin_once: bool = False
    env: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = str_slice()
    healthcheck: Healthcheck | None = None
    args_escaped: bool = False
    image: str = ""
    volumes: Mapping[str, Json] | None = None
    working_dir: str = ""
    entrypoint: tuple[str, ...] | None = str_slice()
    network_disabled: bool = False
    mac_address: str = ""
    on_build: tuple[str, ...] | None = None
    labels: Mapping[str, str] | None = None
    stop_signal: str = ""
    stop_timeout: int | None = None
    shell: tuple[str, ...] | None = str_slice()


@attrs.frozen
class RestartPolicy:
    """When to start a container again by itself."""

    name: str = ""
    maximum_retry_count: int = 0


@attrs.frozen
class LogConfig:
    """Where the container's output goes."""

    type: str = ""
    config: Mapping[str, str] | None = None


@attrs.frozen
class Ulimit:
    """One resource limit; -1 is unlimited."""

    name: str = ""
    soft: int = 0
    hard: int = 0


@attrs.frozen
class Device:
    """A host device given to the container."""

    path_on_host: str = ""
    path_in_container: str = ""
    cgroup_permissions: str = ""


@attrs.frozen
class WeightDevice:
    """Block IO weight of one device."""

    path: str = ""
    weight: int = 0


@attrs.frozen
class ThrottleDevice:
    """Block IO rate of one device, in bytes or operations a second."""

    path: str = ""
    rate: int = 0


@attrs.frozen
class BindOptions:
    """Options of a bind mount."""

    propagation: str = ""
    non_recursive: bool = False
    create_mountpoint: bool = False
    read_only_non_recursive: bool = False
    read_only_force_recursive: bool = False


@attrs.frozen
class TmpfsOptions:
    """Options of a tmpfs mount; mode is the permission bits as an integer."""

    size_bytes: int = 0
    mode: int = 0
    options: tuple[tuple[str, ...], ...] | None = None


@attrs.frozen
class Mount:
    """One entry of HostConfig.Mounts."""

    type: str = ""
    source: str = ""
    target: str = ""
    read_only: bool = False
    consistency: str = ""
    bind_options: BindOptions | None = None
    volume_options: Mapping[str, Json] | None = None
    image_options: Mapping[str, Json] | None = None
    tmpfs_options: TmpfsOptions | None = None


@attrs.frozen
class HostConfig:
    """The part that ties a container to this host.

    Sizes in bytes, `nano_cpus` in 1e-9 CPUs, `cpu_period` and `cpu_quota` in microseconds.
    """

    binds: tuple[str, ...] | None = None
    container_id_file: str = wire("ContainerIDFile", default="")
    log_config: LogConfig = LogConfig()
    network_mode: str = ""
    port_bindings: Mapping[str, Json] | None = None
    restart_policy: RestartPolicy = RestartPolicy()
    auto_remove: bool = False
    volume_driver: str = ""
    volumes_from: tuple[str, ...] | None = None
    console_size: tuple[int, ...] = (0, 0)
    annotations: Mapping[str, str] | None = None
    cap_add: tuple[str, ...] | None = None
    cap_drop: tuple[str, ...] | None = None
    cgroupns_mode: str = ""
    dns: tuple[str, ...] | None = None
    dns_options: tuple[str, ...] | None = None
    dns_search: tuple[str, ...] | None = None
    extra_hosts: tuple[str, ...] | None = None
    group_add: tuple[str, ...] | None = None
    ipc_mode: str = ""
    cgroup: str = ""
    links: tuple[str, ...] | None = None
    oom_score_adj: int = 0
    pid_mode: str = ""
    privileged: bool = False
    publish_all_ports: bool = False
    readonly_rootfs: bool = False
    security_opt: tuple[str, ...] | None = None
    storage_opt: Mapping[str, str] | None = None
    tmpfs: Mapping[str, str] | None = None
    uts_mode: str = wire("UTSMode", default="")
    userns_mode: str = ""
    shm_size: int = 0
    sysctls: Mapping[str, str] | None = None
    runtime: str = ""
    isolation: str = ""
    cpu_shares: int = 0
    memory: int = 0
    nano_cpus: int = 0
    cgroup_parent: str = ""
    blkio_weight: int = 0
    blkio_weight_device: tuple[WeightDevice, ...] | None = None
    blkio_device_read_bps: tuple[ThrottleDevice, ...] | None = None
    blkio_device_write_bps: tuple[ThrottleDevice, ...] | None = None
    blkio_device_read_iops: tuple[ThrottleDevice, ...] | None = wire("BlkioDeviceReadIOps", default=None)
    blkio_device_write_iops: tuple[ThrottleDevice, ...] | None = wire("BlkioDeviceWriteIOps", default=None)
    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_realtime_period: int = 0
    cpu_realtime_runtime: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    devices: tuple[Device, ...] | None = None
    device_cgroup_rules: tuple[str, ...] | None = None
    device_requests: tuple[Mapping[str, Json], ...] | None = None
    memory_reservation: int = 0
    memory_swap: int = 0
    memory_swappiness: int | None = None
    oom_kill_disable: bool | None = None
    pids_limit: int | None = None
    ulimits: tuple[Ulimit, ...] | None = None
    cpu_count: int = 0
    cpu_percent: int = 0
    io_maximum_iops: int = wire("IOMaximumIOps", default=0)
    io_maximum_bandwidth: int = wire("IOMaximumBandwidth", default=0)
    mounts: tuple[Mount, ...] | None = None
    masked_paths: tuple[str, ...] | None = None
    readonly_paths: tuple[str, ...] | None = None
    init: bool | None = None


@attrs.frozen
class EndpointConfig:
    """What a client asks of a container's place in one network."""

    ipam_config: Mapping[str, Json] | None = wire("IPAMConfig", default=None)
    links: tuple[str, ...] | None = None
    aliases: tuple[str, ...] | None = None
    mac_address: str = ""
    driver_opts: Mapping[str, str] | None = None
    gw_priority: int = 0
    network_id: str = wire("NetworkID", default="")


@attrs.frozen
class NetworkingConfig:
    """The networks a container is to be created in, by name."""

    endpoints_config: Mapping[str, EndpointConfig | None] | None = None


@attrs.frozen
class ExecConfig:
    """What an exec session is to run."""

    user: str = ""
    privileged: bool = False
    tty: bool = False
    console_size: tuple[int, ...] | None = None
    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    detach: bool = False
    detach_keys: str = ""
    env: tuple[str, ...] | None = None
    working_dir: str = ""
    cmd: tuple[str, ...] | None = str_slice()


@attrs.frozen
class ImageConfig:
    """What the engine needs of an image to run it; `config` is the image's own defaults.

    `diff_ids` are the digests of the uncompressed layers, lowest first ("sha256:...").
    """

    id: str
    config: Config
    diff_ids: tuple[str, ...]
    architecture: str
    os: str
    variant: str = ""
