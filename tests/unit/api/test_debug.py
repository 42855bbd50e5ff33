"""What every actor is doing, over HTTP: it can be had while all of them are stuck."""

from __future__ import annotations

from typing import Any, cast

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.actors.container.commands import Restart, Start, Stop
from daemon.actors.container.states import State
from daemon.actors.containers import Containers
from daemon.actors.engine import Engine
from daemon.actors.execs import Execs
from daemon.actors.mailbox import Command, Mailbox
from daemon.api.app import Application, make_app
from daemon.api.docker import debug
from daemon.api.timestamps import rfc3339
from daemon.model import ExecConfig
from tests.unit.actors.conftest import world as world
from tests.unit.actors.world import World
from tests.unit.runtimes.tables import RUNTIMES

QUIET = {
    "State": "idle",
    "Waiting": 0,
    "AtHand": None,
    "Open": [],
    "Stages": [],
    "Alive": True,
    "Crashes": 0,
    "LastCrash": None,
}


@attrs.frozen
class Owner:
    """Something with an actor."""

    mailbox: Mailbox


@attrs.frozen
class FakeEngine:
    """What these routes ask of an engine."""

    containers: Containers
    execs: Execs
    live: Owner = attrs.field(factory=lambda: Owner(Mailbox("configuration")))
    images: Owner = attrs.field(factory=lambda: Owner(Mailbox("images")))
    transfers: Owner = attrs.field(factory=lambda: Owner(Mailbox("transfers")))


@pytest.fixture
def engine(world: World) -> FakeEngine:
    engine = FakeEngine(world.containers, world.execs)
    for owner in (engine.live, engine.images, engine.transfers):
        world.containers.supervision.keep(owner.mailbox.name, trio.sleep_forever)
    return engine


@pytest.fixture
def app(engine: FakeEngine) -> Application:
    return make_app(cast("Engine", engine), [debug.routes])


async def shown(app: Application) -> dict[str, Any]:
    """Return the actors that are shown, by name."""
    document = await (await app.test_client().get("/debug/actors")).get_json()
    assert document.keys() == {"Actors", "Tasks"}
    return {actor.pop("Name"): actor for actor in document["Actors"]}


def messages(actor: dict[str, Any]) -> list[tuple[str, bool, bool]]:
    return [(one["Message"], one["Postponed"], one["Abandoned"]) for one in actor["Open"]]


async def test_actors_that_have_nothing_to_do_are_shown_too(app: Application, world: World) -> None:
    container = await world.running()
    session = await world.execs.create(container, ExecConfig(cmd=("true",)))
    await wait_all_tasks_blocked()
    assert await shown(app) == {
        "configuration": QUIET,
        "images": QUIET,
        "transfers": QUIET,
        f"container {container.id}": QUIET | {"State": "running"},
        f"exec {session.id}": QUIET | {"State": "created"},
    }


async def test_a_message_at_hand_and_those_that_wait_behind_it(app: Application, world: World) -> None:
    container = await world.created()
    world.ledger.gate = trio.Event()
    starting = world.ask(container, Start(RUNTIMES))
    await wait_all_tasks_blocked()
    stopping = world.ask(container, Stop())
    await wait_all_tasks_blocked()
    actor = (await shown(app))[f"container {container.id}"]
    world.ledger.gate.set()
    await stopping.over.wait()
    await starting.over.wait()
    assert (actor["State"], actor["Waiting"]) == ("configured", 1)
    assert actor["AtHand"].keys() == {"Message", "Since"}
    assert messages(actor) == [("Start", False, False)]


async def test_open_and_postponed_requests_are_told_apart(
    app: Application, world: World, autojump_clock: MockClock
) -> None:
    container = await world.created()
    world.host.hold("create")
    world.ask(container, Start(RUNTIMES))
    await world.reaches(container, State.STARTING)
    later = world.ask(container, Restart(runtimes=RUNTIMES))
    await wait_all_tasks_blocked()
    name = f"container {container.id}"
    assert messages((await shown(app))[name]) == [("Start", False, False), ("Restart", True, False)]
    later.scope.cancel()
    await wait_all_tasks_blocked()
    assert messages((await shown(app))[name]) == [("Start", False, False), ("Restart", True, True)]
    await container.mailbox.ask(Stop())
    await world.reaches(container, State.EXITED)
    await wait_all_tasks_blocked()
    assert (await shown(app))[name] == QUIET | {"State": "exited"}


async def test_what_child_tasks_are_at_is_shown_with_its_deadline(
    app: Application, world: World, autojump_clock: MockClock
) -> None:
    world.host.obeys = frozenset()
    container = await world.running()
    world.ask(container, Stop(grace_seconds=10))
    await wait_all_tasks_blocked()
    (stage,) = container.stages
    assert stage.deadline_ns == stage.since_ns + 10 * 10**9
    assert (await shown(app))[f"container {container.id}"]["Stages"] == [
        {
            "Name": "the grace of the stop",
            "Since": rfc3339(stage.since_ns),
            "Deadline": rfc3339(stage.deadline_ns),
        }
    ]
    world.host.process.end(0)


@attrs.frozen
class Unknown(Command[None]):
    """What no table has."""


async def test_a_crash_is_shown_with_what_it_was(
    app: Application, world: World, engine: FakeEngine, autojump_clock: MockClock
) -> None:
    async def crash() -> None:
        await engine.live.mailbox.take()
        raise ZeroDivisionError("a bug of ours")

    name = "crasher"
    engine.live.mailbox.name = name
    engine.containers.supervision.keep(name, crash)
    world.nursery.start_soon(engine.live.mailbox.ask, Unknown())
    await wait_all_tasks_blocked()
    actor = (await shown(app))[name]
    assert (actor["State"], actor["Alive"], actor["Crashes"]) == ("busy", False, 1)
    assert actor["LastCrash"]["Error"] == "ZeroDivisionError('a bug of ours')"
    await trio.sleep(1)
    assert (await shown(app))[name]["Alive"]


async def test_what_is_made_is_shown_as_a_task(app: Application, world: World) -> None:
    world.ledger.gate = trio.Event()
    world.nursery.start_soon(world.created)
    await wait_all_tasks_blocked()
    document = await (await app.test_client().get("/debug/actors")).get_json()
    (task,) = document["Tasks"]
    assert task["Name"].startswith("create ")
    world.ledger.gate.set()
