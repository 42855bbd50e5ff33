"""The consumption of a cgroup of version 2, where all controllers share one tree.

Source: Documentation/admin-guide/cgroup-v2.rst of Linux.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

from daemon.runtimes.usage.kernelfiles import content, device, number, table
from daemon.runtimes.usage.sample import NO_LIMIT, Disks, Memory, Processes, Processors, Transfer, Usage

NS_PER_US: Final = 1000
DETAILS: Final = tuple(
    (name.encode(), name)
    for name in (
        "active_anon",
        "active_file",
        "anon",
        "anon_thp",
        "file",
        "file_dirty",
        "file_mapped",
        "file_writeback",
        "inactive_anon",
        "inactive_file",
        "kernel_stack",
        "pgactivate",
        "pgdeactivate",
        "pgfault",
        "pglazyfree",
        "pglazyfreed",
        "pgmajfault",
        "pgrefill",
        "pgscan",
        "pgsteal",
        "shmem",
        "slab",
        "slab_reclaimable",
        "slab_unreclaimable",
        "sock",
        "thp_collapse_alloc",
        "thp_fault_alloc",
        "unevictable",
        "workingset_activate",
        "workingset_nodereclaim",
        "workingset_refault",
    )
)
"""What of memory.stat clients are told."""

DIRECTIONS: Final = ((b"rbytes", "read"), (b"wbytes", "write"))


@attrs.frozen
class Cgroup2:
    """Reads cgroups of version 2; `root` is where their tree is mounted."""

    root: Path

    def usage(self, cgroup: str) -> Usage | None:
        """Return what the cgroup has consumed, None if it is gone.

        Raises:
            OSError: it cannot be read for a reason that lies with us.

        """
        directory = f"{self.root}/{cgroup.lstrip('/')}/"
        spent = table(content(f"{directory}cpu.stat"))
        memory, processes = _memory(directory), _processes(directory)
        if not spent and memory is None and processes is None:
            return None
        return Usage(
            _processors(spent), memory, processes, Disks(tuple(_transfers(content(f"{directory}io.stat"))))
        )


def _processors(spent: dict[bytes, int]) -> Processors:
    return Processors(
        total_ns=spent.get(b"usage_usec", 0) * NS_PER_US,
        kernel_ns=spent.get(b"system_usec", 0) * NS_PER_US,
        user_ns=spent.get(b"user_usec", 0) * NS_PER_US,
        periods=spent.get(b"nr_periods", 0),
        throttled_periods=spent.get(b"nr_throttled", 0),
        throttled_ns=spent.get(b"throttled_usec", 0) * NS_PER_US,
    )


def _memory(directory: str) -> Memory | None:
    used = number(content(f"{directory}memory.current"))
    if used is None:
        return None
    found = table(content(f"{directory}memory.stat"))
    limit = number(content(f"{directory}memory.max"))
    return Memory(
        used_bytes=used,
        limit_bytes=NO_LIMIT if limit is None else limit,
        failures=table(content(f"{directory}memory.events")).get(b"oom", 0),
        most_bytes=None,
        details={name: found[key] for key, name in DETAILS if key in found},
    )


def _processes(directory: str) -> Processes | None:
    current = number(content(f"{directory}pids.current"))
    return None if current is None else Processes(current, number(content(f"{directory}pids.max")))


def _transfers(text: bytes) -> Iterator[Transfer]:
    """Read lines such as `8:0 rbytes=4096 wbytes=0 rios=1`.

    Old kernels write disks that have done nothing without an end of the line: the last one counts.
    """
    for line in text.splitlines():
        disk, counts = None, dict[bytes, bytes]()
        for word in line.split():
            disk = device(word) or disk
            key, _, value = word.partition(b"=")
            counts[key] = value
        for key, operation in DIRECTIONS:
            count = number(counts.get(key, b""))
            if disk is not None and count is not None:
                yield Transfer(*disk, operation, count)
