"""Other limits for a container that runs, as the kernel has them; with cgroups of either version."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from daemon.actors.container.snapshot import ContainerRecord
from daemon.errors import RuntimeFailed
from daemon.runtimes.spec.resources import MOST_CPU_MICROSECONDS, MOST_PIDS
from tests.runtime.hosts import DEAF, FACTS, RealRig, started

pytestmark = pytest.mark.runtime

MIB: Final = 1 << 20
NEAR_ENOUGH: Final = {
    ("pids.max", f"{MOST_PIDS}\n"),
    ("cpu.cfs_quota_us", f"{MOST_CPU_MICROSECONDS}\n"),
    ("cpu.max", f"{MOST_CPU_MICROSECONDS} 100000\n"),
}
GROUPS: Final = Path("/sys/fs/cgroup")
V2: Final = FACTS.cgroup_version == 2
FILES: Final = (
    {"memory": "memory.max", "cpu": "cpu.max", "pids": "pids.max"}
    if V2
    else {"memory": "memory.limit_in_bytes", "cpu": "cpu.cfs_quota_us", "pids": "pids.max"}
)


def limit(pid: int, controller: str) -> str:
    """Return the first word of the limit that holds for a process."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if V2 or controller in controllers.split(","):
            folder = GROUPS / ("" if V2 else controller) / path.lstrip("/")
            return (folder / FILES[controller]).read_text().split()[0]
    raise AssertionError(f"no cgroup of {controller}")


def every_limit(pid: int) -> list[tuple[str, str]]:
    """Return all files of a process's cgroups that say how much it may have."""
    folders = {
        GROUPS / ("" if V2 else controllers.removeprefix("name=")) / path.lstrip("/")
        for _, controllers, path in (
            line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        )
    }
    names = ("memory.*limit*", "memory.max", "memory.high", "memory.low", "cpu.*", "cpuset.*", "pids.max")
    found = {file for folder in folders for name in names for file in folder.glob(name)}
    return [(file.name, file.read_text()) for file in sorted(found) if "stat" not in file.name]


def other(record: ContainerRecord, **limits: Any) -> ContainerRecord:
    return attrs.evolve(record, host_config=attrs.evolve(record.host_config, **limits))


async def test_a_container_that_runs_obeys_other_limits(real: RealRig) -> None:
    first = {"memory": 32 * MIB, "memory_swap": 32 * MIB, "pids_limit": 20, "cpu_quota": 50_000}
    async with started(real, real.record(*DEAF, **first)) as container:
        await container.ready()
        for factor in (2, 1):  # more and less again: the kernel cares for the order of memory and swap
            memory = factor * 32 * MIB
            limits = {"memory": memory, "memory_swap": memory, "pids_limit": 10 * factor, "nano_cpus": 0}
            now = other(container.record, **limits, cpu_quota=20_000 * factor)
            await real.host.update(now, container.record.host_config)
            found = [limit(container.run.pid, controller) for controller in ("memory", "pids", "cpu")]
            assert found == [str(memory), str(10 * factor), str(20_000 * factor)]
        await real.host.update(other(container.record, pids_limit=-1), container.record.host_config)
        assert int(limit(container.run.pid, "pids")) == MOST_PIDS


async def test_a_container_without_limits_can_be_given_some(real: RealRig) -> None:
    async with started(real, real.record(*DEAF)) as container:
        await container.ready()
        now = other(container.record, memory=32 * MIB, memory_swap=-1, nano_cpus=500_000_000)
        await real.host.update(now, container.record.host_config)
        found = [limit(container.run.pid, controller) for controller in ("memory", "pids", "cpu")]
        assert found == [str(32 * MIB), "max", "50000"]


async def test_limits_can_be_taken_back_from_a_container_that_had_none(real: RealRig) -> None:
    many = {
        "memory": 32 * MIB, "memory_swap": 64 * MIB, "memory_reservation": 16 * MIB, "pids_limit": 20,
        "cpu_shares": 7, "cpu_quota": 50_000, "cpu_period": 50_000, "cpuset_cpus": "0", "cpuset_mems": "0",
    }  # fmt: skip
    async with started(real, real.record(*DEAF)) as container:
        await container.ready()
        before = every_limit(container.run.pid)
        changed = other(container.record, **many)
        await real.host.update(changed, container.record.host_config)
        assert len({*every_limit(container.run.pid)} - {*before}) >= len(many) - 3
        await real.host.update(container.record, changed.host_config)
        assert set(every_limit(container.run.pid)) - set(before) <= NEAR_ENOUGH


@pytest.mark.skipif(V2, reason="cgroup v2 takes a limit below what is in use and makes room by killing")
async def test_a_limit_below_what_is_in_use_is_refused_with_the_runtimes_words(real: RealRig) -> None:
    hungry = ("sh", "-c", "v=$(seq 1 3000000); echo ready; while :; do sleep 1; done")
    record = real.record(*hungry, memory=256 * MIB, memory_swap=256 * MIB)
    async with started(real, record) as container:
        await container.ready()
        with pytest.raises(RuntimeFailed, match="update: "):
            await real.host.update(other(record, memory=8 * MIB, memory_swap=8 * MIB), record.host_config)
        assert limit(container.run.pid, "memory") == str(256 * MIB)
