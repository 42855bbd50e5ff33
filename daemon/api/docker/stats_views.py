"""A container's consumption as `GET /containers/{name}/stats` spells it.

What is not known is left out, or null where clients look for the key.  The disks' other six lists are of a
scheduler that kernels have no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import attrs

from daemon import wire
from daemon.actors.statistics import Reading
from daemon.api.timestamps import GO_ZERO_TIME, rfc3339
from daemon.runtimes.usage.sample import Disks, Memory, Processes, Processors, Sample, Transfer

OF_OLD_SCHEDULERS: Final = (
    "io_queue_recursive",
    "io_service_time_recursive",
    "io_wait_time_recursive",
    "io_merged_recursive",
    "io_time_recursive",
    "sectors_recursive",
)
UNKNOWN_DISKS: Final = dict.fromkeys(
    ("io_service_bytes_recursive", "io_serviced_recursive", *OF_OLD_SCHEDULERS)
)


def render(reading: Reading) -> bytes:
    """Write a reading as a line of JSON."""
    now, before, record = reading.now, reading.before, reading.snapshot.record
    usage = now.usage if now else None
    document: dict[str, Any] = {
        "read": _time(now),
        "preread": _time(before),
        "pids_stats": _processes(usage.processes if usage else None),
        "blkio_stats": _disks(usage.disks) if usage else UNKNOWN_DISKS,
        "num_procs": 0,
        "storage_stats": {},  # this and the last one are for Windows
        "cpu_stats": _processors(now),
        "precpu_stats": _processors(before),
        "memory_stats": _memory(usage.memory if usage else None),
        "name": f"/{record.name}",
        "id": record.id,
    }
    if now is not None and now.interfaces is not None:
        document["networks"] = {name: attrs.asdict(interface) for name, interface in now.interfaces.items()}
    return wire.render(document)


def _time(sample: Sample | None) -> str:
    return rfc3339(sample.at_ns) if sample else GO_ZERO_TIME


def _processors(sample: Sample | None) -> dict[str, Any]:
    used = sample.usage.processors if sample else Processors()
    each = {} if used.each_ns is None else {"percpu_usage": used.each_ns}
    host = {"system_cpu_usage": sample.host_ns, "online_cpus": sample.online} if sample else {}
    return {
        "cpu_usage": {
            "total_usage": used.total_ns,
            **each,
            "usage_in_kernelmode": used.kernel_ns,
            "usage_in_usermode": used.user_ns,
        },
        **host,
        "throttling_data": {
            "periods": used.periods,
            "throttled_periods": used.throttled_periods,
            "throttled_time": used.throttled_ns,
        },
    }


def _memory(memory: Memory | None) -> dict[str, Any]:
    if memory is None:
        return {}
    most = {} if memory.most_bytes is None else {"max_usage": memory.most_bytes}
    return {
        "usage": memory.used_bytes,
        **most,
        "stats": memory.details,
        "failcnt": memory.failures,
        "limit": memory.limit_bytes,
    }


def _processes(processes: Processes | None) -> dict[str, int]:
    if processes is None:
        return {}
    limit = {} if processes.limit is None else {"limit": processes.limit}
    return {"current": processes.current, **limit}


def _disks(disks: Disks) -> dict[str, list[dict[str, Any]] | None]:
    """Return the lists; with cgroups of version 2 only the first, and that once something has moved."""
    if disks.requests is None:
        return UNKNOWN_DISKS | {"io_service_bytes_recursive": _transfers(disks.moved) or None}
    return {
        "io_service_bytes_recursive": _transfers(disks.moved),
        "io_serviced_recursive": _transfers(disks.requests),
        **{name: [] for name in OF_OLD_SCHEDULERS},
    }


def _transfers(transfers: Sequence[Transfer]) -> list[dict[str, Any]]:
    return [
        {"major": one.major, "minor": one.minor, "op": one.operation, "value": one.count} for one in transfers
    ]
