"""What `docker version` and `docker info` show, as functions of the engine and its host.

Only what is true is claimed: a limit that the kernel cannot set is false here and, as with
dockerd, a line in `Warnings`.  Counts come from snapshots.
"""

from __future__ import annotations

import os
import platform
import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from daemon import __version__
from daemon.api.timestamps import rfc3339
from daemon.api.versions import NEWEST, OLDEST
from daemon.runtimes.host import Host

if TYPE_CHECKING:
    from daemon.actors.engine import Engine

INDEX: Final = "https://index.docker.io/v1/"
REGISTRIES: Final[Mapping[str, Any]] = {
    "InsecureRegistryCIDRs": ["::1/128", "127.0.0.0/8"],
    "IndexConfigs": {"docker.io": {"Name": "docker.io", "Mirrors": [], "Secure": True, "Official": True}},
    "Mirrors": [],
}
PLUGINS: Final[Mapping[str, Any]] = {
    "Volume": ["local"],
    "Network": ["host", "null"],
    "Authorization": None,
    "Log": ["json-file", "none"],
}
NO_SWARM: Final[Mapping[str, Any]] = {
    "NodeID": "",
    "NodeAddr": "",
    "LocalNodeState": "inactive",
    "ControlAvailable": False,
    "Error": "",
    "RemoteManagers": None,
}
WARNINGS: Final[Mapping[str, str]] = {
    "MemoryLimit": "WARNING: No memory limit support",
    "SwapLimit": "WARNING: No swap limit support",
    "CpuCfsQuota": "WARNING: No cpu cfs quota support",
    "CpuCfsPeriod": "WARNING: No cpu cfs period support",
    "CPUShares": "WARNING: No cpu shares support",
    "CPUSet": "WARNING: No cpuset support",
    "PidsLimit": "WARNING: No pids limit support",
    "IPv4Forwarding": "WARNING: IPv4 forwarding is disabled",
}


def version_document(engine: Engine, host: Host) -> dict[str, Any]:
    """Return what `/version` answers; the details are there twice, for old clients and new ones."""
    details = {
        "ApiVersion": str(NEWEST),
        "MinAPIVersion": str(OLDEST),
        "GitCommit": "",
        "GoVersion": f"python{platform.python_version()}",
        "Os": "linux",
        "Arch": engine.host.architecture,
        "KernelVersion": host.kernel_version,
        "BuildTime": "",
    }
    component = {
        "Name": "Engine",
        "Version": __version__,
        "Details": {**details, "Experimental": "false"},
    }
    return {
        "Platform": {"Name": "Longshore"},
        "Components": [component],
        "Version": __version__,
        **details,
        "Experimental": False,
    }


def info_document(engine: Engine, host: Host) -> dict[str, Any]:
    """Return what `/info` answers."""
    limits = _limits(engine, host)
    return {
        **_identity(engine, host),
        **_counts(engine),
        **limits,
        **_runtimes(engine),
        **_surroundings(engine),
        "SecurityOptions": _security_options(engine, host),
        "Swarm": NO_SWARM,
        "Plugins": PLUGINS,
        "Warnings": [text for name, text in WARNINGS.items() if not limits[name]],
    }


def _identity(engine: Engine, host: Host) -> dict[str, Any]:
    settings = engine.settings
    return {
        "ID": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{host.machine_id}:{settings.data_root}")),
        "Name": host.name,
        "ServerVersion": __version__,
        "OperatingSystem": host.operating_system,
        "OSVersion": host.os_version,
        "OSType": "linux",
        "Architecture": host.machine,
        "KernelVersion": host.kernel_version,
        "NCPU": engine.host.cpus,
        "MemTotal": host.memory_bytes,
        "DockerRootDir": str(settings.data_root),
        "Labels": list(settings.labels),
        "SystemTime": rfc3339(time.time_ns()),
    }


def _counts(engine: Engine) -> dict[str, int]:
    snapshots = [container.snapshot for container in engine.containers]
    running = sum(snapshot.running for snapshot in snapshots)
    paused = sum(snapshot.paused for snapshot in snapshots)
    return {
        "Containers": len(snapshots),
        "ContainersRunning": running - paused,
        "ContainersPaused": paused,
        "ContainersStopped": len(snapshots) - running,
        "Images": len(engine.images),
    }


def _limits(engine: Engine, host: Host) -> dict[str, bool]:
    has = host.controllers
    return {
        "MemoryLimit": "memory" in has,
        "SwapLimit": host.limits_swap,
        "CpuCfsPeriod": host.limits_cpu_time,
        "CpuCfsQuota": host.limits_cpu_time,
        "CPUShares": "cpu" in has,
        "CPUSet": "cpuset" in has,
        "PidsLimit": "pids" in has,
        "OomKillDisable": "memory" in has and engine.host.cgroup_version == 1,
        "IPv4Forwarding": host.forwards_ipv4,
        "BridgeNfIptables": host.filters_bridges_ipv4,
        "BridgeNfIp6tables": host.filters_bridges_ipv6,
    }


def _runtimes(engine: Engine) -> dict[str, Any]:
    table = engine.runtimes
    return {
        "Runtimes": {name: {"path": runtime.configured} for name, runtime in table.runtimes.items()},
        "DefaultRuntime": table.default,
        "InitBinary": engine.host.init_path.name,
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": str(engine.host.cgroup_version),
    }


def _surroundings(engine: Engine) -> dict[str, Any]:
    return {
        "Driver": engine.graph_driver.name,
        "DriverStatus": [],
        "LoggingDriver": "json-file",
        "Debug": engine.settings.debug,
        "ExperimentalBuild": False,
        "LiveRestoreEnabled": True,  # containers never end with the engine
        "NEventsListener": 0,
        "NFd": len(os.listdir("/proc/self/fd")),
        "NGoroutines": 0,
        "IndexServerAddress": INDEX,
        "RegistryConfig": REGISTRIES,
        "GenericResources": None,
        "HttpProxy": os.environ.get("HTTP_PROXY", ""),
        "HttpsProxy": os.environ.get("HTTPS_PROXY", ""),
        "NoProxy": os.environ.get("NO_PROXY", ""),
        "Isolation": "",
        "ProductLicense": "",
        "CDISpecDirs": [],
    }


def _security_options(engine: Engine, host: Host) -> list[str]:
    settings = engine.settings
    own_cgroupns = settings.default_cgroupns_mode or (
        "private" if engine.host.cgroup_version == 2 else "host"
    )
    profile = {"": "default", "builtin": "default"}.get(settings.seccomp_profile, settings.seccomp_profile)
    options = {
        f"name=seccomp,profile={profile}": host.has_seccomp,
        "name=cgroupns": own_cgroupns == "private",
    }
    return [option for option, applies in options.items() if applies]
