"""What `docker info` tells about the host: names, sizes, and which limits the kernel can set.

Read once, because it does not change while the engine runs.  Everything is a small file of procfs
or sysfs below a root that a test can choose; a file that is missing means that the kernel
cannot do it.
"""

from __future__ import annotations

import os
import re
import shlex
import uuid
from pathlib import Path
from typing import Final

import attrs

from daemon.runtimes.spec.resources import Online

CGROUPS: Final = "sys/fs/cgroup"
CFS_QUOTA: Final = (f"{CGROUPS}/cpu/cpu.cfs_quota_us", f"{CGROUPS}/cpu.max", f"{CGROUPS}/init.scope/cpu.max")


@attrs.frozen
class Host:
    """A host as it is shown to people; `machine_id` is the same after a reboot."""

    name: str
    kernel_version: str
    machine: str
    machine_id: str
    operating_system: str
    os_version: str
    memory_bytes: int
    controllers: frozenset[str]
    limits_swap: bool
    limits_cpu_time: bool
    forwards_ipv4: bool
    filters_bridges_ipv4: bool
    filters_bridges_ipv6: bool
    has_seccomp: bool


def read_host(root: Path = Path("/")) -> Host:
    """Look at the host whose file systems are below `root`."""
    uname = os.uname()
    release = _os_release(root)
    sysctl = root / "proc/sys/net"
    return Host(
        name=uname.nodename,
        kernel_version=uname.release,
        machine=uname.machine,
        machine_id=_text(root / "etc/machine-id"),
        operating_system=release.get("PRETTY_NAME", "Linux"),
        os_version=release.get("VERSION_ID", ""),
        memory_bytes=_memory_bytes(root),
        controllers=_controllers(root / CGROUPS),
        limits_swap=_limits_swap(root / CGROUPS),
        limits_cpu_time=any((root / path).exists() for path in CFS_QUOTA),
        forwards_ipv4=_text(sysctl / "ipv4/ip_forward") == "1",
        filters_bridges_ipv4=_text(sysctl / "bridge/bridge-nf-call-iptables") == "1",
        filters_bridges_ipv6=_text(sysctl / "bridge/bridge-nf-call-ip6tables") == "1",
        has_seccomp="Seccomp:" in _text(root / "proc/self/status"),
    )


def online(root: Path = Path("/")) -> Online:
    """Look at which CPUs and memory nodes the host has; they come and go."""
    return Online(*(_text(root / f"sys/devices/system/{kind}/online") for kind in ("cpu", "node")))


def engine_id(machine_id: str, data_root: Path) -> str:
    """Return the id of the engine whose state is under `data_root`: the same at each start."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{machine_id}:{data_root}"))


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:  # not there, or not for us: either way we cannot know
        return ""


def _os_release(root: Path) -> dict[str, str]:
    """Read os-release(5): shell assignments, of which quoting is all that needs a shell's rules."""
    text = _text(root / "etc/os-release") or _text(root / "usr/lib/os-release")
    found = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and not name.startswith("#"):
            found[name] = _unquoted(value)
    return found


def _unquoted(value: str) -> str:
    try:
        return "".join(shlex.split(value))
    except ValueError:  # a quote that is never closed
        return value


def _memory_bytes(root: Path) -> int:
    found = re.search(r"^MemTotal:\s+(\d+) kB", _text(root / "proc/meminfo"), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _controllers(cgroups: Path) -> frozenset[str]:
    """Return the controllers in use: v2 lists them, v1 mounts each, some of them together."""
    unified = cgroups / "cgroup.controllers"
    if unified.exists():
        return frozenset(_text(unified).split())
    mounted = cgroups.iterdir() if cgroups.is_dir() else ()
    return frozenset(name for directory in mounted for name in directory.name.split(","))


def _limits_swap(cgroups: Path) -> bool:
    v1 = cgroups / "memory/memory.memsw.limit_in_bytes"
    return v1.exists() or next(cgroups.glob("*/memory.swap.max"), None) is not None
