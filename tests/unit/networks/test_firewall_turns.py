"""Calls to the kernel one after the other, with real threads."""

from __future__ import annotations

import threading

import trio
from trio.testing import wait_all_tasks_blocked

from daemon.networks.firewall.kernel import in_turn


async def test_a_call_that_nobody_waits_for_any_more_is_over_before_the_next_begins() -> None:
    turn, done = trio.CapacityLimiter(1), list[str]()
    began, gate = trio.Event(), threading.Event()

    def first() -> None:
        trio.from_thread.run_sync(began.set)
        gate.wait()
        done.append("first")

    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as patience:
            async with trio.open_nursery() as askers:
                askers.start_soon(in_turn, first, turn)
                await began.wait()
                patience.cancel()
        nursery.start_soon(in_turn, lambda: done.append("second"), turn)
        await wait_all_tasks_blocked()
        assert done == []
        gate.set()
    assert done == ["first", "second"]
