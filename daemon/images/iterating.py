"""Iterating over what may be a generator, and perhaps not to its end."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from typing import TypeVar

T = TypeVar("T")


@contextlib.asynccontextmanager
async def iterated(things: AsyncIterable[T]) -> AsyncGenerator[AsyncIterator[T], None]:
    """Lend an iterator over `things` that is finished with when the block ends."""
    iterator = aiter(things)
    try:
        yield iterator
    finally:
        if isinstance(iterator, AsyncGenerator):
            await iterator.aclose()
