"""What `docker version` and `docker info` show, as functions of the engine and its host.

Only what is true is claimed: a limit that the kernel cannot set is false here and, as with
dockerd, a line in `Warnings`.  Counts come from snapshots.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import orjson

from daemon import __version__
from daemon.api.timestamps import rfc3339
from daemon.api.versions import NEWEST, OLDEST, ApiVersion
from daemon.images.registry.proxies import stated
from daemon.networks.records import NETWORK_DRIVERS
from daemon.runtimes.host import Host
from daemon.runtimes.table import Runtime, RuntimeTable
from daemon.settings import Settings

if TYPE_CHECKING:
    from daemon.actors.engine import Engine

FEATURES: Final = "org.opencontainers.runtime-spec.features"
FEATURES_SINCE: Final = (1, 44)
INDEX: Final = "https://index.docker.io/v1/"
MASKED: Final = "xxxxx:xxxxx"  # as dockerd has it
PLUGINS: Final[Mapping[str, Any]] = {
    "Volume": ["local"],
    "Network": list(NETWORK_DRIVERS),
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


def info_document(engine: Engine, host: Host, version: ApiVersion) -> dict[str, Any]:
    """Return what `/info` answers to a request of an API version."""
    configuration = engine.configuration
    limits = _limits(engine, host)
    return {
        **_identity(engine, host, configuration.settings),
        **_counts(engine),
        **limits,
        **_runtimes(engine, configuration.runtimes, version),
        **_surroundings(engine, configuration.settings),
        "RegistryConfig": registry_config(configuration.settings),
        "SecurityOptions": _security_options(engine, host, configuration.settings),
        "Swarm": NO_SWARM,
        "Plugins": PLUGINS,
        "Warnings": [*(text for name, text in WARNINGS.items() if not limits[name]), *_warnings(engine)],
    }


def _warnings(engine: Engine) -> Iterator[str]:
    """Say what whoever looks at 3 a.m. has to know of the configuration and of other firewalls."""
    live = engine.live
    if live.refusal is not None:
        text = f"the reload at {rfc3339(live.refusal.at_ns)} was refused: {'; '.join(live.refusal.problems)}"
        yield f"WARNING: the configuration of generation {live.current.generation} stays: {text}"
    yield from (f"WARNING: {warning}" for warning in (*live.current.warnings, *engine.objections.current))


def _identity(engine: Engine, host: Host, settings: Settings) -> dict[str, Any]:
    return {
        "ID": engine.id,
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
    running = sum(snapshot.up for snapshot in snapshots)
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


def _runtimes(engine: Engine, table: RuntimeTable, version: ApiVersion) -> dict[str, Any]:
    return {
        "Runtimes": {name: _runtime(found, version) for name, found in table.runtimes.items()},
        "DefaultRuntime": table.default,
        "InitBinary": engine.host.init_path.name,
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": str(engine.host.cgroup_version),
    }


def _runtime(runtime: Runtime, version: ApiVersion) -> dict[str, Any]:
    shown: dict[str, Any] = {"path": runtime.configured}
    if runtime.arguments:
        shown["runtimeArgs"] = list(runtime.arguments)
    if runtime.features is not None and version >= FEATURES_SINCE:
        shown["status"] = {FEATURES: orjson.dumps(runtime.features).decode()}
    return shown


def _surroundings(engine: Engine, settings: Settings) -> dict[str, Any]:
    return {
        "Driver": engine.graph_driver.name,
        "DriverStatus": [list(pair) for pair in engine.graph_driver.status],
        "LoggingDriver": settings.log_driver,
        "Debug": settings.debug,
        "ExperimentalBuild": False,
        "LiveRestoreEnabled": settings.live_restore,
        "NEventsListener": 0,
        "NFd": len(os.listdir("/proc/self/fd")),
        "NGoroutines": 0,
        "IndexServerAddress": INDEX,
        "GenericResources": None,
        "HttpProxy": _proxy("HTTP_PROXY"),
        "HttpsProxy": _proxy("HTTPS_PROXY"),
        "NoProxy": stated(os.environ, "NO_PROXY"),
        "Isolation": "",
        "ProductLicense": "",
        "CDISpecDirs": [],
    }


def _proxy(variable: str) -> str:
    """Return the proxy that the environment names, without who the engine is to it."""
    text = stated(os.environ, variable)
    scheme, colon, rest = text.rpartition("://")
    authority, slash, path = rest.partition("/")
    _, at, place = authority.rpartition("@")
    return f"{scheme}{colon}{MASKED}@{place}{slash}{path}" if at else text


def registry_config(settings: Settings) -> dict[str, Any]:
    """Return how registries are reached: those of this host need no TLS, as with dockerd."""
    insecure = settings.insecure_registries
    official = {"Mirrors": [mirror.rstrip("/") + "/" for mirror in settings.registry_mirrors], "Secure": True}
    indexes = {"docker.io": {"Name": "docker.io", **official, "Official": True}}
    for name in insecure:
        if "/" not in name:
            indexes[name] = {"Name": name, "Mirrors": [], "Secure": False, "Official": False}
    return {
        "InsecureRegistryCIDRs": ["::1/128", "127.0.0.0/8", *(name for name in insecure if "/" in name)],
        "IndexConfigs": indexes,
        "Mirrors": official["Mirrors"],
    }


def _security_options(engine: Engine, host: Host, settings: Settings) -> list[str]:
    own_cgroupns = settings.default_cgroupns_mode or engine.host.cgroupns_mode
    profile = {"": "default", "builtin": "default"}.get(settings.seccomp_profile, settings.seccomp_profile)
    options = {
        f"name=seccomp,profile={profile}": host.has_seccomp,
        "name=cgroupns": own_cgroupns == "private",
    }
    return [option for option, applies in options.items() if applies]
