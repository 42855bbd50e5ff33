"""Snapshots that anyone may read and wait for."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from daemon.actors.published import Cell, Registry


async def test_a_waiter_gets_the_first_snapshot_it_likes(nursery: trio.Nursery) -> None:
    cell, seen = Cell(0), []

    async def wait(least: int) -> None:
        seen.append((least, await cell.wait_for(lambda current: current >= least)))

    for least in (1, 3):
        nursery.start_soon(wait, least)
    for snapshot in range(5):
        await wait_all_tasks_blocked()
        cell.publish(snapshot)
    await wait_all_tasks_blocked()
    assert sorted(seen) == [(1, 1), (3, 3)]


async def test_what_holds_already_is_not_waited_for() -> None:
    assert await Cell(7).wait_for(lambda current: current == 7) == 7


async def test_a_waiter_sees_the_last_of_several_snapshots(nursery: trio.Nursery) -> None:
    cell, seen = Cell(0), []

    async def wait() -> None:
        seen.append(await cell.wait_for(lambda current: current > 0))

    nursery.start_soon(wait)
    await wait_all_tasks_blocked()
    cell.publish(1)
    cell.publish(2)
    await wait_all_tasks_blocked()
    assert seen == [2]


def test_a_registry_keeps_the_order_and_finds_by_beginning() -> None:
    registry: Registry[str] = Registry()
    for object_id in ("b1", "a1", "a2"):
        registry.add(object_id, object_id.upper())
    assert (list(registry), len(registry)) == (["B1", "A1", "A2"], 3)
    assert (registry.get("a1"), registry.get("a")) == ("A1", None)
    assert registry.with_prefix("a") == ["A1", "A2"]
    registry.remove("a1")
    assert list(registry) == ["B1", "A2"]
    with pytest.raises(KeyError):
        registry.remove("a1")


def test_a_registry_may_change_while_it_is_read() -> None:
    registry: Registry[str] = Registry()
    for object_id in ("a", "b"):
        registry.add(object_id, object_id)
    reading = iter(registry)
    registry.remove(next(reading))
    assert list(reading) == ["b"]
