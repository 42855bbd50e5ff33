"""What is there when the engine is up is never looked at again; what comes later is collected."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from daemon import collecting


class Cycle:
    """Something that only the collector can take away."""


def a_cycle() -> weakref.ref[Cycle]:
    made = Cycle()
    made.__dict__["itself"] = made
    return weakref.ref(made)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Leave the tests' own collector with all there is."""
    yield
    gc.unfreeze()


def test_nothing_is_looked_at_during_a_start() -> None:
    with collecting.held_back():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_what_was_there_is_left_alone_and_what_comes_later_is_not() -> None:
    with collecting.held_back():
        early = a_cycle()
        collecting.begin()
        late = a_cycle()
        assert gc.isenabled()
        gc.collect()
        assert (early() is None, late() is None) == (False, True)
