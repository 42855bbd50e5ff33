"""What a container's health is after a probe, and when the next one is due: pure decisions.

A probe is a command run in the container; its exit code is all that counts.  Nothing here waits, or looks at
a clock or at the container: the task that does is `probing.py`; what it reports becomes part of the snapshot.

Source: Docker's HEALTHCHECK (api-contract section 3.12) and daemon/health.go of moby.  Durations are in
nanoseconds, as on the wire; an interval lasts from the end of one probe to the start of the next.
"""

from __future__ import annotations

import enum
from typing import Final

import attrs

from daemon.model import Config
from daemon.runtimes.base import PROBE_OUTPUT_BYTES, ProbeOutcome

SECOND: Final = 1_000_000_000
DEFAULT_INTERVAL_NS: Final = 30 * SECOND
DEFAULT_TIMEOUT_NS: Final = 30 * SECOND
DEFAULT_START_INTERVAL_NS: Final = 5 * SECOND
DEFAULT_RETRIES: Final = 3
DEFAULT_SHELL: Final = ("/bin/sh", "-c")
LOG_ENTRIES: Final = 5
NO_EXIT_CODE: Final = -1
UNITS: Final = ((3600 * SECOND, "h"), (60 * SECOND, "m"))
FRACTIONS: Final = ((SECOND, "s"), (1_000_000, "ms"), (1000, "\u00b5s"), (1, "ns"))


class HealthStatus(enum.Enum):
    """Docker's words for what is known of a container's health."""

    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@attrs.frozen
class Check:
    """A health check with its defaults filled in."""

    command: tuple[str, ...]
    interval_ns: int
    timeout_ns: int
    start_period_ns: int
    start_interval_ns: int
    retries: int


@attrs.frozen
class ProbeResult:
    """One probe, as inspect shows it."""

    start_ns: int
    end_ns: int
    exit_code: int
    output: str


@attrs.frozen
class Health:
    """What is known of a container's health; the newest result of the log comes last."""

    status: HealthStatus
    failing_streak: int = 0
    log: tuple[ProbeResult, ...] = ()


def check_of(config: Config) -> Check | None:
    """Return how the container is to be probed, or None if it is not."""
    asked = config.healthcheck
    if asked is None or not asked.test:
        return None
    kind, *rest = asked.test
    shell = (config.shell or DEFAULT_SHELL) if kind == "CMD-SHELL" else ()
    if kind not in {"CMD", "CMD-SHELL"} or not rest:
        return None
    return Check(
        command=(*shell, *rest),
        interval_ns=asked.interval or DEFAULT_INTERVAL_NS,
        timeout_ns=asked.timeout or DEFAULT_TIMEOUT_NS,
        start_period_ns=asked.start_period,
        start_interval_ns=asked.start_interval or DEFAULT_START_INTERVAL_NS,
        retries=asked.retries or DEFAULT_RETRIES,
    )


def at_start(config: Config) -> Health | None:
    """Return the health of a container that has just been started."""
    return Health(HealthStatus.STARTING) if check_of(config) else None


def at_end(health: Health | None) -> Health | None:
    """Return the health of a container that has just ended: whatever it was, it is not well now."""
    return health and attrs.evolve(health, status=HealthStatus.UNHEALTHY)


def remembered(health: Health | None) -> Health | None:
    """Return what the journal keeps: the status, which somebody was told, but not what led to it."""
    return health and Health(health.status)


def next_probe_ns(check: Check, status: HealthStatus, since_start_ns: int) -> int:
    """Return how long to wait before the next probe of a container started `since_start_ns` ago."""
    starting = status is HealthStatus.STARTING and since_start_ns < check.start_period_ns
    return check.start_interval_ns if starting else check.interval_ns


def judged(health: Health, result: ProbeResult, check: Check, started_ns: int) -> Health:
    """Return the health after one more probe of a container that was started at `started_ns`."""
    known = attrs.evolve(health, log=(*health.log, result)[-LOG_ENTRIES:])
    if result.exit_code == 0:
        return attrs.evolve(known, status=HealthStatus.HEALTHY, failing_streak=0)
    excused = result.start_ns - started_ns < check.start_period_ns
    if health.status is HealthStatus.STARTING and excused:
        return known
    streak = health.failing_streak + 1
    status = HealthStatus.UNHEALTHY if streak >= check.retries else health.status
    return attrs.evolve(known, status=status, failing_streak=streak)


def result_of(outcome: ProbeOutcome, check: Check, start_ns: int, end_ns: int) -> ProbeResult:
    """Return what the log says of a probe."""
    said = outcome.said[:PROBE_OUTPUT_BYTES].decode(errors="replace")
    if len(outcome.said) > PROBE_OUTPUT_BYTES:
        said += "..."
    if outcome.exit_code is not None:
        return ProbeResult(start_ns, end_ns, outcome.exit_code, said)
    late = f"Health check exceeded timeout ({in_units(check.timeout_ns)})"
    return ProbeResult(start_ns, end_ns, NO_EXIT_CODE, f"{late}: {said}" if said else late)


def in_units(duration_ns: int) -> str:
    """Spell a duration as Go prints it, such as 1m30s or 1.5s: clients know the text it is in."""
    words, rest = "", duration_ns
    for unit, name in UNITS:
        count, rest = divmod(rest, unit)
        if count or words:
            words += f"{count}{name}"
    if words:
        return f"{words}{_decimal(rest, SECOND)}s"
    unit, name = next((unit, name) for unit, name in FRACTIONS if rest >= unit or unit == 1)
    return f"{_decimal(rest, unit)}{name}"


def _decimal(count: int, unit: int) -> str:
    """Return count / unit in digits, exactly."""
    whole, part = divmod(count, unit)
    digits = str(part).rjust(len(str(unit)) - 1, "0").rstrip("0") if part else ""
    return f"{whole}.{digits}" if digits else str(whole)
