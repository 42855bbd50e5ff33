"""Updating: what comes of a request, what is applied to a process, and what is written when."""

from __future__ import annotations

from typing import Any, Final

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.actors.container.actor import Container, as_record
from daemon.actors.container.admission.updates import updated
from daemon.actors.container.commands import ForceRemove, Restart, Start, Stop, Update
from daemon.actors.container.reports import CleanedUp
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.container.states import State
from daemon.actors.mailbox import Promise
from daemon.errors import Conflict, EngineError, Failed, InvalidParameter, NotImplementedHere, RuntimeFailed
from daemon.journal import Transaction
from daemon.model import HostConfig, RestartPolicy
from daemon.runtimes.spec.inputs import HostFacts
from tests.unit.actors.restarts import BETWEEN, between_runs, starts, written
from tests.unit.actors.world import World, a_record, refused
from tests.unit.runtimes.tables import RUNTIMES

MIB: Final = 1 << 20
FACTS: Final = HostFacts(2, {}, frozenset(), (6, 1), 4)
ADMITTED: Final = HostConfig(
    runtime="crun",
    network_mode="none",
    ipc_mode="private",
    cgroupns_mode="private",
    restart_policy=RestartPolicy("no"),
)


WHOLE: Final = {**attrs.asdict(ADMITTED, recurse=False), "cmd": ("true",)}


async def created(world: World, **changes: Any) -> Container:
    """Return a container as an admission would leave it."""
    return await world.created(**(WHOLE | changes))


async def running(world: World, **changes: Any) -> Container:
    container = await created(world, **changes)
    await container.mailbox.ask(Start(RUNTIMES))
    return container


async def begun(container: Container, **wanted: Any) -> Promise[None]:
    return await container.mailbox.ask(Update(HostConfig(**wanted), FACTS))


async def update(container: Container, **wanted: Any) -> None:
    await (await begun(container, **wanted)).outcome()


def after(now: HostConfig, **wanted: Any) -> HostConfig:
    return updated(a_record(cmd=("true",)).config, now, HostConfig(**wanted), FACTS)


def test_what_is_not_said_stays_as_it_is() -> None:
    now = attrs.evolve(ADMITTED, memory=64 * MIB, memory_swap=-1, cpu_shares=5, pids_limit=7)
    assert after(now) == now
    assert after(now, cpu_shares=9) == attrs.evolve(now, cpu_shares=9)


def test_only_a_limit_of_processes_can_be_taken_away() -> None:
    now = attrs.evolve(ADMITTED, pids_limit=7)
    assert [after(now, pids_limit=limit).pids_limit for limit in (0, -1)] == [-1, -1]


def test_what_an_update_is_not_about_means_nothing() -> None:
    assert after(ADMITTED, privileged=True, binds=("/:/host",), auto_remove=True) == ADMITTED


@pytest.mark.parametrize(
    ("has", "wanted", "error", "text"),
    [
        ({"cpu_period": 1000}, {"nano_cpus": 1}, Conflict, "Nano CPUs cannot be updated as CPU Period has"),
        ({"cpu_quota": 1000}, {"nano_cpus": 1}, Conflict, "Nano CPUs cannot be updated as CPU Quota has"),
        ({"nano_cpus": 1}, {"cpu_period": 1000}, Conflict, "CPU Period cannot be updated as NanoCPUs has"),
        ({"nano_cpus": 1}, {"cpu_quota": 1000}, Conflict, "CPU Quota cannot be updated as NanoCPUs has"),
        ({}, {"memory": 64 * MIB}, Conflict, "update the memoryswap at the same time"),
        (
            {"auto_remove": True},
            {"restart_policy": RestartPolicy("always")},
            Conflict,
            "AutoRemove is enabled",
        ),
        ({}, {"memory": 1000, "memory_swap": -1}, InvalidParameter, "Minimum memory limit allowed is 6MB"),
        ({"memory": 64 * MIB}, {"memory_swap": 8 * MIB}, InvalidParameter, "larger than memory limit"),
        ({}, {"cpuset_cpus": "7"}, InvalidParameter, "Requested CPUs are not available"),
        ({}, {"restart_policy": RestartPolicy("often")}, InvalidParameter, "unknown policy 'often'"),
        (
            {},
            {"restart_policy": RestartPolicy("always", 3)},
            InvalidParameter,
            "maximum retry count can only",
        ),
        ({}, {"restart_policy": RestartPolicy("on-failure", -3)}, InvalidParameter, "cannot be negative"),
        ({}, {"cpu_realtime_period": 1}, NotImplementedHere, "real-time scheduling"),
    ],
)
def test_what_makes_no_sense_is_refused(
    has: dict[str, Any], wanted: dict[str, Any], error: type[EngineError], text: str
) -> None:
    with pytest.raises(error, match=text):
        after(attrs.evolve(ADMITTED, **has), **wanted)


async def test_what_runs_obeys_before_it_is_written(world: World, autojump_clock: MockClock) -> None:
    container = await running(world)
    updating = world.host.hold("update")
    promise = await begun(container, cpu_shares=9)
    await wait_all_tasks_blocked()
    assert (promise.answered, written(world).record.host_config.cpu_shares) == (False, 0)
    updating.set()
    await promise.outcome()
    assert world.host.asked("update") == [(0, {"cpu": {"shares": 9}})]
    assert written(world).record.host_config.cpu_shares == 9
    assert world.actions == ["start", "update"]


@pytest.mark.parametrize("state", [State.CONFIGURED, State.EXITED, *BETWEEN])
async def test_what_does_not_run_is_only_written(world: World, state: State) -> None:
    policy = RestartPolicy("always")
    if state in BETWEEN:
        container = await between_runs(
            world, state, policy, cmd=("true",), **attrs.asdict(ADMITTED, recurse=False)
        )
    else:
        container = await created(world)
    await update(container, cpu_shares=9, restart_policy=RestartPolicy("unless-stopped"))
    host_config = written(world).record.host_config
    assert (host_config.cpu_shares, host_config.restart_policy.name) == (9, "unless-stopped")
    assert world.host.asked("update") == []


async def test_a_policy_alone_is_nothing_for_the_runtime(world: World, autojump_clock: MockClock) -> None:
    container = await running(world)
    await update(container, restart_policy=RestartPolicy("on-failure", 1))
    assert world.host.asked("update") == []
    world.host.process.end(1)
    await container.cell.wait_for(lambda now: now.restart_count == 1 and now.running)


async def test_a_refusal_of_the_runtime_changes_nothing(world: World) -> None:
    container = await running(world)
    world.host.faults["update"] = RuntimeFailed("crun update", "device or resource busy")
    with refused(Failed, f"Cannot update container {container.id}: crun update: device or resource busy"):
        await update(container, cpu_shares=9)
    assert (container.snapshot.record.host_config.cpu_shares, world.actions) == (0, ["start"])


TAKEN_BACK: Final = {"cpu": {"shares": 1024}}  # as the kernel has it by itself
DOUBT: Final = attrs.evolve(ADMITTED, cpu_shares=9)


async def test_before_a_limit_is_changed_it_is_written_that_it_may_be(world: World) -> None:
    container = await running(world)
    updating = world.host.hold("update")
    promise = await begun(container, cpu_shares=9)
    await wait_all_tasks_blocked()
    assert (written(world).may_obey, written(world).record.host_config) == (DOUBT, ADMITTED)
    updating.set()
    await promise.outcome()
    assert (written(world).may_obey, written(world).record.host_config) == (None, DOUBT)


async def test_what_was_refused_half_way_is_taken_back(world: World) -> None:
    container = await running(world)
    world.host.faults["update"] = RuntimeFailed("crun update", "device or resource busy")
    with pytest.raises(Failed):
        await update(container, cpu_shares=9)
    assert [limits for _, limits in world.host.asked("update")] == [{"cpu": {"shares": 9}}, TAKEN_BACK]
    assert written(world).may_obey == DOUBT  # that was refused as well
    world.host.faults.clear()
    await update(container, restart_policy=RestartPolicy("always"))
    assert [limits for _, limits in world.host.asked("update")[2:]] == [TAKEN_BACK]
    assert written(world).may_obey is None


async def test_what_cannot_be_written_is_taken_back(world: World) -> None:
    container = await running(world)
    updating = world.host.hold("update")
    promise = await begun(container, cpu_shares=9)
    await wait_all_tasks_blocked()
    world.ledger.fails = Failed("full")
    updating.set()
    with pytest.raises(Failed, match="full"):
        await promise.outcome()
    assert [limits for _, limits in world.host.asked("update")] == [{"cpu": {"shares": 9}}, TAKEN_BACK]
    assert container.snapshot.record.host_config == ADMITTED
    world.ledger.fails = None
    await update(container, cpu_shares=7)  # which makes sure of the record first
    assert [limits for _, limits in world.host.asked("update")[2:]] == [TAKEN_BACK, {"cpu": {"shares": 7}}]
    assert written(world).may_obey is None


@pytest.mark.parametrize("state", [State.RUNNING, State.PAUSED, State.RESUMING])
async def test_a_new_engine_takes_back_what_an_old_one_had_not_finished(world: World, state: State) -> None:
    run = world.host.make_process()
    record = attrs.evolve(a_record(**WHOLE), runtime=RUNTIMES.lock("crun"))
    found = ContainerSnapshot(record, state, run, started_ns=1, may_obey=DOUBT).stored()
    world.containers.recover([found])
    await wait_all_tasks_blocked()
    assert [limits for _, limits in world.host.asked("update")] == [TAKEN_BACK]
    assert written(world).may_obey is None


async def test_a_runtime_that_refuses_is_asked_again_by_the_next_engine(world: World) -> None:
    run = world.host.make_process()
    record = attrs.evolve(a_record(**WHOLE), runtime=RUNTIMES.lock("crun"))
    found = ContainerSnapshot(record, State.RUNNING, run, started_ns=1, may_obey=DOUBT)
    await world.ledger.commit(Transaction(put=(as_record(found),)))
    world.host.faults["update"] = RuntimeFailed("crun update", "device or resource busy")
    world.containers.recover([found.stored()])
    await wait_all_tasks_blocked()
    assert written(world).may_obey == DOUBT
    assert [log["event"] for log in world.logs] == ["limits may not be as recorded"]


async def test_a_crash_of_the_actor_takes_back_what_it_was_at(
    world: World, autojump_clock: MockClock
) -> None:
    container = await running(world)
    updating = world.host.hold("update")
    await begun(container, cpu_shares=9)
    await wait_all_tasks_blocked()
    await container.mailbox.tell(CleanedUp())  # which nobody expects
    await trio.sleep(1)
    updating.set()
    await wait_all_tasks_blocked()
    assert world.host.asked("update")[-1][1] == TAKEN_BACK
    assert written(world).may_obey is None


async def test_a_change_that_outlives_its_run_does_not_touch_the_next(
    world: World, autojump_clock: MockClock
) -> None:
    container = await running(world)
    updating = world.host.hold("update")
    promise = await begun(container, cpu_shares=9)
    await container.mailbox.ask(Stop(10))
    await promise.outcome()  # whoever does not run has nothing to obey
    updating.set()
    await container.mailbox.ask(Start(RUNTIMES))
    await wait_all_tasks_blocked()
    assert len(world.host.asked("update")) == 1
    assert (written(world).may_obey, written(world).record.host_config.cpu_shares) == (None, 9)


async def test_options_that_conflict_are_refused_by_name(world: World) -> None:
    container = await running(world)
    with pytest.raises(Conflict, match=f"Cannot update container {container.id}: Memory limit should"):
        await update(container, memory=64 * MIB)


async def test_of_two_at_the_same_time_the_later_one_holds(world: World) -> None:
    container = await running(world)
    updating = world.host.hold("update")
    promises = [await begun(container, cpu_shares=shares) for shares in (8, 9)]
    await wait_all_tasks_blocked()
    assert len(world.host.asked("update")) == 1
    updating.set()
    for promise in promises:
        await promise.outcome()
    assert world.host.asked("update")[-1][1] == {"cpu": {"shares": 9}}
    assert container.snapshot.record.host_config.cpu_shares == 9


async def test_one_whose_client_leaves_before_its_turn_is_not_carried_out(world: World) -> None:
    container = await running(world)
    updating = world.host.hold("update")
    first, second = [await begun(container, cpu_shares=shares) for shares in (8, 9)]
    with trio.move_on_after(0):
        await second.outcome()
    updating.set()
    await first.outcome()
    await wait_all_tasks_blocked()
    assert len(world.host.asked("update")) == 1
    assert container.snapshot.record.host_config.cpu_shares == 8


async def test_an_update_waits_for_a_launch_which_has_read_what_there_was(world: World) -> None:
    container = await created(world)
    creating = world.host.hold("create")
    world.ask(container, Start(RUNTIMES))
    await world.reaches(container, State.STARTING)
    asked = world.ask(container, Update(HostConfig(cpu_shares=9), FACTS))
    await wait_all_tasks_blocked()
    assert asked.pending
    creating.set()
    await container.cell.wait_for(lambda now: now.record.host_config.cpu_shares == 9)
    assert len(world.host.asked("update")) == 1


async def test_a_process_started_meanwhile_obeys_too(world: World, autojump_clock: MockClock) -> None:
    container = await running(world)
    updating = world.host.hold("update")
    promise = await begun(container, cpu_shares=9)
    starting = world.ask(container, Restart(10, runtimes=RUNTIMES))
    await starting.answer()
    updating.set()
    await promise.outcome()
    assert container.snapshot.record.host_config.cpu_shares == 9
    assert world.host.asked("update")[-1][1] == {"cpu": {"shares": 9}}
    assert written(world).may_obey is None


async def test_a_runtime_that_hangs_keeps_nobody_from_removing_it(
    world: World, autojump_clock: MockClock
) -> None:
    container = await running(world)
    world.host.hold("update")
    promise = await begun(container, cpu_shares=9)
    await container.mailbox.ask(ForceRemove())
    await wait_all_tasks_blocked()
    assert promise.answered  # that it is done or refused, as the one or the other came first


async def test_what_is_being_removed_cannot_be_updated(world: World) -> None:
    container = await created(world)
    world.host.hold("delete")
    world.ask(container, ForceRemove())
    await world.reaches(container, State.REMOVING)
    text = 'container is marked for removal and cannot be "update"'
    with refused(Conflict, f"Cannot update container {container.id}: {text}"):
        await begun(container, cpu_shares=9)


async def test_a_restarting_container_that_is_told_not_to_is_started_once_more(
    world: World, autojump_clock: MockClock
) -> None:
    """As with dockerd: the policy says what follows an end, and that end has been."""
    host_config = attrs.asdict(ADMITTED, recurse=False)
    container = await between_runs(
        world, State.RESTARTING, RestartPolicy("always"), cmd=("true",), **host_config
    )
    await update(container, restart_policy=RestartPolicy("no"))
    await world.reaches(container, State.RUNNING)
    world.host.process.end(1)
    await world.reaches(container, State.EXITED)
    await trio.sleep(1000)
    assert len(starts(world)) == 2
