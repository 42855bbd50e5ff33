"""A container is probed while it runs, and what that shows is committed before it is told."""

from __future__ import annotations

from typing import Any, Final

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.actors.container.actor import Container, as_record
from daemon.actors.container.commands import Kill, Pause, Restart, Start, Stop, Unpause
from daemon.actors.container.health import Health, HealthStatus
from daemon.actors.container.probing import Probing
from daemon.actors.container.snapshot import ContainerSnapshot, Stored
from daemon.actors.container.states import State
from daemon.actors.mailbox import Mailbox
from daemon.actors.published import Cell
from daemon.errors import Failed
from daemon.journal import Name, Transaction
from daemon.model import Healthcheck, RestartPolicy
from daemon.runtimes.base import ProbeOutcome, Run
from daemon.runtimes.table import LockedRuntime
from daemon.wire import parse_record
from tests.unit.actors.fakes import KILL, FakeHost
from tests.unit.actors.world import World, a_record
from tests.unit.runtimes.tables import RUNTIMES

SECOND: Final = 1_000_000_000
EVERY_TEN: Final = Healthcheck(("CMD", "true"), interval=10 * SECOND, timeout=2 * SECOND, retries=2)
LOCKED: Final = LockedRuntime("crun", "/usr/bin/crun", "/usr/bin/crun")
RUN: Final = Run(4711, 1, 4710, 1)
STARTING, HEALTHY, UNHEALTHY = HealthStatus.STARTING, HealthStatus.HEALTHY, HealthStatus.UNHEALTHY


async def probed(world: World, **changes: Any) -> Container:
    """Run a container that is probed every ten seconds."""
    return await world.running(**{"healthcheck": EVERY_TEN, **changes})


def health(container: Container) -> Health:
    found = container.snapshot.health
    assert found is not None
    return found


def at(world: World) -> list[float]:
    """Return when the host was asked to probe."""
    return [when for when, _ in world.host.asked("probe")]


def outcomes(world: World, *exit_codes: int | None) -> None:
    world.host.outcomes = [ProbeOutcome(code) for code in exit_codes]


async def test_the_first_probe_comes_after_one_interval(world: World, autojump_clock: MockClock) -> None:
    container = await probed(world)
    assert health(container) == Health(STARTING)
    await trio.sleep(9.9)
    assert (at(world), health(container)) == ([], Health(STARTING))
    await trio.sleep(0.2)
    assert world.host.asked("probe") == [(10, 2.0)]
    assert (health(container).status, len(health(container).log)) == (HEALTHY, 1)


async def test_an_interval_lasts_from_the_end_of_a_probe(world: World, autojump_clock: MockClock) -> None:
    await probed(world)
    gate = world.host.hold("probe")
    await trio.sleep(13)
    del world.host.gates["probe"]
    gate.set()
    await trio.sleep(11)
    assert at(world) == [10, 23]


async def test_there_is_one_probe_at_a_time_however_long_it_takes_to_be_gone(
    world: World, autojump_clock: MockClock
) -> None:
    outcomes(world, None)
    container = await probed(world)
    gate = world.host.hold("probe ends")
    await trio.sleep(100)
    assert (at(world), world.host.probing) == ([10], 1)
    assert health(container).failing_streak == 1  # reported long before
    gate.set()
    await trio.sleep(11)
    assert at(world) == [10, 110]


async def test_only_a_change_of_the_status_is_an_event(world: World, autojump_clock: MockClock) -> None:
    outcomes(world, 0, 0, 1, 0, 1, 1, 1, 0)
    await probed(world)
    await trio.sleep(85)
    assert len(at(world)) == 8
    assert world.actions == [
        "start",
        *("health_status: healthy", "health_status: unhealthy", "health_status: healthy"),
    ]


async def test_a_probe_that_changes_nothing_is_not_written(world: World, autojump_clock: MockClock) -> None:
    outcomes(world, 0, 0, 1, 0)
    await probed(world)
    await trio.sleep(15)
    before = len(world.ledger.history)
    await trio.sleep(30)
    assert (len(at(world)), len(world.ledger.history)) == (4, before)


async def test_a_change_is_shown_when_it_is_on_disk(world: World, autojump_clock: MockClock) -> None:
    container = await probed(world)
    world.ledger.gate = trio.Event()
    await trio.sleep(11)
    assert health(container).status is STARTING
    world.ledger.gate.set()
    await trio.sleep(0.1)
    assert health(container).status is HEALTHY


async def test_a_full_disk_delays_the_event_and_not_the_truth(
    world: World, autojump_clock: MockClock
) -> None:
    container = await probed(world)
    world.ledger.fails = Failed("full")
    await trio.sleep(11)
    assert (health(container).status, world.actions) == (HEALTHY, ["start"])
    world.ledger.fails = None
    await trio.sleep(10)
    assert world.actions == ["start", "health_status: healthy"]


@pytest.mark.parametrize("check", [None, Healthcheck(("NONE",)), Healthcheck(interval=SECOND)])
async def test_a_container_without_a_check_is_not_probed(
    world: World, autojump_clock: MockClock, check: Healthcheck | None
) -> None:
    container = await probed(world, healthcheck=check)
    await trio.sleep(100)
    assert (container.snapshot.health, at(world)) == (None, [])


async def test_what_is_paused_is_not_probed_and_keeps_its_health(
    world: World, autojump_clock: MockClock
) -> None:
    container = await probed(world)
    await trio.sleep(15)
    await container.mailbox.ask(Pause())
    await trio.sleep(100)
    assert (at(world), health(container).status) == ([10], HEALTHY)
    await container.mailbox.ask(Unpause())
    await trio.sleep(11)
    assert at(world) == [10, 125]


@pytest.mark.parametrize("command", [Pause(), Stop(-1), Kill()])
async def test_a_probe_under_way_is_broken_off_and_says_nothing(
    world: World, autojump_clock: MockClock, command: Pause | Stop | Kill
) -> None:
    world.host.obeys = frozenset({KILL})
    container = await probed(world)
    world.host.hold("probe")
    await trio.sleep(11)
    assert world.host.probing == 1
    world.ask(container, command)
    await wait_all_tasks_blocked()
    assert (world.host.probing, health(container).log) == (0, ())
    world.host.process.end(0)


async def test_a_container_that_has_ended_is_not_well_without_an_event(
    world: World, autojump_clock: MockClock
) -> None:
    container = await probed(world)
    await trio.sleep(15)
    world.host.process.end(0)
    await world.reaches(container, State.EXITED)
    await trio.sleep(100)
    assert (health(container).status, at(world)) == (UNHEALTHY, [10])
    assert world.actions == ["start", "health_status: healthy", "die"]


@pytest.mark.parametrize("again", [Start(RUNTIMES), Restart(runtimes=RUNTIMES)])
async def test_each_start_begins_anew(
    world: World, autojump_clock: MockClock, again: Start | Restart
) -> None:
    container = await probed(world)
    await trio.sleep(15)
    if isinstance(again, Start):
        await container.mailbox.ask(Stop(10))
    await container.mailbox.ask(again)
    assert health(container) == Health(STARTING)
    await trio.sleep(11)
    assert at(world) == [10, 25]


async def test_so_does_a_start_by_the_restart_policy(world: World, autojump_clock: MockClock) -> None:
    container = await probed(world, restart_policy=RestartPolicy("always"))
    await trio.sleep(15)
    world.host.process.end(1)
    await world.reaches(container, State.RESTARTING)
    assert health(container).status is UNHEALTHY
    await world.reaches(container, State.RUNNING)
    assert health(container) == Health(STARTING)


@pytest.mark.parametrize("told", [STARTING, HEALTHY, UNHEALTHY])
async def test_a_new_engine_goes_on_probing_from_what_was_last_told(
    world: World, autojump_clock: MockClock, told: HealthStatus
) -> None:
    world.host.knows(RUN)
    record = attrs.evolve(a_record(healthcheck=EVERY_TEN), runtime=LOCKED)
    before = ContainerSnapshot(record, State.RUNNING, RUN, started_ns=1, health=Health(told, 1))
    name = Name("container", "web", before.id)
    await world.ledger.commit(Transaction(put=(as_record(before),), names=(name,)))
    [written] = world.ledger.records("container")
    world.containers.recover([parse_record(written.body, Stored)])
    container = world.containers.resolve("web")
    assert health(container) == Health(told)
    await trio.sleep(11)
    assert (at(world), health(container).status) == ([10], HEALTHY)
    assert world.actions == ([] if told is HEALTHY else ["health_status: healthy"])


async def test_many_containers_probe_each_in_its_own_phase(world: World, autojump_clock: MockClock) -> None:
    for number in range(20):
        await probed(world, name=f"c{number}")
        await trio.sleep(0.1)
    await trio.sleep(30)
    assert len(set(at(world))) == len(at(world)) >= 40


async def test_one_that_hangs_holds_up_no_other(world: World, autojump_clock: MockClock) -> None:
    await probed(world, name="stuck")
    gate = world.host.hold("probe")
    await trio.sleep(11)
    del world.host.gates["probe"]
    other = await probed(world, name="other")
    await trio.sleep(11)
    assert health(other).status is HEALTHY
    gate.set()


async def test_the_start_period_is_counted_from_the_start(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    check = Healthcheck(
        ("CMD", "true"), interval=30 * SECOND, start_period=20 * SECOND, start_interval=6 * SECOND
    )
    host, begin = FakeHost(), trio.current_time()
    running = ContainerSnapshot(a_record(healthcheck=check), State.RUNNING, RUN, health=Health(STARTING))
    mailbox = Mailbox("web")

    def now_ns() -> int:
        return int((trio.current_time() - begin) * SECOND)

    nursery.start_soon(Probing(Cell(running), mailbox, host, now_ns).run)
    for _ in range(5):
        await mailbox.take()
    assert [when for when, _ in host.asked("probe")] == [6, 12, 18, 24, 54]
    nursery.cancel_scope.cancel()
