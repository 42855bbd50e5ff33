"""All containers together: how one is made, and how it is found."""

from __future__ import annotations

import secrets
from itertools import count

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from daemon.actors import containers as module
from daemon.actors.containers import Containers, new_id
from daemon.actors.supervision import Supervision
from daemon.errors import Conflict, EngineError, Failed, InvalidParameter, NotFound, Unavailable
from daemon.journal import Event, Hold, Transaction
from tests.unit.actors.fakes import FakeHost
from tests.unit.actors.world import IMAGE, World, a_record, refused
from tests.unit.fakes import FakeLedger
from tests.unit.runtimes.tables import RUNTIMES

A, B, C = ("a" * 64, "ab" + "0" * 62, "c" * 64)


async def test_a_container_is_found_by_id_name_and_unique_beginning(world: World) -> None:
    web, shop = await world.created("web", id=A), await world.created("shop", id=B)
    assert {world.containers.resolve(reference) for reference in (A, "web", "/web", "aa")} == {web}
    assert {world.containers.resolve(reference) for reference in (B, "shop", "ab")} == {shop}
    assert (list(world.containers), len(world.containers)) == ([web, shop], 2)


async def test_an_id_goes_before_a_name_and_a_name_before_a_beginning(world: World) -> None:
    first, second = await world.created("cc", id=A), await world.created(A, id=C)
    assert world.containers.resolve(A) is first
    assert world.containers.resolve("cc") is first
    assert world.containers.resolve("ccc") is second


async def test_a_beginning_of_several_is_refused(world: World) -> None:
    await world.created("web", id=A)
    await world.created("shop", id=B)
    with refused(InvalidParameter, "multiple IDs found with provided prefix: a"):
        world.containers.resolve("a")


@pytest.mark.parametrize("reference", ["nope", "", "/", "b", "a" * 65, "//web", "WEB"])
async def test_what_there_is_not_is_not_found(world: World, reference: str) -> None:
    await world.created("web", id=A)
    with refused(NotFound, f"No such container: {reference}"):
        world.containers.resolve(reference)


async def test_a_container_is_on_disk_before_it_is_shown(world: World) -> None:
    container = await world.created()
    [transaction] = world.ledger.history
    assert [record.id for record in transaction.put] == [container.id]
    assert transaction.hold == (Hold("container", container.id, "image", IMAGE),)
    assert world.ledger.names("container") == {"web": container.id}
    assert [event.action for event in transaction.events] == ["create"]


async def test_a_taken_name_makes_no_container(world: World) -> None:
    first = await world.created("web")
    with pytest.raises(
        Conflict, match=f'The container name "/web" is already in use by container "{first.id}"'
    ):
        await world.created("web")
    assert list(world.containers) == [first]


async def test_two_that_want_a_name_at_once_do_not_both_get_it(world: World) -> None:
    outcomes: list[str] = []

    async def create() -> None:
        try:
            await world.created("web")
        except Conflict:
            outcomes.append("refused")
        else:
            outcomes.append("made")

    async with trio.open_nursery() as clients:
        for _ in range(3):
            clients.start_soon(create)
    assert sorted(outcomes) == ["made", "refused", "refused"]


async def test_a_container_without_a_name_is_given_one(world: World) -> None:
    container = await world.created("")
    name = container.snapshot.record.name
    assert "_" in name
    assert world.containers.resolve(name) is container


async def test_an_invented_name_that_is_taken_is_invented_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "invented_name", lambda: "bold_cook")
    await world.created("")
    container = await world.created("", id=A)
    assert container.snapshot.record.name == "bold_cook_aaaaaa"


async def test_an_image_that_is_gone_makes_no_container(world: World) -> None:
    with refused(NotFound, "No such image: busybox"):
        await world.created("web", image_id="sha256:gone")
    assert (list(world.containers), world.ledger.names("container")) == ([], {})


async def test_a_disk_that_refuses_makes_no_container(world: World) -> None:
    world.ledger.fails = Failed("full")
    with refused(Failed, "full"):
        await world.created("web")
    assert list(world.containers) == []


async def test_a_bug_while_making_one_is_told_and_not_tried_again(world: World) -> None:
    world.ledger.fails = ZeroDivisionError("a bug of ours")
    with refused(Unavailable, "the engine ended before the container was made"):
        await world.created("web")
    world.ledger.fails = None
    await wait_all_tasks_blocked()
    assert list(world.containers) == []
    assert [entry["event"] for entry in world.logs] == ["task crashed"]


class SlowLedger(FakeLedger):
    """A ledger that takes its time, until `go` is set."""

    go: trio.Event

    async def commit(self, transaction: Transaction) -> tuple[Event, ...]:
        await self.go.wait()
        return await super().commit(transaction)


async def test_a_container_is_made_even_if_its_asker_leaves(nursery: trio.Nursery) -> None:
    ledger = SlowLedger()
    ledger.books = World(nursery).ledger.books
    ledger.go = trio.Event()
    containers = Containers(FakeHost(), ledger, Supervision(nursery), lambda: RUNTIMES)
    with trio.CancelScope() as asker:
        nursery.start_soon(_leave, asker)
        await containers.create(a_record("web"))
    ledger.go.set()
    await wait_all_tasks_blocked()
    assert containers.resolve("web").snapshot.record.name == "web"


async def _leave(asker: trio.CancelScope) -> None:
    await wait_all_tasks_blocked()
    asker.cancel()


async def test_the_end_of_the_engine_answers_whoever_makes_a_container(nursery: trio.Nursery) -> None:
    ledger = SlowLedger()
    ledger.go = trio.Event()
    errors: list[EngineError] = []

    async def create(containers: Containers) -> None:
        try:
            await containers.create(a_record("web"))
        except EngineError as error:
            errors.append(error)

    async with trio.open_nursery() as engine:
        nursery.start_soon(create, Containers(FakeHost(), ledger, Supervision(engine), lambda: RUNTIMES))
        await wait_all_tasks_blocked()
        engine.cancel_scope.cancel()
    await wait_all_tasks_blocked()
    assert [type(error) for error in errors] == [Unavailable]


def test_an_id_is_never_a_number_to_a_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short id is a host name, and one of digits only would be taken for an address."""
    offered = (f"{number}" * 64 if number < 3 else "b" * 64 for number in count(1))
    monkeypatch.setattr(secrets, "token_hex", lambda _: next(offered))
    assert new_id() == "b" * 64
