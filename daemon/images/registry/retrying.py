"""How often and how soon what failed is tried again.

Only errors that say so (`transient`) are: no connection, 5xx, 429. Delays double; what a registry asks for
in `Retry-After` is granted up to a minute, and beyond that its refusal is passed on at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import count
from typing import Final, TypeVar

import trio

from daemon.images.registry.errors import RegistryError
from daemon.images.registry.repository import Notice, Retry

T = TypeVar("T")
FIRST_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 30.0
ASKED_FOR_SECONDS: Final = 60.0


async def retrying(attempts: int, call: Callable[[], Awaitable[T]], notice: Notice | None = None) -> T:
    """Return what `call` returns, at the latest after that many attempts.

    Raises:
        RegistryError: the last one's.

    """
    for failures in count(1):
        try:
            return await call()
        except RegistryError as error:
            if failures >= attempts:
                raise
            delay, failure = delay_after(error, failures), error
        await pause(delay, failure, notice)
    raise AssertionError  # there is no end to count


def delay_after(error: RegistryError, failures: int) -> float:
    """Return how long to wait after so many failures in a row.

    Raises:
        RegistryError: `error` itself, where waiting does not help.

    """
    if not error.transient:
        raise error
    if error.retry_after_seconds is not None:
        if error.retry_after_seconds > ASKED_FOR_SECONDS:
            raise error
        return error.retry_after_seconds
    return min(FIRST_SECONDS * 2.0 ** (failures - 1), LONGEST_SECONDS)


async def pause(delay_seconds: float, error: RegistryError, notice: Notice | None) -> None:
    """Tell whoever wants to know, and wait."""
    if notice is not None:
        notice(Retry(delay_seconds, str(error)))
    await trio.sleep(delay_seconds)
