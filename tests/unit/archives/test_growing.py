from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.archives.growing import Growing, Progress
from daemon.errors import Failed


@pytest.fixture
def growing() -> Growing:
    from pathlib import Path

    return Growing(Path("/blob"))


async def test_a_reader_sees_where_the_file_is_now_and_then_each_change(
    growing: Growing, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    seen: list[Progress] = []

    async def follow() -> None:
        last = None
        while last is None or not last.is_complete:
            last = await growing.beyond(last)
            seen.append(last)

    growing.grown(3)
    nursery.start_soon(follow)
    await wait_all_tasks_blocked()
    growing.grown(5)
    growing.grown(7)  # nobody has looked in between
    await wait_all_tasks_blocked()
    growing.complete()
    await wait_all_tasks_blocked()
    assert seen == [Progress(3), Progress(7), Progress(7, is_complete=True)]


async def test_whoever_waits_learns_that_the_rest_will_never_come(
    growing: Growing, autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_break_soon, growing)
        with pytest.raises(Failed, match="the registry is gone"):
            await growing.beyond(await growing.beyond(None))
    with pytest.raises(Failed, match="the registry is gone"):
        await growing.beyond(None)


async def _break_soon(growing: Growing) -> None:
    await trio.sleep(1)
    growing.broken(Failed("the registry is gone"))
