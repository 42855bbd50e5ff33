"""Consumption as cgroups of version 1 tell it."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.runtimes.usage.cgroup1 import Cgroup1
from daemon.runtimes.usage.sample import NO_LIMIT, Processes, Processors, Transfer, Usage
from tests.unit.runtimes.usage.trees import CGROUP, VERSION_1, write

BFQ = {
    "blkio/blkio.throttle.io_service_bytes_recursive": b"Total 0\n",
    "blkio/blkio.throttle.io_serviced_recursive": b"Total 0\n",
    "blkio/blkio.bfq.io_service_bytes_recursive": b"253:16 Read 512\n253:16 Total 512\nTotal 512\n",
    "blkio/blkio.bfq.io_serviced_recursive": b"253:16 Read 1\n253:16 Total 1\nTotal 1\n",
}


def usage(root: Path, **changed: bytes | None) -> Usage:
    files = {**VERSION_1, **{name.replace("__", "."): text for name, text in changed.items()}}
    found = Cgroup1.below(write(root, {k: v for k, v in files.items() if v is not None}, 1)).usage(CGROUP)
    assert found is not None
    return found


def test_processor_time_and_its_quota(tmp_path: Path) -> None:
    each = (435296819, 256690683)
    assert usage(tmp_path).processors == Processors(
        sum(each), 30_000_000, 660_000_000, each, 35, 6, 26_711_869
    )


def test_memory_and_the_details_that_clients_know(tmp_path: Path) -> None:
    memory = usage(tmp_path).memory
    assert memory is not None
    assert (memory.used_bytes, memory.limit_bytes, memory.failures) == (323584, 67108864, 5)
    assert memory.most_bytes == 3682304
    assert memory.details["total_inactive_file"] == 20971522
    assert memory.details["hierarchical_memsw_limit"] == 134217728
    assert memory.details.keys().isdisjoint({"swap", "shmem", "workingset_refault_anon"})


@pytest.mark.parametrize(("text", "limit"), [(b"50\n", 50), (b"max\n", None), (b"", None)])
def test_processes_and_their_limit(tmp_path: Path, text: bytes, limit: int | None) -> None:
    assert usage(tmp_path, **{"pids/pids__max": text}).processes == Processes(2, limit)


def test_disks_by_operation_without_sums_of_all(tmp_path: Path) -> None:
    disks = usage(tmp_path).disks
    assert disks.moved == (
        Transfer(8, 0, "Read", 4096),
        Transfer(8, 0, "Write", 8192),
        Transfer(8, 0, "Sync", 12288),
        Transfer(8, 0, "Async", 0),
        Transfer(8, 0, "Discard", 0),
        Transfer(8, 0, "Total", 12288),
    )
    assert disks.requests == (Transfer(8, 0, "Read", 1), Transfer(8, 0, "Write", 2))


def test_disks_that_only_the_scheduler_has_counted(tmp_path: Path) -> None:
    disks = usage(tmp_path, **BFQ).disks
    assert disks.moved == (Transfer(253, 16, "Read", 512), Transfer(253, 16, "Total", 512))
    assert disks.requests == (Transfer(253, 16, "Read", 1), Transfer(253, 16, "Total", 1))


def test_controllers_that_share_a_tree_are_found_there(tmp_path: Path) -> None:
    together = {
        f"cpu,cpuacct/{name.rpartition('/')[2]}" if name.startswith("cpu") else name: text
        for name, text in VERSION_1.items()
    }
    (tmp_path / "shared").mkdir()
    found = Cgroup1.below(write(tmp_path / "shared", together, 1)).usage(CGROUP)
    assert found == usage(tmp_path / "apart")


def test_a_controller_that_is_not_there_leaves_the_rest(tmp_path: Path) -> None:
    only = {name: text for name, text in VERSION_1.items() if name.startswith("cpuacct")}
    found = Cgroup1.below(write(tmp_path, only, 1)).usage(CGROUP)
    assert found is not None
    assert (found.processors.total_ns, found.processors.periods) == (691987502, 0)
    assert (found.memory, found.processes, found.disks.moved) == (None, None, ())


def test_without_a_limit_there_is_none(tmp_path: Path) -> None:
    memory = usage(tmp_path, **{"memory/memory__limit_in_bytes": None}).memory
    assert memory is not None
    assert memory.limit_bytes == NO_LIMIT


def test_a_cgroup_that_is_gone_has_no_usage(tmp_path: Path) -> None:
    write(tmp_path, VERSION_1, 1)
    assert Cgroup1.below(tmp_path).usage("/docker/other") is None
    assert Cgroup1.below(tmp_path / "nowhere").usage(CGROUP) is None
