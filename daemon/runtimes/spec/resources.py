"""cgroup limits, in the spec's standard fields for both cgroup versions.

Turning them into files of cgroup v1 or v2 is the runtime's work.  Zero means "not set" in Docker's API,
so a field is written only when it says something.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from daemon.model import HostConfig
from daemon.runtimes.spec.devices import block_settings, rules
from daemon.runtimes.spec.inputs import SpecInputs

CPU_PERIOD_MICROSECONDS: Final = 100_000
CPU_SHARES: Final = 1024
BLOCK_WEIGHT: Final = 100  # of BFQ, in cgroups of either version
UNLIMITED: Final = -1
MOST_CPU_MICROSECONDS: Final = 2**44 - 1  # the kernel's; an update of crun cannot write -1 here
MOST_PIDS: Final = 4_194_304  # PID_MAX_LIMIT of 64-bit kernels: a limit that is none
_NANO: Final = 1_000_000_000


@attrs.frozen
class Online:
    """The CPUs and the memory nodes of this host, as the kernel lists them."""

    cpus: str
    nodes: str


def cgroups_path(container_id: str, cgroup_parent: str) -> str:
    """Return the container's cgroup, below the root of every hierarchy."""
    parent = cgroup_parent.strip("/") or "docker"
    return f"/{parent}/{container_id}"


def resources(inputs: SpecInputs) -> dict[str, Any]:
    """Return the section."""
    host_config = inputs.host_config
    sections = {
        "devices": rules(host_config, inputs.devices),
        "memory": _memory(host_config),
        "cpu": _cpu(host_config),
        "pids": _pids(host_config),
        "blockIO": _block_io(host_config, inputs.block_devices),
    }
    return {name: section for name, section in sections.items() if section}


def changeable(host_config: HostConfig) -> dict[str, Any]:
    """Return what of the section can be changed while the container runs."""
    memory = _set(
        limit=host_config.memory, reservation=host_config.memory_reservation, swap=host_config.memory_swap
    )
    sections = {
        "memory": memory,
        "cpu": _cpu(host_config),
        # Unlike the create, an update of crun hands -1 to the kernel, which wants a number or a word.
        "pids": {"limit": MOST_PIDS} if (host_config.pids_limit or 0) < 0 else _pids(host_config),
        "blockIO": _set(weight=host_config.blkio_weight),
    }
    return {name: section for name, section in sections.items() if section}


def instead_of(before: HostConfig, after: HostConfig, online: Online) -> dict[str, Any]:
    """Return what has a container that may obey `before`, or some of it, obey `after`, which may say less.

    A runtime leaves alone what is not said, so what only `before` says is given as the kernel has it.
    """
    unsaid: dict[str, dict[str, Any]] = {
        "memory": {"limit": UNLIMITED, "reservation": UNLIMITED, "swap": UNLIMITED},
        "cpu": {
            "shares": CPU_SHARES,
            "quota": MOST_CPU_MICROSECONDS,
            "period": CPU_PERIOD_MICROSECONDS,
            "cpus": online.cpus,
            "mems": online.nodes,
        },
        "pids": {"limit": MOST_PIDS},
        "blockIO": {"weight": BLOCK_WEIGHT},
    }
    said, wanted = changeable(before), changeable(after)
    sections = {
        name: _set(**{field: unsaid[name][field] for field in said.get(name, {})}) | wanted.get(name, {})
        for name in unsaid
    }
    return {name: section for name, section in sections.items() if section}


def _memory(host_config: HostConfig) -> dict[str, Any]:
    swappiness = host_config.memory_swappiness
    return _set(
        limit=host_config.memory,
        reservation=host_config.memory_reservation,
        swap=host_config.memory_swap,
        swappiness=swappiness if swappiness is None or swappiness >= 0 else None,
        disableOOMKiller=bool(host_config.oom_kill_disable),
    ) | ({"swappiness": 0} if swappiness == 0 else {})


def _cpu(host_config: HostConfig) -> dict[str, Any]:
    quota, period = host_config.cpu_quota, host_config.cpu_period
    if host_config.nano_cpus:
        quota, period = host_config.nano_cpus * CPU_PERIOD_MICROSECONDS // _NANO, CPU_PERIOD_MICROSECONDS
    return _set(
        shares=host_config.cpu_shares,
        quota=quota,
        period=period,
        cpus=host_config.cpuset_cpus,
        mems=host_config.cpuset_mems,
    )


def _pids(host_config: HostConfig) -> dict[str, Any]:
    limit = host_config.pids_limit
    return {"limit": limit if limit > 0 else -1} if limit else {}


def _block_io(host_config: HostConfig, numbers: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    devices = {
        name: [_block_entry(entry, numbers[entry.path]) for entry in entries]
        for name, entries in block_settings(host_config)
    }
    return _set(weight=host_config.blkio_weight, **devices)


def _block_entry(entry: Any, number: tuple[int, int]) -> dict[str, int]:
    value = {"weight": entry.weight} if hasattr(entry, "weight") else {"rate": entry.rate}
    return {"major": number[0], "minor": number[1], **value}


def _set(**fields: Any) -> dict[str, Any]:
    """Return those fields that say something."""
    return {name: value for name, value in fields.items() if value}
