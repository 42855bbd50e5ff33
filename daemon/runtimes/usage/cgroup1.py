"""The consumption of a cgroup of version 1, where each controller has a tree of its own.

Source: Documentation/admin-guide/cgroup-v1 of Linux: cpuacct.rst, memory.rst, pids.rst, blkio-controller.rst.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import attrs

from daemon.runtimes.usage.kernelfiles import content, device, number, numbers, table
from daemon.runtimes.usage.sample import (
    NO_LIMIT,
    Disks,
    Memory,
    Processes,
    Processors,
    Transfer,
    Usage,
)

CONTROLLERS: Final = ("cpu", "cpuacct", "memory", "pids", "blkio")
NS_PER_TICK: Final = 10**9 // os.sysconf("SC_CLK_TCK")
OF_ITSELF: Final = (
    "active_anon",
    "active_file",
    "cache",
    "dirty",
    "inactive_anon",
    "inactive_file",
    "mapped_file",
    "pgfault",
    "pgmajfault",
    "pgpgin",
    "pgpgout",
    "rss",
    "rss_huge",
    "unevictable",
    "writeback",
)
DETAILS: Final = tuple(
    (name.encode(), name)
    for name in (
        *OF_ITSELF,
        "hierarchical_memory_limit",
        "hierarchical_memsw_limit",
        *(f"total_{name}" for name in OF_ITSELF),  # with the cgroups in it
    )
)
"""What of memory.stat clients are told."""

BYTES: Final = ("blkio.throttle.io_service_bytes_recursive", "blkio.bfq.io_service_bytes_recursive")
REQUESTS: Final = ("blkio.throttle.io_serviced_recursive", "blkio.bfq.io_serviced_recursive")
"""Who may have counted: the first, by now only where some limit was set; the second where BFQ schedules."""


@attrs.frozen
class Cgroup1:
    """Reads cgroups of version 1; `trees` has the directory of each controller."""

    trees: Mapping[str, str]

    @classmethod
    def below(cls, root: Path) -> Cgroup1:
        """Find the trees that are mounted below `root`, some of several controllers."""
        mounted = [entry.name for entry in root.iterdir()] if root.is_dir() else []
        found = {controller: name for name in mounted for controller in name.split(",")}
        return cls({name: str(root / found.get(name, name)) for name in CONTROLLERS})

    def usage(self, cgroup: str) -> Usage | None:
        """Return what the cgroup has consumed, None if it is gone.

        Raises:
            OSError: it cannot be read for a reason that lies with us.

        """
        at = {name: f"{tree}/{cgroup.lstrip('/')}/" for name, tree in self.trees.items()}
        processors = _processors(at["cpuacct"], at["cpu"])
        memory = _memory(at["memory"])
        processes = _processes(at["pids"])
        if processors.each_ns is None and memory is None and processes is None:
            return None
        return Usage(
            processors,
            memory,
            processes,
            Disks(_transfers(at["blkio"], BYTES), _transfers(at["blkio"], REQUESTS)),
        )


def _processors(accounts: str, quota: str) -> Processors:
    each_ns = numbers(content(f"{accounts}cpuacct.usage_percpu"))
    spent = table(content(f"{accounts}cpuacct.stat"))
    periods = table(content(f"{quota}cpu.stat"))
    return Processors(
        total_ns=sum(each_ns),
        kernel_ns=spent.get(b"system", 0) * NS_PER_TICK,
        user_ns=spent.get(b"user", 0) * NS_PER_TICK,
        each_ns=each_ns or None,
        periods=periods.get(b"nr_periods", 0),
        throttled_periods=periods.get(b"nr_throttled", 0),
        throttled_ns=periods.get(b"throttled_time", 0),
    )


def _memory(directory: str) -> Memory | None:
    used = number(content(f"{directory}memory.usage_in_bytes"))
    if used is None:
        return None
    found = table(content(f"{directory}memory.stat"))
    limit = number(content(f"{directory}memory.limit_in_bytes"))
    return Memory(
        used_bytes=used,
        limit_bytes=NO_LIMIT if limit is None else limit,
        failures=number(content(f"{directory}memory.failcnt")) or 0,
        most_bytes=number(content(f"{directory}memory.max_usage_in_bytes")),
        details={name: found[key] for key, name in DETAILS if key in found},
    )


def _processes(directory: str) -> Processes | None:
    current = number(content(f"{directory}pids.current"))
    limit = number(content(f"{directory}pids.max"))
    return None if current is None else Processes(current, None if limit == NO_LIMIT else limit)


def _transfers(directory: str, files: tuple[str, ...]) -> tuple[Transfer, ...]:
    """Return what the first of `files` that has counted anything says."""
    for file in files:
        if found := tuple(_lines(content(directory + file))):
            return found
    return ()


def _lines(text: bytes) -> Iterator[Transfer]:
    """Read lines such as `8:0 Read 4096`; others are sums."""
    for line in text.splitlines():
        match line.split():
            case [disk, operation, count]:
                numbered, value = device(disk), number(count)
                if numbered is not None and value is not None:
                    yield Transfer(*numbered, operation.decode("ascii", "replace"), value)
