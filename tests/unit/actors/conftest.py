from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
import trio
from trio.testing import MockClock

from tests.unit.actors.world import World


@pytest.fixture
async def world(autojump_clock: MockClock) -> AsyncGenerator[World, None]:
    """An engine over fakes, on the virtual clock."""
    async with trio.open_nursery() as nursery:
        world = World(nursery)
        yield world
        world.host.close()
        world.exec_host.close()
        nursery.cancel_scope.cancel()
