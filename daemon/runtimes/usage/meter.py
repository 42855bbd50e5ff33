"""Reads the consumption of many containers in one go.

That is a thread's work.  These threads have a limit of their own: should the kernel ever keep one, it keeps
nothing but statistics.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import attrs
import trio

from daemon.errors import Failed
from daemon.runtimes.spec.inputs import CGROUPS_V2
from daemon.runtimes.usage.cgroup1 import NS_PER_TICK, Cgroup1
from daemon.runtimes.usage.cgroup2 import Cgroup2
from daemon.runtimes.usage.interfaces import interfaces
from daemon.runtimes.usage.kernelfiles import content, numbers
from daemon.runtimes.usage.sample import Memory, Sample, Subject, Usage

CGROUP_ROOT: Final = Path("/sys/fs/cgroup")
STAT: Final = "/proc/stat"
THREADS: Final = 4
STATES: Final = 7  # user, nice, system, idle, iowait, irq, softirq; what other machines stole is not ours


class Cgroups(Protocol):
    """Cgroups of one version."""

    def usage(self, cgroup: str) -> Usage | None:
        """Return what a cgroup has consumed, None if it is gone."""
        ...


@attrs.frozen
class Host:
    """The host's processors: what they had done together at a moment of the monotonic clock, in ns."""

    done_ns: int
    online: int
    at_ns: int

    @classmethod
    def read(cls, text: bytes, at_ns: int) -> Host:
        """Read /proc/stat, which is dear to make on a large host, so once is enough for many containers."""
        lines = [line for line in text.splitlines() if line.startswith(b"cpu")]
        ticks = sum(numbers(lines[0])[:STATES]) if lines else 0
        return cls(ticks * NS_PER_TICK, max(len(lines) - 1, 0), at_ns)

    def done_until(self, at_ns: int) -> int:
        """Return what they have done a little later: each does a second in a second, be it nothing."""
        return self.done_ns + (at_ns - self.at_ns) * self.online


@attrs.frozen
class HostMeter:
    """Reads this host's cgroups; `memory_bytes` is all that it has."""

    cgroups: Cgroups
    memory_bytes: int
    _threads: trio.CapacityLimiter = attrs.field(factory=partial(trio.CapacityLimiter, THREADS), init=False)

    @classmethod
    def of_version(cls, cgroup_version: int, memory_bytes: int, root: Path = CGROUP_ROOT) -> HostMeter:
        """Return the meter for a host with cgroups of this version."""
        cgroups = Cgroup2(root) if cgroup_version == CGROUPS_V2 else Cgroup1.below(root)
        return cls(cgroups, memory_bytes)

    async def read(self, subjects: Mapping[str, Subject]) -> dict[str, Sample]:
        """Return a sample for each of `subjects`, under its key; those that have gone are left out.

        Raises:
            Failed: they cannot be read for a reason that lies with us.

        """
        try:
            return await trio.to_thread.run_sync(
                self.read_now, subjects, abandon_on_cancel=True, limiter=self._threads
            )
        except OSError as error:
            raise Failed(f"statistics cannot be read: {error.strerror}: {error.filename or ''}") from error

    def read_now(self, subjects: Mapping[str, Subject]) -> dict[str, Sample]:
        """Do what `read` does, and block meanwhile.

        Raises:
            OSError: they cannot be read for a reason that lies with us.

        """
        host = Host.read(content(STAT), time.monotonic_ns())
        found = ((key, self._sample(subject, host)) for key, subject in subjects.items())
        return {key: sample for key, sample in found if sample is not None}

    def _sample(self, subject: Subject, host: Host) -> Sample | None:
        at_ns, done_ns = time.time_ns(), host.done_until(time.monotonic_ns())
        usage = self.cgroups.usage(subject.cgroup)
        if usage is None:
            return None
        if usage.memory is not None:
            usage = attrs.evolve(usage, memory=self._limited(usage.memory))
        return Sample(subject, at_ns, usage, done_ns, host.online, interfaces(subject))

    def _limited(self, memory: Memory) -> Memory:
        """Return it with a limit that can be reached."""
        return attrs.evolve(
            memory, limit_bytes=min(memory.limit_bytes, self.memory_bytes or memory.limit_bytes)
        )
