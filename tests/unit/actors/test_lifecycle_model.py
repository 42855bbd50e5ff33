"""Every order of events that the table allows, walked through: no report surprises, no state is a trap.

The model says what each effect sets going and which report ends it; the table does the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import attrs
import pytest

from daemon.actors.container.commands import (
    ForceRemove,
    Kill,
    Pause,
    Remove,
    Restart,
    Revive,
    Start,
    StartAgain,
    Stop,
    Unpause,
)
from daemon.actors.container.lifecycle import TABLE, Effect
from daemon.actors.container.reports import (
    CleanedUp,
    Deleted,
    DeleteFailed,
    Exited,
    FreezeFailed,
    Frozen,
    GivenUp,
    GraceExpired,
    Initialized,
    LaunchFailed,
    Lost,
    Probed,
    Relapsed,
    Started,
    Thawed,
    ThawFailed,
)
from daemon.actors.container.resuming import RESUME
from daemon.actors.container.states import State

COMMANDS: Final = (Start, Revive, Stop, Restart, Kill, Pause, Unpause, Remove, ForceRemove)

BEGINS: Final[Mapping[Effect, str]] = {
    Effect.LAUNCH: "creating",
    Effect.WATCH: "running",
    Effect.GIVE_UP: "giving up",
    Effect.FREEZE: "freezing",
    Effect.THAW: "thawing",
    Effect.THAW_AGAIN: "thawing again",
    Effect.CLEAN_UP: "clearing",
    Effect.BACK_OFF: "backing off",
    Effect.DELETE: "deleting",
    Effect.ARM_GRACE: "waiting",
    Effect.SHORTEN_GRACE: "waiting",
}
"""The task that an effect begins."""

REPORTS: Final[Mapping[str, Mapping[type, str | None]]] = {
    "creating": {Initialized: "starting", LaunchFailed: None},
    "starting": {Started: "running", LaunchFailed: None},
    "running": {Probed: "running", Exited: None, Lost: None, Relapsed: None},  # and probed meanwhile
    "backing off": {StartAgain: None, GivenUp: None},
    "giving up": {LaunchFailed: None},
    "freezing": {Frozen: None, FreezeFailed: None},
    "thawing": {Thawed: None, ThawFailed: None},
    "thawing again": {Thawed: None},
    "clearing": {CleanedUp: None},
    "deleting": {Deleted: None, DeleteFailed: None},
    "waiting": {GraceExpired: None},
}
"""What each task may report, and what it then goes on with."""


def is_possible(state: State, report: type) -> bool:
    """Tell whether a report may come: what is being stopped does not relapse (`restarting.as_told`)."""
    return (state, report) != (State.STOPPING, Relapsed)


@attrs.frozen
class Situation:
    """Where a container is, and which tasks are under way for it."""

    state: State
    tasks: frozenset[str] = frozenset()

    def after(self, message: type, task: str | None = None, goes_on_as: str | None = None) -> Situation:
        target, effects = TABLE[self.state, message]
        tasks = set(self.tasks) - {task} | ({goes_on_as} if goes_on_as else set())
        tasks |= {BEGINS[effect] for effect in effects if effect in BEGINS}
        if Effect.CLEAN_UP in effects:
            tasks -= {"waiting", "freezing", "thawing", "thawing again"}  # they end with the run
        if Effect.END_BACK_OFF in effects:
            tasks.discard("backing off")
        return Situation(target, frozenset(tasks))

    def next(self) -> Iterator[Situation]:
        if self.state is State.REMOVED:
            return  # the actor has ended, and its tasks with it
        for command in COMMANDS:
            if (self.state, command) in TABLE:
                yield self.after(command)
        for task in self.tasks:
            for report, goes_on_as in REPORTS[task].items():
                if not is_possible(self.state, report):
                    continue
                assert (self.state, report) in TABLE, f"{report.__name__} in {self}"
                yield self.after(report, task, goes_on_as)


def explore(start: Situation) -> set[Situation]:
    seen, new = {start}, [start]
    while new:
        for found in new.pop().next():
            if found not in seen:
                seen.add(found)
                new.append(found)
    return seen


STARTS: Final = [
    Situation(State.CONFIGURED),
    Situation(State.DEAD),
    *(
        Situation(state, frozenset(BEGINS[effect] for effect in effects if effect in BEGINS))
        for state, effects in RESUME.items()
    ),
]


@pytest.fixture(scope="module")
def situations() -> set[Situation]:
    return set().union(*(explore(start) for start in STARTS))


def test_no_report_comes_as_a_surprise(situations: set[Situation]) -> None:
    """Walking there is the proof: a report that the table lacks fails in `next`."""
    assert {found.state for found in situations} == set(State)


def test_the_table_knows_no_report_that_cannot_come(situations: set[Situation]) -> None:
    reports = {report for outcomes in REPORTS.values() for report in outcomes}
    come = {
        (now.state, report)
        for now in situations
        for task in now.tasks
        for report in REPORTS[task]
        if is_possible(now.state, report)
    }
    assert {pair for pair in TABLE if pair[1] in reports} == {
        pair for pair in come if pair[0] is not State.REMOVED
    }


DRIVEN: Final[Mapping[State, frozenset[str]]] = {
    State.STARTING: frozenset({"creating", "giving up"}),
    State.INITIALIZED: frozenset({"starting"}),
    State.RUNNING: frozenset({"running"}),
    State.PAUSING: frozenset({"freezing"}),
    State.PAUSED: frozenset({"running"}),
    State.RESUMING: frozenset({"thawing"}),
    State.STOPPING: frozenset({"creating", "starting", "running", "giving up"}),
    State.STOPPED: frozenset({"clearing"}),
    State.UNKNOWN: frozenset({"clearing"}),
    State.RELAPSED: frozenset({"clearing"}),
    State.RESTARTING: frozenset({"backing off"}),
    State.REMOVING: frozenset({"deleting"}),
}


@pytest.mark.parametrize("state", DRIVEN, ids=lambda state: state.value)
def test_a_state_that_must_end_has_a_task_that_will_end_it(state: State, situations: set[Situation]) -> None:
    stuck = [found for found in situations if found.state is state and not found.tasks & DRIVEN[state]]
    assert not stuck


def test_a_container_runs_once_at_a_time(situations: set[Situation]) -> None:
    lives = {"creating", "starting", "running", "giving up"}
    assert not [found for found in situations if len(found.tasks & lives) > 1]


def test_nothing_runs_while_a_container_is_removed(situations: set[Situation]) -> None:
    removing = [found for found in situations if found.state in {State.REMOVING, State.REMOVED}]
    assert not [found for found in removing if found.tasks & {"creating", "starting", "running"}]
