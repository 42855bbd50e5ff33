"""What one container's networks need to know of other containers."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.actors.container.attachments import Attachments
from daemon.actors.container.commands import Kill
from daemon.actors.container.networking.others import CLEARED_SECONDS, OtherContainers
from daemon.errors import Conflict, NotFound
from tests.unit.actors.attaching import a_place
from tests.unit.actors.world import World


@pytest.fixture
def others(world: World) -> OtherContainers:
    world.host.attachments = Attachments((a_place("bridge"),))
    return OtherContainers(world.containers)


async def test_a_link_leads_to_the_address_on_the_bridge(world: World, others: OtherContainers) -> None:
    container = await world.running()
    assert others.link("/web") == ("172.18.0.2", container.id[:12], "web")


async def test_a_link_leads_to_what_runs(world: World, others: OtherContainers) -> None:
    await world.created()
    with pytest.raises(Conflict, match="Cannot link to a non running container: /web"):
        others.link("web")
    with pytest.raises(NotFound, match="No such container: nobody"):
        others.link("nobody")


async def test_there_is_no_address_on_other_networks(world: World, others: OtherContainers) -> None:
    world.host.attachments = Attachments((a_place("home"),))
    await world.running()
    with pytest.raises(Conflict):
        others.link("web")


async def test_what_is_being_cleared_away_is_waited_for(world: World, others: OtherContainers) -> None:
    container = await world.running()
    gate = world.host.hold("clean_up")
    await container.mailbox.ask(Kill())
    answers: list[bool] = []

    async def wait() -> None:
        answers.append(await others.cleared(container.id))

    world.nursery.start_soon(wait)
    await wait_all_tasks_blocked()
    assert answers == []
    gate.set()
    await wait_all_tasks_blocked()
    assert answers == [True]


async def test_but_not_for_ever(world: World, others: OtherContainers, autojump_clock: MockClock) -> None:
    container = await world.running()
    world.host.hold("clean_up")
    await container.mailbox.ask(Kill())
    began = trio.current_time()
    assert not await others.cleared(container.id)
    assert trio.current_time() - began == CLEARED_SECONDS


async def test_nobody_is_waited_for_who_runs_or_is_not_there(world: World, others: OtherContainers) -> None:
    container = await world.running()
    assert not await others.cleared(container.id)
    assert not await others.cleared("")
    assert not await others.cleared("f" * 64)
