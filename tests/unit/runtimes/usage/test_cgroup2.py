"""Consumption as cgroups of version 2 tell it."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.runtimes.usage.cgroup2 import Cgroup2
from daemon.runtimes.usage.sample import NO_LIMIT, Disks, Processes, Processors, Transfer, Usage
from tests.unit.runtimes.usage.trees import CGROUP, VERSION_2, write


def usage(root: Path, changed: dict[str, bytes] | None = None) -> Usage:
    found = Cgroup2(write(root, {**VERSION_2, **(changed or {})}, 2)).usage(CGROUP)
    assert found is not None
    return found


def test_processor_time_and_its_quota(tmp_path: Path) -> None:
    assert usage(tmp_path).processors == Processors(
        691_987_000, 30_987_000, 661_000_000, None, 35, 6, 26_711_000
    )


def test_memory_and_the_details_that_clients_know(tmp_path: Path) -> None:
    memory = usage(tmp_path).memory
    assert memory is not None
    assert (memory.used_bytes, memory.limit_bytes, memory.failures) == (323584, 67108864, 5)
    assert memory.most_bytes is None
    assert memory.details == {
        "anon": 49152,
        "file": 20971520,
        "kernel_stack": 16384,
        "inactive_file": 20971520,
        "slab": 53248,
    }


def test_a_limit_that_is_none(tmp_path: Path) -> None:
    found = usage(tmp_path, {"memory.max": b"max\n", "pids.max": b"max\n"})
    assert found.memory is not None
    assert (found.memory.limit_bytes, found.processes) == (NO_LIMIT, Processes(2, NO_LIMIT))


READ_AND_WRITTEN = (Transfer(8, 0, "read", 4096), Transfer(8, 0, "write", 8192))


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        (b"8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n", READ_AND_WRITTEN),
        (b"8:16 8:0 rbytes=4096 wbytes=8192\n", READ_AND_WRITTEN),
        (b"259:0 \n8:0 wbytes=8192 rbytes=4096\n", READ_AND_WRITTEN),
        (b"8:0 rbytes=4096\n", READ_AND_WRITTEN[:1]),
        (b"8:0 rbytes=max?\nrbytes=1\n", ()),
        (b"", ()),
    ],
)
def test_disks(tmp_path: Path, text: bytes, moved: tuple[Transfer, ...]) -> None:
    assert usage(tmp_path, {"io.stat": text}).disks == Disks(moved, None)


def test_a_cgroup_without_controllers_still_has_processor_time(tmp_path: Path) -> None:
    found = Cgroup2(write(tmp_path, {"cpu.stat": VERSION_2["cpu.stat"]}, 2)).usage(CGROUP)
    assert found is not None
    assert (found.memory, found.processes, found.disks) == (None, None, Disks())


def test_a_cgroup_that_is_gone_has_no_usage(tmp_path: Path) -> None:
    assert Cgroup2(write(tmp_path, VERSION_2, 2)).usage("/docker/other") is None
