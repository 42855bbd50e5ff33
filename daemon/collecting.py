"""When Python looks for garbage in cycles of references: not during the start, and at nothing made in it.

A full look at all modules takes some 30 ms, in which nobody is answered; during a start such looks take a
tenth of its time.  What a start makes is there to stay.

Source: the documentation of Python's module gc, of `freeze`.
"""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def held_back() -> Generator[None, None, None]:
    """Look for nothing until `begin`, or the end; to be entered before the modules are loaded."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def begin() -> None:
    """Look for what becomes garbage from now on."""
    gc.freeze()
    gc.enable()
