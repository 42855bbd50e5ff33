from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
import trio
from structlog.testing import capture_logs

from tests.unit.actors.world import World


@pytest.fixture
async def world() -> AsyncGenerator[World, None]:
    """An engine over fakes, which a test takes together with the virtual clock if it looks at the time."""
    with capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            world = World(nursery, logs)
            yield world
            world.host.close()
            world.exec_host.close()
            nursery.cancel_scope.cancel()
