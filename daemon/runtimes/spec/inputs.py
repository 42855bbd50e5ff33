"""Everything an OCI spec depends on, gathered beforehand so that building one does no I/O.

`build_spec` is a pure function of `SpecInputs`: what has to be looked up on the host (device numbers,
the container's own passwd file, another container's namespaces) is looked up by whoever makes the
inputs, in a thread where a path came from a client.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import resource
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import attrs

from daemon.model import Config, HostConfig
from daemon.runtimes.spec.capabilities import NAMES
from daemon.runtimes.users import ResolvedUser

UNLIMITED: Final = 2**64 - 1  # RLIM_INFINITY as OCI writes it
GO_ARCHITECTURES: Final[Mapping[str, str]] = MappingProxyType({"x86_64": "amd64", "aarch64": "arm64"})
CGROUPS_V2: Final = 2
_PR_CAPBSET_READ: Final = 23


@attrs.frozen
class HostFacts:
    """What this host, and this daemon on it, can give to containers.

    `hard_limits` are the daemon's own hard rlimits by OCI name ("RLIMIT_NOFILE"); `capabilities` those in
    its bounding set.  A container can have no more than either.
    """

    cgroup_version: int
    hard_limits: Mapping[str, int]
    capabilities: frozenset[str]
    kernel: tuple[int, int]
    cpus: int
    architecture: str = "amd64"
    apparmor: bool = False
    init_path: Path = Path("/usr/bin/catatonit")

    @property
    def cgroupns_mode(self) -> str:
        """The mode of the cgroup namespace for who says nothing of it, as dockerd has it."""
        return "private" if self.cgroup_version == CGROUPS_V2 else "host"


@attrs.frozen
class DeviceNode:
    """A device as it is to appear in the container; `kind` is "c" or "b", `access` a subset of "rwm"."""

    path: str
    kind: str
    major: int
    minor: int
    mode: int
    uid: int = 0
    gid: int = 0
    access: str = "rwm"


@attrs.frozen
class OciSeccomp:
    """A seccomp section for the spec, compiled by the runtime at each create."""

    section: Mapping[str, Any]


@attrs.frozen
class BpfSeccomp:
    """A filter compiled once by the engine, in base64, for runtimes that load it as it is."""

    program: str


@attrs.frozen
class SpecInputs:
    """One container, ready to be written down as an OCI spec.

    `devices` are the nodes to add beside the runtime's own, `block_devices` the (major, minor) of each
    path named in the block IO settings, `joined` the namespace file for each kind ("network", "ipc",
    "pid") whose mode is `container:<x>`.  `seccomp` None means unconfined.
    """

    container_id: str
    config: Config
    host_config: HostConfig
    rootfs: Path
    user: ResolvedUser
    host: HostFacts
    cgroups_path: str
    hosts_path: Path | None = None
    hostname_path: Path | None = None
    resolv_conf_path: Path | None = None
    seccomp: OciSeccomp | BpfSeccomp | None = None
    devices: tuple[DeviceNode, ...] = ()
    block_devices: Mapping[str, tuple[int, int]] = MappingProxyType({})
    joined: Mapping[str, Path] = MappingProxyType({})

    @property
    def hostname(self) -> str:
        """The container's host name: as configured, else the short id."""
        return self.config.hostname or self.container_id[:12]


def host_facts() -> HostFacts:
    """Look at this host once; a few small reads of procfs and sysfs."""
    release = re.match(r"(\d+)\.(\d+)", platform.release())
    machine = platform.machine()
    return HostFacts(
        cgroup_version=2 if Path("/sys/fs/cgroup/cgroup.controllers").exists() else 1,
        hard_limits=_hard_limits(),
        capabilities=_bounding_set(),
        kernel=(int(release[1]), int(release[2])) if release else (0, 0),
        cpus=os.cpu_count() or 1,
        architecture=GO_ARCHITECTURES.get(machine, machine),
        apparmor=Path("/sys/kernel/security/apparmor").is_dir(),
    )


def _hard_limits() -> dict[str, int]:
    limits = {name: getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")}
    found = {name: resource.getrlimit(limit)[1] for name, limit in limits.items()}
    return {name: UNLIMITED if hard == resource.RLIM_INFINITY else hard for name, hard in found.items()}


def _bounding_set() -> frozenset[str]:
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return frozenset(
        name for number, name in enumerate(NAMES) if prctl(_PR_CAPBSET_READ, number, 0, 0, 0) == 1
    )
