"""Cgroups as files: of version 1 as Linux 6.18 writes them, of version 2 as it documents them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

CGROUP: Final = "/docker/" + "c" * 64
MEMORY_STAT_1: Final = b"""cache 20971520
rss 49152
rss_huge 0
shmem 0
mapped_file 0
dirty 0
writeback 0
workingset_refault_anon 0
swap 0
pgpgin 1055
pgpgout 1023
pgfault 1367
pgmajfault 0
inactive_anon 45056
active_anon 4096
inactive_file 20971520
active_file 0
unevictable 0
hierarchical_memory_limit 67108864
hierarchical_memsw_limit 134217728
total_cache 20971521
total_rss 49153
total_inactive_file 20971522
"""
VERSION_1: Final[Mapping[str, bytes]] = {
    "cpuacct/cpuacct.usage_percpu": b"435296819 256690683 \n",
    "cpuacct/cpuacct.stat": b"user 66\nsystem 3\n",
    "cpu/cpu.stat": b"nr_periods 35\nnr_throttled 6\nthrottled_time 26711869\nnr_bursts 0\nburst_time 0\n",
    "memory/memory.usage_in_bytes": b"323584\n",
    "memory/memory.max_usage_in_bytes": b"3682304\n",
    "memory/memory.failcnt": b"5\n",
    "memory/memory.limit_in_bytes": b"67108864\n",
    "memory/memory.stat": MEMORY_STAT_1,
    "pids/pids.current": b"2\n",
    "pids/pids.max": b"50\n",
    "blkio/blkio.throttle.io_service_bytes_recursive": (
        b"8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 12288\n8:0 Async 0\n8:0 Discard 0\n8:0 Total 12288\n"
        b"Total 12288\n"
    ),
    "blkio/blkio.throttle.io_serviced_recursive": b"8:0 Read 1\n8:0 Write 2\nTotal 3\n",
    "blkio/blkio.bfq.io_service_bytes_recursive": b"Total 0\n",
    "blkio/blkio.bfq.io_serviced_recursive": b"Total 0\n",
}
VERSION_2: Final[Mapping[str, bytes]] = {
    "cpu.stat": (
        b"usage_usec 691987\nuser_usec 661000\nsystem_usec 30987\nnice_usec 0\ncore_sched.force_idle_usec 0\n"
        b"nr_periods 35\nnr_throttled 6\nthrottled_usec 26711\nnr_bursts 0\nburst_usec 0\n"
    ),
    "memory.current": b"323584\n",
    "memory.max": b"67108864\n",
    "memory.events": b"low 0\nhigh 0\nmax 12\noom 5\noom_kill 4\noom_group_kill 0\n",
    "memory.stat": (
        b"anon 49152\nfile 20971520\nkernel 90112\nkernel_stack 16384\ninactive_file 20971520\nslab 53248\n"
    ),
    "pids.current": b"2\n",
    "pids.max": b"50\n",
    "io.stat": b"8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n",
}


def write(root: Path, files: Mapping[str, bytes], version: int) -> Path:
    """Make the cgroup CGROUP below `root`, with these files, and return `root`."""
    for name, text in files.items():
        tree, _, file = name.rpartition("/") if version == 1 else ("", "", name)
        directory = root / tree / CGROUP.lstrip("/")
        directory.mkdir(parents=True, exist_ok=True)
        (directory / file).write_bytes(text)
    return root
