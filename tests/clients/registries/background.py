"""Servers written for trio, for tests that are not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from queue import SimpleQueue
from typing import TypeVar

import trio
from outcome import Error, Outcome, Value

T = TypeVar("T")


@contextmanager
def in_background(make: Callable[[], AbstractAsyncContextManager[T]]) -> Generator[T, None, None]:
    """Keep what `make` returns open in a thread of its own, until the block ends."""
    begun: SimpleQueue[Outcome[tuple[T, Callable[[], None]]]] = SimpleQueue()

    async def keep() -> None:
        ended = trio.Event()
        token = trio.lowlevel.current_trio_token()
        try:
            async with make() as thing:
                begun.put(Value((thing, lambda: token.run_sync_soon(ended.set))))
                await ended.wait()
        except Exception as error:
            begun.put(Error(error))

    thread = threading.Thread(target=trio.run, args=(keep,))
    thread.start()
    try:
        thing, end = begun.get().unwrap()
        try:
            yield thing
        finally:
            end()
    finally:
        thread.join()
