"""Stopping the engine stops containers only if it was told to, and never takes longer than it may."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import attrs
import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from daemon.actors.configuration.value import Configuration
from daemon.actors.container.actor import Container
from daemon.actors.container.commands import Kill, Start, Stop
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.container.states import State
from daemon.actors.engine import Engine
from daemon.actors.mailbox import Mailbox, Request
from daemon.actors.published import Cell
from daemon.actors.stopping import KILL_SECONDS, stop_unless_live_restore
from daemon.errors import Conflict, EngineError, Failed, NotFound, NotModified
from daemon.settings import Settings
from tests.unit.actors.fakes import KILL, TERM
from tests.unit.actors.world import World, a_record
from tests.unit.runtimes.tables import RUNTIMES

SHUTDOWN_SECONDS = 15
FOR_EVER_SECONDS = 1000


@attrs.frozen
class FakeEngine:
    """What is asked of an engine that stops."""

    configuration: Configuration
    containers: Sequence[Container]


async def stopped(
    containers: Sequence[Container], *, live_restore: bool = False, within: int = SHUTDOWN_SECONDS
) -> None:
    settings = Settings(live_restore=live_restore, shutdown_timeout_seconds=within)
    engine = FakeEngine(Configuration(settings, RUNTIMES), containers)
    with trio.fail_after(FOR_EVER_SECONDS):
        await stop_unless_live_restore(cast("Engine", engine))


async def test_with_live_restore_nothing_is_stopped(world: World, autojump_clock: MockClock) -> None:
    container = await world.running()
    await stopped([container], live_restore=True)
    await trio.sleep(60)
    assert (container.snapshot.running, world.host.asked("signal")) == (True, [])


async def test_without_it_all_are_stopped_at_once(world: World, autojump_clock: MockClock) -> None:
    containers = [await world.running(name) for name in ("a", "b")]
    containers += [await world.paused("c"), await world.created("d")]
    await stopped(containers)
    assert [container.snapshot.running for container in containers] == [False] * 4
    assert containers[3].snapshot.state is State.CONFIGURED
    assert world.host.asked("signal") == [(0, TERM)] * 3
    assert sorted(world.actions).count("stop") == 3
    assert world.now == 0


async def test_each_is_given_its_own_grace(world: World, autojump_clock: MockClock) -> None:
    world.host.obeys = frozenset({KILL})
    containers = [await world.running("a", stop_timeout=3), await world.running("b", stop_timeout=7)]
    await stopped(containers)
    assert world.host.asked("signal") == [(0, TERM), (0, TERM), (3, KILL), (7, KILL)]
    assert world.now == 7


async def test_who_does_not_obey_within_the_time_is_killed(world: World, autojump_clock: MockClock) -> None:
    world.host.obeys = frozenset({KILL})
    container = await world.running()
    await stopped([container], within=7)
    assert world.host.asked("signal") == [(0, TERM), (7, KILL)]
    assert not container.snapshot.running


async def test_a_longer_time_of_its_own_is_one_containers_alone(
    world: World, autojump_clock: MockClock
) -> None:
    world.host.obeys = frozenset({KILL})
    containers = [await world.running("a", stop_timeout=60), await world.running("b")]
    await stopped(containers, within=7)
    assert world.host.asked("signal") == [(0, TERM), (0, TERM), (7, KILL), (60, KILL)]


async def test_one_that_is_never_to_be_killed_is_waited_for(world: World, autojump_clock: MockClock) -> None:
    world.host.obeys = frozenset()
    container = await world.running(stop_timeout=-1)
    with pytest.raises(trio.TooSlowError):
        await stopped([container])
    assert world.host.asked("signal") == [(0, TERM)]


@pytest.mark.parametrize(("own", "waited"), [(None, SHUTDOWN_SECONDS), (60, 60 + KILL_SECONDS)])
async def test_nobody_waits_for_ever_for_who_cannot_be_killed(
    world: World, autojump_clock: MockClock, own: int | None, waited: float
) -> None:
    world.host.obeys = frozenset()
    container = await world.running(stop_timeout=own)
    await stopped([container])
    assert (world.now, container.snapshot.running) == (waited + KILL_SECONDS, True)


async def test_what_is_being_started_is_stopped_too(world: World, autojump_clock: MockClock) -> None:
    container = await world.created()
    world.host.hold("create")
    start = world.ask(container, Start(RUNTIMES))
    await world.reaches(container, State.STARTING)
    await stopped([container])
    assert not start.pending
    with pytest.raises(Conflict):
        await start.answer()
    assert (container.snapshot.running, container.snapshot.launching) == (False, False)


def one_that_refuses(nursery: trio.Nursery, error: EngineError, asked: list[object]) -> Container:
    """Return a container that says it runs, and whose actor refuses whatever it is asked."""
    record = a_record("broken")
    container = Container(
        record.id, Mailbox("broken"), Cell(ContainerSnapshot(record, State.RUNNING, started_ns=1))
    )

    async def refuse() -> None:
        while True:
            request = await container.mailbox.take()
            assert isinstance(request, Request)
            asked.append(request.command)
            request.refuse(error)

    nursery.start_soon(refuse)
    return container


async def test_one_that_fails_does_not_save_the_others(
    world: World, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    asked: list[object] = []
    broken = one_that_refuses(nursery, Failed("no"), asked)
    containers = [await world.running("a"), broken, await world.running("b")]
    with capture_logs() as logs:
        await stopped(containers)
    assert [found.snapshot.running for found in containers] == [False, True, False]
    assert asked == [Stop(by_hand=False), Kill(by_hand=False)]
    errors = [entry for entry in logs if entry["log_level"] == "error"]
    assert [(entry["container"], entry["reason"]) for entry in errors] == [(broken.id, "no")] * 2


@pytest.mark.parametrize("error", [Conflict("no"), NotFound("no"), NotModified("no")])
async def test_who_has_ended_by_itself_is_no_failure(
    nursery: trio.Nursery, autojump_clock: MockClock, error: EngineError
) -> None:
    with capture_logs() as logs:
        await stopped([one_that_refuses(nursery, error, [])])
    assert [entry for entry in logs if entry["log_level"] == "error"] == []
