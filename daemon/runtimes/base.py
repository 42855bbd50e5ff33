"""The seam between container actors and whatever runs their processes.

The caller decides what is legal and when; what is behind the seam only does it, and keeps no
state that it could not find again on the host.
"""

from __future__ import annotations

from typing import Final

import attrs

PROBE_OUTPUT_BYTES: Final = 4096


@attrs.frozen
class Run:
    """One run of a container: its process and the monitor that keeps it.

    A pid alone may belong to somebody else tomorrow; with `started_ticks`, the start time of
    /proc/PID/stat in clock ticks since boot (proc(5)), it cannot.
    """

    pid: int
    started_ticks: int
    monitor_pid: int
    monitor_started_ticks: int


@attrs.frozen
class Exit:
    """How a process ended: 0-255 as it returned, or 128 + N if signal N ended it.

    `at_ns` is when, in nanoseconds since 1970, by the clock of the file system that it was written to.
    """

    code: int
    oom_killed: bool = False
    at_ns: int = attrs.field(default=0, eq=False)


@attrs.frozen
class ProbeOutcome:
    """How a probe ended: `exit_code` is None if its time was up, and it was killed.

    `said` is the start of its output: one byte more than PROBE_OUTPUT_BYTES says that there was more.
    """

    exit_code: int | None
    said: bytes = b""
