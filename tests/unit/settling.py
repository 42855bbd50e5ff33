"""Waiting until nothing goes on any more, for tests of what works in threads as well."""

from __future__ import annotations

from trio.testing import active_thread_count, wait_all_tasks_blocked, wait_all_threads_completed


async def settled() -> None:
    """Return when no task gets anywhere, and no thread is at work for one: to trio such a task is blocked."""
    await wait_all_tasks_blocked()
    while active_thread_count():
        await wait_all_threads_completed()
        await wait_all_tasks_blocked()
