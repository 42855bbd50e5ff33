"""Work that becomes pointless while it is being done is broken off, soon; other work is not."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from trio.testing import MockClock

from daemon.actors.container.commands import Kill, Start
from daemon.actors.container.states import State
from daemon.actors.exec.lifecycle import StartExec
from daemon.actors.seeing_out import PATIENCE_SECONDS, unless
from daemon.errors import Conflict
from daemon.model import ExecConfig
from tests.unit.actors.world import World
from tests.unit.runtimes.tables import RUNTIMES


async def work(seconds: float) -> str:
    await trio.sleep(seconds)
    return "done"


async def test_work_that_is_not_over_is_done(autojump_clock: MockClock) -> None:
    assert await unless(trio.sleep_forever, partial(work, 1000)) == "done"


async def test_work_that_has_become_pointless_may_still_end_by_itself(autojump_clock: MockClock) -> None:
    assert await unless(partial(trio.sleep, 10), partial(work, 10 + PATIENCE_SECONDS / 2)) == "done"


async def test_work_that_does_not_end_then_is_broken_off(autojump_clock: MockClock) -> None:
    began = trio.current_time()
    assert await unless(partial(trio.sleep, 10), partial(work, 1000)) is None
    assert trio.current_time() - began == 10 + PATIENCE_SECONDS


async def test_work_that_fails_fails_as_it_would_alone(autojump_clock: MockClock) -> None:
    async def fail() -> None:
        raise Conflict("no")

    with pytest.raises(Conflict, match="no"):
        await unless(trio.sleep_forever, fail)


async def test_what_is_killed_while_its_runtime_hangs_in_start_has_ended_soon(
    world: World, autojump_clock: MockClock
) -> None:
    container = await world.created()
    world.host.hold("start")
    world.ask(container, Start(RUNTIMES))
    await world.reaches(container, State.INITIALIZED)
    await container.mailbox.ask(Kill())
    assert world.now == PATIENCE_SECONDS
    assert container.snapshot.exit_code == 137


async def test_an_exec_that_hangs_fails_soon_after_its_container_has_ended(
    world: World, autojump_clock: MockClock
) -> None:
    container = await world.running()
    world.exec_host.hold("execute")
    session = await world.execs.create(container, ExecConfig(cmd=("true",)))
    with trio.fail_after(PATIENCE_SECONDS + 1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(container.mailbox.ask, Kill())
            with pytest.raises(Conflict, match=f"container {container.id} is not running"):
                await session.mailbox.ask(StartExec(attach=False, console_size=None))
