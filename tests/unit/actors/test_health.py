"""What a probe makes of a container's health, and when the next one is due."""

from __future__ import annotations

from functools import reduce
from typing import Final

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.actors.container.health import (
    SECOND,
    Check,
    Health,
    HealthStatus,
    ProbeResult,
    at_end,
    at_start,
    check_of,
    in_units,
    judged,
    next_probe_ns,
    remembered,
    result_of,
)
from daemon.api.timestamps import parse_duration
from daemon.model import Config, Healthcheck
from daemon.runtimes.base import PROBE_OUTPUT_BYTES, ProbeOutcome

STARTED: Final = 1000 * SECOND
CHECK: Final = Check(("true",), 30 * SECOND, 30 * SECOND, 0, 5 * SECOND, 3)
SLOW: Final = attrs.evolve(CHECK, start_period_ns=60 * SECOND, retries=1)
STARTING, HEALTHY, UNHEALTHY = HealthStatus.STARTING, HealthStatus.HEALTHY, HealthStatus.UNHEALTHY


def result(exit_code: int, seconds: float = 100) -> ProbeResult:
    """Return a probe begun so long after the container's start."""
    start_ns = STARTED + int(seconds * SECOND)
    return ProbeResult(start_ns, start_ns + 1, exit_code, "")


def after(*exit_codes: int, check: Check = CHECK) -> Health:
    """Return the health of a container after some probes."""
    probes = map(result, exit_codes)
    return reduce(lambda health, probe: judged(health, probe, check, STARTED), probes, Health(STARTING))


def test_a_check_that_says_only_what_to_run_has_dockers_defaults() -> None:
    assert check_of(Config(healthcheck=Healthcheck(("CMD", "true")))) == CHECK


def test_a_check_may_say_everything() -> None:
    asked = Healthcheck(("CMD", "a", "b"), 1, 2, 3, 4, 5)
    assert check_of(Config(healthcheck=asked)) == Check(("a", "b"), 1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("shell", "command"),
    [(None, ("/bin/sh", "-c", "a && b")), (("/bin/ash", "-ec"), ("/bin/ash", "-ec", "a && b"))],
)
def test_the_shell_form_runs_in_the_containers_shell(
    shell: tuple[str, ...] | None, command: tuple[str, ...]
) -> None:
    check = check_of(Config(healthcheck=Healthcheck(("CMD-SHELL", "a && b")), shell=shell))
    assert check is not None
    assert check.command == command


@pytest.mark.parametrize("test", [None, (), ("NONE",), ("CMD",), ("CMD-SHELL",), ("curl", "localhost")])
def test_a_container_without_a_probe_to_run_has_no_health(test: tuple[str, ...] | None) -> None:
    config = Config(healthcheck=Healthcheck(test, interval=SECOND))
    assert (check_of(config), at_start(config), at_end(None), remembered(None)) == (None, None, None, None)


def test_a_container_starts_with_a_clean_slate_and_is_not_well_when_it_has_ended() -> None:
    assert at_start(Config(healthcheck=Healthcheck(("CMD", "true")))) == Health(STARTING)
    ended = at_end(after(0))
    assert ended == attrs.evolve(after(0), status=UNHEALTHY)


def test_the_journal_keeps_what_was_told_and_not_how_it_came_about() -> None:
    assert remembered(after(0, 1, 1)) == Health(HEALTHY)


@pytest.mark.parametrize(
    ("exit_codes", "status", "streak"),
    [
        ((), STARTING, 0),
        ((0,), HEALTHY, 0),
        ((1,), STARTING, 1),
        ((1, -1), STARTING, 2),
        ((1, 2, 137), UNHEALTHY, 3),
        ((0, 1, 1), HEALTHY, 2),
        ((0, 1, 1, 0, 1), HEALTHY, 1),
        ((1, 1, 1, 1), UNHEALTHY, 4),
        ((1, 1, 1, 0), HEALTHY, 0),
    ],
)
def test_one_success_is_enough_and_so_many_failures_in_a_row(
    exit_codes: tuple[int, ...], status: HealthStatus, streak: int
) -> None:
    health = after(*exit_codes)
    assert (health.status, health.failing_streak) == (status, streak)


def test_failures_in_the_start_period_do_not_count() -> None:
    excused = judged(Health(STARTING), result(1, 59.9), SLOW, STARTED)
    assert (excused.status, excused.failing_streak, len(excused.log)) == (STARTING, 0, 1)
    assert judged(Health(STARTING), result(1, 60), SLOW, STARTED).status is UNHEALTHY


def test_they_do_once_the_container_has_been_healthy() -> None:
    healthy = judged(Health(STARTING), result(0, 1), SLOW, STARTED)
    assert judged(healthy, result(1, 2), SLOW, STARTED).status is UNHEALTHY


def test_the_last_five_probes_are_kept_the_newest_last() -> None:
    assert [probe.exit_code for probe in after(*range(1, 8)).log] == [3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("status", "since_start", "wait"),
    [
        (STARTING, 0, 5 * SECOND),
        (STARTING, 60 * SECOND - 1, 5 * SECOND),
        (STARTING, 60 * SECOND, 30 * SECOND),
        (HEALTHY, 0, 30 * SECOND),
        (UNHEALTHY, 0, 30 * SECOND),
    ],
)
def test_the_start_interval_is_for_what_has_not_been_healthy_in_its_start_period(
    status: HealthStatus, since_start: int, wait: int
) -> None:
    assert next_probe_ns(SLOW, status, since_start) == wait
    assert next_probe_ns(CHECK, status, since_start) == 30 * SECOND


def said(outcome: ProbeOutcome, check: Check = CHECK) -> tuple[int, str]:
    found = result_of(outcome, check, 1, 2)
    assert (found.start_ns, found.end_ns) == (1, 2)
    return found.exit_code, found.output


def test_the_log_has_the_exit_code_and_the_output() -> None:
    assert said(ProbeOutcome(3, b"no\n")) == (3, "no\n")
    assert said(ProbeOutcome(0, b"\xff\xc3\xa9")) == (0, "\ufffd\u00e9")


def test_long_output_is_cut_off_visibly() -> None:
    whole = b"x" * PROBE_OUTPUT_BYTES
    assert said(ProbeOutcome(0, whole)) == (0, "x" * 4096)
    assert said(ProbeOutcome(0, whole + b"y")) == (0, "x" * 4096 + "...")


def test_a_probe_that_took_too_long_says_so_and_what_it_had_said() -> None:
    second = attrs.evolve(CHECK, timeout_ns=SECOND)
    assert said(ProbeOutcome(None), second) == (-1, "Health check exceeded timeout (1s)")
    assert said(ProbeOutcome(None, b"wait"), CHECK) == (-1, "Health check exceeded timeout (30s): wait")


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [
        (1, "1ns"),
        (1500, "1.5\u00b5s"),
        (1_000_000, "1ms"),
        (2_050_000, "2.05ms"),
        (SECOND, "1s"),
        (1_500_000_000, "1.5s"),
        (90 * SECOND, "1m30s"),
        (3600 * SECOND, "1h0m0s"),
        (3661 * SECOND + 1, "1h1m1.000000001s"),
    ],
)
def test_durations_are_spelled_as_go_prints_them(duration_ns: int, text: str) -> None:
    assert in_units(duration_ns) == text


@given(st.integers(min_value=1, max_value=10**15))
def test_a_spelled_duration_can_be_read_again(duration_ns: int) -> None:
    assert parse_duration(in_units(duration_ns)) == duration_ns
