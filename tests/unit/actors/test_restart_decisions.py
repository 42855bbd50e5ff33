"""Which ends are followed by another start, how soon, and what an engine makes of what it finds."""

from __future__ import annotations

import signal
from typing import Any, Final

import pytest

from daemon.actors.container.commands import Kill, Signal, Stop
from daemon.actors.container.reports import Exited, Lost, Relapsed
from daemon.actors.container.restarting import (
    FIRST_BACKOFF_NS,
    LONGEST_BACKOFF_NS,
    STABLE_NS,
    as_told,
    at_engine_start,
    next_backoff_ns,
    restarts,
    revives,
)
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.container.states import State
from daemon.model import RestartPolicy
from daemon.runtimes.base import Exit
from tests.unit.actors.world import a_record

NO, ALWAYS, UNLESS_STOPPED = (RestartPolicy(name) for name in ("no", "always", "unless-stopped"))
ON_FAILURE, TWICE = RestartPolicy("on-failure"), RestartPolicy("on-failure", 2)
POLICIES: Final = (RestartPolicy(), NO, ALWAYS, UNLESS_STOPPED, ON_FAILURE, TWICE)


def a_container(policy: RestartPolicy, state: State = State.RUNNING, **values: Any) -> ContainerSnapshot:
    config = {"stop_signal": values.pop("stop_signal")} if "stop_signal" in values else {}
    return ContainerSnapshot(a_record(restart_policy=policy, **config), state, **values)


@pytest.mark.parametrize(
    ("policy", "code", "count", "again"),
    [
        (RestartPolicy(), 1, 0, False),
        (NO, 1, 0, False),
        (ALWAYS, 0, 1000, True),
        (ALWAYS, 1, 1000, True),
        (UNLESS_STOPPED, 0, 1000, True),
        (ON_FAILURE, 0, 0, False),
        (ON_FAILURE, 1, 1000, True),
        (TWICE, 1, 1, True),
        (TWICE, 1, 2, False),
        (TWICE, 0, 0, False),
    ],
)
def test_the_policy_says_who_is_started_again(
    policy: RestartPolicy, code: int, count: int, again: bool
) -> None:
    assert restarts(policy, exit_code=code, restart_count=count, stopped_by_hand=False) is again


@pytest.mark.parametrize("policy", POLICIES)
def test_whoever_stops_a_container_means_it(policy: RestartPolicy) -> None:
    assert not restarts(policy, exit_code=1, restart_count=0, stopped_by_hand=True)


def test_the_wait_doubles_up_to_a_minute() -> None:
    waits = [0]
    for _ in range(12):
        waits.append(next_backoff_ns(waits[-1], STABLE_NS - 1))
    milliseconds = [wait // 1_000_000 for wait in waits[1:]]
    assert milliseconds[:4] == [100, 200, 400, 800]
    assert milliseconds[-3:] == [51_200, 60_000, 60_000]


@pytest.mark.parametrize("last_ns", [0, FIRST_BACKOFF_NS, LONGEST_BACKOFF_NS])
def test_a_run_of_ten_seconds_is_no_part_of_a_crash_loop(last_ns: int) -> None:
    assert next_backoff_ns(last_ns, STABLE_NS) == FIRST_BACKOFF_NS


@pytest.mark.parametrize("state", [State.RUNNING, State.PAUSING, State.PAUSED, State.RESUMING])
def test_an_end_that_nobody_saw_counts_as_a_failure(state: State) -> None:
    end = Lost(1)
    assert as_told(a_container(ON_FAILURE, state), end) == Relapsed(end)


def test_what_ends_because_it_was_told_to_does_not_relapse() -> None:
    end = Exited(Exit(1), 1)
    assert as_told(a_container(ALWAYS, State.STOPPING), end) is end
    assert as_told(a_container(ALWAYS, stopped_by_hand=True), end) is end


@pytest.mark.parametrize("state", [State.RELAPSED, State.RESTARTING])
@pytest.mark.parametrize(
    ("stop_signal", "number", "ends"),
    [
        ("", signal.SIGTERM, True),
        ("INT", signal.SIGINT, True),
        ("INT", signal.SIGTERM, True),
        ("", signal.SIGINT, False),
        ("", signal.SIGHUP, False),
    ],
)
def test_a_signal_that_asks_to_end_ends_the_restarting(
    state: State, stop_signal: str, number: int, ends: bool
) -> None:
    told = Signal(number)
    meant = as_told(a_container(ALWAYS, state, stop_signal=stop_signal), told)
    assert meant == (Kill() if ends else told)


@pytest.mark.parametrize("message", [Signal(signal.SIGTERM), Stop(), Kill()])
def test_what_is_said_to_a_container_that_runs_is_what_is_meant(message: Signal | Stop | Kill) -> None:
    assert as_told(a_container(ALWAYS), message) is message


@pytest.mark.parametrize(
    ("policy", "code", "by_hand", "revived"),
    [
        (NO, 1, False, False),
        (ALWAYS, 0, False, True),
        (ALWAYS, 0, True, True),
        (UNLESS_STOPPED, 0, False, True),
        (UNLESS_STOPPED, 1, True, False),
        (ON_FAILURE, 1, False, True),
        (ON_FAILURE, 0, False, False),
        (ON_FAILURE, 143, True, False),
    ],
)
def test_an_engine_that_starts_starts_containers(
    policy: RestartPolicy, code: int, by_hand: bool, revived: bool
) -> None:
    found = a_container(policy, State.EXITED, exit_code=code, stopped_by_hand=by_hand)
    assert revives(at_engine_start(found)) is revived


def test_who_has_used_up_its_restarts_is_not_revived() -> None:
    assert not revives(a_container(TWICE, State.EXITED, exit_code=1, restart_count=2))


@pytest.mark.parametrize("state", set(State) - {State.EXITED})
def test_only_what_has_ended_is_revived(state: State) -> None:
    assert not revives(a_container(ALWAYS, state))
