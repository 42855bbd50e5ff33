"""What a reload will do, told beforehand and afterwards by the same function."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.actors.configuration.plan import OlderRun, Plan, RuntimeChange, make_plan, older_runs
from daemon.actors.configuration.value import Configuration, changes
from daemon.actors.container.snapshot import LIVE, ContainerSnapshot
from daemon.actors.container.states import State
from daemon.runtimes.table import LockedRuntime, RuntimeTable
from daemon.settings import Settings
from tests.unit.actors.configuration.samples import AT_RESTART, OTHER, changed
from tests.unit.actors.world import a_record
from tests.unit.runtimes.tables import RUNTIMES, a_runtime, a_table

NOW = Configuration(Settings(), attrs.evolve(RUNTIMES, generation=4))
LOOKED_UP = attrs.evolve(RUNTIMES, generation=0)


def planned(
    wanted: Settings, now: Configuration = NOW, runtimes: RuntimeTable = LOOKED_UP, containers: Any = ()
) -> Plan:
    return make_plan(now, wanted, runtimes, containers)


def keys_of(plan: Plan) -> tuple[list[str], list[str]]:
    return [change.key for change in plan.changes], [change.key for change in plan.configuration.pending]


def a_run(state: State, generation: int, **changes: Any) -> ContainerSnapshot:
    runtime = LockedRuntime("crun", "/usr/bin/crun", "/usr/bin/crun", generation=generation)
    return ContainerSnapshot(attrs.evolve(a_record(**changes), runtime=runtime), state)


def test_without_a_difference_the_number_stays() -> None:
    plan = planned(Settings())
    assert plan == Plan(NOW, (), (), ())


def test_a_difference_is_the_next_number() -> None:
    plan = planned(changed("debug", "labels"))
    assert (plan.configuration.generation, keys_of(plan)) == (5, (["debug", "labels"], []))
    assert plan.configuration.settings == changed("debug", "labels")


@pytest.mark.parametrize("key", sorted(AT_RESTART))
def test_what_takes_a_restart_is_pending_and_no_new_number(key: str) -> None:
    plan = planned(changed(key))
    assert (plan.configuration.generation, keys_of(plan)) == (4, ([], [key]))
    assert plan.configuration.settings == Settings()


def test_back_at_the_value_of_the_start_nothing_is_pending() -> None:
    there = planned(changed("mtu", "bip", "debug")).configuration
    assert [change.key for change in there.pending] == ["bip", "mtu"]
    halfway = planned(changed("mtu", "debug"), there).configuration
    assert [change.key for change in halfway.pending] == ["mtu"]
    back = planned(changed("debug"), halfway).configuration
    assert (back.pending, back.generation, there.generation) == ((), 5, 5)


@given(st.lists(st.sets(st.sampled_from([*OTHER])), min_size=1, max_size=6))
def test_whatever_is_reloaded_pending_is_exactly_what_is_not_in_force(files: list[Collection[str]]) -> None:
    now = NOW
    for file in files:
        before, now = now, planned(changed(*file), now).configuration
        assert changes(now.settings, changed(*file)) == now.pending
        assert {change.key for change in now.pending} == AT_RESTART & set(file)
        assert now.generation - before.generation == (now.settings != before.settings)


def test_a_runtime_that_means_something_else_is_a_difference() -> None:
    moved = {"crun": a_runtime("crun", "/opt/crun"), "new": a_runtime("new")}
    plan = planned(Settings(), runtimes=RuntimeTable(moved, "crun"))
    assert plan.configuration.generation == 5
    assert plan.runtimes == (
        RuntimeChange("crun", "/usr/bin/crun", "/opt/crun"),
        RuntimeChange("new", "", "/usr/bin/new"),
        RuntimeChange("runc", "/usr/bin/runc", ""),
    )


def test_another_default_alone_is_a_difference_and_no_change_of_a_runtime() -> None:
    plan = planned(Settings(), runtimes=a_table("runc", "crun"))
    assert (plan.configuration.generation, plan.runtimes) == (5, ())


@pytest.mark.parametrize("state", State)
def test_only_what_runs_holds_on_to_an_older_configuration(state: State) -> None:
    snapshot = a_run(state, 3, name="web")
    shown = (OlderRun(snapshot.id, "web", "crun", "/usr/bin/crun", 3),) if state in LIVE else ()
    assert older_runs(4, [snapshot]) == shown


def test_older_runs_are_told_oldest_first_and_those_of_now_not_at_all() -> None:
    runs = [a_run(State.RUNNING, generation) for generation in (3, 4, 1, 2)]
    never_started = ContainerSnapshot(a_record(), State.RUNNING)
    assert [run.generation for run in older_runs(4, [*runs, never_started])] == [1, 2, 3]


def test_a_plan_tells_of_the_runs_that_it_would_make_old() -> None:
    runs = [a_run(State.RUNNING, 4)]
    assert planned(Settings(), containers=runs).older == ()
    assert [run.generation for run in planned(changed("debug"), containers=runs).older] == [4]
