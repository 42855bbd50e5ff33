"""Which events each thing that happens to a container leaves, and in which order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import attrs
import pytest
from trio.testing import MockClock

from daemon.actors.container.actor import Container
from daemon.actors.container.changes import changed
from daemon.actors.container.commands import (
    Attach,
    ForceRemove,
    Kill,
    Pause,
    Remove,
    Restart,
    Start,
    Stop,
    Unpause,
)
from daemon.actors.container.events import Transition, events_of
from daemon.actors.container.reports import Exited, Lost, Relapsed
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.container.states import State
from daemon.runtimes.base import Exit
from tests.unit.actors.fakes import KILL
from tests.unit.actors.world import World, a_record
from tests.unit.runtimes.tables import RUNTIMES

Story = Callable[[World, Container], Awaitable[None]]


async def run_and_remove(world: World, container: Container) -> None:
    await container.mailbox.ask(Attach())
    await container.mailbox.ask(Start(RUNTIMES))
    world.host.process.end(0)
    await world.reaches(container, State.EXITED)
    await container.mailbox.ask(Remove())


async def stop(world: World, container: Container) -> None:
    await container.mailbox.ask(Start(RUNTIMES))
    await container.mailbox.ask(Stop(10))


async def stop_by_force(world: World, container: Container) -> None:
    world.host.obeys = frozenset({KILL})
    await container.mailbox.ask(Start(RUNTIMES))
    await container.mailbox.ask(Stop(10))


async def stop_paused(world: World, container: Container) -> None:
    await container.mailbox.ask(Start(RUNTIMES))
    await container.mailbox.ask(Pause())
    await container.mailbox.ask(Stop(10))


async def restart(world: World, container: Container) -> None:
    await container.mailbox.ask(Start(RUNTIMES))
    await container.mailbox.ask(Restart(10, runtimes=RUNTIMES))


async def restart_at_rest(world: World, container: Container) -> None:
    await container.mailbox.ask(Restart(10, runtimes=RUNTIMES))


async def kill(world: World, container: Container) -> None:
    await container.mailbox.ask(Start(RUNTIMES))
    await container.mailbox.ask(Kill())


async def remove_by_force(world: World, container: Container) -> None:
    await container.mailbox.ask(Start(RUNTIMES))
    await container.mailbox.ask(ForceRemove())


async def pause(world: World, container: Container) -> None:
    await container.mailbox.ask(Start(RUNTIMES))
    await container.mailbox.ask(Pause())
    await container.mailbox.ask(Unpause())


async def run_out_of_memory(world: World, container: Container) -> None:
    await container.mailbox.ask(Start(RUNTIMES))
    world.host.process.end(137, oom_killed=True)
    await world.reaches(container, State.EXITED)


async def be_lost(world: World, container: Container) -> None:
    await container.mailbox.ask(Start(RUNTIMES))
    world.host.process.lose()
    await world.reaches(container, State.EXITED)


STORIES: Final[list[tuple[Story, list[str]]]] = [
    (run_and_remove, ["attach", "start", "die", "destroy"]),
    (stop, ["start", "kill(15)", "die", "stop"]),
    (stop_by_force, ["start", "kill(15)", "kill(9)", "die", "stop"]),
    (stop_paused, ["start", "pause", "kill(15)", "die", "stop"]),
    (restart, ["start", "kill(15)", "die", "stop", "start", "restart"]),
    (restart_at_rest, ["start", "restart"]),
    (kill, ["start", "kill(9)", "die"]),
    (remove_by_force, ["start", "kill(9)", "die", "destroy"]),
    (pause, ["start", "pause", "unpause"]),
    (run_out_of_memory, ["start", "oom", "die"]),
    (be_lost, ["start", "die"]),
]


@pytest.mark.parametrize(("story", "expected"), STORIES, ids=lambda value: getattr(value, "__name__", ""))
async def test_each_story_leaves_its_events_in_order(
    world: World, autojump_clock: MockClock, story: Story, expected: list[str]
) -> None:
    await story(world, await world.created())
    assert world.actions == expected


async def test_every_event_names_the_container_its_image_and_its_labels(world: World) -> None:
    container = await world.running(labels={"tier": "front"})
    await container.mailbox.ask(Stop(10))
    common = {"tier": "front", "image": "busybox", "name": "web"}
    assert all(event.attributes.items() >= common.items() for event in world.ledger.events)
    assert {(event.type, event.actor_id) for event in world.ledger.events} == {("container", container.id)}


@pytest.mark.parametrize("finish", ["end", "lose"])
async def test_a_die_event_tells_the_exit_code(world: World, finish: str) -> None:
    container = await world.running()
    world.host.process.end(7) if finish == "end" else world.host.process.lose()
    await world.reaches(container, State.EXITED)
    attributes = world.ledger.events[-1].attributes
    assert attributes["exitCode"] == {"end": "7", "lose": "255"}[finish]
    assert attributes["execDuration"] == "0"


def test_a_die_event_tells_how_long_the_run_was_in_whole_seconds() -> None:
    before = attrs.evolve(ContainerSnapshot(a_record(), State.RUNNING), started_ns=1_000_000_000)
    message = Exited(Exit(0), 4_999_999_999)
    after = changed(before, State.STOPPED, message, 0)
    [event] = events_of(Transition(before, after, message, (), set()))
    assert event.attributes["execDuration"] == "3"


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("relapsed", [False, True])
@pytest.mark.parametrize("end", [Exited, Lost])
def test_an_end_that_was_found_at_recovery_is_told_as_such(
    end: Callable[..., Exited | Lost], relapsed: bool, late: bool
) -> None:
    before = ContainerSnapshot(a_record(), State.RUNNING)
    found = end(Exit(0), 1, late) if end is Exited else end(1, late)
    message = Relapsed(found) if relapsed else found
    after = changed(before, State.RELAPSED if relapsed else State.STOPPED, message, 0)
    [event] = events_of(Transition(before, after, message, (), set()))
    assert event.attributes.get("observedAtRecovery") == ("true" if late else None)


async def test_the_state_an_event_tells_of_is_written_with_it(world: World) -> None:
    """Whoever inspects on `start` must see it run, and on `die` must not, even after a power cut."""
    container = await world.running()
    world.host.process.end(0)
    await world.reaches(container, State.EXITED)
    states = {
        event.action: b'"state":"running"' in transaction.put[0].body.replace(b" ", b"")
        for transaction in world.ledger.history
        for event in transaction.events
    }
    assert states == {"create": False, "start": True, "die": False}
