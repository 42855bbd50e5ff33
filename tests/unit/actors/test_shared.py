"""Answers that are worked out once for all who ask meanwhile."""

from __future__ import annotations

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from daemon.actors.shared import Shared

SECONDS = 10


@attrs.define
class Work:
    """Takes its time, and counts how often it was begun."""

    begun: int = 0

    async def __call__(self) -> int:
        self.begun += 1
        number = self.begun
        await trio.sleep(SECONDS)
        return number


async def test_who_asks_meanwhile_gets_the_same_answer_at_the_same_time(autojump_clock: MockClock) -> None:
    work, got = Work(), list[tuple[int, float]]()
    shared, began = Shared(work), trio.current_time()

    async def ask() -> None:
        got.append((await shared.get(), trio.current_time() - began))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ask)
    assert got == [(1, SECONDS)] * 5


async def test_who_asks_afterwards_gets_a_new_one(autojump_clock: MockClock) -> None:
    shared = Shared(Work())
    assert [await shared.get(), await shared.get()] == [1, 2]


async def test_when_the_first_leaves_the_next_goes_on(autojump_clock: MockClock) -> None:
    work, got = Work(), list[int]()
    shared = Shared(work)

    async def ask() -> None:
        got.append(await shared.get())

    async with trio.open_nursery() as nursery:
        first = trio.CancelScope()

        async def leave() -> None:
            with first:
                await shared.get()

        nursery.start_soon(leave)
        await wait_all_tasks_blocked()
        nursery.start_soon(ask)
        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        first.cancel()
    assert (got, work.begun) == ([2, 2], 2)


async def test_a_failure_is_told_to_each(autojump_clock: MockClock) -> None:
    async def fail() -> None:
        raise OSError("the disk")

    shared = Shared(fail)
    for _ in range(2):
        with pytest.raises(OSError, match="the disk"):
            await shared.get()
