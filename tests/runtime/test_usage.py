"""What real containers consume, as the kernel counts it and as they know it themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
import trio

from daemon.runtimes.host import read_host
from daemon.runtimes.usage.meter import HostMeter
from daemon.runtimes.usage.sample import Processes, Sample, Subject
from tests.runtime.hosts import DEAF, FACTS, REAL_SECONDS, RealRig, Started, started

MIB: Final = 2**20
BURNS: Final = ("sh", "-c", "echo ready; while :; do :; done")
FILLS: Final = (
    "sh",
    "-c",
    f"head -c {8 * MIB} /dev/zero > /dev/shm/full; echo ready; while :; do sleep 1; done",
)
pytestmark = pytest.mark.runtime


def a_meter() -> HostMeter:
    return HostMeter.of_version(FACTS.cgroup_version, read_host().memory_bytes)


async def read(real: RealRig, container: Started) -> Sample | None:
    cgroup, run = real.host.bundles.cgroup(container.record), container.run
    return (await a_meter().read({"c": Subject(cgroup, run.pid, run.started_ticks)})).get("c")


async def reads(real: RealRig, container: Started, holds: Callable[[Sample], object]) -> Sample:
    """Read until something holds of a sample, which nobody tells us."""
    with trio.fail_after(REAL_SECONDS):
        while True:
            sample = await read(real, container)
            assert sample is not None
            if holds(sample):
                return sample
            await trio.sleep(0.02)


async def test_who_burns_processor_time_is_seen_to(real: RealRig) -> None:
    record = real.record(*BURNS, nano_cpus=100_000_000)
    async with started(real, record) as container:
        await container.ready()
        first = await reads(real, container, lambda sample: sample.usage.processors.throttled_ns)
        used = first.usage.processors
        assert used.total_ns == sum(used.each_ns or (used.total_ns,))
        assert 0 < used.throttled_periods <= used.periods
        more_ns = used.total_ns + 30_000_000
        later = await reads(real, container, lambda sample: sample.usage.processors.total_ns > more_ns)
        # A tenth of one processor; what the host has done meanwhile it has done with all of them.
        spent_ns = later.usage.processors.total_ns - used.total_ns
        assert spent_ns < (later.host_ns - first.host_ns) / later.online
        assert later.continues(first)


async def test_memory_is_counted_against_its_limit(real: RealRig) -> None:
    async with started(real, real.record(*FILLS, memory=64 * MIB)) as container:
        await container.ready()
        found = await reads(
            real, container, lambda sample: sample.usage.memory and sample.usage.memory.used_bytes > 8 * MIB
        )
        assert found.usage.memory is not None
        assert found.usage.memory.used_bytes < found.usage.memory.limit_bytes == 64 * MIB
        assert found.usage.memory.details["inactive_file"] >= 0
        assert found.usage.memory.most_bytes is None or found.usage.memory.most_bytes > 8 * MIB


async def test_without_a_limit_there_is_all_that_the_host_has(real: RealRig) -> None:
    async with started(real, real.record(*DEAF)) as container:
        sample = await read(real, container)
        assert sample is not None
        assert sample.usage.memory is not None
        assert sample.usage.memory.limit_bytes == read_host().memory_bytes
        assert sample.interfaces is None


async def test_processes_are_counted_against_their_limit(real: RealRig) -> None:
    async with started(real, real.record(*DEAF, pids_limit=20)) as container:
        await container.ready()
        await reads(real, container, lambda sample: sample.usage.processes == Processes(2, 20))


async def test_what_is_frozen_can_be_read(real: RealRig) -> None:
    async with started(real, real.record(*DEAF)) as container:
        await real.host.freeze(container.record)
        assert await read(real, container) is not None
        await real.host.thaw(container.record)


async def test_what_has_ended_cannot(real: RealRig) -> None:
    async with started(real, real.record("sh", "-c", "exit 0")) as container:
        await container.wait()
        await real.host.clean_up(container.record, container.run)
        assert await read(real, container) is None
