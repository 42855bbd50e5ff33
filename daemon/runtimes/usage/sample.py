"""What there is to know of a running container's consumption at one moment; counters begin with the run.

A part is None, or has nothing in it, where the kernel does not count: without its controller, or with
cgroups of the other version.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

NO_LIMIT: Final = 2**64 - 1  # what Docker's API calls a limit of 64 bits that is none


def _bounded(value: int) -> int:
    return min(value, NO_LIMIT)


@attrs.frozen
class Processors:
    """Processor time in ns; `each_ns` has a number for each processor, None with cgroups of version 2.

    `periods` are those of the quota, if there is one: how many have begun, in how many it was used up, and
    how long the container had to wait for the next ones.
    """

    total_ns: int = attrs.field(default=0, converter=_bounded)
    kernel_ns: int = attrs.field(default=0, converter=_bounded)
    user_ns: int = attrs.field(default=0, converter=_bounded)
    each_ns: tuple[int, ...] | None = None
    periods: int = 0
    throttled_periods: int = 0
    throttled_ns: int = attrs.field(default=0, converter=_bounded)


@attrs.frozen
class Memory:
    """Memory in bytes; `most_bytes` is None with cgroups of version 2, `failures` counts hits of the limit.

    `details` has numbers of memory.stat under the kernel's names: bytes, or how often something has happened.
    """

    used_bytes: int
    limit_bytes: int
    failures: int
    most_bytes: int | None
    details: Mapping[str, int]


@attrs.frozen
class Processes:
    """How many processes and threads there are, and how many there may be; None is no limit."""

    current: int
    limit: int | None


@attrs.frozen
class Transfer:
    """What went to or from one disk; `operation` is the kernel's word, `count` bytes or requests."""

    major: int
    minor: int
    operation: str
    count: int


@attrs.frozen
class Disks:
    """What went to and from disks: bytes `moved`, and `requests`, None with cgroups of version 2."""

    moved: tuple[Transfer, ...] = ()
    requests: tuple[Transfer, ...] | None = None


@attrs.frozen
class Usage:
    """What a cgroup tells."""

    processors: Processors
    memory: Memory | None
    processes: Processes | None
    disks: Disks


@attrs.frozen
class Interface:
    """What went through a link, as the container sees it."""

    rx_bytes: int
    rx_packets: int
    rx_errors: int
    rx_dropped: int
    tx_bytes: int
    tx_packets: int
    tx_errors: int
    tx_dropped: int


@attrs.frozen
class Subject:
    """Whose consumption is to be read.

    Attributes:
        cgroup: below the root of every hierarchy.
        pid: of the run's first process.
        started_ticks: when that started (proc(5)): with the pid it stands for the run.
        links: the names that the engine's links have in the container.

    """

    cgroup: str
    pid: int
    started_ticks: int
    links: tuple[str, ...] = ()

    @property
    def run(self) -> tuple[int, int]:
        """What no other run has, of this container or of any."""
        return self.pid, self.started_ticks


@attrs.frozen
class Sample:
    """A running container's consumption.

    Attributes:
        subject: whose it is.
        at_ns: when it was read, since the epoch.
        usage: what its cgroup tells.
        host_ns: what all processors of the host have done until then, idling too, in ns.
        online: how many processors that are.
        interfaces: by name, of those of the engine's links that are there; None for a container without any.

    """

    subject: Subject
    at_ns: int
    usage: Usage
    host_ns: int = attrs.field(converter=_bounded)
    online: int
    interfaces: Mapping[str, Interface] | None

    def continues(self, before: Sample | None) -> bool:
        """Whether `before` is of the same run, so that the difference of two counters means something."""
        return before is not None and before.subject.run == self.subject.run
