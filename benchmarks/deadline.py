"""An end to work that hangs, wherever it does.

An engine under test may stop answering in the middle of anything, and not every wait here has a limit of
its own.  The alarm signal interrupts them all.
"""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager


class OutOfTime(Exception):
    """The work inside `within` took too long."""


@contextmanager
def within(seconds: int) -> Generator[None, None, None]:
    """Interrupt the block when it takes longer; for the main thread only, and not nested.

    Raises:
        OutOfTime: it did.
    """

    def interrupt(number: int, frame: object) -> None:
        raise OutOfTime(f"no end after {seconds} s")

    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
